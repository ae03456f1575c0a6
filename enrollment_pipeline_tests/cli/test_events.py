"""`events`: what is sent, listed and evaluated, and a whole story from a workflow to its log."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.records import Account
from enrollment_pipeline.triggers.events import MAX_BYTES
from enrollment_pipeline_tests.cli.triggering import ADA, Call, answer
from enrollment_pipeline_tests.triggers.conftest import Automation

Document = dict[str, Any]
PROGRAM = str(Path(sys.executable).parent / "enrollment")


def event(event_id: str, **changes: object) -> Document:
    """A payment of Ada."""
    paid = {"type": "payment_received", "email": ADA, "data": {"amount": 20}}
    return {"event_id": event_id, **paid, **changes}


def lines(*documents: Document | str) -> str:
    """Documents, or other texts, one a line."""
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in documents)


def counts(received: int, accepted: int, duplicate: int = 0, rejected: int = 0) -> Document:
    """What became of that many lines."""
    return {
        "received": received,
        "accepted": accepted,
        "duplicate": duplicate,
        "rejected": rejected,
    }


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a text be the standard input."""
    return lambda text: monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()))
    )


def test_the_help_has_an_example(events: Call) -> None:
    assert "Example: enrollment events " in events("--help").out


def test_a_whole_story(call: Call, events: Call, tmp_path: Path) -> None:
    contacts = tmp_path / "people.csv"
    contacts.write_text(
        f"email,first name,external_id\n{ADA},Ada,crm-1\nbob@example.com,Bob,crm-2\n"
    )
    happened = tmp_path / "events.jsonl"
    happened.write_text(
        lines(
            event("e-1", data={"amount": 20}),
            event("e-2", data={"amount": 2_000}),
            event("e-3", email=None, external_id="crm-2", data={"amount": 700}),
            event("e-4", email="zoe@example.com", data={"amount": 900}),
        )
    )
    answer(call, "workflows", "create", "Thanks", "--active")
    answer(
        call, "triggers", "create", "--workflow", "Thanks", "--event", "payment_received",
        "--filter", '{"field": "data.amount", "operator": "greater_than", "value": 500}',
    )  # fmt: skip
    answer(call, "contacts", "import", contacts)

    assert answer(events, "send", happened) == {**counts(4, 4), "rejections": []}
    assert answer(events, "list", "--status", "pending")["total"] == 4
    assert answer(events, "evaluate") == {
        "events": 4,
        "rejected": 0,
        "released": 0,
        "jobs": 1,
        "results": {"fired": 2, "filters": 1, "contact_unknown": 1},
    }
    log = answer(call, "triggers", "log")["log"]
    assert {row["event_id"]: (row["result"], row["enrolled"]) for row in log} == {
        "e-1": ("filters", False),
        "e-2": ("fired", True),
        "e-3": ("fired", True),
        "e-4": ("contact_unknown", False),
    }
    (job,) = answer(call, "list", "--source", "trigger")["jobs"]
    assert (job["status"], job["outcomes"]["enrolled"]) == ("completed", 2)
    assert {row["job_id"] for row in log} == {job["job_id"], None}

    # Once more, nothing happens; another payment finds her enrolled.
    assert answer(events, "send", happened) == {**counts(4, 0, duplicate=4), "rejections": []}
    assert answer(events, "evaluate")["events"] == 0
    again = event("e-5", data={"amount": 600})
    assert answer(events, "send", "--event", json.dumps(again))["accepted"] == 1
    assert answer(events, "evaluate")["results"] == {"fired": 1}
    (row,) = answer(call, "triggers", "log", "--event-id", "e-5")["log"]
    assert (row["enrolled"], row["reason"]) == (False, "blocked: already_enrolled")


def test_what_is_no_event_is_told_by_line_and_kept_with_its_reason(
    events: Call, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(event("e-1"), "", "rubbish", event("e-3", type="paid"), event("e-1")))

    found = answer(events, "send", file)

    rubbish, paid = found.pop("rejections")
    assert found == counts(4, 1, duplicate=1, rejected=2)
    assert (rubbish["line"], rubbish["event_id"][:7]) == (3, "sha256:")
    assert rubbish["reason"] == "the line is not JSON: Expecting value at character 1"
    assert paid == {
        "line": 4,
        "event_id": "e-3",
        "reason": 'type: there is no event type "paid"',
    }
    kept = answer(events, "list", "--status", "rejected")["events"]
    assert {one["type"]: one["rejection"] for one in kept} == {
        "paid": paid["reason"],
        "unknown": rubbish["reason"],
    }
    told = events("send", file).out
    assert told.split()[:8] == ["received", "4", "accepted", "0", "duplicate", "2", "rejected", "2"]
    assert "the line is not JSON" in told


