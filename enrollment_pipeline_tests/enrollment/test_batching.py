"""The arithmetic of lanes and claims."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.enrollment.batching import (
    CONTACTS_PER_LANE,
    CONTACTS_PER_TRANSACTION,
    claim_size,
    lane_count,
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
