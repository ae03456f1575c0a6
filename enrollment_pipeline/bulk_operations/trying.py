"""All of an operation's work in one transaction, which the caller undoes: a preview, a guard."""

from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.bulk_operations.execution import (
    PIECE,
    AgainError,
    Counts,
    Executor,
    Step,
    Surroundings,
)
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.storage.failures import first_line, is_bad_data


def try_all(
    connection: Connection, operation: OperationRecord, around: Surroundings, executor: Executor
) -> Counts:
    """Do every piece of a prepared operation; return its rows by outcome, with those prepared."""
    counts = dict(operation.counts)
    current, most, done = operation, PIECE, False
    while not done:
        step = _piece(connection, current, around, executor, most)
        if step is None:
            most = max(1, most // 10)
            continue
        for outcome, number in step.counts.items():
            counts[outcome] = counts.get(outcome, 0) + number
        current = replace(current, mark=step.mark)
        done = step.done
        most = min(PIECE, most * 2)
    return {outcome: number for outcome, number in counts.items() if number}


def _piece(
    connection: Connection,
    operation: OperationRecord,
    around: Surroundings,
    executor: Executor,
    most: int,
) -> Step | None:
    """Return what a piece does; None where one of its rows is refused, and it must be smaller."""
    try:
        with connection.begin_nested():
            return executor.apply(connection, operation, around, most)
    except AgainError:
        return _piece(connection, operation, around, executor, most)
    except DBAPIError as error:
        if not is_bad_data(error):
            raise
        if most > 1:
            return None
        reason = first_line(error)
    return executor.give_up(connection, operation, around, reason)