def test_lines_that_are_all_rejected_are_no_error(events: Call, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(*(f"no event {number}" for number in range(25))))

    told = events("send", file)

    assert told.code == 0
    assert "These are the first; all: enrollment events list --status rejected" in told.out
    assert "evaluated" not in told.out
    assert answer(events, "list", "--status", "rejected")["total"] == 25


def test_events_come_from_standard_input_too(events: Call, type_in: Callable[[str], None]) -> None:
    type_in(lines(event("e-1"), event("e-2")))

    assert answer(events, "send", "-") == {**counts(2, 2), "rejections": []}

    type_in("")
    assert answer(events, "send", "-") == {**counts(0, 0), "rejections": []}


def test_events_come_through_a_pipe_that_has_a_name(
    events: Call, account: Account, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(
        [PROGRAM, "--account", account.name, "--json", "events", "send", str(pipe)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        pipe.write_text(lines(event("e-1")))
        out, _ = process.communicate(timeout=120)

    assert json.loads(out)["accepted"] == 1


def test_one_event_is_typed_or_in_a_file_however_it_is_laid_out(
    events: Call, tmp_path: Path
) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event("e-1"), indent=2))

    assert answer(events, "send", "--event", f"@{file}")["accepted"] == 1
    assert answer(events, "send", "--event", json.dumps(event("e-2"), indent=1))["accepted"] == 1
    wrong = answer(events, "send", "--event", json.dumps(event("e-3", data=[1])))
    assert (wrong["rejected"], wrong["rejections"][0]["reason"]) == (1, "data: must be an object")
    told = events("send", "--event", json.dumps(event("e-4"))).out
    assert "otherwise by: enrollment events evaluate" in told


def test_of_a_line_that_is_too_long_no_more_is_read_than_is_kept(
    events: Call, type_in: Callable[[str], None]
) -> None:
    type_in("x" * (3 * MAX_BYTES) + "\n" + lines(event("e-2")) + "y" * (MAX_BYTES + 1))

    found = answer(events, "send", "-")

    rejections = found.pop("rejections")
    assert found == counts(3, 1, rejected=2)
    assert [one["line"] for one in rejections] == [1, 3]
    assert {one["reason"] for one in rejections} == {"the line is longer than 100,000 bytes"}


def test_the_payloads_of_another_system_become_events(events: Call, tmp_path: Path) -> None:
    file = tmp_path / "webhooks.jsonl"
    won = {"type": "OpportunityStatusUpdate", "webhookId": "w-1", "id": "d-1", "status": "won"}
    file.write_text(lines({**won, "contactId": "crm-1"}, {"type": "ContactDelete", "id": "crm-1"}))

    found = answer(events, "send", file, "--from", "highlevel")

    assert (found["accepted"], found["rejected"]) == (1, 1)
    assert found["rejections"][0]["reason"].startswith("That a contact was deleted must never")
    (kept,) = answer(events, "list", "--type", "deal_won")["events"]
    assert (kept["event_id"], kept["external_id"], kept["source"]) == ("w-1", "crm-1", "cli")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["send"], 2, "USAGE"),
        (["send", "FILE", "--event", "{}"], 2, "USAGE"),
        (["send", "--event", "{"], 2, "USAGE"),
        (["send", "--event", "@/no/such.json"], 2, "USAGE"),
        (["send", "FILE", "--from", "mail"], 2, "USAGE"),
        (["send", "/no/such.jsonl"], 3, "INVALID_FILE"),
        (["send", "FILE/below.jsonl"], 3, "INVALID_FILE"),
        (["send", "FOLDER"], 3, "INVALID_FILE"),
        (["send", "/dev/zero"], 3, "INVALID_FILE"),
        (["send", "x" * 5_000], 3, "INVALID_FILE"),
        (["list", "--status", "done"], 3, "INVALID_REQUEST"),
        (["list", "--type", "paid"], 3, "INVALID_REQUEST"),
        (["list", "--page", str(10**20)], 3, "INVALID_REQUEST"),
        (["list", "--limit", "1001"], 2, "USAGE"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_kept(
    events: Call, tmp_path: Path, arguments: list[str], code: int, error: str
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines(event("e-1")))
    places = {"FILE": str(file), "FOLDER": str(tmp_path)}

    answered = events(
        *(
            one.replace("FILE", places["FILE"]).replace("FOLDER", places["FOLDER"])
            for one in arguments
        ),
        "--json",
    )

    assert (answered.code, answered.json["error"]["code"]) == (code, error)
    assert answered.json["error"]["remedy"]
    assert answer(events, "list")["total"] == 0


def test_a_standard_input_that_is_closed_is_told(
    events: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    refused = events("send", "-", "--json")

    assert (refused.code, refused.json["error"]["code"]) == (2, "USAGE")


def test_who_may_not_enroll_may_not_send_events(events: Call, call: Call, account: Account) -> None:
    call("members", "add", "boss", "--permission", "account:admin")

    refused = events("send", "--event", json.dumps(event("e-1")), "--json")

    assert (refused.code, refused.json["error"]["code"]) == (3, "FORBIDDEN")
    assert "workflow:manage" in refused.json["error"]["message"]
    assert answer(events, "list")["total"] == 0
    call("events", "send", "--event", json.dumps(event("e-1")), "--as", "boss")
    (entry,) = answer(call, "audit", "--actor", "boss")["entries"]
    assert (entry["action"], entry["subject"]) == ("events.receive", "cli")
    assert entry["details"] == {"received": 1, "accepted": 1}


def test_events_are_listed_newest_first_without_addresses(
    events: Call, automation: Automation
) -> None:
    ada = automation.contact(ADA)
    answer(
        events, "send", "--event", json.dumps(event("e-1", occurred_at="2027-01-05T09:00+01:00"))
    )
    answer(events, "evaluate")
    automation.send(event("e-2", email=None, contact_id=str(ada)), event("e-3", type="deal_won"))

    found = answer(events, "list")

    assert (found["total"], found["page"]) == (3, 1)
    first = found["events"][-1]
    assert first == {
        "event_id": "e-1",
        "type": "payment_received",
        "status": "processed",
        "contact_id": None,
        "email": "a***@example.com",
        "external_id": None,
        "occurred_at": "2027-01-05T08:00:00+00:00",
        "received_at": first["received_at"],
        "processed_at": first["processed_at"],
        "source": "cli",
        "rejection": None,
    }
    assert datetime.fromisoformat(first["processed_at"]) <= datetime.now(UTC)
    assert [one["status"] for one in found["events"]] == ["pending", "pending", "processed"]

    def listed(*options: object) -> list[str]:
        return [one["event_id"] for one in answer(events, "list", *options)["events"]]

    assert listed() == ["e-3", "e-2", "e-1"]
    assert listed("--status", "pending", "--type", "payment_received") == ["e-2"]
    assert listed("--limit", "2", "--page", "2") == ["e-1"]
    told = events("list").out
    assert "3 in all" in told
    assert str(ada) in told
    assert "a***@example.com" in told
    assert ADA not in told + events("list", "--json").out


def test_people_read_what_an_evaluation_has_done(events: Call, automation: Automation) -> None:
    automation.contact(ADA)
    automation.automate({"event": "payment_received"})
    automation.pay()
    automation.sql(
        "insert into enrollment.events (account_id, event_id, type) values (:id, 'odd', 'paid')",
        id=automation.account.id,
    )

    told = events("evaluate").out

    assert told.split()[:8] == ["events", "2", "rejected", "1", "released", "0", "jobs", "1"]
    assert told.split()[-2:] == ["fired", "1"]
    assert events("evaluate").out.split()[:2] == ["events", "0"]


def test_an_evaluation_starts_what_has_waited_for_the_opening(
    events: Call, call: Call, automation: Automation
) -> None:
    automation.contact(ADA)
    automation.automate({"event": "payment_received"}, respect_business_hours=True)
    # Closed today, whatever day it is.
    today = f"{datetime.now(UTC):%a}".lower()
    other = "mon" if today != "mon" else "tue"
    call("accounts", "settings", f"business_days={other}")
    automation.pay()
    assert answer(events, "evaluate")["results"] == {"queued": 1}
    automation.sql(
        "update enrollment.trigger_evaluations set fire_at = now() where account_id = :id",
        id=automation.account.id,
    )
    call("accounts", "settings", f"business_days={today}", "business_hours=00:00-24:00")

    assert answer(events, "evaluate") == {
        "events": 0,
        "rejected": 0,
        "released": 1,
        "jobs": 1,
        "results": {"fired": 1},
    }


def test_only_the_events_of_the_account_are_evaluated(
    events: Call, automation: Automation, make_account: Callable[..., Account]
) -> None:
    other = Automation(automation.database, automation.settings, automation.owner, make_account())
    other.send(event("e-1"))

    assert answer(events, "evaluate")["events"] == 0
    assert other.leave_nothing() == ["1 events"]
