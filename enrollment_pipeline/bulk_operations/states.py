"""The states of an operation, the moves between them, and how one ends; pure rules.

Source of the states: spec "Bulk operations on contacts".
"""

from collections.abc import Mapping
from enum import StrEnum

from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.records import ContactStatus


class OperationStatus(StrEnum):
    """Where an operation is on its way."""

    SCHEDULED = "scheduled"
    PROCESSING = "processing"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"
    PARTIALLY_ROLLED_BACK = "partially_rolled_back"

    @property
    def closed(self) -> bool:
        """Whether its own work has ended; a rollback may still follow."""
        return self not in (OperationStatus.SCHEDULED, OperationStatus.PROCESSING)

    @property
    def succeeded(self) -> bool:
        """Whether what waits for it may begin."""
        return self in (OperationStatus.COMPLETED, OperationStatus.COMPLETED_WITH_ERRORS)


_ENDS = frozenset(
    {
        OperationStatus.COMPLETED,
        OperationStatus.COMPLETED_WITH_ERRORS,
        OperationStatus.FAILED,
        OperationStatus.CANCELLED,
    }
)
_TAKEN_BACK = frozenset({OperationStatus.ROLLED_BACK, OperationStatus.PARTIALLY_ROLLED_BACK})

MOVES: dict[OperationStatus, frozenset[OperationStatus]] = {
    OperationStatus.SCHEDULED: frozenset(
        {OperationStatus.PROCESSING, OperationStatus.CANCELLED, OperationStatus.FAILED}
    ),
    OperationStatus.PROCESSING: _ENDS,
    OperationStatus.COMPLETED: _TAKEN_BACK,
    OperationStatus.COMPLETED_WITH_ERRORS: _TAKEN_BACK,
    # What they had changed before they ended can be taken back too.
    OperationStatus.FAILED: _TAKEN_BACK,
    OperationStatus.CANCELLED: _TAKEN_BACK,
    OperationStatus.ROLLED_BACK: frozenset(),
    OperationStatus.PARTIALLY_ROLLED_BACK: frozenset(),
}


# Consent only tightens (spec "Import"): a status gives way to a later one of these.
LOOSE_TO_STRICT = (
    ContactStatus.ACTIVE.value,
    ContactStatus.UNSUBSCRIBED.value,
    ContactStatus.BOUNCED.value,
    ContactStatus.BLOCKED.value,
)


class RowOutcome(StrEnum):
    """What became of one row of an operation; every row ends as exactly one."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    EXPORTED = "exported"
    REVERSED = "reversed"
    WITHDRAWN = "withdrawn"
    KEPT = "kept"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    UNMATCHED = "unmatched"
    REJECTED = "rejected"
    FAILED = "failed"
    ERRORED = "errored"
    UNPROCESSED = "unprocessed"


# What somebody has to look at; a row that a mode leaves out, or that stands twice, is as asked.
ERRORS = (
    RowOutcome.UNMATCHED,
    RowOutcome.REJECTED,
    RowOutcome.FAILED,
    RowOutcome.ERRORED,
)


def require_move(current: OperationStatus, following: OperationStatus) -> None:
    """Do nothing for a legal move.

    Raises:
        InvalidStateError: the table of moves does not hold this one.
    """
    if following not in MOVES[current]:
        raise InvalidStateError(f"An operation that is {current} cannot become {following}.")


def closing_status(counts: Mapping[RowOutcome, int]) -> OperationStatus:
    """Return how an operation ends by its counts: failed where there is nothing but errors."""
    errors = sum(counts.get(outcome, 0) for outcome in ERRORS)
    if not errors:
        return OperationStatus.COMPLETED
    if errors == sum(counts.values()):
        return OperationStatus.FAILED
    return OperationStatus.COMPLETED_WITH_ERRORS


def status_after_rollback(*, kept: int, errored: int) -> OperationStatus:
    """Return what an operation becomes that was rolled back."""
    if kept or errored:
        return OperationStatus.PARTIALLY_ROLLED_BACK
    return OperationStatus.ROLLED_BACK
