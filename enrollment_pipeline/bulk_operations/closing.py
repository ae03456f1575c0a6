"""Ending an operation: as its counts say, as failed, or before its time; and what waits for it.

Belongs here: what belongs to the end in one transaction: the state, the input that is no longer
needed, the state of what was rolled back, what waited for it, and the message. Does not belong
here: when an operation ends.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations import notices, scheduling
from enrollment_pipeline.bulk_operations.states import (
    OperationStatus,
    RowOutcome,
    require_move,
    status_after_rollback,
)
from enrollment_pipeline.bulk_operations.store import inputs, operations
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.errors import DependencyFailedError, InvalidStateError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings


def close(
    connection: Connection,
    settings: Settings,
    operation: OperationRecord,
    status: OperationStatus,
    *,
    error: dict[str, Any] | None = None,
) -> None:
    """End an operation that is locked, and all that follows from its end.

    What waited for it, and can no longer begin, is cancelled with it.

    Raises:
        InvalidStateError: it cannot end so.
    """
    require_move(operation.status, status)
    operations.change(
        connection,
        operation.id,
        status=status,
        error=error,
        completed_at=datetime.now(UTC),
    )
    inputs.drop(connection, operation.id)
    if operation.reverses_id is not None and status.succeeded:
        _mark_original(connection, settings, operation)
    notices.tell(connection, settings, operations.load(connection, operation.id))
    if not status.succeeded:
        _cancel_waiting(connection, settings, operation, status)


def cancel(
    connection: Connection, settings: Settings, account: Account, operation_id: UUID
) -> None:
    """End an operation before its time; what is done stays, and can be rolled back.

    A piece in progress is waited for, by the lock of the row. Of what comes again, this firing
    alone is cancelled.

    Raises:
        OperationNotFoundError: the account has no such operation.
        InvalidStateError: it is closed; the message names its state.
    """
    operation = operations.load(connection, operation_id, lock=True)
    if operation.status.closed:
        raise InvalidStateError(
            f"The operation is {operation.status}; it can no longer be cancelled.",
            remedy=f"Take back what it did with: enrollment operations rollback {operation_id}"
            if operation.status.succeeded
            else "",
        )
    begun = operation.status is OperationStatus.PROCESSING
    close(connection, settings, operation, OperationStatus.CANCELLED)
    if not begun:
        scheduling.add_next(connection, account, operation, now=datetime.now(UTC))


def _mark_original(connection: Connection, settings: Settings, rollback: OperationRecord) -> None:
    original = operations.load(connection, _required(rollback.reverses_id), lock=True)
    status = status_after_rollback(
        kept=rollback.counts.get(RowOutcome.KEPT, 0),
        errored=rollback.counts.get(RowOutcome.ERRORED, 0),
    )
    require_move(original.status, status)
    operations.change(connection, original.id, status=status)
    _cancel_waiting(connection, settings, original, status)


def _cancel_waiting(
    connection: Connection,
    settings: Settings,
    operation: OperationRecord,
    status: OperationStatus,
) -> None:
    for waiting in operations.waiting_for(connection, operation.id):
        why = DependencyFailedError(
            f"It waited for operation {operation.id}, which is {status}.",
        )
        close(connection, settings, waiting, OperationStatus.CANCELLED, error=why.as_dict())


def _required(operation_id: UUID | None) -> UUID:
    if operation_id is None:
        raise TypeError("a rollback names what it takes back")
    return operation_id
