"""Whatever is done twice is done once: phases, requests, reports, resumptions."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.errors import InvalidStateError, JobIncompleteError, JobNotFoundError
from enrollment_pipeline_tests.enrollment.conftest import (
    EVERYBODY,
    Bulk,
    Document,
    manual,
    run_phases,
)

AddWorkflow = Callable[..., UUID]


@pytest.fixture
def people(bulk: Bulk, add_workflow: AddWorkflow) -> list[UUID]:
    """25 contacts of an account with an active workflow."""
    add_workflow(bulk.account)
    return bulk.crowd(25)


def state_of(bulk: Bulk, job_id: UUID) -> list[Any]:
    """Everything that the database holds of a job, but for signs of life."""
    held: list[Any] = [bulk.rows(job_id), bulk.batches(job_id), bulk.failures(job_id)]
    for table in ("enrollments where source_id", "enrollment_jobs where id"):
        rows = bulk.query(f"select * from enrollment.{table} = :job", job=job_id)
        held.append([row | {"heartbeat_at": None} for row in rows])
    return held


def test_every_phase_repeated_changes_nothing(bulk: Bulk, people: list[UUID]) -> None:
    bulk.change_contacts(people[:1], "status = 'blocked'")
    job_id = bulk.submit(manual([*people, people[0], "x"]), batch_size=10, add_tags=["new"])
    phases = bulk.phases(job_id)
    steps: list[Callable[[], object]] = [
        phases.select,
        phases.validate,
        phases.partition,
        phases.open_lanes,
        lambda: phases.lane(threading.Event()).drain(),
        phases.close_lanes,
        phases.check,
        phases.report,
    ]
    for number, step in enumerate(steps):
        step()
        held = state_of(bulk, job_id)
        for earlier in steps[: number + 1]:
            earlier()
            assert state_of(bulk, job_id) == held

    job = bulk.verified(job_id)
    assert job["outcomes"]["enrolled"] == 24
    assert run_phases(bulk.phases(job_id)).job.status == "completed"
    assert state_of(bulk, job_id) == held


def test_the_same_request_again_enrolls_nobody_twice(bulk: Bulk, people: list[UUID]) -> None:
    first = bulk.enroll(EVERYBODY)
    second = bulk.enroll(EVERYBODY)
    assert first["outcomes"]["enrolled"] == second["outcomes"]["already_enrolled"] == 25
    assert second["status"] == "completed"
    assert second["outcomes"]["enrolled"] == 0


def test_a_stop_ends_a_lane_between_two_transactions_and_the_rest_goes_on(
    bulk: Bulk, people: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    from enrollment_pipeline.enrollment import batching

    monkeypatch.setattr(batching, "CONTACTS_PER_TRANSACTION", 10)
    job_id = bulk.submit(manual(people), batch_size=10)
    phases = bulk.prepare(job_id)
    stop = threading.Event()

    assert phases.lane(stop, on_contacts=lambda _: stop.set()).drain() is LaneEnd.STOPPED

    job = bulk.describe(job_id)
    assert job["status"] == "processing"
    assert job["outcomes"]["enrolled"] == 10
    assert job["progress"]["percent"] == 40.0
    assert job["progress"]["current_batch"] == 1
    assert job["progress"]["eta_seconds"] is not None
    with pytest.raises(JobIncompleteError, match="2 batches of the job are not finished"):
        phases.close_lanes()
    with pytest.raises(JobIncompleteError):
        phases.report()
    service.resume(bulk.database, bulk.account, job_id, actor="test")
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 25


def test_phases_out_of_order_are_refused_and_do_no_harm(bulk: Bulk, people: list[UUID]) -> None:
    job_id = bulk.submit(manual(people))
    phases = bulk.phases(job_id)
    out_of_order: list[Callable[[Phases], object]] = [
        Phases.validate,
        Phases.partition,
        Phases.close_lanes,
        Phases.report,
    ]
    for step in out_of_order:
        with pytest.raises(JobIncompleteError):
            step(phases)
    assert phases.open_lanes() == 0
    phases.select()
    for step in out_of_order[1:]:
        with pytest.raises(JobIncompleteError):
            step(phases)
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 25


def test_a_closed_job_is_not_resumed_and_its_phases_do_nothing(
    bulk: Bulk, people: list[UUID]
) -> None:
    job_id = bulk.submit(bulk.csv(b"", name="empty.csv"))
    with pytest.raises(Exception, match="is empty"):
        bulk.phases(job_id).select()
    # The first report of a job keeps its counts.
    bulk.phases(job_id).report()
    held = state_of(bulk, job_id)

    with pytest.raises(InvalidStateError, match="The job is failed"):
        service.resume(bulk.database, bulk.account, job_id, actor="test")
    report = run_phases(bulk.phases(job_id))

    assert report.job.status == "failed"
    assert state_of(bulk, job_id) == held
    assert "is empty" in report.files["report"].read_text(encoding="utf-8")


def test_failing_a_job_keeps_what_is_closed(bulk: Bulk, people: list[UUID]) -> None:
    error: Document = {"code": "X", "message": "y", "remedy": "z"}
    closed = bulk.submit(manual(people[:5]))
    bulk.finish(closed)
    bulk.phases(closed).fail(error)
    assert bulk.describe(closed)["status"] == "completed"

    opened = bulk.submit(manual(people))
    bulk.phases(opened).fail(error)
    job = bulk.describe(opened)
    assert (job["status"], job["error"]) == ("failed", error)
    assert job["completed_at"] is not None

    cancelling = bulk.submit(manual(people))
    bulk.prepare(cancelling)
    bulk.sql(
        "update enrollment.enrollment_jobs set status = 'cancelling' where id = :job",
        job=cancelling,
    )
    bulk.phases(cancelling).fail(error)
    assert bulk.describe(cancelling)["status"] == "cancelling"


def test_a_lane_ends_where_the_job_was_stopped_from_elsewhere(
    bulk: Bulk, people: list[UUID]
) -> None:
    ends = {"cancelling": LaneEnd.STOPPED, "paused": LaneEnd.PAUSED, "failed": LaneEnd.DONE}
    for status, end in ends.items():
        job_id = bulk.submit(manual(people))
        phases = bulk.prepare(job_id)
        bulk.sql(
            "update enrollment.enrollment_jobs set status = :status where id = :job",
            status=status,
            job=job_id,
        )
        assert phases.lane(threading.Event()).drain() is end
        assert not bulk.enrolled_by(job_id)


def test_a_job_nobody_has_is_not_found(bulk: Bulk) -> None:
    with pytest.raises(JobNotFoundError):
        bulk.phases(uuid4())
