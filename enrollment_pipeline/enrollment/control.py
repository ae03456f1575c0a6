"""Taking hold of a job that is open: pausing, resuming, ending it."""

from contextlib import AbstractContextManager
from uuid import UUID

from enrollment_pipeline.accounts.operations import Operation, operation
from enrollment_pipeline.enrollment.cancelling import ask_to_cancel, cancel_job
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.states import JobStatus, require_move
from enrollment_pipeline.enrollment.store import batches, jobs
from enrollment_pipeline.enrollment.transitions import require_active
from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database


def resume(database: Database, account: Account, job_id: UUID, *, actor: str) -> None:
    """Let the caller go on with an open job: a paused one, or one whose run has died.

    Raises:
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is closed, being cancelled, or not yet due.
        WorkflowInactiveError: contacts are left, and the workflow takes none.
    """
    with _operation(database, account, job_id, actor, "job.resume") as doing:
        connection = doing.connection
        job = jobs.load(connection, job_id, lock=True)
        if job.status.closed or job.status is JobStatus.CANCELLING:
            raise InvalidStateError(f"The job is {job.status}; there is nothing to resume.")
        if job.status is JobStatus.SCHEDULED and not jobs.is_due(connection, job_id):
            raise InvalidStateError(
                f"The job is scheduled for {job.scheduled_at} and not yet due.",
                remedy="Wait for its time, or cancel it and run the request anew.",
            )
        if batches.open_batches(connection, job_id).batches:
            require_active(job.workflow.name, job.workflow.status)
        if job.status is JobStatus.PAUSED:
            require_move(job.status, JobStatus.QUEUED)
            jobs.change(connection, job_id, status=JobStatus.QUEUED)
        jobs.change(connection, job_id, error=None, runner="caller", attempt=job.attempt + 1)


def cancel(
    database: Database, settings: Settings, account: Account, job_id: UUID, *, actor: str
) -> None:
    """End an open job; what is enrolled stays, the rest becomes `cancelled`. Writes the report.

    Raises:
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is closed; the message names its state.
    """
    with _operation(database, account, job_id, actor, "job.cancel") as doing:
        ask_to_cancel(doing.connection, job_id)
    cancel_job(database, account.id, job_id)
    Phases(database, settings, job_id).report()


def _operation(
    database: Database, account: Account, job_id: UUID, actor: str, action: str
) -> AbstractContextManager[Operation]:
    return operation(
        database,
        account.id,
        actor=actor,
        action=action,
        needs=Permission.WORKFLOW_MANAGE,
        subject=job_id,
    )
