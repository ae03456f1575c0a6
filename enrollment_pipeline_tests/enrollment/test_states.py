"""The tables of moves, pair by pair, and how a job ends."""

import itertools

import pytest

from enrollment_pipeline.enrollment.states import (
    BATCH_MOVES,
    JOB_MOVES,
    BatchStatus,
    JobStatus,
    closing_status,
    require_move,
)
from enrollment_pipeline.errors import InvalidStateError

# One line per state: what it may become. Written out once more, so that a change of the table is
# a change of two places.
JOB = {
    "scheduled": "pending cancelled failed",
    "pending": "validating cancelled failed",
    "validating": "queued cancelling cancelled failed",
    "queued": "processing paused cancelling cancelled failed",
    "processing": "completed completed_with_errors failed paused cancelling",
    "paused": "queued cancelling cancelled failed",
    "cancelling": "cancelled",
    "completed": "",
    "completed_with_errors": "",
    "failed": "",
    "cancelled": "",
}
BATCH = {
    "queued": "processing completed failed cancelled",
    "processing": "queued completed failed cancelled",
    "completed": "",
    "failed": "",
    "cancelled": "",
}
CLOSED = {"completed", "completed_with_errors", "failed", "cancelled"}


@pytest.mark.parametrize(("current", "following"), list(itertools.product(JobStatus, repeat=2)))
def test_a_job_makes_the_moves_of_the_table_and_no_others(
    current: JobStatus, following: JobStatus
) -> None:
    if following in JOB[current].split():
        require_move(current, following)
    else:
        with pytest.raises(InvalidStateError) as refusal:
            require_move(current, following)
        assert refusal.value.message == f"A job that is {current} cannot become {following}."
        assert refusal.value.code == "INVALID_STATE"


@pytest.mark.parametrize(("current", "following"), list(itertools.product(BatchStatus, repeat=2)))
def test_a_batch_has_the_moves_of_the_table_and_no_others(
    current: BatchStatus, following: BatchStatus
) -> None:
    assert (following in BATCH_MOVES[current]) == (following in BATCH[current].split())


def test_every_state_is_in_its_table() -> None:
    assert set(JOB_MOVES) == set(JobStatus) == set(JOB)
    assert set(BATCH_MOVES) == set(BatchStatus) == set(BATCH)


@pytest.mark.parametrize("status", JobStatus)
def test_a_job_is_closed_when_it_has_no_move_left(status: JobStatus) -> None:
    assert status.closed == (status in CLOSED)


def test_every_open_job_can_reach_an_end() -> None:
    for status in set(JobStatus) - CLOSED:
        reached = {status}
        while more := set().union(*(JOB_MOVES[one] for one in reached)) - reached:
            reached |= more
        assert reached & CLOSED
        assert "cancelled" in reached


@pytest.mark.parametrize(
    ("enrolled", "failed", "unprocessed", "status"),
    [
        (0, 0, 0, "completed"),
        (5, 0, 0, "completed"),
        (5, 1, 0, "completed_with_errors"),
        (5, 0, 1, "completed_with_errors"),
        (1, 9, 9, "completed_with_errors"),
        (0, 1, 0, "failed"),
        (0, 0, 1, "failed"),
        (0, 3, 4, "failed"),
    ],
)
def test_the_counts_decide_how_a_job_ends(
    enrolled: int, failed: int, unprocessed: int, status: str
) -> None:
    assert closing_status(enrolled=enrolled, failed=failed, unprocessed=unprocessed) == status
