"""Business hours: what the settings say, what is open, and when it opens next."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enrollment_pipeline.clocks.business_hours import BusinessHours

WEEKDAYS = "mon,tue,wed,thu,fri"
EVERY_DAY = f"{WEEKDAYS},sat,sun"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(
    span: str = "09:00-17:00",
    *,
    days: str = WEEKDAYS,
    zone: str = "Europe/Berlin",
    holidays: str = "",
) -> BusinessHours:
    return BusinessHours.parse(days, span, zone, holidays)


def test_settings_are_read() -> None:
    assert BusinessHours.parse(
        "mon, TUE,sun", " 09:00 - 24:00 ", "Europe/Berlin", "2026-12-25, 2027-01-01"
    ) == BusinessHours(
        days=frozenset({0, 1, 6}),
        opens=time(9),
        closes=None,
        zone="Europe/Berlin",
        holidays=frozenset({date(2026, 12, 25), date(2027, 1, 1)}),
    )
    assert hours("00:00-00:01", holidays=" ").holidays == frozenset()
    assert hours("00:00-00:01").closes == time(0, 1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"days": ""}, 'Days: "" is not one of mon, tue, wed, thu, fri, sat, sun.'),
        ({"days": "mon,tues"}, 'Days: "tues" is not one of'),
        ({"days": "mon,,tue"}, 'Days: "" is not one of'),
        ({"span": "9-5"}, 'Hours: "9-5" is not two times such as 09:00-17:00.'),
        ({"span": "09:00"}, "Hours: "),
        ({"span": "09:60-17:00"}, "Hours: "),
        ({"span": "24:00-24:00"}, "Hours: "),
        ({"span": "09:00-25:00"}, "Hours: "),
        ({"span": "٠٩:٠٠-17:00"}, "Hours: "),
        ({"span": "17:00-09:00"}, 'Hours: "17:00-09:00" closes before it opens'),
        ({"span": "09:00-09:00"}, "closes before it opens"),
        ({"span": "09:00-00:00"}, "a day ends at 24:00."),
        ({"zone": "Berlin"}, 'Time zone: "Berlin" is not a time zone such as Europe/Berlin.'),
        ({"zone": ""}, "Time zone: "),
        ({"zone": "../Berlin"}, "Time zone: "),
        ({"zone": "Europe"}, "Time zone: "),
        ({"holidays": "25.12.2026"}, 'Holidays: "25.12.2026" is not a date such as 2026-12-25.'),
        ({"holidays": "2026-12-25,"}, 'Holidays: "" is not a date'),
        ({"holidays": "2026-02-30"}, 'Holidays: "2026-02-30" is not a date'),
        ({"holidays": "20261225"}, "Holidays: "),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        hours(**changes)


@pytest.mark.parametrize(
    ("business", "at", "expected"),
    [
        # 23 November 2026 is a Monday.
        (hours(), "2026-11-23T07:59:59.999999", False),
        (hours(), "2026-11-23T08:00", True),
        (hours(), "2026-11-23T15:59:59.999999", True),
        (hours(), "2026-11-23T16:00", False),
        (hours(), "2026-11-22T12:00", False),
        (hours(holidays="2026-11-23"), "2026-11-23T12:00", False),
        (hours("09:00-24:00"), "2026-11-23T22:59:59.999999", True),
        (hours("09:00-24:00"), "2026-11-23T23:00", False),
        (hours("00:00-24:00"), "2026-11-23T23:00", True),
        # The day is the one of the zone: Monday in Auckland is Sunday in UTC.
        (hours(zone="Pacific/Auckland"), "2026-11-22T20:00", True),
        # Both passes of an hour that comes twice.
        (hours("02:15-02:45", days=EVERY_DAY), "2026-10-25T00:30", True),
        (hours("02:15-02:45", days=EVERY_DAY), "2026-10-25T01:00", False),
        (hours("02:15-02:45", days=EVERY_DAY), "2026-10-25T01:30", True),
    ],
)
def test_it_is_open_from_the_opening_time_until_before_the_closing_time(
    business: BusinessHours, at: str, expected: bool
) -> None:
    assert business.is_open(utc(at)) is expected


@pytest.mark.parametrize(
    ("business", "at", "expected"),
    [
        # Open now, open later today, tomorrow, after the weekend.
        (hours(), "2026-11-23T10:00:00.000001", "2026-11-23T10:00:00.000001"),
        (hours(), "2026-11-23T08:00", "2026-11-23T08:00"),
        (hours(), "2026-11-23T06:00", "2026-11-23T08:00"),
        (hours(), "2026-11-23T16:00", "2026-11-24T08:00"),
        (hours(), "2026-11-20T16:00", "2026-11-23T08:00"),
        # Holidays, across the year's end and clocks that were changed meanwhile.
        (hours(holidays="2026-12-31,2027-01-01"), "2026-12-30T16:00", "2027-01-04T08:00"),
        (hours(), "2027-03-26T16:00", "2027-03-29T07:00"),
        (hours(), "2026-10-23T15:00", "2026-10-26T08:00"),
        (hours("00:00-24:00"), "2026-11-21T12:00", "2026-11-22T23:00"),
        # An opening in the gap is at its end, where that is still within the hours.
        (hours("02:30-12:00", days="sun"), "2027-03-27T12:00", "2027-03-28T01:00"),
        (hours("02:30-03:00", days="sun"), "2027-03-27T12:00", "2027-04-04T00:30"),
        (hours("02:30-02:45", days="sun"), "2027-03-27T12:00", "2027-04-04T00:30"),
        (hours("00:00-08:00", days="sun", zone="America/Havana"), "2027-03-13", "2027-03-14T05:00"),
        # A day that was left out does not open.
        (
            hours("09:00-17:00", days="fri", zone="Pacific/Apia"),
            "2011-12-30T05:00",
            "2012-01-05T19:00",
        ),
        (
            hours("00:00-17:00", days="fri,sat", zone="Pacific/Apia"),
            "2011-12-30T05:00",
            "2011-12-30T10:00",
        ),
        # It opens again when clocks are set back behind the opening, or into the hours.
        (hours("02:30-02:45", days="sun"), "2026-10-25T00:50", "2026-10-25T01:30"),
        (hours("01:00-02:30", days="sun"), "2026-10-25T00:40", "2026-10-25T01:00"),
        # At 00:01 on Sunday clocks were set back to 23:01 on Saturday.
        (
            hours("09:00-24:00", days="sat", zone="America/St_Johns"),
            "2009-11-01T02:30:30",
            "2009-11-01T02:31",
        ),
        # Sunday had begun a minute before.
        (
            hours("00:00-23:30", days="sat,sun", zone="America/St_Johns"),
            "2009-11-01T02:10",
            "2009-11-01T02:30",
        ),
        (hours(days="sun", holidays="2026-11-29,2026-12-06"), "2026-11-23", "2026-12-13T08:00"),
    ],
)
def test_the_next_opening_is_the_first_instant_that_is_open(
    business: BusinessHours, at: str, expected: str
) -> None:
    found = business.next_opening(utc(at))
    assert found == utc(expected)
    assert found.utcoffset() == timedelta(0)


def closed_sundays(count: int) -> str:
    first = date(2026, 11, 29)
    return ",".join(str(first + timedelta(weeks=week)) for week in range(count))


def test_who_does_not_open_within_400_days_does_not_open() -> None:
    at = utc("2026-11-23T12:00")
    # 56 Sundays are 391 days, the next one is 398 days after the first Monday.
    assert hours(days="sun", holidays=closed_sundays(56)).next_opening(at) == utc(
        "2027-12-26T08:00"
    )
    assert hours(days="sun", holidays=closed_sundays(57)).next_opening(at) is None


def test_an_instant_in_another_zone_is_the_same_instant() -> None:
    at = datetime(2026, 11, 23, 19, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert hours().is_open(at)
    assert hours().next_opening(at) == utc("2026-11-23T10:00")
    assert hours().next_opening(at).tzinfo is UTC


def test_the_ends_of_the_calendar_are_no_trouble() -> None:
    for zone in ("Asia/Tokyo", "America/New_York"):
        business = hours("11:00-12:00", zone=zone)
        assert business.next_opening(datetime.min.replace(tzinfo=UTC)) is not None
        assert business.next_opening(datetime.max.replace(tzinfo=UTC)) is None


CHANGES = {
    "Europe/Berlin": ["2027-03-28T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2027-03-14T07:00", "2026-11-01T06:00"],
    "Australia/Lord_Howe": ["2026-10-03T15:30", "2027-04-03T15:00"],
    "Africa/Cairo": ["2027-04-29T22:00", "2026-10-29T21:00"],
    "America/Havana": ["2027-03-14T05:00", "2026-11-01T05:00"],
    "America/St_Johns": ["2009-03-08T03:31", "2009-11-01T02:31"],
    "America/Sao_Paulo": ["2018-11-04T03:00", "2018-02-18T02:00"],
    "Antarctica/Troll": ["2027-03-28T01:00", "2026-10-25T01:00"],
    "Pacific/Apia": ["2011-12-30T10:00"],
    "Asia/Kolkata": ["2027-03-28T01:00"],
}
near_changes = st.sampled_from(
    [(zone, utc(change)) for zone, changes in CHANGES.items() for change in changes]
)
minutes = st.integers(0, 24 * 60)


@st.composite
def cases(draw: st.DrawFn) -> tuple[BusinessHours, datetime]:
    """Business hours in whole minutes, and a whole minute within two days of a change of clocks."""
    zone, change = draw(near_changes)
    opens, closes = sorted(draw(st.lists(minutes, min_size=2, max_size=2, unique=True)))
    at = change + timedelta(minutes=draw(st.integers(-2880, 2880)))
    business = BusinessHours(
        days=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        opens=time(*divmod(opens, 60)),
        closes=None if closes == 24 * 60 else time(*divmod(closes, 60)),
        zone=zone,
        holidays=draw(
            st.frozensets(
                st.integers(-2, 2).map(lambda days: (change + timedelta(days=days)).date()),
                max_size=2,
            )
        ),
    )
    return business, at


@given(case=cases())
@example((hours("23:10-24:00", days="sat", zone="America/St_Johns"), utc("2009-11-01T02:30")))
@example((hours("00:00-23:30", days="sat,sun", zone="America/St_Johns"), utc("2009-11-01T02:10")))
@example((hours("02:10-02:20", days="sun"), utc("2026-10-25T00:25")))
@example((hours("00:00-23:00", days="fri,sat", zone="Pacific/Apia"), utc("2011-12-30T09:30")))
def test_the_next_opening_is_open_and_no_minute_before_it_is(
    case: tuple[BusinessHours, datetime],
) -> None:
    business, at = case
    found = business.next_opening(at)
    assert found is not None
    assert found >= at
    assert business.is_open(found)
    assert business.next_opening(found) == found
    # Clocks change, open and close at whole minutes here, so every minute is asked.
    until = min(found, at + timedelta(days=4))
    while at < until:
        assert not business.is_open(at)
        at += timedelta(minutes=1)


@given(case=cases(), by=st.timedeltas(timedelta(0), timedelta(days=10)))
def test_who_asks_later_is_not_told_an_earlier_opening(
    case: tuple[BusinessHours, datetime], by: timedelta
) -> None:
    business, at = case
    first, second = business.next_opening(at), business.next_opening(at + by)
    assert first is not None
    assert second is not None
    assert second >= first
    if at + by <= first:
        assert second == first


@given(case=cases())
def test_open_is_what_the_clocks_of_the_zone_show(case: tuple[BusinessHours, datetime]) -> None:
    business, at = case
    local = at.astimezone(ZoneInfo(business.zone))
    within = business.opens <= local.time() and (
        business.closes is None or local.time() < business.closes
    )
    working = local.weekday() in business.days and local.date() not in business.holidays
    assert business.is_open(at) is (within and working)
