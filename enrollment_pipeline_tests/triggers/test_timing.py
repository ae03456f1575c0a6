"""Days that are due, birthdays on 29 February, lateness."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfoNotFoundError, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enrollment_pipeline.triggers.timing import (
    Due,
    Lateness,
    LeapDay,
    Yearly,
    due_days,
    lateness_verdict,
    yearly_targets,
)

ZONES = sorted(available_timezones() - {"localtime"})
QUARTER = timedelta(minutes=15)
TICK = timedelta(microseconds=1)

zones = st.sampled_from(ZONES)
instants = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
offsets = st.integers(-800, 800)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "at", "since", "until", "expected"),
    [
        # A window has its end and not its beginning.
        ("Asia/Kolkata", "09:00", "2027-03-28T03:15Z", "2027-03-28T03:30Z", "2027-03-28"),
        ("Asia/Kolkata", "09:00", "2027-03-28T03:30Z", "2027-03-28T03:45Z", None),
        # In the gap, in the window of the hour before it, and in the one at its end.
        ("Europe/Berlin", "02:30", "2027-03-28T00:45Z", "2027-03-28T01:00Z", "2027-03-28"),
        ("Europe/Berlin", "02:30", "2027-03-28T01:00Z", "2027-03-28T01:15Z", None),
        ("Europe/Berlin", "02:30", "2027-03-28T01:15Z", "2027-03-28T01:30Z", None),
        # The first pass of the hour, and its second.
        ("Europe/Berlin", "02:30", "2026-10-25T00:15Z", "2026-10-25T00:30Z", "2026-10-25"),
        ("Europe/Berlin", "02:30", "2026-10-25T01:15Z", "2026-10-25T01:30Z", None),
        ("Europe/Berlin", "02:45", "2026-10-25T01:00Z", "2026-10-25T01:50Z", None),
        # Midnight that is left out, on the day that it begins.
        ("America/Havana", "00:00", "2027-03-14T04:45Z", "2027-03-14T05:00Z", "2027-03-14"),
        # The local day is another than the day in UTC.
        ("Pacific/Kiritimati", "09:00", "2026-06-01T18:45Z", "2026-06-01T19:00Z", "2026-06-02"),
        ("Pacific/Pago_Pago", "20:00", "2026-06-02T06:45Z", "2026-06-02T07:00Z", "2026-06-01"),
    ],
)
def test_a_window_has_the_days_whose_time_falls_into_it(
    zone: str, at: str, since: str, until: str, expected: str | None
) -> None:
    found = due_days([zone], time.fromisoformat(at), utc(since), utc(until))
    due = [Due(zone, date.fromisoformat(expected), utc(until))] if expected else []
    assert found == due


def test_a_day_that_was_left_out_is_due_at_the_first_instant_after_it() -> None:
    found = due_days(["Pacific/Apia"], time(9), utc("2011-12-29T00:00Z"), utc("2012-01-01T00:00Z"))
    assert [(one.day.isoformat(), one.at) for one in found] == [
        ("2011-12-29", utc("2011-12-29T19:00Z")),
        ("2011-12-30", utc("2011-12-30T10:00Z")),
        ("2011-12-31", utc("2011-12-30T19:00Z")),
        ("2012-01-01", utc("2011-12-31T19:00Z")),
    ]


def test_days_are_in_the_order_of_their_zones_and_each_zone_counts_once() -> None:
    found = due_days(
        ["Europe/Paris", "Europe/Berlin", "Europe/Paris"],
        time(9),
        utc("2026-06-01T00:00Z"),
        utc("2026-06-03T00:00Z"),
    )
    assert [(one.zone, one.day.day) for one in found] == [
        ("Europe/Paris", 1),
        ("Europe/Paris", 2),
        ("Europe/Berlin", 1),
        ("Europe/Berlin", 2),
    ]


def test_a_window_that_is_empty_or_turned_around_has_no_days() -> None:
    # In the second pass of the hour a later time of its first pass is over.
    second = utc("2026-10-25T01:10Z")
    assert due_days(["Europe/Berlin"], time(2, 50), second, second) == []
    assert due_days(["Europe/Berlin"], time(2, 50), second, second - timedelta(days=3)) == []


def test_the_ends_of_the_calendar_are_no_trouble() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for zone in ("Asia/Tokyo", "America/New_York"):
        assert due_days([zone], time(23), first, first + timedelta(days=3))
        assert due_days([zone], time(23), last - timedelta(days=3), last)


def test_an_unknown_zone_is_said_to_be_unknown() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        due_days(["Atlantis/Capital"], time(9), utc("2026-06-01T00:00Z"), utc("2026-06-02T00:00Z"))


@given(
    some=st.lists(zones, max_size=3),
    at=st.times(),
    since=instants,
    length=st.timedeltas(timedelta(0), timedelta(days=8)),
    cut=st.floats(0, 1),
)
@example(["Pacific/Apia"], time(0), utc("2011-12-28T00:00Z"), timedelta(days=4), 58 / 96)
@example(["Europe/Berlin"], time(2, 50), utc("2026-10-25T00:00Z"), timedelta(hours=2), 0.6)
@example(["America/St_Johns"], time(23, 30), utc("2009-11-01T00:00Z"), timedelta(days=1), 0.11)
def test_however_a_window_is_cut_its_parts_have_what_it_has(
    some: list[str], at: time, since: datetime, length: timedelta, cut: float
) -> None:
    middle, until = since + length * cut, since + length
    parts = due_days(some, at, since, middle) + due_days(some, at, middle, until)
    whole = due_days(some, at, since, until)
    assert len(set(parts)) == len(parts)
    assert set(parts) == set(whole)
    assert all(since < one.at <= until for one in whole)


@pytest.mark.parametrize("at", [time(0), time(2, 30), time(9), time(23, 59)])
def test_a_daily_time_is_due_once_on_every_day_of_every_zone(at: time) -> None:
    first = date(2026, 7, 1)
    since, until = utc("2026-06-28T00:00Z"), utc("2027-07-04T00:00Z")
    days: dict[str, list[date]] = {}
    for due in due_days(ZONES, at, since, until):
        days.setdefault(due.zone, []).append(due.day)
    year = [first + timedelta(days=n) for n in range(365)]
    assert set(days) == set(ZONES)
    for zone, found in days.items():
        assert [day for day in found if year[0] <= day <= year[-1]] == year, zone


@given(zone=zones, at=st.times(), first=st.dates(date(1900, 1, 1), date(2090, 1, 1)))
@example("Pacific/Apia", time(9), date(2011, 6, 1))
@example("Pacific/Kwajalein", time(9), date(1993, 6, 1))
@example("Africa/Cairo", time(0, 30), date(2026, 1, 1))
def test_in_any_year_a_daily_time_is_due_once_a_day_in_windows_of_a_week(
    zone: str, at: time, first: date
) -> None:
    edges = [datetime.combine(first, time(), UTC) + timedelta(days=7 * n) for n in range(53)]
    found = [
        due.day for since, until in pairwise(edges) for due in due_days([zone], at, since, until)
    ]
    assert found == [found[0] + timedelta(days=n) for n in range(len(found))]
    assert abs(len(found) - 52 * 7) <= 1


def celebrated(year: int, key: int, offset: int, leap_day: LeapDay) -> list[str]:
    """The due days on which a stored date is celebrated for a year."""
    found = []
    for ordinal in range(date(year - 1, 1, 1).toordinal(), date(year + 2, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        targets = yearly_targets(day, offset, leap_day)
        if targets.year == year and key in targets.keys:
            found.append(day.isoformat())
    return found


@pytest.mark.parametrize(
    ("year", "leap_day", "week_before", "that_day", "day_after"),
    [
        (2027, "feb28", "2027-02-21", "2027-02-28", "2027-03-01"),
        (2027, "mar1", "2027-02-22", "2027-03-01", "2027-03-02"),
        (2027, "leap_years_only", None, None, None),
        (2028, "feb28", "2028-02-22", "2028-02-29", "2028-03-01"),
        (2028, "mar1", "2028-02-22", "2028-02-29", "2028-03-01"),
        (2028, "leap_years_only", "2028-02-22", "2028-02-29", "2028-03-01"),
        (2100, "feb28", "2100-02-21", "2100-02-28", "2100-03-01"),
        (2100, "mar1", "2100-02-22", "2100-03-01", "2100-03-02"),
        (2100, "leap_years_only", None, None, None),
        (2000, "feb28", "2000-02-22", "2000-02-29", "2000-03-01"),
    ],
)
def test_29_february_is_celebrated_as_the_setting_says(
    year: int, leap_day: str, week_before: str, that_day: str, day_after: str
) -> None:
    for offset, expected in ((-7, week_before), (0, that_day), (1, day_after)):
        found = celebrated(year, 229, offset, LeapDay(leap_day))
        assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("day", "offset", "leap_day", "expected"),
    [
        ("2027-02-28", 0, "feb28", Yearly(2027, (228, 229))),
        ("2027-02-28", 0, "mar1", Yearly(2027, (228,))),
        ("2027-03-01", 0, "mar1", Yearly(2027, (301, 229))),
        ("2027-03-01", 0, "feb28", Yearly(2027, (301,))),
        ("2027-02-28", 0, "leap_years_only", Yearly(2027, (228,))),
        ("2028-02-28", 0, "feb28", Yearly(2028, (228,))),
        ("2028-02-29", 0, "feb28", Yearly(2028, (229,))),
        ("2028-02-29", 0, "leap_years_only", Yearly(2028, (229,))),
        ("2028-03-01", 0, "mar1", Yearly(2028, (301,))),
        # The year is the one of the date, on either side of the turn of the year.
        ("2026-12-25", -7, "feb28", Yearly(2027, (101,))),
        ("2026-12-31", 0, "feb28", Yearly(2026, (1231,))),
        ("2027-01-01", 1, "feb28", Yearly(2026, (1231,))),
        ("2027-01-07", 7, "feb28", Yearly(2026, (1231,))),
        ("2027-02-21", -7, "feb28", Yearly(2027, (228, 229))),
        ("2028-02-21", -7, "feb28", Yearly(2028, (228,))),
        ("2026-02-28", -365, "feb28", Yearly(2027, (228, 229))),
        # Beyond the calendar there is nothing to celebrate.
        ("0001-01-01", 1, "feb28", Yearly(1, ())),
        ("9999-12-31", -1, "feb28", Yearly(9999, ())),
        ("2027-01-01", 10**15, "feb28", Yearly(2027, ())),
        ("2027-01-01", -(10**7), "feb28", Yearly(2027, ())),
        ("0001-01-01", 0, "feb28", Yearly(1, (101,))),
        ("9999-12-31", 0, "feb28", Yearly(9999, (1231,))),
    ],
)
def test_a_due_day_celebrates_the_date_its_offset_leads_to(
    day: str, offset: int, leap_day: str, expected: Yearly
) -> None:
    assert yearly_targets(date.fromisoformat(day), offset, LeapDay(leap_day)) == expected


@given(
    born=st.dates(date(1904, 1, 1), date(1904, 12, 31)),
    year=st.integers(1905, 2400),
    offset=offsets,
    leap_day=st.sampled_from(LeapDay),
)
@example(date(1904, 2, 29), 1900, 0, LeapDay.FEB28)
def test_every_date_is_celebrated_once_for_every_year(
    born: date, year: int, offset: int, leap_day: LeapDay
) -> None:
    key = born.month * 100 + born.day
    found = [
        day
        for n in range(367 + 2 * 800)
        for day in [date(year, 1, 1) + timedelta(days=n - 800)]
        for targets in [yearly_targets(day, offset, leap_day)]
        if targets.year == year and key in targets.keys
    ]
    leap_year = date(year, 3, 1) - date(year, 2, 1) == timedelta(days=29)
    never = key == 229 and leap_day is LeapDay.LEAP_YEARS_ONLY and not leap_year
    assert len(found) == (0 if never else 1)


@pytest.mark.parametrize(
    ("policy", "hours", "late", "verdict"),
    [
        ("fire_late", 24, timedelta(days=900), None),
        ("fire_late", 0, timedelta(seconds=1), None),
        ("skip_if_later_than", 24, timedelta(hours=24), None),
        (
            "skip_if_later_than",
            24,
            timedelta(hours=26, minutes=5),
            "late by 1 day 2 h, which is more than 24 h",
        ),
        (
            "skip_if_later_than",
            24,
            timedelta(hours=24, microseconds=1),
            "late by 1 day 1 s, which is more than 24 h",
        ),
        (
            "skip_if_later_than",
            48,
            timedelta(days=2, hours=3),
            "late by 2 days 3 h, which is more than 48 h",
        ),
        ("skip_if_later_than", 0, timedelta(0), None),
        ("skip_if_later_than", 0, timedelta(seconds=20), "late by 20 s, which is more than 0 h"),
        ("skip_if_later_than", 10**15, timedelta(days=900), None),
        ("skip", 24, timedelta(minutes=30), None),
        ("skip", 24, timedelta(minutes=45), "late by 45 min, which is more than 30 min"),
        (
            "skip",
            24,
            timedelta(minutes=30, seconds=1),
            "late by 30 min 1 s, which is more than 30 min",
        ),
        # Not due yet is not late.
        ("skip", 24, timedelta(hours=-3), None),
        ("skip_if_later_than", 0, timedelta(hours=-3), None),
    ],
)
def test_a_firing_is_too_late_when_its_policy_says_so(
    policy: str, hours: int, late: timedelta, verdict: str | None
) -> None:
    due = utc("2026-06-01T07:00Z")
    assert lateness_verdict(Lateness(policy), hours, due, due + late) == verdict
