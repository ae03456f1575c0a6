"""A batch whose transaction fails as a whole: tried again after 10, 30 and 90 s, then given up."""

import logging
from collections.abc import Callable
from uuid import UUID

import pytest

from enrollment_pipeline_tests.enrollment.conftest import Bulk, Impatient, Trip, manual

DEADLOCK = "40P01"
SERIALIZATION = "40001"
CANCELLED = "57014"
OUT_OF_MEMORY = "53200"


def stumble(state: str, times: int | None = None) -> str:
    stumbling = f"raise exception 'stumbled' using errcode = '{state}';"
    return f"if stumbled <= {times} then {stumbling} end if;" if times else stumbling


@pytest.fixture
def people(bulk: Bulk, add_workflow: Callable[..., UUID]) -> list[UUID]:
    """30 contacts of an account with an active workflow."""
    add_workflow(bulk.account)
    return bulk.crowd(30)


def seconds(stop: Impatient) -> list[int]:
    return [due for waiting in stop.postponed for _, _, due in waiting]


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("state", [DEADLOCK, SERIALIZATION, CANCELLED, OUT_OF_MEMORY])
def test_a_batch_that_stumbles_is_tried_again_by_the_table(
    bulk: Bulk, people: list[UUID], trip: Trip, state: str, times: int
) -> None:
    trip(people[:1], stumble(state, times))
    job_id = bulk.submit(manual(people[:10]), batch_size=10)
    stop = Impatient(bulk, job_id)
    job = bulk.finish(job_id, stop)

    assert seconds(stop) == [10, 30, 90][:times]
    assert job["status"] == "completed"
    assert job["outcomes"]["enrolled"] == 10
    (batch,) = bulk.batches(job_id)
    assert (batch["status"], batch["attempts"]) == ("completed", times)


