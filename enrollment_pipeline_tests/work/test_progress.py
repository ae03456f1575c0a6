"""How far a job is, in numbers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.work.progress import (
    HEARTBEAT_LIMIT,
    Progress,
    abandoned,
    eta_of,
    percent_of,
    rate_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_100_contacts_in_60_seconds_with_400_left_take_240_more() -> None:
    assert eta_of(400, rate_of(100, ago(60), NOW)) == 240


def test_a_slow_job_is_estimated_as_well_as_a_fast_one() -> None:
    assert eta_of(400, rate_of(1, ago(60), NOW)) == 24_000


@pytest.mark.parametrize(
    ("processed", "total", "percent"),
    [
        (0, 0, 100.0),
        (0, 10, 0.0),
        (1, 3, 33.3),
        (2, 3, 66.6),
        (9_996, 10_000, 99.9),
        (9_999_999, 10_000_000, 99.9),
        (10_000, 10_000, 100.0),
        (11, 10, 100.0),
    ],
)
def test_percent_has_one_decimal_and_is_100_only_at_the_end(
    processed: int, total: int, percent: float
) -> None:
    assert percent_of(processed, total) == percent


@given(total=st.integers(1, 20_000_000), processed=st.integers(0, 20_000_000))
def test_percent_is_never_above_100_and_never_ahead_of_the_work(total: int, processed: int) -> None:
    percent = percent_of(processed, total)
    assert 0 <= percent <= 100
    assert round(percent, 1) == percent
    assert (percent == 100) == (processed >= total)
    assert percent * total <= 100 * processed + 1e-6 * total


@pytest.mark.parametrize(
    ("recent", "started_at", "rate"),
    [
        (600, ago(3600), 10.0),
        (600, ago(30), 20.0),
        (600, NOW, 600.0),
        (0, ago(60), 0.0),
        (100, None, 0.0),
    ],
)
def test_the_rate_is_that_of_the_last_minute_or_since_the_start(
    recent: int, started_at: datetime | None, rate: float
) -> None:
    assert rate_of(recent, started_at, NOW) == rate


@pytest.mark.parametrize(
    ("remaining", "rate", "eta"), [(100, 0.0, None), (0, 0.0, 0), (0, 5.0, 0), (100, 40.0, 2)]
)
def test_what_cannot_be_known_is_null(remaining: int, rate: float, eta: int | None) -> None:
    assert eta_of(remaining, rate) == eta


def test_after_two_minutes_without_life_a_job_is_abandoned() -> None:
    assert not abandoned(NOW - HEARTBEAT_LIMIT, NOW)
    assert abandoned(NOW - HEARTBEAT_LIMIT - timedelta(milliseconds=1), NOW)
    assert timedelta(minutes=2) == HEARTBEAT_LIMIT


def test_the_record_is_plain_json() -> None:
    progress = Progress(10, 4, 3, 1, 0, 2, 5, 40.0, 1.5, None, NOW)
    assert progress.as_dict() == {
        "total": 10,
        "processed": 4,
        "success": 3,
        "failed": 1,
        "skipped": 0,
        "current_batch": 2,
        "total_batches": 5,
        "percent": 40.0,
        "rate": 1.5,
        "eta_seconds": None,
        "heartbeat": "2026-03-01T12:00:00+00:00",
    }
