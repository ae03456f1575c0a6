"""`enrollment operations`: looking at operations, scheduling them, and taking hold of them."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.bulk_operations.states import OperationStatus, RowOutcome
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.instance import open_instance
from enrollment_pipeline.settings import Settings
from enrollment_pipeline_tests.cli.triggering import Call, answer

DOCS = Path(__file__).resolve().parents[2] / "docs"
NEVER = str(UUID(int=7))
TAGGED = ("update", "--filter", "{}", "--add-tag", "vip")


@pytest.fixture
def contacts(call: Call) -> Iterator[Call]:
    """Run a command of `contacts` in the test's account; nothing that waits stays behind."""
    yield lambda *arguments: call("contacts", *arguments)
    # A test of the queue sees the operations of all accounts.
    for one in answer(call, "operations", "list", "--status", "scheduled")["operations"]:
        again = ["--recurring"] if one["recurs"] else []
        answer(call, "operations", "cancel", one["operation_id"], *again)


@pytest.fixture
def operations(contacts: Call, call: Call) -> Call:
    """Run a command of the group in the test's account."""
    return lambda *arguments: call("operations", *arguments)


def test_what_is_done_here_is_a_run_of_its_partition(
    contacts: Call, account: Account, settings: Settings, add_contacts: Callable[..., list[UUID]]
) -> None:
    add_contacts(account, 1)

    done = answer(contacts, *TAGGED)

    with open_instance(settings) as instance:
        (record,) = instance.get_runs(
            dg.RunsFilter(tags={"enrollment/operation": done["operation_id"]})
        )
        assert (record.job_name, record.status) == ("bulk_operation", dg.DagsterRunStatus.SUCCESS)
        assert record.tags["dagster/partition"] == done["operation_id"]
        assert instance.has_dynamic_partition("bulk_operations", done["operation_id"])


def test_operations_are_listed_newest_first_by_type_and_state(
    contacts: Call, operations: Call
) -> None:
    asked = [
        answer(contacts, *command, "--queue")["operation_id"]
        for command in (("export",), TAGGED, ("delete", "--filter", "{}"))
    ]
    answer(operations, "cancel", asked[1])

    found = answer(operations, "list")
    assert [one["operation_id"] for one in found["operations"]] == asked[::-1]
    assert (found["total"], found["page"]) == (3, 1)
    of_type = answer(operations, "list", "--type", "export")
    assert [one["operation_id"] for one in of_type["operations"]] == [asked[0]]
    in_state = answer(operations, "list", "--status", "cancelled")
    assert [one["operation_id"] for one in in_state["operations"]] == [asked[1]]
    second = answer(operations, "list", "--limit", "2", "--page", "2")
    assert [one["operation_id"] for one in second["operations"]] == [asked[0]]

    told = operations("list").out
    assert "3 operations in all" in told
    assert all(one in told for one in asked)


