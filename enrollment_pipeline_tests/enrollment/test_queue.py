"""What the queue does with jobs whose run, or whose canceller, has gone."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from enrollment_pipeline.enrollment import queue, service
from enrollment_pipeline.enrollment.store import batches
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, manual

AddWorkflow = Callable[..., UUID]


@pytest.fixture(autouse=True)
def workflow(bulk: Bulk, add_workflow: AddWorkflow) -> UUID:
    """The workflow that the jobs of the test enroll into."""
    return add_workflow(bulk.account)


def test_a_job_that_says_what_is_wrong_with_it_is_not_started_again(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.prepare(job_id)
    assert bulk.in_queue(job_id) == [(1, "processing")]
    bulk.sql("update enrollment.enrollment_jobs set error = '{}' where id = :job", job=job_id)
    assert bulk.in_queue(job_id) == []


def test_a_job_whose_runs_die_without_progress_is_given_up(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.prepare(job_id)

    def restart() -> bool:
        (job,) = (job for job in queue.open_jobs(bulk.database) if job.work_id == job_id)
        return queue.restart(bulk.database, bulk.settings, job)

    assert [restart() for _ in range(6)] == [True] * 5 + [False]
    document = bulk.describe(job_id)
    assert (document["status"], document["error"]["code"]) == ("paused", "RUN_FAILED")
    service.resume(bulk.database, bulk.account, job_id, actor="ann")
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 3


def test_a_job_whose_runs_die_with_progress_is_started_again_and_again(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(100)), batch_size=10)
    bulk.prepare(job_id)
    for number in range(10):
        bulk.sql(
            "update enrollment.enrollment_jobs set failed = :number where id = :job",
            number=number,
            job=job_id,
        )
        (job,) = (job for job in queue.open_jobs(bulk.database) if job.work_id == job_id)
        assert queue.restart(bulk.database, bulk.settings, job)


def test_a_job_whose_runs_die_before_it_has_batches_fails(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.phases(job_id).select()
    for _ in range(6):
        (job,) = (job for job in queue.open_jobs(bulk.database) if job.work_id == job_id)
        queue.restart(bulk.database, bulk.settings, job)
    document = bulk.describe(job_id)
    assert (document["status"], document["error"]["code"]) == ("failed", "RUN_FAILED")


def test_two_daemons_restart_a_job_once(bulk: Bulk) -> None:
    bulk.crowd(3)
    job_id = bulk.submit(EVERYBODY)
    bulk.prepare(job_id)
    (job,) = (job for job in queue.open_jobs(bulk.database) if job.work_id == job_id)
    assert queue.restart(bulk.database, bulk.settings, job)
    assert not queue.restart(bulk.database, bulk.settings, job)
    assert bulk.in_queue(job_id) == [(2, "processing")]


def test_a_cancellation_whose_author_has_gone_is_finished_by_the_queue(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    bulk.sql(
        "update enrollment.enrollment_jobs set status = 'cancelling' where id = :job", job=job_id
    )
    (job,) = (job for job in queue.open_jobs(bulk.database) if job.work_id == job_id)

    queue.finish_cancelling(bulk.database, bulk.settings, job, actor="dagster")
    queue.finish_cancelling(bulk.database, bulk.settings, job, actor="dagster")

    bulk.phases(job_id).report()
    assert bulk.verified(job_id)["outcomes"]["cancelled"] == 20


def test_a_lane_that_hangs_does_not_hold_up_the_queue(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "SENSOR_LOCK_SECONDS", 1)
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    bulk.sql(
        "update enrollment.enrollment_jobs set status = 'cancelling' where id = :job", job=job_id
    )
    (job,) = (job for job in queue.open_jobs(bulk.database) if job.work_id == job_id)

    with bulk.database.account(bulk.account.id) as hanging:
        assert batches.claim(hanging, job_id, 1)
        with pytest.raises(OperationalError, match="lock timeout"):
            queue.finish_cancelling(bulk.database, bulk.settings, job, actor="dagster")
    assert bulk.in_queue(job_id) == [(1, "cancelling")]

    queue.finish_cancelling(bulk.database, bulk.settings, job, actor="dagster")
    assert bulk.describe(job_id)["outcomes"]["cancelled"] == 20


@pytest.mark.parametrize("runner", ["caller", "queue"])
def test_a_cancellation_that_was_cut_off_is_in_the_queue_whatever_the_job_was(
    bulk: Bulk, runner: str
) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    bulk.sql(
        "update enrollment.enrollment_jobs set status = 'cancelling', runner = :runner, "
        "error = '{\"code\": \"X\"}', heartbeat_at = now() - interval '3 minutes' where id = :job",
        job=job_id,
        runner=runner,
    )
    assert bulk.in_queue(job_id) == [(1, "cancelling")]
    assert f"enrollment cancel {job_id}" in bulk.describe(job_id)["attention"]

    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="ann")
    assert bulk.verified(job_id)["outcomes"]["cancelled"] == 20


def test_a_job_whose_run_was_terminated_is_ended_by_the_queue(bulk: Bulk) -> None:
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    (job,) = (job for job in queue.open_jobs(bulk.database) if job.work_id == job_id)

    queue.finish_cancelling(bulk.database, bulk.settings, job, actor="dagster")

    assert bulk.describe(job_id)["status"] == "cancelled"
    assert bulk.audit(job_id)[-1] == ("dagster", "job.cancel")


def test_a_job_that_waits_in_the_queue_is_not_told_to_be_resumed(bulk: Bulk) -> None:
    job_id = bulk.submit(EVERYBODY)
    bulk.sql(
        "update enrollment.enrollment_jobs set created_at = now() - interval '3 minutes' "
        "where id = :job",
        job=job_id,
    )
    attention = bulk.describe(job_id)["attention"]
    assert "waits for its turn" in attention
    assert "resume" not in attention
