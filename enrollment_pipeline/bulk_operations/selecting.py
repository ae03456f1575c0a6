"""What the types share that change the contacts of a selection: resolving it, and their steps."""

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import Counts, Prepared, Step, Surroundings
from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store import changing
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.selections.resolving import resolve
from enrollment_pipeline.selections.store import Owner


def prepare(connection: Connection, operation: OperationRecord, around: Surroundings) -> Prepared:
    """Resolve the selection of an operation; rows that name nobody, or somebody twice, end here.

    Raises:
        InvalidFileError: the file cannot be read as a table with an identifier column.
    """
    kept = operation.request["selection"]
    found = resolve(
        connection,
        Owner(operation.account_id, operation.id),
        kept,
        limits=around.account.settings,
        most=None,
        scratch=around.settings.scratch,
        now=around.now,
    )
    if kept["type"] == "manual":
        changing.mark_unknown(connection, operation)
    return Prepared(found.input_rows, changing.record_excluded(connection, operation))


def step_of(done: changing.Changed, outcome: RowOutcome, *, most: int) -> Step:
    """Return the step that a piece was; what it changed has this outcome."""
    counts: Counts = {
        outcome: done.changed,
        RowOutcome.UNMATCHED: done.missing,
        RowOutcome.UNCHANGED: done.rows - done.changed - done.missing,
    }
    return Step(done.mark, counts, done=done.rows < most)


def give_up(connection: Connection, operation: OperationRecord, reason: str) -> Step:
    """Let the next row end as failed."""
    position = changing.give_up(connection, operation, f"was refused by the database: {reason}")
    if position is None:
        return Step(operation.mark, {}, done=True)
    return Step(position, {RowOutcome.FAILED: 1}, done=False)
