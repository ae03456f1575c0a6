"""Rolling back: every change of an operation taken back, unless somebody has changed the contact.

Belongs here: in which order a piece is taken back, and what is told of what is not. Does not belong
here: the verdict on each change (`reversal`), the statements (`store.reversing`), and whether an
operation can be rolled back at all (`reversibility`).

A contact that comes back is what it was in every column. One that the operation has created leaves
no trace if it has none; if anything tells of it, it is deleted, as by a deletion.
"""

from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.differences import differences
from enrollment_pipeline.bulk_operations.execution import (
    Counts,
    Executor,
    Prepared,
    Step,
    Surroundings,
)
from enrollment_pipeline.bulk_operations.reversal import Action, Verdict, verdicts
from enrollment_pipeline.bulk_operations.states import OperationStatus, RowOutcome, require_move
from enrollment_pipeline.bulk_operations.store import operations, reversing
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.bulk_operations.store.reversing import Images, LeftRow, Piece, Rollback
from enrollment_pipeline.errors import NotReversibleError
from enrollment_pipeline.storage.contact_presence import alone_with_contacts

# Contacts whose images, three of each, are held in memory: some MB.
_AT_ONCE = 1_000


class ReverseOperation(Executor):
    """Takes back what an import, an update or a deletion has done; see `Executor`."""

    def prepare(
        self, connection: Connection, operation: OperationRecord, around: Surroundings
    ) -> Prepared:
        """Count what is to be taken back.

        Raises:
            NotReversibleError: the original's images are gone.
            InvalidStateError: it is at work, or was rolled back.
        """
        rollback = _rollback(operation)
        original = operations.load(connection, rollback.original_id, lock=True)
        require_move(original.status, OperationStatus.ROLLED_BACK)
        if original.images_removed_at is not None:
            raise NotReversibleError(f"What operation {original.id} has changed is no longer kept.")
        return Prepared(reversing.count(connection, rollback.original_id))

    def apply(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, most: int
    ) -> Step:
        """Take back the next changes; the last one is the first."""
        rollback = _rollback(operation)
        piece = reversing.next_piece(connection, rollback, mark=operation.mark, most=most)
        if piece is None:
            return Step(operation.mark, {}, done=True)
        if piece.created:
            # Nobody may be enrolled while it is found out who is.
            alone_with_contacts(connection, operation.account_id)
        reversing.lock(connection, rollback, piece)
        told = _take_back(connection, rollback, piece, cascade=operation.request["cascade"])
        counts: Counts = {}
        for verdict in told:
            counts[verdict.outcome] = counts.get(verdict.outcome, 0) + 1
        return Step(piece.mark, counts, done=piece.changes < most)

    def give_up(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, reason: str
    ) -> Step:
        """Let the next change end as errored."""
        rollback = _rollback(operation)
        piece = reversing.next_piece(connection, rollback, mark=operation.mark, most=1)
        if piece is None:
            return Step(operation.mark, {}, done=True)
        told = [
            _left_row(of, RowOutcome.ERRORED, f"was refused by the database: {reason}")
            for of in reversing.images(connection, rollback, piece, [piece.first])
        ]
        reversing.record(connection, rollback, told)
        return Step(piece.mark, {RowOutcome.ERRORED: 1}, done=False)


def _rollback(operation: OperationRecord) -> Rollback:
    if operation.reverses_id is None:
        raise TypeError("a rollback names what it takes back")
    return Rollback(operation.account_id, operation.id, operation.reverses_id)


def _take_back(
    connection: Connection, rollback: Rollback, piece: Piece, *, cascade: bool
) -> list[Verdict]:
    names: dict[UUID, str] = {}
    if piece.created:
        names = reversing.workflow_names(connection, rollback.account_id)
    found = reversing.facts(connection, rollback, piece, names)
    told = verdicts(found, names, cascade=cascade)
    # Before anything moves, so that what is told of a contact is what was found.
    _record_left(connection, rollback, piece, told)
    # Those that go first, so that others can have their addresses.
    reversing.remove(connection, rollback, piece, _positions(told, Action.REMOVE))
    reversing.delete(connection, rollback, piece, _positions(told, Action.DELETE), names)
    reversing.restore(connection, rollback, piece, _positions(told, Action.RESTORE))
    return told


def _positions(told: list[Verdict], action: Action) -> list[int]:
    return [verdict.found.position for verdict in told if verdict.action is action]


def _record_left(
    connection: Connection, rollback: Rollback, piece: Piece, told: list[Verdict]
) -> None:
    left = {one.found.position: one for one in told if one.outcome is not RowOutcome.REVERSED}
    positions = list(left)
    for begin in range(0, len(positions), _AT_ONCE):
        chosen = positions[begin : begin + _AT_ONCE]
        found = reversing.images(connection, rollback, piece, chosen)
        rows = [_left_row(of, left[of.position].outcome, left[of.position].reason) for of in found]
        reversing.record(connection, rollback, rows)


def _left_row(of: Images, outcome: RowOutcome, reason: str) -> LeftRow:
    image = of.after or of.before or {}
    return LeftRow(
        position=of.position,
        identifier=image.get("email") or str(of.contact_id),
        contact_id=of.contact_id,
        outcome=outcome,
        reason=reason,
        details=_details(of) if outcome is RowOutcome.KEPT else None,
    )


def _details(of: Images) -> dict[str, list[dict[str, object]]]:
    """Return how the contact differs now from what the operation left, field by field."""
    before = {one.field: one.before for one in differences(of.before, of.after)}
    return {
        "fields": [
            {
                "field": field,
                # What the operation has not changed was the same before; but for a new contact.
                "before": before.get(field, None if of.before is None else after),
                "after": after,
                "now": now,
            }
            for field, after, now in differences(of.after, of.now)
        ]
    }
