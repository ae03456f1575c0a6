"""`members`, `audit`, `prune`, and `list` by source and time: what programs and people read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.records import Account

Enroll = Callable[..., Any]


@pytest.fixture
def call(enroll: Enroll, account: Account) -> Enroll:
    """Run a command in the test's account."""
    return lambda *arguments: enroll(*arguments, "--account", account.name)


@pytest.fixture
def job(
    call: Enroll,
    account: Account,
    add_contacts: Callable[..., list[UUID]],
    add_workflow: Callable[..., UUID],
) -> str:
    """A job over three contacts, cancelled before it began."""
    add_contacts(account, 3)
    add_workflow(account)
    submitted = call("submit", "--workflow", "Welcome", "--filter", "{}", "--json").json
    return str(call("cancel", submitted["job_id"], "--json").json["job_id"])


@pytest.fixture
def close_ago(owner: Engine) -> Callable[[str, int], None]:
    """Let a job have been closed so many days ago, with a batch that is left of it."""

    def change(job_id: str, days: int) -> None:
        with owner.begin() as connection:
            connection.execute(
                text(
                    "update enrollment.enrollment_jobs "
                    "set completed_at = now() - :days * interval '1 day' where id = :job"
                ),
                {"job": job_id, "days": days},
            )
            connection.execute(
                text(
                    "insert into enrollment.enrollment_batches "
                    "(account_id, job_id, number, contact_ids, status) "
                    "select account_id, id, 1, '{}', 'cancelled' "
                    "from enrollment.enrollment_jobs where id = :job"
                ),
                {"job": job_id},
            )

    return change


def test_members_are_added_listed_and_removed(call: Enroll) -> None:
    added = call(
        "members", "add", "Ann", "--permission", "account:admin", "--permission", "workflow:edit",
        "--json",
    ).json  # fmt: skip
    assert added == {
        "name": "Ann",
        "permissions": ["workflow:edit", "account:admin"],
        "created_at": added["created_at"],
    }
    bob = call(
        "members", "add", "bob", "--permission", "workflow:manage", "--as", "ann", "--json"
    ).json
    assert call("members", "list", "--json").json == {
        "members": [added, bob],
        "total": 2,
        "account_open": False,
    }
    for name, is_open in (("bob", False), ("ann", True)):
        gone = call("members", "remove", name, "--as", "ANN", "--json").json
        assert gone["removed"]
        assert gone["account_open"] is is_open
    assert call("members", "list", "--json").json == {
        "members": [],
        "total": 0,
        "account_open": True,
    }


def test_members_are_told_to_people_too(call: Enroll) -> None:
    assert "it is open to everybody" in call("members", "list").out
    told = call("members", "add", "ann", "--permission", "account:admin").out
    assert told == "ann is a member with account:admin.\n"
    assert "account:admin" in call("members", "list").out
    gone = call("members", "remove", "ann", "--as", "ann").out
    assert gone.startswith("ann is no longer a member. It was the last one")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["add", "bob", "--permission", "workflow:manage", "--as", "bob"], 3, "FORBIDDEN"),
        (["add", "bob", "--permission", "fly", "--as", "ann"], 3, "INVALID_REQUEST"),
        (["add", "ann", "--permission", "workflow:edit", "--as", "ann"], 3, "INVALID_REQUEST"),
        (["add", "bob", "--as", "ann"], 2, "USAGE"),
        (["remove", "bob", "--as", "ann"], 3, "MEMBER_NOT_FOUND"),
        (["remove", "ann", "--as", "bob"], 3, "FORBIDDEN"),
    ],
)
def test_a_change_of_members_that_is_refused_says_why(
    call: Enroll, arguments: list[str], code: int, error: str
) -> None:
    call("members", "add", "ann", "--permission", "account:admin")

    answer = call("members", *arguments, "--json")

    assert (answer.code, answer.json["error"]["code"]) == (code, error)
    assert call("members", "list", "--json").json["total"] == 1


