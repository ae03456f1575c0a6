"""Deleting the contacts of a selection, so that they can be brought back.

A deleted contact keeps its row and its history, and is a contact to nobody: no selection finds it,
and its address is free for another.
"""

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import Executor, Prepared, Step, Surroundings
from enrollment_pipeline.bulk_operations.selecting import give_up, prepare, step_of
from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store import changing
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord


class DeleteContacts(Executor):
    """Marks contacts as deleted; see `Executor`."""

    def prepare(
        self, connection: Connection, operation: OperationRecord, around: Surroundings
    ) -> Prepared:
        """Resolve the selection; rows that name nobody, or somebody twice, end here."""
        return prepare(connection, operation, around)

    def apply(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, most: int
    ) -> Step:
        """Delete the next contacts; one that was deleted since it was selected is unmatched."""
        done = changing.delete(connection, operation, most=most)
        return step_of(done, RowOutcome.DELETED, most=most)

    def give_up(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, reason: str
    ) -> Step:
        """Let the next row end as failed."""
        return give_up(connection, operation, reason)