def test_the_rows_that_did_not_go_through_are_listed_by_page(
    contacts: Call, operations: Call, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_text("email\nann@example.com\none\ntwo\n\x1b[31mthree\n")
    done = answer(contacts, "import", tmp_path / "people.csv")

    found = answer(
        operations, "show", done["operation_id"], "--rows", "--limit", "1", "--page", "2"
    )

    assert (found["total"], found["page"], found["limit"]) == (3, 2, 1)
    (row,) = found["rows"]
    assert (row["line"], row["outcome"], row["column"], row["value"]) == (
        4,
        "rejected",
        "email",
        "two",
    )
    assert row["reason"] == "has an e-mail address that is none"
    told = operations("show", done["operation_id"], "--rows").out
    assert "has an e-mail address that is none" in told
    assert "\x1b" not in told
    assert answer(operations, "show", done["operation_id"]) == done


def test_watch_shows_a_closed_operation_once(contacts: Call, operations: Call) -> None:
    done = answer(contacts, "export")

    assert answer(operations, "watch", done["operation_id"]) == done
    told = operations("watch", done["operation_id"])
    assert "completed, 100.0 %, 0 of 0 rows" in told.err
    assert done["operation_id"] in told.out


def test_an_operation_starts_at_the_time_that_its_zone_says(
    contacts: Call, operations: Call, account: Account
) -> None:
    at = ("--at", "2030-07-01T09:00")
    planned = answer(contacts, *TAGGED, *at, "--timezone", "Europe/Berlin")
    assert (planned["status"], planned["scheduled_at"]) == (
        "scheduled",
        "2030-07-01T07:00:00+00:00",
    )
    assert answer(contacts, *TAGGED, *at)["scheduled_at"] == "2030-07-01T09:00:00+00:00"
    told = operations("show", planned["operation_id"]).out
    assert "Starts 2030-07-01 07:00 UTC" in told
    assert "tag vip added" in told

    moved = answer(
        operations, "reschedule", planned["operation_id"], "--at", "2030-07-02T09:00+02:00"
    )
    assert moved["scheduled_at"] == "2030-07-02T07:00:00+00:00"
    now = answer(operations, "reschedule", planned["operation_id"], "--now")
    assert now["scheduled_at"] <= datetime.now(UTC).isoformat()
    assert answer(operations, "resume", planned["operation_id"])["status"] == "completed"


def test_a_recurring_operation_is_one_firing_after_the_other_until_its_end(
    contacts: Call, operations: Call
) -> None:
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    first = answer(
        contacts, *TAGGED, "--cron", "0 9 * * *", "--timezone", "Asia/Tokyo", "--until", until
    )
    assert first["scheduled_at"].endswith("T00:00:00+00:00")
    assert (first["recurs"]["cron"], first["recurs"]["active"]) == ("0 9 * * *", True)
    assert first["recurs"]["until"].startswith(
        (datetime.fromisoformat(until) - timedelta(days=1)).date().isoformat()
    )
    assert "0 9 * * * in Asia/Tokyo until " in operations("show", first["operation_id"]).out

    answer(operations, "cancel", first["operation_id"])
    (second,) = answer(operations, "list", "--status", "scheduled")["operations"]
    assert second["recurs"]["schedule_id"] == first["recurs"]["schedule_id"]
    assert second["scheduled_at"] > first["scheduled_at"]

    ended = answer(operations, "cancel", second["operation_id"], "--recurring")
    assert ended["recurs"]["active"] is False
    assert answer(operations, "list", "--status", "scheduled")["total"] == 0


def test_a_rule_begins_at_the_time_given(contacts: Call) -> None:
    planned = answer(
        contacts, "export", "--rrule", "FREQ=WEEKLY", "--at", "2030-07-01T09:00",
        "--timezone", "Europe/Berlin",
    )  # fmt: skip

    assert planned["scheduled_at"] == "2030-07-01T07:00:00+00:00"
    assert planned["recurs"]["rrule"] == "FREQ=WEEKLY"


def test_an_operation_waits_for_another(contacts: Call, operations: Call, call: Call) -> None:
    before = answer(contacts, *TAGGED, "--at", "2030-07-01T09:00")
    waiting = answer(contacts, "export", "--after", before["operation_id"])
    assert waiting["after"] == before["operation_id"]
    assert before["operation_id"] in operations("show", waiting["operation_id"]).out

    early = operations("resume", waiting["operation_id"], "--json")
    assert (early.code, early.json["error"]["code"]) == (3, "INVALID_STATE")
    answer(operations, "cancel", before["operation_id"])

    shown = answer(operations, "show", waiting["operation_id"])
    assert (shown["status"], shown["error"]["code"]) == ("cancelled", "DEPENDENCY_FAILED")
    assert "DEPENDENCY_FAILED" in operations("show", waiting["operation_id"]).out


def test_what_was_queued_can_be_done_here_or_left_to_the_queue(
    contacts: Call, operations: Call
) -> None:
    queued = answer(contacts, "export", "--queue")
    assert (queued["status"], queued["started_at"]) == ("scheduled", None)
    left = answer(operations, "resume", queued["operation_id"], "--queue")
    assert left["status"] == "scheduled"

    done = answer(operations, "resume", queued["operation_id"])
    assert (done["status"], done["operation_id"]) == ("completed", queued["operation_id"])
    closed = operations("resume", queued["operation_id"], "--json")
    assert (closed.code, closed.json["error"]["code"]) == (3, "INVALID_STATE")


def test_the_enrollments_of_a_job_are_withdrawn_where_they_are_at_the_first_step(
    call: Call, operations: Call, owner: Engine, account: Account, add_contacts: Any,
    add_workflow: Any,
) -> None:  # fmt: skip
    add_contacts(account, 3)
    add_workflow(account)
    job = answer(call, "run", "--workflow", "Welcome", "--filter", "{}")
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.enrollments set current_step = 'later' where id = "
                "(select min(id) from enrollment.enrollments where account_id = :account)"
            ),
            {"account": account.id},
        )

    foreseen = answer(operations, "withdraw", job["job_id"], "--preview")
    assert foreseen["outcomes"] == {"withdrawn": 2, "kept": 1}
    done = answer(operations, "withdraw", job["job_id"])

    assert (done["type"], done["withdraws_job"]) == ("withdrawal", job["job_id"])
    assert (done["status"], done["outcomes"]) == ("completed", foreseen["outcomes"])
    again = operations("withdraw", job["job_id"], "--json")
    assert (again.code, again.json["error"]["code"]) == (3, "NOT_REVERSIBLE")


def test_created_contacts_that_were_enrolled_go_with_cascade_alone(
    call: Call, contacts: Call, operations: Call, add_workflow: Any, account: Account,
    tmp_path: Path,
) -> None:  # fmt: skip
    add_workflow(account)
    (tmp_path / "people.csv").write_text("email\nann@example.com\n")
    done = answer(contacts, "import", tmp_path / "people.csv")
    answer(call, "run", "--workflow", "Welcome", "--filter", "{}")

    foreseen = answer(operations, "rollback", done["operation_id"], "--preview")
    assert foreseen["outcomes"] == {"kept": 1}
    assert "was enrolled in the workflow 'Welcome'" in foreseen["left_out"][0]["reason"]
    back = answer(operations, "rollback", done["operation_id"], "--cascade")

    assert back["outcomes"] == {"reversed": 1}
    assert answer(operations, "show", done["operation_id"])["status"] == "rolled_back"


