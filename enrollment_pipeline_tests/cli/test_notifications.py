"""`notifications`: the documents it answers with, and what a person reads."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from enrollment_pipeline.notifications import service
from enrollment_pipeline.notifications.message import Event, Notice, Recipients
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.notifications.conftest import operation_payload_of, payload_of

Notify = Callable[..., Any]
ANN, HOOK = "ann@example.com", "https://hooks.example.com/T0?token=hidden"


@pytest.fixture
def notify(enroll: Callable[..., Any], account: Account) -> Notify:
    """Run a command of the group in the test's account."""
    return lambda *arguments: enroll(
        "--account", account.name, "--as", "ann", "notifications", *arguments
    )


def test_a_channel_is_added_listed_and_removed(notify: Notify) -> None:
    added = notify("add", "--email", "Ann@Example.com", "--event", "job_failed", "--json").json
    assert added == {
        "channel_id": str(UUID(added["channel_id"])),
        "channel": "email",
        "recipient": ANN,
        "events": ["job_failed"],
        "created_by": "ann",
        "created_at": added["created_at"],
    }
    hook = notify("add", "--webhook", HOOK, "--json").json
    assert (hook["channel"], hook["events"]) == ("webhook", list(Event))

    assert notify("list", "--json").json == {"channels": [added, hook], "total": 2}
    assert notify("remove", HOOK, "--json").json == hook
    assert notify("remove", added["channel_id"], "--json").json == added
    assert notify("list", "--json").json == {"channels": [], "total": 0}


def test_channels_are_told_to_people_too(notify: Notify) -> None:
    told = notify("add", "--email", ANN, "--event", "job_failed", "--event", "job_paused").out

    assert told.startswith(f"{ANN} is told of: job_failed, job_paused.\n")
    assert ANN in notify("list").out
    assert notify("remove", ANN).out == f"{ANN} is told nothing more.\n"


@pytest.mark.parametrize(
    "given", [(), ("--email", ANN, "--webhook", HOOK), ("--event", "job_failed")]
)
def test_exactly_one_recipient_is_added_at_a_time(notify: Notify, given: tuple[str, ...]) -> None:
    answer = notify("add", *given, "--json")

    assert (answer.code, answer.json["error"]["code"]) == (2, "USAGE")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("add", "--email", "nobody"), "INVALID_REQUEST"),
        (("add", "--webhook", "ftp://example.com"), "INVALID_REQUEST"),
        (("add", "--webhook", "https://a:hidden@example.com"), "INVALID_REQUEST"),
        (("add", "--email", ANN, "--event", "all"), "INVALID_REQUEST"),
        (("remove", "nobody"), "CHANNEL_NOT_FOUND"),
        (("log", "--job", "nonsense"), "JOB_NOT_FOUND"),
        (("log", "--operation", "nonsense"), "OPERATION_NOT_FOUND"),
    ],
)
def test_what_cannot_be_done_is_refused(notify: Notify, given: tuple[str, ...], code: str) -> None:
    answer = notify(*given, "--json")

    assert (answer.code, answer.json["error"]["code"]) == (3, code)
    assert "hidden" not in answer.out


def test_what_is_due_is_sent_and_is_in_the_log(
    notify: Notify, database: Database, account: Account
) -> None:
    job_id = uuid4()
    # Without a mail server the one waits; loopback is refused, which ends the other.
    recipients = Recipients((ANN,), ("http://127.0.0.1:1/hidden",))
    with database.account(account.id) as connection:
        notice = Notice(Event.JOB_PAUSED, job_id, "1", payload_of(job_id))
        service.enqueue(connection, account.id, notice, recipients)

    assert notify("deliver", "--json").json == {"delivered": 0, "postponed": 1, "failed": 1}
    assert notify("deliver").out == "0 delivered, 0 postponed, 0 failed.\n"

    log = notify("log", "--job", job_id, "--json").json
    assert (log["total"], log["page"]) == (2, 1)
    assert {one["recipient"]: one["status"] for one in log["notifications"]} == {
        ANN: "queued",
        "http://127.0.0.1:1/...": "failed",
    }
    assert notify("log", "--limit", "1", "--page", "2", "--json").json["page"] == 2
    assert notify("log", "--job", uuid4(), "--json").json["notifications"] == []
    told = notify("log").out
    assert "ENROLLMENT_SMTP_URL" in told
    assert "hidden" not in told


def test_the_log_is_narrowed_to_an_operation(
    notify: Notify, database: Database, account: Account
) -> None:
    operations = [uuid4(), uuid4()]
    with database.account(account.id) as connection:
        for one in operations:
            notice = Notice(Event.OPERATION_FAILED, one, "", operation_payload_of(one))
            service.enqueue(connection, account.id, notice, Recipients((ANN,)))

    log = notify("log", "--operation", operations[0], "--json").json

    assert [one["operation_id"] for one in log["notifications"]] == [str(operations[0])]
    both = notify("log", "--operation", operations[0], "--job", operations[1], "--json")
    assert (both.code, both.json["error"]["code"]) == (2, "USAGE")


def test_the_secret_is_shown_and_replaced(notify: Notify) -> None:
    first = notify("secret", "--json").json["secret"]

    assert first.startswith("whsec_")
    assert notify("secret").out == f"{first}\n"
    second = notify("secret", "--rotate", "--json").json["secret"]
    assert second != first
    assert notify("secret", "--json").json == {"secret": second}
