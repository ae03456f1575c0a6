"""Taking hold of a job: pause, resume, reschedule, cancel, and try its failures again."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from uuid import UUID

from enrollment_pipeline.accounts.operations import Operation, operation
from enrollment_pipeline.enrollment.cancelling import ask_to_cancel, close_cancelled
from enrollment_pipeline.enrollment.pausing import pause_job
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.request import BulkEnrollmentRequest, Options
from enrollment_pipeline.enrollment.states import JobStatus, require_move
from enrollment_pipeline.enrollment.store import batches, jobs, outcomes
from enrollment_pipeline.enrollment.submission import submit
from enrollment_pipeline.enrollment.transitions import require_active
from enrollment_pipeline.errors import (
    DetailsPrunedError,
    InvalidStateError,
    JobPausedError,
    NothingToRetryError,
    Reason,
)
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.selections.request import ManualSelection
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.fields import known_zone
from enrollment_pipeline.work.times import due_time

RETRYABLE = tuple(reason for reason in Reason if reason.retryable)


def pause(
    database: Database, settings: Settings, account: Account, job_id: UUID, *, actor: str
) -> None:
    """Let the lanes of a job end after the transactions in progress, until it is resumed.

    Raises:
        ForbiddenError: the actor may not.
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is not at work; the message names its state.
    """
    with _operation(database, account, job_id, actor, "job.pause") as doing:
        job = jobs.load(doing.connection, job_id, lock=True)
        if job.status not in (JobStatus.QUEUED, JobStatus.PROCESSING):
            raise InvalidStateError(
                f"The job is {job.status}; only one that is queued or processing can be paused."
            )
        why = JobPausedError(f"The job was paused by {actor}.")
        pause_job(doing.connection, settings, job_id, why)


def resume(
    database: Database, account: Account, job_id: UUID, *, actor: str, runner: str = "caller"
) -> None:
    """Go on with an open job: a paused one, or one whose run has died.

    `runner` is "caller" when the caller runs it, "queue" when that is left to the queue.

    Raises:
        ForbiddenError: the actor may not.
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
                remedy=f"Start it earlier with: enrollment reschedule {job_id} --now",
            )
        if batches.open_batches(connection, job_id).batches:
            require_active(job.workflow.name, job.workflow.status)
        status = job.status
        if status is JobStatus.PAUSED:
            status = JobStatus.QUEUED
            require_move(job.status, status)
        jobs.resume(connection, job_id, status=status, runner=runner)


def reschedule(
    database: Database,
    account: Account,
    job_id: UUID,
    *,
    at: datetime | None,
    timezone: str | None,
    actor: str,
) -> None:
    """Let a scheduled job start at another time; None is now.

    Raises:
        ForbiddenError: the actor may not.
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is not waiting for its time; the message names its state.
        InvalidRequestError: the time is in the past, or too far ahead.
    """
    with _operation(database, account, job_id, actor, "job.reschedule") as doing:
        job = jobs.load(doing.connection, job_id, lock=True)
        if job.status is not JobStatus.SCHEDULED:
            raise InvalidStateError(
                f"The job is {job.status}; only one that waits for its time can be rescheduled."
            )
        due = due_time(at, known_zone(timezone), account) or datetime.now(UTC)
        jobs.change(doing.connection, job_id, scheduled_at=due)
        doing.details = {"scheduled_at": due.isoformat()}


def retry(
    database: Database,
    account: Account,
    job_id: UUID,
    *,
    everything: bool,
    actor: str,
    runner: str = "queue",
) -> UUID:
    """Create a job for the contacts of a closed one that failed or stayed unprocessed; return it.

    Only those whose code says that a later attempt can succeed, or all of them with `everything`.

    Raises:
        ForbiddenError: the actor may not.
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is still open, or is being retried already.
        DetailsPrunedError: its failures are no longer all kept.
        NothingToRetryError: there is no such contact.
        RefusedError: the new job cannot be accepted.
    """
    with _operation(database, account, job_id, actor, "job.retry") as doing:
        # The submission below writes it down.
        doing.silent = True
        connection = doing.connection
        job = jobs.load(connection, job_id)
        if not job.status.closed:
            raise InvalidStateError(f"The job is {job.status}; only a closed one can be retried.")
        if job.pruned_at is not None:
            raise DetailsPrunedError(
                "The failures of the job are no longer all kept, so not all could be retried.",
                remedy="Enroll the contacts of the failed.csv of its report.",
            )
        contacts = outcomes.failed_contacts(
            connection, job_id, codes=None if everything else RETRYABLE
        )
    if not contacts:
        raise NothingToRetryError(
            "No contact of the job failed."
            if everything
            else "No contact of the job failed in a way that a later attempt can mend."
        )
    request = BulkEnrollmentRequest(
        workflow=str(job.workflow.id),
        selection=ManualSelection(contact_ids=tuple(map(str, contacts))),
        options=Options.model_validate(job.request["options"]),
        requested_by=actor,
    )
    made, _ = submit(database, account, request, source="retry", runner=runner, retry_of=job_id)
    return made


def cancel(
    database: Database, settings: Settings, account: Account, job_id: UUID, *, actor: str
) -> None:
    """End an open job; what is enrolled stays, the rest becomes `cancelled`. Writes the report.

    Raises:
        ForbiddenError: the actor may not.
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is closed; the message names its state.
    """
    with _operation(database, account, job_id, actor, "job.cancel") as doing:
        ask_to_cancel(doing.connection, settings, job_id)
    close_cancelled(database, settings, account.id, job_id)
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
