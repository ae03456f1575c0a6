"""Ending a job before its time: what is done stays, the rest becomes `cancelled`.

Needs no worker that is alive: it waits for the transactions in progress, by the locks they hold on
their batches, and closes what is left. In two steps, so that lanes end before all of it is locked;
whoever dies in between is followed by anybody who takes the second. A job that has not begun is
closed by the first.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.enrollment import notices
from enrollment_pipeline.enrollment.states import JobStatus, require_move
from enrollment_pipeline.enrollment.store import batches, jobs
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.records import Outcome
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.planning import limit_lock_waits
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work import inputs

LOCK_SECONDS = 60
# Nothing has begun in these; the others go over `cancelling`, which the lanes obey.
_NOT_BEGUN = (JobStatus.SCHEDULED, JobStatus.PENDING)


def ask_to_cancel(connection: Connection, settings: Settings, job_id: UUID) -> None:
    """Let the lanes of an open job end after the transactions in progress.

    Raises:
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is closed; the message names its state.
    """
    job = jobs.load(connection, job_id, lock=True)
    if job.status.closed:
        raise InvalidStateError(f"The job is {job.status}; it can no longer be cancelled.")
    if job.status in _NOT_BEGUN:
        _close(connection, settings, job, rest=0)
    elif job.status is not JobStatus.CANCELLING:
        require_move(job.status, JobStatus.CANCELLING)
        # What was wrong with it no longer matters.
        jobs.change(connection, job_id, status=JobStatus.CANCELLING, error=None)


def close_cancelled(
    database: Database,
    settings: Settings,
    account_id: UUID,
    job_id: UUID,
    *,
    lock_seconds: int = LOCK_SECONDS,
) -> None:
    """Close a job that was asked to cancel; does nothing where somebody else has.

    Waits so long for a claim in progress, which takes about 0.1 s unless its worker hangs.
    """
    with database.account(account_id) as connection:
        limit_lock_waits(connection, lock_seconds)
        # Batches before the job, as the lanes lock them: a claim in progress is waited for here,
        # and what it has completed is not touched.
        rest = batches.close(connection, job_id, status="cancelled")
        job = jobs.load(connection, job_id, lock=True)
        if not job.status.closed:
            _close(connection, settings, job, rest)


def _close(connection: Connection, settings: Settings, job: Job, rest: int) -> None:
    # Without batches yet, whatever has no outcome is cancelled; with them, a batch that was given
    # up before stays unprocessed.
    cancelled = rest if job.batched_at else job.outcomes[Outcome.UNPROCESSED]
    jobs.change(
        connection,
        job.id,
        status=JobStatus.CANCELLED,
        cancelled=cancelled,
        error=None,
        completed_at=datetime.now(UTC),
    )
    inputs.drop_input(connection, job.id)
    notices.tell(connection, settings, job.id)
