"""Operations in the queue of all accounts: which are in it, and those whose run has died."""

from collections.abc import Iterable
from uuid import UUID

from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.errors import OperationNotFoundError, RunFailedError
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.planning import limit_lock_waits
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.queueing import MAX_RESTARTS, QueuedWork

# A worker that hangs must not hold up the queue of everybody; the next look tries again.
SENSOR_LOCK_SECONDS = 2


def open_operations(database: Database) -> list[QueuedWork]:
    """Return the operations of all accounts that are due and not closed, oldest first."""
    with database.across_accounts() as connection:
        return operations.in_queue(connection)


def gone(database: Database, operation_ids: Iterable[UUID]) -> list[UUID]:
    """Return which of these are operations of no account (any more)."""
    found = []
    with database.across_accounts() as connection:
        for operation_id in operation_ids:
            try:
                operations.account_of(connection, operation_id)
            except OperationNotFoundError:
                found.append(operation_id)
    return found


def restart(database: Database, settings: Settings, work: QueuedWork) -> bool:
    """Let an operation whose run has died begin its next attempt; return whether it may.

    One whose runs die again and again without any progress fails.
    """
    with database.account(work.account_id) as connection:
        limit_lock_waits(connection, SENSOR_LOCK_SECONDS)
        restarts = operations.restart(connection, work.work_id, work.attempt)
    if restarts is None:
        return False
    if restarts <= MAX_RESTARTS:
        return True
    why = RunFailedError(
        f"{MAX_RESTARTS + 1} attempts at the operation in a row died without any progress.",
        remedy="Look at its runs in the Dagster UI, and submit it again.",
    )
    OperationWork(database, settings, work.work_id).fail(why.as_dict())
    return False


def finish_terminated(database: Database, settings: Settings, work: QueuedWork, actor: str) -> bool:
    """Close an operation whose run somebody terminated; no run is wanted for its report."""
    OperationWork(database, settings, work.work_id).end(
        actor=actor, lock_seconds=SENSOR_LOCK_SECONDS
    )
    return False
