"""The states of a job and of a batch, and the moves between them, as data.

Source of the moves: spec "States".
"""

from enum import StrEnum

from enrollment_pipeline.errors import InvalidStateError


class JobStatus(StrEnum):
    """Where a job is on its way."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    VALIDATING = "validating"
    QUEUED = "queued"
    PROCESSING = "processing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def closed(self) -> bool:
        """Whether nothing will happen to the job any more."""
        return not JOB_MOVES[self]


class BatchStatus(StrEnum):
    """Where a batch is on its way."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


_ENDS = frozenset({JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS, JobStatus.FAILED})
_STOPS = frozenset({JobStatus.CANCELLING, JobStatus.PAUSED})

JOB_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.SCHEDULED: frozenset({JobStatus.PENDING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.PENDING: frozenset({JobStatus.VALIDATING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.VALIDATING: frozenset(
        {JobStatus.QUEUED, JobStatus.CANCELLING, JobStatus.CANCELLED, JobStatus.FAILED}
    ),
    JobStatus.QUEUED: frozenset(
        {JobStatus.PROCESSING, JobStatus.CANCELLED, JobStatus.FAILED, *_STOPS}
    ),
    JobStatus.PROCESSING: frozenset({*_ENDS, *_STOPS}),
    JobStatus.PAUSED: frozenset(
        {JobStatus.QUEUED, JobStatus.CANCELLING, JobStatus.CANCELLED, JobStatus.FAILED}
    ),
    JobStatus.CANCELLING: frozenset({JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.COMPLETED_WITH_ERRORS: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}

BATCH_MOVES: dict[BatchStatus, frozenset[BatchStatus]] = {
    # Straight to completed: where claiming and enrolling are one transaction, nobody ever sees the
    # state between.
    BatchStatus.QUEUED: frozenset(
        {
            BatchStatus.PROCESSING,
            BatchStatus.COMPLETED,
            BatchStatus.FAILED,
            BatchStatus.CANCELLED,
        }
    ),
    # Back to queued: an attempt that failed and will be made again.
    BatchStatus.PROCESSING: frozenset(
        {BatchStatus.QUEUED, BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED}
    ),
    BatchStatus.COMPLETED: frozenset(),
    BatchStatus.FAILED: frozenset(),
    BatchStatus.CANCELLED: frozenset(),
}


def require_move(current: JobStatus, following: JobStatus) -> None:
    """Do nothing for a legal move.

    Raises:
        InvalidStateError: the table of moves does not hold this one.
    """
    if following not in JOB_MOVES[current]:
        raise InvalidStateError(f"A job that is {current} cannot become {following}.")


def closing_status(*, enrolled: int, failed: int, unprocessed: int) -> JobStatus:
    """Return how a job ends by its counts; skipped contacts are no errors (spec "States")."""
    if failed + unprocessed == 0:
        return JobStatus.COMPLETED
    return JobStatus.COMPLETED_WITH_ERRORS if enrolled else JobStatus.FAILED
