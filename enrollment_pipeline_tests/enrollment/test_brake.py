"""The auto-brake: a job that fails too often pauses, says why, and goes on when it is resumed."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.brake import must_brake
from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline_tests.enrollment.conftest import Bulk, Impatient, Trip, manual

AddWorkflow = Callable[..., UUID]
POISON = "raise exception 'poison';"


@pytest.mark.parametrize(
    ("enrolled", "failed", "share", "braked"),
    [
        (0, 199, 0.5, False),
        (0, 200, 0.5, True),
        (100, 100, 0.5, False),
        (99, 101, 0.5, True),
        (1000, 1000, 0.5, False),
        (200, 0, 0.0, False),
        (200, 1, 0.0, True),
        (0, 100_000, 1.0, False),
    ],
)
def test_the_brake_acts_above_the_share_and_from_200_contacts_on(
    enrolled: int, failed: int, share: float, braked: bool
) -> None:
    assert must_brake(enrolled=enrolled, failed=failed, share=share) is braked


def braked_job(bulk: Bulk, add_workflow: AddWorkflow, trip: Trip, **options: object) -> UUID:
    """A job whose first 250 of 400 contacts cannot be enrolled, drained as far as it goes."""
    add_workflow(bulk.account)
    people = bulk.crowd(400)
    trip(people[:250], POISON)
    job_id = bulk.submit(manual(people), batch_size=50, **options)
    bulk.prepare(job_id)
    return job_id


def test_a_job_that_fails_too_often_pauses_and_says_why(
    bulk: Bulk, add_workflow: AddWorkflow, trip: Trip
) -> None:
    job_id = braked_job(bulk, add_workflow, trip)

    assert bulk.phases(job_id).lane(threading.Event()).drain() is LaneEnd.PAUSED

    document = bulk.describe(job_id)
    assert document["status"] == "paused"
    assert document["error"]["code"] == "TOO_MANY_FAILURES"
    assert "200 of 200 contacts failed" in document["error"]["message"]
    assert "50%" in document["error"]["message"]
    assert document["outcomes"]["failed"] == 200
    assert document["outcomes"]["unprocessed"] == 200


def test_after_a_resume_the_brake_looks_at_what_comes_from_then_on(
    bulk: Bulk, add_workflow: AddWorkflow, trip: Trip
) -> None:
    job_id = braked_job(bulk, add_workflow, trip)
    bulk.phases(job_id).lane(threading.Event()).drain()

    service.resume(bulk.database, bulk.account, job_id, actor="test")
    document = bulk.finish(job_id)

    assert document["status"] == "completed_with_errors"
    assert (document["outcomes"]["enrolled"], document["outcomes"]["failed"]) == (150, 250)
    assert document["error"] is None


def test_a_share_of_one_never_brakes(bulk: Bulk, add_workflow: AddWorkflow, trip: Trip) -> None:
    job_id = braked_job(bulk, add_workflow, trip, max_failure_share=1)
    assert bulk.phases(job_id).lane(threading.Event()).drain() is LaneEnd.DONE
    assert bulk.finish(job_id)["outcomes"]["failed"] == 250


def test_a_job_that_is_done_is_not_paused_for_its_failures(
    bulk: Bulk, add_workflow: AddWorkflow, trip: Trip
) -> None:
    add_workflow(bulk.account)
    people = bulk.crowd(250)
    trip(people, POISON)
    document = bulk.enroll(manual(people), batch_size=250)
    assert document["status"] == "failed"
    assert document["outcomes"]["failed"] == 250


def test_contacts_of_batches_that_were_given_up_count_as_failed(
    bulk: Bulk, add_workflow: AddWorkflow, trip: Trip
) -> None:
    add_workflow(bulk.account)
    people = bulk.crowd(300)
    # One contact in each of the first two batches of 100 makes its whole transaction fail.
    trip([people[0], people[100]], "raise deadlock_detected;")
    job_id = bulk.submit(manual(people), batch_size=100, max_failure_share=0.2)
    bulk.prepare(job_id)
    bulk.sql(
        "update enrollment.enrollment_batches set next_attempt_at = now() + interval '1 hour' "
        "where job_id = :job and number = 3",
        job=job_id,
    )
    end = bulk.phases(job_id).lane(Patient(bulk, job_id)).drain()
    assert end is LaneEnd.PAUSED
    assert "200 of 200 contacts failed" in bulk.describe(job_id)["error"]["message"]
    with pytest.raises(InvalidStateError):
        service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="test")


class Patient(Impatient):
    """Like `Impatient`, but the third batch has to wait."""

    def wait(self, timeout: float | None = None) -> bool:
        stopped = super().wait(timeout)
        self._bulk.sql(
            "update enrollment.enrollment_batches set next_attempt_at = now() + interval '1 hour' "
            "where job_id = :job and number = 3",
            job=self._job_id,
        )
        return stopped
