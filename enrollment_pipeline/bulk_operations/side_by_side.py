"""Two pieces of one operation at the same time, each in its transaction, on two connections.

The first holds the operation's row, as a piece alone does. The second does its work meanwhile, and
then waits for that row: it is committed after the first, or comes to nothing where the first did,
or where the operation has ended. So whoever is killed in between leaves the mark where the work is.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import AgainError, Executor, Surroundings
from enrollment_pipeline.bulk_operations.recording import record
from enrollment_pipeline.bulk_operations.states import OperationStatus
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.bulk_operations.store.images import use_one_zone
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.storage.tenancy import Database

WORTH_IT = 50_000
"""Rows from which on an operation does two pieces at a time."""


@dataclass(slots=True)
class Behind:
    """What the second piece has done: whether nothing is left, and the number of rows."""

    done: bool = False
    rows: int = 0


@contextmanager
def one_behind(database: Database) -> Iterator[Callable[..., Behind]]:
    """Give the function that begins a second piece; it has ended when the block is left.

    The first piece must have been committed, or have come to nothing, within the block. What goes
    wrong with the second is met again by whoever does that piece next, as the first.
    """
    result = Behind()
    with ThreadPoolExecutor(max_workers=1) as thread:

        def begin(
            connection: Connection,
            operation: OperationRecord,
            executor: Executor,
            around: Surroundings,
            most: int,
        ) -> Behind:
            if operation.total >= WORTH_IT:
                begins_at = executor.end_of_piece(connection, operation, most)
                if begins_at is not None:
                    ahead = replace(operation, mark=begins_at)
                    thread.submit(_quietly, result, database, ahead, executor, around, most)
            return result

        yield begin


def _quietly(
    result: Behind,
    database: Database,
    operation: OperationRecord,
    executor: Executor,
    around: Surroundings,
    most: int,
) -> None:
    with suppress(Exception):
        with database.account(around.account.id) as connection:
            use_one_zone(connection)
            step = executor.apply(connection, operation, around, most)
            now = operations.load(connection, operation.id, lock=True)
            if now.status is not OperationStatus.PROCESSING or now.mark != operation.mark:
                raise AgainError
            rows = record(connection, now, step)
        # Only what is committed counts.
        result.done, result.rows = step.done, rows
