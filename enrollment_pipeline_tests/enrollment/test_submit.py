"""Submitting: what is refused, what is one job, when it is due."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from enrollment_pipeline.enrollment import queue, service
from enrollment_pipeline.errors import (
    InvalidRequestError,
    InvalidStateError,
    TooManyJobsError,
    WorkflowNotFoundError,
    WrongSubjectError,
)
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, MakeBulk, manual

AddWorkflow = Callable[..., UUID]


@pytest.fixture
def workflow(bulk: Bulk, add_workflow: AddWorkflow) -> UUID:
    """An active workflow "Welcome" of the test's account."""
    return add_workflow(bulk.account)


def number_of_jobs(bulk: Bulk) -> int:
    return int(service.list_jobs(bulk.database, bulk.account)["total"])


def submit(bulk: Bulk, **changes: Any) -> tuple[UUID, bool]:
    request = bulk.request(EVERYBODY, **changes)
    return service.submit(bulk.database, bulk.account, request, source="test")


@pytest.mark.parametrize("status", ["active", "draft"])
def test_no_contacts_are_enrolled_into_a_workflow_for_items(
    bulk: Bulk, add_workflow: AddWorkflow, status: str
) -> None:
    add_workflow(bulk.account, "Roles", status=status, subject="item")

    for ask in (bulk.submit, bulk.preview):
        with pytest.raises(WrongSubjectError, match="'Roles' takes items, not contacts") as refused:
            ask(EVERYBODY, "Roles")
        assert refused.value.code == "WRONG_SUBJECT"
        assert "enrollment onboarding submit" in refused.value.advice
    assert number_of_jobs(bulk) == 0


def test_the_same_request_id_twice_is_one_job(bulk: Bulk, workflow: UUID) -> None:
    first = submit(bulk, request_id="r-1")
    assert first[1] is True
    assert submit(bulk, request_id="r-1") == (first[0], False)
    assert submit(bulk, request_id="r-2")[1] is True
    assert number_of_jobs(bulk) == 2


def test_the_same_request_id_at_the_same_moment_is_one_job(bulk: Bulk, workflow: UUID) -> None:
    answers: list[tuple[UUID, bool]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(submit(bulk, request_id="r")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job_id for job_id, _ in answers}) == 1
    assert [created for _, created in answers].count(True) == 1
    assert number_of_jobs(bulk) == 1