def test_the_audit_log_is_shown_and_filtered(call: Enroll, account: Account) -> None:
    call("members", "add", "ann", "--permission", "account:admin", "--as", "Root")
    call("accounts", "settings", "max_lanes=2", "--as", "ann")
    call("accounts", "settings", "max_lanes=3", "--as", "bob")

    found = call("audit", "--json").json

    assert (found["total"], found["page"]) == (3, 1)
    denied = found["entries"][0]
    assert denied == {
        "occurred_at": denied["occurred_at"],
        "actor": "bob",
        "action": "account.settings",
        "result": "denied",
        "subject": account.name,
        "details": denied["details"],
    }
    assert "account:admin" in denied["details"]["message"]
    for options, number in (
        (["--actor", "root"], 1),
        (["--action", "account.settings"], 2),
        (["--subject", "ann"], 1),
        (["--actor", "bob", "--subject", "ann"], 0),
    ):
        assert call("audit", *options, "--json").json["total"] == number
    second = call("audit", "--limit", "2", "--page", "2", "--json").json
    assert (second["entries"], second["page"]) == (found["entries"][2:], 2)
    told = call("audit").out
    assert '{"max_lanes": "2"}' in told
    assert "3 in all" in told


@pytest.mark.parametrize("command", [["list"], ["audit"], ["failures", "JOB"]])
def test_a_page_beyond_what_the_database_counts_is_refused(
    call: Enroll, job: str, command: list[str]
) -> None:
    arguments = [job if part == "JOB" else part for part in command]

    answer = call(*arguments, "--page", str(10**20), "--json")

    assert (answer.code, answer.json["error"]["code"]) == (3, "INVALID_REQUEST")
    assert call(*arguments, "--page", "1000000", "--json").code == 0


def test_jobs_are_listed_by_source_and_time(call: Enroll, job: str) -> None:
    today = datetime.now(UTC).date()
    now = datetime.now(UTC).isoformat()

    def listed(*options: object) -> list[str]:
        return [one["job_id"] for one in call("list", *options, "--json").json["jobs"]]

    assert listed("--source", "cli", "--since", today - timedelta(days=1)) == [job]
    assert listed("--source", "inbox") == []
    assert listed("--until", now, "--since", today - timedelta(days=1)) == [job]
    assert listed("--since", now) == []
    assert listed("--until", today - timedelta(days=2)) == []
    refused = call("list", "--since", "yesterday", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "INVALID_REQUEST")


def test_prune_tells_what_it_removes_first_without_doing_it(
    call: Enroll, job: str, close_ago: Callable[[str, int], None]
) -> None:
    close_ago(job, 91)
    before = call("status", job, "--json").json
    rows = {
        "selected_contacts": 0,
        "enrollment_batches": 1,
        "enrollment_failures": 0,
        "kept_inputs": 0,
        "notifications": 0,
    }

    foreseen = call("prune", "--dry-run", "--json").json
    assert foreseen == {"dry_run": True, "jobs": 1, "rows": rows}
    assert call("status", job, "--json").json == before

    assert call("prune", "--as", "ann", "--json").json == {**foreseen, "dry_run": False}
    after = call("status", job, "--json").json
    assert after == {**before, "pruned_at": after["pruned_at"]}
    (entry,) = call("audit", "--action", "history.prune", "--json").json["entries"]
    assert (entry["actor"], entry["subject"]) == ("ann", job)
    assert call("prune", "--json").json["jobs"] == 0


def test_people_read_what_was_pruned(
    call: Enroll, job: str, close_ago: Callable[[str, int], None]
) -> None:
    close_ago(job, 91)

    foreseen, done = call("prune", "--dry-run").out, call("prune").out

    assert "nothing was changed" in foreseen
    assert "nothing was changed" not in done
    assert "enrollment_batches" in done
    assert "Kept: 90 days of details" in done
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert f"0 are left; details of the job were removed on {today}" in call("failures", job).out
    assert f"removed on {today}, because they were old" in call("status", job).out
