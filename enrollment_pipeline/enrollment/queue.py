"""The queue of all accounts: what is in it, and jobs whose run has died."""

from enrollment_pipeline.enrollment.cancelling import close_cancelled
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.store import queue
from enrollment_pipeline.errors import RunFailedError
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.planning import limit_lock_waits
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.queueing import MAX_RESTARTS, QueuedWork

# A worker that hangs must not hold up the queue of everybody; the next look tries again.
SENSOR_LOCK_SECONDS = 2


def open_jobs(database: Database) -> list[QueuedWork]:
    """Return the jobs of all accounts that are due and not closed or paused, oldest first."""
    with database.across_accounts() as connection:
        return queue.in_queue(connection)


def restart(database: Database, settings: Settings, job: QueuedWork) -> bool:
    """Let a job whose run has died begin its next attempt; return whether it may.

    One whose runs die again and again without any progress is given up: paused where contacts are
    left in batches, and failed before that.
    """
    with database.account(job.account_id) as connection:
        limit_lock_waits(connection, SENSOR_LOCK_SECONDS)
        restarts = queue.restart(connection, job.work_id, job.attempt)
    if restarts is None:
        return False
    if restarts <= MAX_RESTARTS:
        return True
    why = RunFailedError(
        f"{MAX_RESTARTS + 1} attempts at the job in a row died without any progress.",
        remedy=f"Look at its runs in the Dagster UI, then: enrollment resume {job.work_id}",
    )
    Phases(database, settings, job.work_id).give_up(why)
    return False


def finish_cancelling(
    database: Database, settings: Settings, job: QueuedWork, *, actor: str
) -> None:
    """Close a job that somebody began to cancel, or whose run somebody terminated.

    Its report is left to a run. `actor` is who terminated.
    """
    if job.cancelling:
        close_cancelled(
            database, settings, job.account_id, job.work_id, lock_seconds=SENSOR_LOCK_SECONDS
        )
    else:
        phases = Phases(database, settings, job.work_id)
        phases.cancel(actor=actor, lock_seconds=SENSOR_LOCK_SECONDS)
