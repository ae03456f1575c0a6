"""The audit log as it is read: order, filters, pages, and what other accounts see of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from enrollment_pipeline.accounts import members, service
from enrollment_pipeline.accounts.audit import list_audit
from enrollment_pipeline.errors import ForbiddenError, InvalidRequestError
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database


@pytest.fixture
def busy(database: Database, account: Account) -> Account:
    """An account in which four things were done, and one was refused."""
    members.add(database, account, "ann", ["account:admin"], actor="Root")
    members.add(database, account, "bob", ["workflow:edit"], actor="ann")
    service.change_settings(database, account, {"max_lanes": "2"}, actor="ANN")
    with pytest.raises(ForbiddenError):
        service.change_settings(database, account, {"max_lanes": "5"}, actor="bob")
    members.remove(database, account, "Bob", actor="ann")
    return account


def test_entries_are_told_newest_first_with_everything_about_them(
    database: Database, busy: Account
) -> None:
    found = list_audit(database, busy)

    told = [
        (one["actor"], one["action"], one["result"], one["subject"]) for one in found["entries"]
    ]
    assert told == [
        ("ann", "member.remove", "done", "bob"),
        ("bob", "account.settings", "denied", busy.name),
        ("ANN", "account.settings", "done", busy.name),
        ("ann", "member.add", "done", "bob"),
        ("Root", "member.add", "done", "ann"),
    ]
    assert [one["details"] for one in found["entries"]] == [
        {"permissions": ["workflow:edit"]},
        {"message": "'bob' lacks the permission account:admin."},
        {"max_lanes": "2"},
        {"permissions": ["workflow:edit"]},
        {"permissions": ["account:admin"]},
    ]
    for one in found["entries"]:
        occurred_at = datetime.fromisoformat(one["occurred_at"])
        assert occurred_at.utcoffset() == timedelta(0)
        assert datetime.now(UTC) - occurred_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ({}, 5),
        ({"actor": "Ann"}, 3),
        ({"actor": "an"}, 0),
        ({"action": "member.add"}, 2),
        ({"action": "member"}, 0),
        ({"subject": "bob"}, 2),
        ({"actor": "ann", "action": "member.add", "subject": "bob"}, 1),
        ({"actor": "bob", "subject": "ann"}, 0),
    ],
)
def test_entries_are_found_by_actor_action_and_subject(
    database: Database, busy: Account, wanted: dict[str, str], number: int
) -> None:
    found = list_audit(database, busy, **wanted)  # type: ignore[arg-type]

    assert (len(found["entries"]), found["total"]) == (number, number)


def test_pages_hold_every_entry_once(database: Database, busy: Account) -> None:
    pages = [list_audit(database, busy, limit=2, page=page) for page in (1, 2, 3, 4)]

    assert [len(page["entries"]) for page in pages] == [2, 2, 1, 0]
    assert [one for page in pages for one in page["entries"]] == (
        list_audit(database, busy)["entries"]
    )
    assert {page["total"] for page in pages} == {5}
    assert [page["page"] for page in pages] == [1, 2, 3, 4]


def test_a_page_that_there_is_not_is_refused(database: Database, account: Account) -> None:
    for limit, page in ((0, 1), (1, 0), (50, 2**62)):
        with pytest.raises(InvalidRequestError, match="no page"):
            list_audit(database, account, limit=limit, page=page)


def test_nobody_reads_the_audit_log_of_another_account(
    database: Database, busy: Account, make_account: Callable[..., Account]
) -> None:
    assert list_audit(database, make_account())["total"] == 0
