"""What the items of a batch make of it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.onboarding.states import (
    MOVES,
    BatchState,
    ItemStatus,
    batch_status,
    require_move,
)

Q, P, R, D, F, C = ItemStatus

TABLE = [
    # empty
    ({}, "pending", 0.0, None),
    # all queued
    ({Q: 5}, "pending", 0.0, None),
    # one at work
    ({Q: 4, P: 1}, "in_progress", 0.0, None),
    ({P: 1}, "in_progress", 0.0, None),
    # all done
    ({R: 5}, "completed", 100.0, 100.0),
    # some failed, some degraded
    ({R: 4, F: 1}, "partial", 100.0, 80.0),
    ({R: 4, D: 1}, "partial", 100.0, 100.0),
    ({D: 1}, "partial", 100.0, 100.0),
    ({D: 1, F: 1}, "partial", 100.0, 50.0),
    # all failed
    ({F: 3}, "failed", 100.0, 0.0),
    # one done and the rest queued
    ({R: 1, Q: 4}, "in_progress", 20.0, 100.0),
    # after a retry: what failed is queued again
    ({R: 4, Q: 1}, "in_progress", 80.0, 100.0),
    ({F: 1, Q: 1}, "in_progress", 50.0, 0.0),
    ({Q: 3}, "pending", 0.0, None),
    # cancelled, alone and with others; while something is at work it is not over
    ({C: 3}, "cancelled", 100.0, None),
    ({R: 2, C: 1}, "cancelled", 100.0, 100.0),
    ({F: 2, C: 1}, "cancelled", 100.0, 0.0),
    ({C: 2, P: 1}, "in_progress", 66.7, None),
    # the example of the specification
    ({Q: 10, P: 3, R: 35, F: 2}, "in_progress", 74.0, 94.6),
    # half a tenth goes upwards
    ({R: 1, Q: 15}, "in_progress", 6.3, 100.0),
]


@pytest.mark.parametrize(("counts", "state", "percent", "success_rate"), TABLE)
def test_a_batch_is_what_its_items_are(
    counts: dict[ItemStatus, int], state: str, percent: float, success_rate: float | None
) -> None:
    found = batch_status(counts)

    assert (found.state, found.percent, found.success_rate) == (state, percent, success_rate)
    assert found.total == sum(counts.values())
    assert found.completed == counts.get(R, 0) + counts.get(D, 0)


@given(st.lists(st.sampled_from(ItemStatus), min_size=1, max_size=500))
def test_numbers_add_up_and_only_a_finished_batch_is_at_100_percent(
    items: list[ItemStatus],
) -> None:
    found = batch_status(Counter(items))

    parts = (found.queued, found.in_progress, found.completed, found.failed, found.cancelled)
    assert sum(parts) == found.total == len(items)
    finished = all(one.ended for one in items)
    assert (found.percent == 100.0) == finished
    assert finished == (found.state not in (BatchState.PENDING, BatchState.IN_PROGRESS))
    assert 0.0 <= found.percent <= 100.0
    assert (found.success_rate is None) == (found.completed + found.failed == 0)


def test_an_item_moves_as_the_specification_says_and_no_other_way() -> None:
    moves = {(one, other) for one in ItemStatus for other in MOVES[one]}

    assert moves == {
        (Q, P), (Q, F), (Q, C), (P, R), (P, D), (P, F), (P, C), (F, Q), (D, Q),
    }  # fmt: skip
    for one in ItemStatus:
        for other in ItemStatus:
            if (one, other) in moves:
                require_move(one, other)
            else:
                with pytest.raises(InvalidStateError, match=f"is {one} cannot become {other}"):
                    require_move(one, other)
