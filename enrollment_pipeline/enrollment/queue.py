"""The queue of all accounts: what is in it, and jobs whose run has died."""

from enrollment_pipeline.enrollment.cancelling import cancel_job
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.queueing import MAX_RESTARTS, QueuedJob
from enrollment_pipeline.enrollment.store import queue
from enrollment_pipeline.errors import RunFailedError
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database


def open_jobs(database: Database) -> list[QueuedJob]:
    """Return the jobs of all accounts that are due and not closed or paused, oldest first."""
    with database.across_accounts() as connection:
        return queue.in_queue(connection)


def restart(database: Database, settings: Settings, job: QueuedJob) -> bool:
    """Let a job whose run has died begin its next attempt; return whether it may.

    One whose runs die again and again without any progress is given up: paused where contacts are
    left in batches, and failed before that.
    """
    with database.account(job.account_id) as connection:
        restarts = queue.restart(connection, job.job_id, job.attempt)
    if restarts is None:
        return False
    if restarts <= MAX_RESTARTS:
        return True
    why = RunFailedError(
        f"The run of the job died {MAX_RESTARTS + 1} times in a row without any progress.",
        remedy=f"Look at its runs in the Dagster UI, then: enrollment resume {job.job_id}",
    )
    Phases(database, settings, job.job_id).give_up(why)
    return False


def finish_cancelling(database: Database, settings: Settings, job: QueuedJob) -> None:
    """End a job whose cancellation was begun by somebody who has gone."""
    phases = Phases(database, settings, job.job_id)
    if not phases.job().status.closed:
        cancel_job(database, settings, job.account_id, job.job_id)
    phases.report()
