"""The states of an item, and what they make of a batch; pure.

A batch has no state that is stored: it is counted from its items whenever it is asked for, so it
cannot be wrong. Source of both lists: spec "Item states" and "Status".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from enrollment_pipeline.errors import InvalidStateError


class ItemStatus(StrEnum):
    """Where an item is."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    READY = "ready"
    DEGRADED = "degraded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing is done about it any more, unless somebody asks for it."""
        return self not in (ItemStatus.QUEUED, ItemStatus.IN_PROGRESS)

    @property
    def completed(self) -> bool:
        """Whether it has come to the end of its steps."""
        return self in (ItemStatus.READY, ItemStatus.DEGRADED)

    @property
    def retryable(self) -> bool:
        """Whether it may be queued again."""
        return self in (ItemStatus.FAILED, ItemStatus.DEGRADED)


MOVES: Mapping[ItemStatus, frozenset[ItemStatus]] = {
    ItemStatus.QUEUED: frozenset({ItemStatus.IN_PROGRESS, ItemStatus.FAILED, ItemStatus.CANCELLED}),
    ItemStatus.IN_PROGRESS: frozenset(
        {ItemStatus.READY, ItemStatus.DEGRADED, ItemStatus.FAILED, ItemStatus.CANCELLED}
    ),
    ItemStatus.READY: frozenset(),
    ItemStatus.DEGRADED: frozenset({ItemStatus.QUEUED}),
    ItemStatus.FAILED: frozenset({ItemStatus.QUEUED}),
    ItemStatus.CANCELLED: frozenset(),
}


class BatchState(StrEnum):
    """What a batch is, by its items."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A batch in numbers.

    `percent` is of finished items among all, `success_rate` of completed ones among those that
    completed or failed, None as long as there are none; both have one decimal.
    """

    state: BatchState
    total: int
    queued: int
    in_progress: int
    ready: int
    degraded: int
    failed: int
    cancelled: int
    percent: float
    success_rate: float | None

    @property
    def completed(self) -> int:
        """Items that came to the end of their steps."""
        return self.ready + self.degraded


def require_move(now: ItemStatus, wanted: ItemStatus) -> None:
    """Do nothing where an item may become what is wanted.

    Raises:
        InvalidStateError: it may not.
    """
    if wanted not in MOVES[now]:
        raise InvalidStateError(f"An item that is {now} cannot become {wanted}.")


def batch_status(counts: Mapping[ItemStatus, int]) -> BatchStatus:
    """Return what the numbers of items by status make of their batch."""
    of = {status: counts.get(status, 0) for status in ItemStatus}
    total = sum(of.values())
    completed = of[ItemStatus.READY] + of[ItemStatus.DEGRADED]
    failed, cancelled = of[ItemStatus.FAILED], of[ItemStatus.CANCELLED]
    return BatchStatus(
        state=_state(of, total),
        total=total,
        queued=of[ItemStatus.QUEUED],
        in_progress=of[ItemStatus.IN_PROGRESS],
        ready=of[ItemStatus.READY],
        degraded=of[ItemStatus.DEGRADED],
        failed=failed,
        cancelled=cancelled,
        percent=_percent(completed + failed + cancelled, total) or 0.0,
        success_rate=_percent(completed, completed + failed),
    )


def _state(of: Mapping[ItemStatus, int], total: int) -> BatchState:
    if of[ItemStatus.QUEUED] == total:
        return BatchState.PENDING
    if of[ItemStatus.QUEUED] or of[ItemStatus.IN_PROGRESS]:
        return BatchState.IN_PROGRESS
    # Items that nobody wanted any more are neither a success nor a failure of the others.
    if of[ItemStatus.CANCELLED]:
        return BatchState.CANCELLED
    if of[ItemStatus.READY] == total:
        return BatchState.COMPLETED
    if of[ItemStatus.FAILED] == total:
        return BatchState.FAILED
    return BatchState.PARTIAL


def _percent(part: int, whole: int) -> float | None:
    """Return the share in percent with one decimal, half upwards; None of nothing.

    Whole numbers throughout: as a binary fraction, a half may be a little less.
    """
    return (2000 * part + whole) // (2 * whole) / 10 if whole else None
