"""Whether something can be taken back: refusals with their reason.

Belongs here: the rules of when (spec "Rollback within 24 hours"). Does not belong here: what
becomes of each row (`reversing`, `withdrawing`).
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.request import (
    REVERSIBLE,
    OperationRequest,
    RollbackRequest,
    WithdrawalRequest,
)
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.enrollment import service as enrollment
from enrollment_pipeline.errors import InvalidRequestError, NotReversibleError
from enrollment_pipeline.records import Account


def require_reversible(
    connection: Connection, account: Account, request: OperationRequest, *, at: datetime
) -> None:
    """Do nothing for a request that takes back what can be taken back, or takes back nothing.

    `at` is when it is to start, which must be within the window.

    Raises:
        NotReversibleError: it cannot be taken back (any more); the message says why.
        OperationNotFoundError: the account has no such operation.
        JobNotFoundError: the account has no such job.
    """
    if isinstance(request, RollbackRequest | WithdrawalRequest) and request.timing.after:
        raise InvalidRequestError(
            "What is taken back must be so in time; it cannot wait for another operation.",
            remedy="Leave out what it waits for, or give a time.",
        )
    if isinstance(request, RollbackRequest):
        original = operations.load(connection, request.operation_id, lock=True)
        refuse_rollback(connection, account, original, at=at)
    elif isinstance(request, WithdrawalRequest):
        _refuse_withdrawal(connection, account, request, at=at)


def refuse_rollback(
    connection: Connection, account: Account, original: OperationRecord, *, at: datetime
) -> None:
    """Do nothing for an operation that can be rolled back at a time.

    Raises:
        NotReversibleError: it cannot; the message says why.
    """
    if original.type not in REVERSIBLE:
        raise NotReversibleError(f"An operation of type {original.type} changes no contacts.")
    if not original.status.closed:
        raise NotReversibleError(
            f"The operation is {original.status}; only one that has ended can be rolled back.",
            remedy=f"Wait for it, or end it with: enrollment operations cancel {original.id}",
        )
    other = operations.rollback_of(connection, original.id)
    if other is not None:
        word = "was rolled back" if other.status.closed else "is being rolled back"
        raise NotReversibleError(f"The operation {word} already, by operation {other.id}.")
    if original.images_removed_at is not None or too_late(account, original.completed_at, at):
        hours = account.settings.rollback_hours
        raise NotReversibleError(
            f"The operation can be rolled back for {hours} hours after its end, and not then.",
            remedy="Allow more for the next ones: enrollment accounts settings rollback_hours=N",
        )


def require_in_time(
    connection: Connection, account: Account, operation: OperationRecord, *, at: datetime
) -> None:
    """Do nothing for an operation that takes nothing back, or does it within the window.

    Raises:
        NotReversibleError: at that time it is too late.
    """
    ended_at = None
    if operation.reverses_id is not None:
        ended_at = operations.load(connection, operation.reverses_id).completed_at
    elif operation.withdraws_job_id is not None:
        ended_at = enrollment.state_of(connection, operation.withdraws_job_id).completed_at
    if too_late(account, ended_at, at):
        hours = account.settings.rollback_hours
        raise NotReversibleError(f"It can be taken back for {hours} hours, and not then.")


def too_late(account: Account, ended_at: datetime | None, now: datetime) -> bool:
    """Return whether what ended then can no longer be taken back."""
    window = timedelta(hours=account.settings.rollback_hours)
    return ended_at is not None and now - ended_at > window


def _refuse_withdrawal(
    connection: Connection, account: Account, request: WithdrawalRequest, *, at: datetime
) -> None:
    job = enrollment.state_of(connection, request.job_id)
    if not job.closed:
        raise NotReversibleError(
            f"The job is {job.status}; only one that has ended can be taken back.",
            remedy=f"Wait for it, or end it with: enrollment cancel {request.job_id}",
        )
    other = operations.withdrawal_of(connection, request.job_id)
    if other is not None:
        word = "were withdrawn" if other.status.closed else "are being withdrawn"
        raise NotReversibleError(
            f"The enrollments of the job {word} already, by operation {other.id}."
        )
    if too_late(account, job.completed_at, at):
        hours = account.settings.rollback_hours
        raise NotReversibleError(
            f"The job can be taken back for {hours} hours after its end, and not then."
        )
