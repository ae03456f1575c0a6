"""Accounts are told of newer versions of templates that they have cloned: once, and no others."""

from typing import Any

import pytest

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import Channel
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.workflows import service as workflows

DOCUMENT: dict[str, Any] = {
    "name": "Greeting",
    "trigger": {"event": "tag_added", "parameters": {"tag": "lead"}},
    "steps": [{"id": "greet", "type": "create_task", "title": "Say hello"}],
}


def told(database: Database, account: Account) -> list[tuple[str, str]]:
    """Return event and workflow of every message of an account."""
    found = notifications.list_deliveries(database, account)["notifications"]
    return [(one["event"], one["workflow_id"]) for one in found]


@pytest.fixture
def agency(database: Database, account: Account) -> Account:
    """An agency with a template, and a channel."""
    made = accounts.create(database, f"{account.name}-agency", agency=True, actor="ann")
    workflows.create_from(database, made, DOCUMENT, actor="ann")
    templates.save(database, made, "Greeting", templates.Wanted(), actor="ann")
    notifications.add_channel(database, made, Channel.EMAIL, "ann@example.com", actor="ann")
    return made


@pytest.fixture
def sub_account(database: Database, agency: Account) -> Account:
    """A sub-account that the template is shared with, with a channel."""
    made = accounts.create(database, f"{agency.name}-sub", parent=agency, actor="ann")
    templates.share(database, agency, "Greeting", [made.name], actor="ann")
    notifications.add_channel(database, made, Channel.EMAIL, "bob@example.com", actor="bob")
    return made


def renewed(database: Database, account: Account, title: str) -> None:
    """Make a new version of the template."""
    step = {"id": "greet", "type": "create_task", "title": title}
    templates.update(
        database,
        account,
        "Greeting",
        templates.Wanted(),
        document={**DOCUMENT, "steps": [step]},
        actor="ann",
    )


def test_whoever_has_a_clone_is_told_of_a_new_version_once(
    database: Database, agency: Account, sub_account: Account
) -> None:
    own = templates.clone(database, agency, "Greeting", name="Own", actor="ann")
    theirs = templates.clone(database, sub_account, "Greeting", actor="bob")

    renewed(database, agency, "Say good morning")

    assert told(database, agency) == [("template_updated", str(own.stored.id))]
    assert told(database, sub_account) == [("template_updated", str(theirs.stored.id))]
    assert templates.tell_updates(database, sub_account) == 0
    renewed(database, agency, "Say good evening")
    assert len(told(database, sub_account)) == 2


def test_nobody_is_told_without_a_clone_or_once_it_is_no_longer_shared(
    database: Database, agency: Account, sub_account: Account
) -> None:
    templates.clone(database, sub_account, "Greeting", actor="bob")
    templates.unshare(database, agency, "Greeting", [sub_account.name], actor="ann")

    renewed(database, agency, "Say good morning")

    assert told(database, agency) == []
    assert told(database, sub_account) == []
    assert templates.tell_updates(database, sub_account) == 0


def test_an_archived_clone_is_told_of_nothing(database: Database, agency: Account) -> None:
    clone = templates.clone(database, agency, "Greeting", name="Own", actor="ann")
    workflows.archive(database, agency, str(clone.stored.id), actor="ann")

    renewed(database, agency, "Say good morning")

    assert told(database, agency) == []
