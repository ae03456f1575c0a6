"""What is told of a job: once, in the transaction of what it tells of, to whom wants it."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import InvalidRequestError, TooManyContactsError
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import Channel
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, MakeBulk, Trip, manual

AddWorkflow = Callable[..., UUID]
POISON = "raise exception 'poison';"
NOTIFY = {"notify": {"emails": ["ops@example.com"], "webhooks": ["https://example.com/hook"]}}


@pytest.fixture(autouse=True)
def workflow(bulk: Bulk, add_workflow: AddWorkflow) -> UUID:
    """The workflow that the jobs of the test enroll into."""
    return add_workflow(bulk.account)


def told(bulk: Bulk) -> list[dict[str, Any]]:
    """The messages of the account, oldest first."""
    return bulk.query(
        "select event, recipient, occasion, payload from enrollment.notifications "
        "where account_id = :account order by id",
        account=bulk.account.id,
    )


def events(bulk: Bulk) -> list[str]:
    return [one["event"] for one in told(bulk)]


def test_the_end_of_a_job_is_told_to_whom_the_request_names(bulk: Bulk) -> None:
    people = bulk.crowd(5)
    bulk.change_contacts(people[:1], "status = 'blocked'")
    job = bulk.enroll(manual(people), **NOTIFY)

    messages = told(bulk)
    assert {one["recipient"] for one in messages} == {
        "ops@example.com",
        "https://example.com/hook",
    }
    for message in messages:
        assert message["event"] == "job_completed"
        payload = message["payload"]
        assert payload["job_id"] == job["job_id"]
        assert payload["workflow_name"] == "Welcome"
        assert payload["status"] == "completed"
        assert payload["outcomes"] == job["outcomes"]
        assert payload["input_rows"] == 5
        assert payload["duration_seconds"] >= 0
        assert payload["links"]["ui"] == (
            f"http://127.0.0.1:3000/assets/enrollment_report?partition={job['job_id']}"
        )
        assert payload["links"]["report"] == job["files"]["report"]
        # Nothing of a contact.
        assert "@example.com" not in str(payload)


def test_a_job_that_is_run_again_is_told_once(bulk: Bulk) -> None:
    bulk.crowd(3)
    job = bulk.enroll(EVERYBODY, **NOTIFY)
    bulk.finish(UUID(job["job_id"]))
    assert events(bulk) == ["job_completed"] * 2


def test_nobody_is_told_where_nobody_is_named(bulk: Bulk) -> None:
    bulk.crowd(3)
    bulk.enroll(EVERYBODY)
    assert told(bulk) == []


def test_channels_of_the_account_are_told_what_they_ask_for(bulk: Bulk) -> None:
    bulk.crowd(3)
    for address, wanted in (("all@example.com", ()), ("bad@example.com", ["job_failed"])):
        notifications.add_channel(
            bulk.database, bulk.account, Channel.EMAIL, address, events=wanted, actor="ann"
        )
    bulk.enroll(EVERYBODY)
    assert [one["recipient"] for one in told(bulk)] == ["all@example.com"]


def test_each_end_has_its_event(bulk: Bulk, trip: Trip, make_bulk: MakeBulk) -> None:
    people = bulk.crowd(3)
    trip(people[:1], POISON)
    bulk.enroll(manual(people), **NOTIFY)
    bulk.enroll(manual(people[:1]), **NOTIFY)
    job_id = bulk.submit(EVERYBODY, **NOTIFY)
    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    assert events(bulk)[::2] == ["job_completed_with_errors", "job_failed", "job_cancelled"]


def test_a_job_that_cannot_run_is_told_with_its_reason(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(max_contacts_per_job=2)
    add_workflow(bulk.account)
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY, **NOTIFY)
    with pytest.raises(TooManyContactsError):
        bulk.phases(job_id).select()
    message = told(bulk)[0]
    assert message["event"] == "job_failed"
    assert "holds 3 contacts" in message["payload"]["reason"]


def test_each_pause_is_told_with_its_reason(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10, **NOTIFY)
    bulk.prepare(job_id)
    for actor in ("ann", "bob"):
        service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor=actor)
        service.resume(bulk.database, bulk.account, job_id, actor=actor)
    messages = told(bulk)[::2]
    assert [one["event"] for one in messages] == ["job_paused"] * 2
    assert [one["payload"]["reason"] for one in messages] == [
        "The job was paused by ann.",
        "The job was paused by bob.",
    ]


def test_the_brake_is_told(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(300)
    trip(people[:250], POISON)
    job_id = bulk.submit(manual(people), batch_size=100, **NOTIFY)
    bulk.prepare(job_id)
    bulk.phases(job_id).lane(threading.Event()).drain()
    assert events(bulk) == ["job_paused"] * 2


def test_a_dry_run_tells_nobody(bulk: Bulk) -> None:
    bulk.crowd(3)
    bulk.preview(EVERYBODY, **NOTIFY)
    assert told(bulk) == []


def test_a_failed_run_is_told_once_unless_somebody_goes_on(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY, **NOTIFY)
    phases = bulk.prepare(job_id)

    phases.tell_of_failed_run("run-1", "a step failed")
    assert told(bulk) == []  # The queue starts it again.

    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    for run in ("run-1", "run-1", "run-2"):
        phases.tell_of_failed_run(run, "a step failed")
    messages = told(bulk)[::2]
    assert [(one["event"], one["occasion"]) for one in messages] == [
        ("run_failed", "run-1"),
        ("run_failed", "run-2"),
    ]
    assert messages[0]["payload"]["reason"] == "a step failed"
    bulk.finish(job_id)
    before = told(bulk)
    phases.tell_of_failed_run("run-3", "too late")
    assert told(bulk) == before


@pytest.mark.parametrize(
    ("notify", "problem"),
    [
        ({"emails": ["nobody"]}, "emails"),
        ({"emails": ["a@example.com\nBcc: b@example.com"]}, "emails"),
        ({"webhooks": ["ftp://example.com"]}, "webhooks"),
        ({"webhooks": ["https://user:secret@example.com/"]}, "webhooks"),
    ],
)
def test_a_recipient_that_cannot_be_used_is_refused(
    bulk: Bulk, notify: dict[str, list[str]], problem: str
) -> None:
    with pytest.raises(InvalidRequestError, match=rf"options\.notify\.{problem}\[0\]") as refused:
        bulk.submit(EVERYBODY, notify=notify)
    assert "secret" not in str(refused.value)