def test_who_is_to_be_told_and_cannot_be_is_told_of_in_a_note(
    contacts: Call, call: Call, operations: Call
) -> None:
    done = contacts("export", "--notify-email", "ops@example.com", "--json")

    operation_id = done.json["operation_id"]
    assert f"enrollment notifications log --operation {operation_id}" in done.err
    log = answer(call, "notifications", "log", "--operation", operation_id)
    assert [one["event"] for one in log["notifications"]] == ["operation_completed"]


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["show"], 2, "USAGE"),
        (["show", "yesterday"], 3, "OPERATION_NOT_FOUND"),
        (["show", NEVER], 3, "OPERATION_NOT_FOUND"),
        (["show", NEVER, "--rows"], 3, "OPERATION_NOT_FOUND"),
        (["list", "--type", "shoe"], 3, "INVALID_REQUEST"),
        (["list", "--status", "shoe"], 3, "INVALID_REQUEST"),
        (["list", "--page", "0"], 2, "USAGE"),
        (["list", "--page", "99999999999999999999"], 3, "INVALID_REQUEST"),
        (["watch", NEVER], 3, "OPERATION_NOT_FOUND"),
        (["cancel", NEVER], 3, "OPERATION_NOT_FOUND"),
        (["cancel", "QUEUED", "--recurring"], 3, "INVALID_STATE"),
        (["resume", NEVER], 3, "OPERATION_NOT_FOUND"),
        (["reschedule", "QUEUED"], 2, "USAGE"),
        (["reschedule", "QUEUED", "--now", "--at", "2030-01-01T00:00"], 2, "USAGE"),
        (["reschedule", "QUEUED", "--at", "tomorrow"], 2, "USAGE"),
        (["reschedule", "QUEUED", "--at", "2001-01-01T00:00"], 3, "INVALID_REQUEST"),
        (
            ["reschedule", "QUEUED", "--at", "2030-01-01T00:00", "--timezone", "Mars/Olympus"],
            3,
            "INVALID_REQUEST",
        ),
        (["rollback", "QUEUED"], 3, "NOT_REVERSIBLE"),
        (["rollback", "QUEUED", "--cron", "0 9 * * *"], 2, "USAGE"),
        (["withdraw", "yesterday"], 3, "JOB_NOT_FOUND"),
        (["withdraw", NEVER], 3, "JOB_NOT_FOUND"),
    ],
)
def test_nonsense_is_refused_with_a_code_and_a_remedy(
    contacts: Call, operations: Call, arguments: list[str], code: int, error: str
) -> None:
    queued = answer(contacts, *TAGGED, "--queue")
    places = {"QUEUED": queued["operation_id"]}

    refused = operations(*(places.get(one, one) for one in arguments), "--json")

    assert (refused.code, refused.json["error"]["code"]) == (code, error), refused.out
    assert refused.json["error"]["remedy"]
    assert "Traceback" not in refused.err
    assert answer(operations, "show", queued["operation_id"]) == queued


def test_a_cancelled_operation_never_runs(contacts: Call, operations: Call) -> None:
    queued = answer(contacts, *TAGGED, "--queue")

    ended = answer(operations, "cancel", queued["operation_id"])

    assert (ended["status"], ended["started_at"]) == ("cancelled", None)
    for command in ("resume", "cancel"):
        refused = operations(command, queued["operation_id"], "--json")
        assert (refused.code, refused.json["error"]["code"]) == (3, "INVALID_STATE")
        assert "cancelled" in refused.json["error"]["message"]


def test_a_run_that_breaks_off_says_how_to_go_on(
    contacts: Call, operations: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr("enrollment_pipeline.runs.in_process.execute", broken)
        done = contacts("export", "--json")

    error = done.json["error"]
    assert (done.code, error["code"]) == (4, "RUN_FAILED")
    operation_id = error["details"]["operation_id"]
    assert error["remedy"] == f"Go on with it: enrollment operations resume {operation_id}"
    assert json.loads(operations("resume", operation_id, "--json").out)["status"] == "completed"


def first_cells(page: str, heading: str) -> set[str]:
    """Return what stands as code in the first cells of the tables below a heading."""
    below = re.split(r"^#+ ", page.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)
    cells = re.findall(r"^\|(.*?)\|", below[0], re.MULTILINE)
    return set(re.findall(r"`([a-z_]+)`", " ".join(cells)))


def test_the_guide_explains_every_outcome_state_and_field(
    contacts: Call,
) -> None:
    guide = (DOCS / "contacts.md").read_text(encoding="utf-8")
    told = first_cells(
        (DOCS / "cli.md").read_text(encoding="utf-8"), "The document of an operation"
    )

    assert first_cells(guide, "What became of it") == {*OperationStatus, *RowOutcome}
    assert told == set(answer(contacts, "export"))
