"""The ends of a stretch of time, as somebody names them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.work.bounds import since_of, until_of

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2027-01-05", (2027, 1, 4, 23), (2027, 1, 5, 23)),
        ("2027-07-05", (2027, 7, 4, 22), (2027, 7, 5, 22)),
        # The day on which the clocks there go forward has 23 hours.
        ("2027-03-28", (2027, 3, 27, 23), (2027, 3, 28, 22)),
        ("2027-01-05T09:00", (2027, 1, 5, 8), (2027, 1, 5, 8)),
        ("2027-01-05T09:00+05:00", (2027, 1, 5, 4), (2027, 1, 5, 4)),
    ],
)
def test_a_date_is_a_whole_day_and_a_time_an_instant_by_the_clock_of_the_zone(
    text: str, since: tuple[int, ...], until: tuple[int, ...]
) -> None:
    assert since_of(text, BERLIN) == datetime(*since, tzinfo=UTC)  # type: ignore[misc, arg-type]
    assert until_of(text, BERLIN) == datetime(*until, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("text", ["", "soon", "2027-13-01", "9999-12-31", "0001-01-01"])
def test_what_is_no_time_is_refused_by_its_name(text: str) -> None:
    for name, read in (("until", until_of), ("since", since_of)):
        if (text, name) in (("9999-12-31", "since"), ("0001-01-01", "until")):
            continue
        with pytest.raises(InvalidRequestError, match=f"{name}: "):
            read(text, BERLIN)
