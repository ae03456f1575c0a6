"""What parts of an answer mean."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.web.answers import asks_for_patience, one_line, retry_after

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_these_answers_ask_for_another_attempt(status: int) -> None:
    assert asks_for_patience(status)


@pytest.mark.parametrize("status", [300, 301, 302, 304, 308, 400, 401, 403, 404, 409, 410, 422])
def test_these_answers_end_it(status: int) -> None:
    assert not asks_for_patience(status)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("9" * 400, 999_999_999),
        ("Mon, 04 May 2026 12:05:00 GMT", 300),
        ("Mon, 04 May 2026 12:05:00 -0000", 300),
        ("Tue, 04 May 2027 12:00:00 GMT", 365 * 86_400),
    ],
)
def test_the_wait_that_is_asked_for_is_read_however_long(header: str, seconds: int) -> None:
    assert retry_after(header, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "header", ["", "-1", "1.5", "soon", "²", "Mon, 04 May 2026 11:00:00 GMT", "Mon, 99 May"]
)
def test_what_asks_for_no_wait_is_not_one(header: str) -> None:
    assert retry_after(header, NOW) is None


@given(st.text())
def test_what_was_said_is_one_short_printable_line(text: str) -> None:
    shown = one_line(text)

    assert len(shown) <= 200
    assert shown.isprintable()
    assert shown == " ".join(shown.split())
