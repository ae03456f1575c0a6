"""What the row of an operation learns of its work, in the transaction of the work.

Belongs here: totals, counts and the mark. Does not belong here: when work is done (`engine`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import Executor, Step, Surroundings
from enrollment_pipeline.bulk_operations.guard import require_few_changes
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord


@dataclass(frozen=True, slots=True)
class Ended:
    """An operation that is closed, and the files that tell what it did, by name."""

    operation: OperationRecord
    files: dict[str, str]


def files_of(operation: OperationRecord) -> dict[str, str]:
    """Return what an operation has written, by name."""
    return dict((operation.result or {}).get("files", {}))


def prepare(
    connection: Connection, operation: OperationRecord, around: Surroundings, executor: Executor
) -> None:
    """Resolve the input of an operation in this transaction, and write down what it holds.

    Raises:
        RefusedError: nothing can be made of it, or too much would change.
    """
    prepared = executor.prepare(connection, operation, around)
    operations.change(
        connection,
        operation.id,
        total=prepared.total,
        counts=prepared.counts,
        result=prepared.result,
        prepared_at=datetime.now(UTC),
        heartbeat_at=datetime.now(UTC),
    )
    require_few_changes(connection, operations.load(connection, operation.id), around, executor)


def record(connection: Connection, operation: OperationRecord, step: Step) -> int:
    """Move an operation on by what a piece has done; return the number of its rows."""
    counts = dict(operation.counts)
    for outcome, number in step.counts.items():
        if number:
            counts[outcome] = counts.get(outcome, 0) + number
    values: dict[str, Any] = {"mark": step.mark, "counts": counts}
    if step.total is not None:
        values["total"] = step.total
    if step.files:
        result = operation.result or {}
        values["result"] = {
            **result,
            "files": {**result.get("files", {}), **step.files},
            "notes": list(step.notes),
        }
    operations.change(connection, operation.id, heartbeat_at=datetime.now(UTC), **values)
    return sum(step.counts.values())
