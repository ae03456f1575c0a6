"""Workflows for items as they are kept; whom one is for can be changed in a draft only."""

from collections.abc import Callable
from typing import Any

import pytest

from enrollment_pipeline.errors import InvalidWorkflowError, WrongSubjectError
from enrollment_pipeline.records import Account, Subject, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers import service as triggers
from enrollment_pipeline.workflows import service
from enrollment_pipeline.workflows.request import workflow_request
from enrollment_pipeline_tests.workflows.examples import Document, for_items, small

TRIGGER = {"event": "tag_added", "parameters": {"tag": "lead"}}
STEPS = [{"id": "tells", "type": "notify", "message": "A role"}]
ITEM = {"settings": {"subject": "item"}}


def create(database: Database, account: Account, document: object, **more: Any) -> service.Shown:
    return service.create_from(database, account, document, actor="ann", **more)


def edit(database: Database, account: Account, changes: object) -> service.Shown:
    return service.edit(database, account, "New roles", changes, actor="ann")


def of_items(**parts: object) -> Document:
    """A small document for items, which needs no integration."""
    return {"name": "New roles", "steps": STEPS, **ITEM, **parts}


def move(database: Database, account: Account, *moves: str) -> None:
    for one in moves:
        getattr(service, one)(database, account, "New roles", actor="ann")


def test_a_workflow_for_items_is_kept_as_it_was_given_and_can_be_activated(
    database: Database, account: Account
) -> None:
    service.connect(
        database, account, "role_service", {"url": "https://roles.example.com"}, actor="ann"
    )

    made = create(database, account, for_items(), active=True)

    assert made.document == for_items()
    assert made.problems == []
    assert (made.workflow.subject, made.workflow.status) == (Subject.ITEM, WorkflowStatus.ACTIVE)
    found = service.find(database, account, "new ROLES")
    assert found.subject is Subject.ITEM
    assert [one.workflow.subject for one in service.list_workflows(database, account)] == [
        Subject.ITEM
    ]


def test_without_its_integration_a_workflow_for_items_is_not_activated(
    database: Database, account: Account
) -> None:
    create(database, account, for_items())

    with pytest.raises(InvalidWorkflowError, match="role_service is not connected"):
        move(database, account, "activate")


# A draft


def test_a_draft_may_become_one_for_items_without_its_trigger_and_back(
    database: Database, account: Account
) -> None:
    create(database, account, small("New roles"))

    with pytest.raises(InvalidWorkflowError, match="trigger: a workflow for items has none"):
        edit(database, account, ITEM)
    changed = edit(database, account, {**ITEM, "trigger": None})
    assert changed.workflow.subject is Subject.ITEM
    assert changed.problems == []
    assert triggers.list_triggers(database, account)[1] == 0

    again = edit(database, account, {"settings": None, "trigger": TRIGGER})
    assert again.workflow.subject is Subject.CONTACT
    assert again.problems == []


def test_a_draft_without_steps_that_becomes_one_for_items_misses_them(
    database: Database, account: Account
) -> None:
    service.create(database, account, workflow_request(name="New roles"), actor="ann")

    changed = edit(database, account, ITEM)

    assert [one.path for one in changed.problems] == ["steps"]
    with pytest.raises(InvalidWorkflowError, match="a step that does something"):
        move(database, account, "activate")


def test_a_draft_for_items_gets_no_trigger(database: Database, account: Account) -> None:
    create(database, account, of_items())

    with pytest.raises(InvalidWorkflowError, match="trigger: a workflow for items has none"):
        edit(database, account, {"trigger": TRIGGER})


# Once it was active


@pytest.mark.parametrize("moves", [("activate",), ("activate", "pause")], ids=["active", "paused"])
@pytest.mark.parametrize(
    ("document", "changes", "told"),
    [
        (small("New roles"), {**ITEM, "trigger": None}, "takes contacts"),
        (of_items(), {"settings": None, "trigger": TRIGGER}, "takes items"),
    ],
    ids=["contacts", "items"],
)
def test_whom_a_workflow_is_for_stays_once_it_was_active(
    database: Database,
    account: Account,
    audit: Callable[[], list[dict[str, Any]]],
    document: Document,
    changes: Document,
    told: str,
    moves: tuple[str, ...],
) -> None:
    create(database, account, document)
    move(database, account, *moves)
    before = service.show(database, account, "New roles")

    with pytest.raises(WrongSubjectError, match=told) as refused:
        edit(database, account, changes)

    assert refused.value.code == "WRONG_SUBJECT"
    assert service.show(database, account, "New roles") == before
    assert "workflow.edit" not in [one["action"] for one in audit()]


def test_all_else_of_an_active_workflow_for_items_may_change(
    database: Database, account: Account
) -> None:
    create(database, account, of_items(), active=True)

    changed = edit(database, account, {"settings": {"subject": "item", "estimate": "1 hour"}})

    assert changed.document["settings"] == {"subject": "item", "estimate": "1 hour"}
