"""The arithmetic of lanes and claims."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.enrollment.batching import (
    CONTACTS_PER_LANE,
    CONTACTS_PER_TRANSACTION,
    claim_size,
    lane_count,
    portion_of,
)

contacts = st.integers(min_value=0, max_value=20_000_000)
batch_sizes = st.integers(min_value=10, max_value=500)


@pytest.mark.parametrize(
    ("contacts", "requested", "allowed", "lanes"),
    [
        (0, None, 5, 1),
        (10_000, None, 5, 1),
        (CONTACTS_PER_LANE, None, 5, 1),
        (CONTACTS_PER_LANE + 1, None, 5, 2),
        (10_000_000, None, 5, 5),
        (10_000_000, None, 2, 2),
        (100, 3, 5, 3),
        (100, 5, 2, 2),
        (100, 1, 5, 1),
    ],
)
def test_a_job_gets_the_lanes_it_is_worth(
    contacts: int, requested: int | None, allowed: int, lanes: int
) -> None:
    assert lane_count(contacts, requested=requested, allowed=allowed) == lanes


@given(
    contacts=contacts,
    requested=st.none() | st.integers(min_value=1, max_value=5),
    allowed=st.integers(min_value=1, max_value=5),
)
def test_there_is_always_a_lane_and_never_more_than_allowed(
    contacts: int, requested: int | None, allowed: int
) -> None:
    assert 1 <= lane_count(contacts, requested=requested, allowed=allowed) <= allowed


@given(size=batch_sizes)
def test_a_transaction_is_as_large_as_it_pays_and_no_larger(size: int) -> None:
    claimed = claim_size(size) * size
    assert claimed <= CONTACTS_PER_TRANSACTION < claimed + size


@pytest.mark.parametrize(
    ("remaining", "granted", "portion"),
    [
        ({1: 100}, 10, ([1], 10)),
        ({1: 100, 2: 100}, 99, ([1], 99)),
        ({1: 100, 2: 100}, 100, ([1], 100)),
        ({1: 100, 2: 100, 3: 100}, 250, ([1, 2], 250)),
        ({1: 90, 2: 100}, 90, ([1], 90)),
        ({7: 5, 9: 5}, 500, ([7, 9], 500)),
    ],
)
def test_a_budget_lasts_for_whole_batches_or_for_a_part_of_the_first(
    remaining: dict[int, int], granted: int, portion: tuple[list[int], int]
) -> None:
    assert portion_of(remaining, granted) == portion


@given(
    remaining=st.dictionaries(st.integers(1, 99), st.integers(1, 500), min_size=1, max_size=8).map(
        lambda found: dict(sorted(found.items()))
    ),
    granted=st.integers(1, 3000),
)
def test_no_more_contacts_are_taken_than_granted(remaining: dict[int, int], granted: int) -> None:
    numbers, contacts = portion_of(remaining, granted)
    taken = sum(min(remaining[number], contacts) for number in numbers)
    assert 0 < taken <= granted
    assert numbers == list(remaining)[: len(numbers)]
