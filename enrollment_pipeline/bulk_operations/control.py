"""Taking hold of an operation: cancel, reschedule, resume."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.bulk_operations import closing, notices
from enrollment_pipeline.bulk_operations.executors import needed_to_handle
from enrollment_pipeline.bulk_operations.reversibility import require_in_time
from enrollment_pipeline.bulk_operations.states import OperationStatus
from enrollment_pipeline.bulk_operations.store import operations, schedules
from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.fields import known_zone
from enrollment_pipeline.work.times import due_time


def cancel(
    database: Database,
    settings: Settings,
    account: Account,
    operation_id: UUID,
    *,
    actor: str,
    recurring: bool = False,
) -> None:
    """End an operation before its time; what is done stays, and can be rolled back.

    Of one that recurs, this firing alone; with `recurring`, all that would follow too, also of one
    that is closed.

    Raises:
        ForbiddenError: the actor may not.
        OperationNotFoundError: the account has no such operation.
        InvalidStateError: it is closed, or does not recur; the message says which.
    """
    needs = needed_to_handle(database, account, operation_id)
    with accounted(
        database,
        account.id,
        actor=actor,
        action="operation.cancel",
        needs=needs,
        subject=operation_id,
    ) as doing:
        if recurring:
            _end_schedule(doing.connection, settings, operation_id)
            doing.details = {"recurring": True}
            if operations.load(doing.connection, operation_id).status.closed:
                return
        closing.cancel(doing.connection, settings, account, operation_id)


def reschedule(
    database: Database,
    settings: Settings,
    account: Account,
    operation_id: UUID,
    *,
    at: datetime | None,
    timezone: str | None,
    actor: str,
) -> None:
    """Let a scheduled operation start at another time; None is now.

    Raises:
        ForbiddenError: the actor may not.
        OperationNotFoundError: the account has no such operation.
        InvalidStateError: it is not waiting for its time; the message names its state.
        InvalidRequestError: the time is in the past, or too far ahead.
        NotReversibleError: what it takes back can no longer be taken back then.
    """
    needs = needed_to_handle(database, account, operation_id)
    with accounted(
        database,
        account.id,
        actor=actor,
        action="operation.reschedule",
        needs=needs,
        subject=operation_id,
    ) as doing:
        operation = operations.load(doing.connection, operation_id, lock=True)
        if operation.status is not OperationStatus.SCHEDULED:
            raise InvalidStateError(
                f"The operation is {operation.status}; only one that waits for its time can be "
                "rescheduled."
            )
        if operation.after_id is not None:
            raise InvalidStateError(
                f"The operation waits for operation {operation.after_id}, and has no time."
            )
        due = due_time(at, known_zone(timezone), account)
        require_in_time(doing.connection, account, operation, at=due or datetime.now(UTC))
        operations.change(
            doing.connection,
            operation_id,
            scheduled_at=due or datetime.now(UTC),
            runner="queue",
        )
        doing.details = {"scheduled_at": (due or datetime.now(UTC)).isoformat()}
        if due is not None:
            notices.tell(
                doing.connection, settings, operations.load(doing.connection, operation_id)
            )


def resume(
    database: Database,
    account: Account,
    operation_id: UUID,
    *,
    actor: str,
    runner: str = "caller",
) -> None:
    """Go on with an open operation: one that says what is wrong, or whose run has died.

    Raises:
        ForbiddenError: the actor may not.
        OperationNotFoundError: the account has no such operation.
        InvalidStateError: it is closed, or not yet due.
    """
    needs = needed_to_handle(database, account, operation_id)
    with accounted(
        database,
        account.id,
        actor=actor,
        action="operation.resume",
        needs=needs,
        subject=operation_id,
    ) as doing:
        operation = operations.load(doing.connection, operation_id, lock=True)
        if operation.status.closed:
            raise InvalidStateError(
                f"The operation is {operation.status}; there is nothing to resume."
            )
        if not operations.is_due(doing.connection, operation):
            raise InvalidStateError(
                "The operation is not yet due.",
                remedy=f"Start it earlier with: enrollment operations reschedule {operation_id} "
                "--now",
            )
        operations.change(
            doing.connection,
            operation_id,
            error=None,
            runner=runner,
            attempt=operation.attempt + 1,
        )


def _end_schedule(connection: Connection, settings: Settings, operation_id: UUID) -> None:
    """Let nothing follow of what recurs: no firing is made any more, and none that waits begins."""
    # Operations before schedules, as everywhere.
    operation = operations.load(connection, operation_id, lock=True)
    if operation.schedule_id is None:
        raise InvalidStateError(
            "The operation does not recur.", remedy="Cancel it without --recurring."
        )
    if not schedules.end(connection, operation.schedule_id) and operation.status.closed:
        raise InvalidStateError("Nothing follows of the operation any more; it has ended.")
    for firing in operations.firings_waiting(connection, operation.schedule_id):
        if firing.id != operation_id:
            closing.close(connection, settings, firing, OperationStatus.CANCELLED)