@pytest.mark.parametrize(
    ("state", "code"), [(DEADLOCK, "DATABASE_ERROR"), (CANCELLED, "TIMEOUT_ERROR")]
)
def test_after_the_fourth_attempt_a_batch_is_given_up_and_the_job_goes_on(
    bulk: Bulk,
    people: list[UUID],
    trip: Trip,
    caplog: pytest.LogCaptureFixture,
    state: str,
    code: str,
) -> None:
    trip([people[15]], stumble(state))
    job_id = bulk.submit(manual(people), batch_size=10)
    stop = Impatient(bulk, job_id)
    with caplog.at_level(logging.ERROR):
        job = bulk.finish(job_id, stop)

    assert seconds(stop) == [10, 30, 90]
    assert [(one["status"], one["attempts"]) for one in bulk.batches(job_id)] == [
        ("completed", 0),
        ("failed", 4),
        ("completed", 0),
    ]
    assert job["status"] == "completed_with_errors"
    assert job["outcomes"]["enrolled"] == 20
    assert job["outcomes"]["unprocessed"] == 10
    assert job["reasons"] == {code: 10}
    rows = [row for row in bulk.rows(job_id) if row["outcome"] == "unprocessed"]
    assert {(row["contact_id"]) for row in rows} == {*people[10:20]}
    assert {(row["code"], row["message"], row["batch_number"]) for row in rows} == {
        (code, "stumbled", 2)
    }
    assert bulk.failures(job_id) == []
    (alert,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert f"Batch 2 of job {job_id} was given up after 4 attempts" in alert.getMessage()
    assert f"{code}: stumbled" in alert.getMessage()


def test_while_a_batch_waits_the_others_are_done(
    bulk: Bulk, people: list[UUID], trip: Trip
) -> None:
    trip([people[15]], stumble(DEADLOCK, 2))
    job_id = bulk.submit(manual(people), batch_size=10)
    seen = []

    class Watching(Impatient):
        def wait(self, timeout: float | None = None) -> bool:
            seen.append([batch["status"] for batch in bulk.batches(job_id)])
            seen.append(bulk.describe(job_id))
            return super().wait(timeout)

    stop = Watching(bulk, job_id)
    bulk.finish(job_id, stop)

    # One failed transaction is that of all three, which counts against none of them.
    assert stop.postponed == [[(2, 1, 10)]]
    statuses, job = seen
    assert statuses == ["completed", "queued", "completed"]
    assert job["status"] == "processing"
    assert job["outcomes"]["enrolled"] == 20
    assert job["outcomes"]["unprocessed"] == 10
    assert job["attention"] is None


def test_when_every_batch_is_given_up_the_job_fails(
    bulk: Bulk, people: list[UUID], trip: Trip
) -> None:
    trip([people[0], people[10], people[20]], stumble(SERIALIZATION))
    job_id = bulk.submit(manual(people), batch_size=10)
    job = bulk.finish(job_id, Impatient(bulk, job_id))
    assert job["status"] == "failed"
    assert job["outcomes"]["unprocessed"] == 30
    assert {batch["status"] for batch in bulk.batches(job_id)} == {"failed"}


def test_a_waiting_lane_sleeps_no_longer_than_two_seconds_at_a_time(
    bulk: Bulk, people: list[UUID], trip: Trip
) -> None:
    trip([people[0]], stumble(DEADLOCK, 3))
    job_id = bulk.submit(manual(people[:10]), batch_size=10)
    stop = Impatient(bulk, job_id)
    bulk.finish(job_id, stop)
    assert stop.waits == [2.0, 2.0, 2.0]


def test_every_attempt_is_a_sign_of_life(bulk: Bulk, people: list[UUID], trip: Trip) -> None:
    trip([people[0]], stumble(DEADLOCK, 3))
    job_id = bulk.submit(manual(people[:10]), batch_size=10)
    bulk.prepare(job_id)
    seen = []

    class Late(Impatient):
        def wait(self, timeout: float | None = None) -> bool:
            seen.append(bulk.describe(job_id)["attention"])
            bulk.sql(
                "update enrollment.enrollment_jobs set heartbeat_at = now() - interval '1 hour' "
                "where id = :job",
                job=job_id,
            )
            return super().wait(timeout)

    bulk.finish(job_id, Late(bulk, job_id))
    assert seen == [None, None, None]


def test_poison_and_stumbling_in_one_batch_are_told_apart(
    bulk: Bulk, people: list[UUID], trip: Trip
) -> None:
    trip([people[3]], "raise exception 'poison';")
    trip([people[8]], stumble(DEADLOCK, 2))
    job_id = bulk.submit(manual(people[:10]), batch_size=10)
    job = bulk.finish(job_id, Impatient(bulk, job_id))
    assert job["outcomes"]["enrolled"] == 9
    assert job["outcomes"]["failed"] == 1
    assert [one["contact_id"] for one in bulk.failures(job_id)] == [str(people[3])]


def test_trouble_that_shows_at_the_commit_does_not_go_on_for_ever(
    bulk: Bulk, people: list[UUID], trip: Trip
) -> None:
    trip([people[15]], "raise exception 'too late';", kind="constraint trigger")
    job_id = bulk.submit(manual(people), batch_size=10)
    job = bulk.finish(job_id, Impatient(bulk, job_id))
    assert job["status"] == "completed_with_errors"
    assert job["outcomes"]["enrolled"] == 20
    assert job["outcomes"]["unprocessed"] == 10
    assert job["reasons"] == {"ENROLLMENT_ERROR": 10}


def test_a_preview_does_not_wait_and_ends_like_the_job(
    bulk: Bulk, people: list[UUID], trip: Trip
) -> None:
    trip([people[15]], stumble(DEADLOCK))
    preview = bulk.preview(manual(people), batch_size=10)
    job_id = bulk.submit(manual(people), batch_size=10)
    job = bulk.finish(job_id, Impatient(bulk, job_id))
    for key in ("status", "outcomes", "reasons"):
        assert preview[key] == job[key]
