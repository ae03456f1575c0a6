"""Taking hold of a job: pause, resume, reschedule, cancel."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.errors import (
    ConfigurationError,
    InvalidRequestError,
    InvalidStateError,
    JobNotFoundError,
)
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, manual

AddWorkflow = Callable[..., UUID]


@pytest.fixture(autouse=True)
def workflow(bulk: Bulk, add_workflow: AddWorkflow) -> UUID:
    """The workflow that the jobs of the test enroll into."""
    return add_workflow(bulk.account)


class AfterSome:
    """Does something at the first look after so many contacts are enrolled."""

    def __init__(self, bulk: Bulk, job_id: UUID, least: int, what: Callable[[], object]) -> None:
        self._bulk, self._job_id, self._least, self._what = bulk, job_id, least, what
        self._done = False

    def is_set(self) -> bool:
        if not self._done and len(self._bulk.enrolled_by(self._job_id)) >= self._least:
            self._done = True
            self._what()
        return False

    def wait(self, timeout: float | None = None) -> bool:
        raise AssertionError("nothing to wait for")


def test_a_paused_job_keeps_what_is_done_and_goes_on_with_the_rest(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(12_00)), batch_size=500)
    bulk.sql(
        "update enrollment.accounts set settings = '{\"burst_per_second\": 400}' where id = :id",
        id=bulk.account.id,
    )
    bulk.prepare(job_id)
    stop = AfterSome(
        bulk,
        job_id,
        400,
        lambda: service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann"),
    )

    assert bulk.phases(job_id).lane(stop).drain() is LaneEnd.PAUSED

    document = bulk.describe(job_id)
    assert (document["status"], document["outcomes"]["enrolled"]) == ("paused", 400)
    assert document["error"]["code"] == "JOB_PAUSED"
    assert "paused by ann" in document["error"]["message"]
    with pytest.raises(InvalidStateError, match="paused"):
        bulk.phases(job_id).open_lanes()
    service.resume(bulk.database, bulk.account, job_id, actor="bob")
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 1200
    assert bulk.audit(job_id) == [
        ("unknown", "job.submit"),
        ("ann", "job.pause"),
        ("bob", "job.resume"),
    ]


def test_only_a_job_at_work_can_be_paused(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    with pytest.raises(InvalidStateError, match="pending"):
        service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    bulk.finish(job_id)
    with pytest.raises(InvalidStateError, match="completed"):
        service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    with pytest.raises(JobNotFoundError):
        service.pause(bulk.database, bulk.settings, bulk.account, uuid4(), actor="ann")


def test_a_job_can_be_resumed_by_the_queue(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.prepare(job_id)
    service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    assert bulk.in_queue(job_id) == []

    service.resume(bulk.database, bulk.account, job_id, actor="ann", runner="queue")
    assert bulk.in_queue(job_id) == [(2, "queued")]

    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    assert bulk.in_queue(job_id) == []


def test_a_scheduled_job_can_be_moved_and_cancelled_before_its_start(bulk: Bulk) -> None:
    bulk.crowd(3)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    job_id = bulk.submit(EVERYBODY, scheduled_at=tomorrow)
    later = (tomorrow + timedelta(days=1)).replace(microsecond=0)

    def move(at: datetime | None, zone: str | None = None) -> None:
        service.reschedule(bulk.database, bulk.account, job_id, at=at, timezone=zone, actor="ann")

    move(later)
    assert bulk.describe(job_id)["scheduled_at"] == later.isoformat()
    move(later.replace(tzinfo=None), "America/New_York")
    there = later.replace(tzinfo=ZoneInfo("America/New_York"))
    assert bulk.describe(job_id)["scheduled_at"] == there.astimezone(UTC).isoformat()
    with pytest.raises(InvalidRequestError, match="in the past"):
        move(datetime.now(UTC) - timedelta(minutes=1))
    with pytest.raises(InvalidRequestError, match="not a time zone"):
        move(later, "Mars/Olympus")
    assert bulk.in_queue(job_id) == []
    move(None)
    assert bulk.in_queue(job_id) == [(1, "scheduled")]

    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    assert bulk.describe(job_id)["status"] == "cancelled"
    with pytest.raises(InvalidStateError, match="cancelled"):
        move(later)


def test_a_time_that_is_given_with_a_zone_is_read_by_the_clock_there(bulk: Bulk) -> None:
    job_id = bulk.submit(EVERYBODY, scheduled_at="2030-07-01T09:00", timezone="Europe/Berlin")
    assert bulk.describe(job_id)["scheduled_at"] == "2030-07-01T07:00:00+00:00"


def test_a_cancelled_job_no_longer_tells_why_it_was_paused(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="bob")
    assert bulk.verified(job_id)["error"] is None


def test_a_lane_that_slept_through_pause_and_resume_goes_on(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    assert bulk.describe(job_id)["status"] == "queued"
    assert bulk.phases(job_id).lane(threading.Event()).drain() is LaneEnd.DONE
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 20


def test_a_report_that_cannot_be_written_is_told_by_the_job(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    phases = bulk.prepare(job_id)
    phases.lane(threading.Event()).drain()
    in_the_way = bulk.settings.reports / str(bulk.account.id)
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("no folder")

    with pytest.raises(ConfigurationError, match="cannot be written"):
        phases.report()

    document = bulk.describe(job_id)
    assert (document["status"], document["error"]["code"]) == ("processing", "CONFIGURATION_ERROR")
    assert bulk.in_queue(job_id) == []
    in_the_way.unlink()
    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    assert bulk.finish(job_id)["error"] is None
