"""When a message is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.notifications.attempts import (
    LONGEST_WAIT,
    MOST_ATTEMPTS,
    retry_after,
    wait_after,
)

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


def test_the_waits_grow_from_half_a_minute_to_six_hours() -> None:
    waits = [wait_after(attempts).total_seconds() for attempts in range(1, MOST_ATTEMPTS)]

    assert waits == [30, 120, 600, 3600, 21600]
    assert wait_after(MOST_ATTEMPTS) == timedelta(hours=6)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("999999", 21600),
        ("9" * 400, 21600),
        ("Mon, 04 May 2026 12:05:00 GMT", 300),
        ("Mon, 04 May 2026 12:05:00 -0000", 300),
        ("Tue, 04 May 2027 12:00:00 GMT", 21600),
    ],
)
def test_the_wait_that_is_asked_for_is_read_and_cut(header: str, seconds: int) -> None:
    assert retry_after(header, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "header", ["", "-1", "1.5", "soon", "²", "Mon, 04 May 2026 11:00:00 GMT", "Mon, 99 May"]
)
def test_what_asks_for_no_wait_is_not_one(header: str) -> None:
    assert retry_after(header, NOW) is None


@given(header=st.text(max_size=60) | st.from_regex(r"\w{3}, \d+ May \d+ \d+:\d+:\d+ [+-]\d{4}"))
def test_whatever_a_receiver_asks_for_is_no_trouble(header: str) -> None:
    wait = retry_after(header, NOW)

    assert wait is None or timedelta(0) <= wait <= LONGEST_WAIT