def test_a_request_id_means_something_in_its_account_only(
    bulk: Bulk, workflow: UUID, make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    other = make_bulk()
    add_workflow(other.account)
    assert submit(bulk, request_id="r")[1] is True
    assert submit(other, request_id="r")[1] is True


def test_the_11th_open_job_is_refused_until_one_is_closed(bulk: Bulk, workflow: UUID) -> None:
    jobs = [submit(bulk, request_id=str(number))[0] for number in range(10)]
    with pytest.raises(TooManyJobsError) as refusal:
        submit(bulk)
    assert refusal.value.code == "TOO_MANY_JOBS"
    assert refusal.value.details == {"limit": 10}
    assert number_of_jobs(bulk) == 10
    # What was accepted before is still answered.
    assert submit(bulk, request_id="3") == (jobs[3], False)
    assert bulk.preview(EVERYBODY)["input_rows"] == 0

    bulk.finish(jobs[0])
    assert submit(bulk)[1] is True


def test_ten_at_the_same_moment_are_not_eleven(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(max_open_jobs=2)
    add_workflow(bulk.account)
    refused: list[TooManyJobsError] = []

    def attempt() -> None:
        try:
            submit(bulk)
        except TooManyJobsError as error:
            refused.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert number_of_jobs(bulk) == 2


@pytest.mark.parametrize("name", ["Welcome", "welcome", "WELCOME", " Welcome ", "{id}", "{ID}"])
def test_a_workflow_is_named_or_given_by_its_id(bulk: Bulk, workflow: UUID, name: str) -> None:
    written = name.format(id=workflow, ID=str(workflow).upper())
    job = bulk.enroll(EVERYBODY, written)
    assert (job["workflow_id"], job["workflow_name"]) == (str(workflow), "Welcome")


def test_an_unknown_workflow_is_refused(
    bulk: Bulk, make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    foreign = add_workflow(make_bulk().account, "Theirs")
    for name in ("Nothing", "Theirs", foreign, UUID(int=0)):
        for way in (bulk.submit, bulk.preview):
            with pytest.raises(WorkflowNotFoundError):
                way(EVERYBODY, name)
    assert number_of_jobs(bulk) == 0


def test_what_was_asked_for_is_kept(bulk: Bulk, workflow: UUID) -> None:
    job_id = bulk.submit(
        bulk.csv("email\n", name="p.csv"), add_tags=["a"], requested_by="Ann", lanes=3
    )
    job = bulk.describe(job_id)
    assert (job["status"], job["source"], job["requested_by"]) == ("pending", "test", "Ann")
    kept = bulk.query("select request from enrollment.enrollment_jobs where id = :id", id=job_id)
    assert kept[0]["request"] == {
        "workflow": "Welcome",
        "selection": {"type": "csv", "file": "p.csv", "bytes": 6, "identifier_column": "auto"},
        "options": {
            "batch_size": 100,
            "lanes": 3,
            "skip_unsubscribed": True,
            "skip_duplicates": True,
            "max_failure_share": 0.5,
            "single_enrollment": False,
            "notify": {"emails": [], "webhooks": []},
            "add_tags": ["a"],
        },
        "requested_by": "Ann",
        "scheduled_at": None,
        "timezone": None,
    }


@pytest.mark.parametrize(
    ("scheduled_at", "timezone", "account_zone", "expected"),
    [
        ("2031-07-01T09:00", None, "UTC", "2031-07-01T09:00:00+00:00"),
        ("2031-07-01T09:00", None, "Europe/Berlin", "2031-07-01T07:00:00+00:00"),
        ("2031-07-01T09:00", "America/New_York", "Europe/Berlin", "2031-07-01T13:00:00+00:00"),
        ("2031-01-01T09:00", "America/New_York", "UTC", "2031-01-01T14:00:00+00:00"),
        ("2031-07-01T09:00+05:30", "America/New_York", "UTC", "2031-07-01T03:30:00+00:00"),
        ("2031-07-01T09:00Z", None, "Asia/Tokyo", "2031-07-01T09:00:00+00:00"),
    ],
)
def test_a_time_is_read_in_its_zone(
    make_bulk: MakeBulk,
    add_workflow: AddWorkflow,
    scheduled_at: str,
    timezone: str | None,
    account_zone: str,
    expected: str,
) -> None:
    bulk = make_bulk(timezone=account_zone)
    add_workflow(bulk.account)
    job_id = bulk.submit(EVERYBODY, scheduled_at=scheduled_at, timezone=timezone)
    job = bulk.describe(job_id)
    assert job["status"] == "scheduled"
    assert datetime.fromisoformat(job["scheduled_at"]) == datetime.fromisoformat(expected)


def test_a_time_that_has_passed_is_refused(bulk: Bulk, workflow: UUID) -> None:
    now = datetime.now(UTC)
    there = datetime.now(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None)
    for scheduled_at, timezone in (
        ((now - timedelta(seconds=1)).isoformat(), None),
        ("2020-01-01T00:00", None),
        ((there - timedelta(minutes=1)).isoformat(), "Asia/Tokyo"),
        ("0001-01-01T00:00+14:00", None),
    ):
        with pytest.raises(InvalidRequestError, match="in the past"):
            bulk.submit(EVERYBODY, scheduled_at=scheduled_at, timezone=timezone)
    bulk.submit(
        EVERYBODY, scheduled_at=(there + timedelta(minutes=1)).isoformat(), timezone="Asia/Tokyo"
    )
    assert number_of_jobs(bulk) == 1


def test_a_time_beyond_all_plans_is_refused(bulk: Bulk, workflow: UUID) -> None:
    for scheduled_at in ("2100-01-01T00:00", "9999-12-31T23:59:59-12:00"):
        with pytest.raises(InvalidRequestError, match="more than ten years ahead"):
            bulk.submit(EVERYBODY, scheduled_at=scheduled_at)
    assert number_of_jobs(bulk) == 0


def test_a_scheduled_job_waits_for_its_time(bulk: Bulk, workflow: UUID) -> None:
    people = bulk.crowd(3)
    later = datetime.now(UTC) + timedelta(hours=1)
    job_id = bulk.submit(manual(people), scheduled_at=later)

    def due() -> bool:
        return job_id in {job.work_id for job in queue.open_jobs(bulk.database)}

    assert not due()
    with pytest.raises(InvalidStateError, match="The job is scheduled for"):
        bulk.phases(job_id).select()
    with pytest.raises(InvalidStateError, match="not yet due"):
        service.resume(bulk.database, bulk.account, job_id, actor="test")
    assert bulk.describe(job_id)["status"] == "scheduled"

    bulk.sql(
        "update enrollment.enrollment_jobs set scheduled_at = now() where id = :job", job=job_id
    )
    assert due()
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 3
    assert not due()


def test_due_jobs_are_those_of_the_queue_oldest_first(bulk: Bulk, workflow: UUID) -> None:
    queued = [submit(bulk)[0] for _ in range(3)]
    request = bulk.request(EVERYBODY)
    own, _ = service.submit(bulk.database, bulk.account, request, source="test", runner="caller")
    due = [job for job in queue.open_jobs(bulk.database) if job.account_id == bulk.account.id]
    assert [job.work_id for job in due] == queued
    assert {(job.account_name, job.attempt) for job in due} == {(bulk.account.name, 1)}
    assert bulk.describe(own)["status"] == "pending"


def test_a_job_that_nobody_begins_says_so(bulk: Bulk, workflow: UUID) -> None:
    job_id, _ = submit(bulk)
    assert bulk.describe(job_id)["attention"] is None
    bulk.sql(
        "update enrollment.enrollment_jobs set created_at = now() - interval '3 minutes' "
        "where id = :job",
        job=job_id,
    )
    assert bulk.describe(job_id)["attention"] is not None


def test_a_job_whose_run_has_died_says_so(bulk: Bulk, workflow: UUID) -> None:
    job_id = bulk.submit(manual(bulk.crowd(3)))
    bulk.prepare(job_id)
    assert bulk.describe(job_id)["attention"] is None
    bulk.sql(
        "update enrollment.enrollment_jobs set heartbeat_at = now() - interval '121 seconds' "
        "where id = :job",
        job=job_id,
    )
    assert f"enrollment resume {job_id}" in bulk.describe(job_id)["attention"]
    assert bulk.finish(job_id)["attention"] is None
