"""Local times as instants, through everything that zones do to their clocks."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from enrollment_pipeline.clocks.local_time import instant_of_local, local_of_instant, zone_names
from enrollment_pipeline.records import TimeZoneName

ZONES = sorted(zone_names())
TICK = timedelta(microseconds=1)

zones = st.sampled_from(ZONES)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


CLOCKS = [
    # The hour from 02:00 to 03:00 is left out.
    ("Europe/Berlin", "2027-03-28T01:59", "2027-03-28T00:59Z"),
    ("Europe/Berlin", "2027-03-28T02:00", "2027-03-28T01:00Z"),
    ("Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:00Z"),
    ("Europe/Berlin", "2027-03-28T02:59:59.999999", "2027-03-28T01:00Z"),
    ("Europe/Berlin", "2027-03-28T03:00", "2027-03-28T01:00Z"),
    ("Europe/Berlin", "2027-03-28T09:00", "2027-03-28T07:00Z"),
    # The hour from 02:00 to 03:00 comes twice.
    ("Europe/Berlin", "2026-10-25T01:59", "2026-10-24T23:59Z"),
    ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00Z"),
    ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30Z"),
    ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00Z"),
    ("Europe/Berlin", "2026-10-25T09:00", "2026-10-25T08:00Z"),
    ("America/New_York", "2027-03-14T01:59", "2027-03-14T06:59Z"),
    ("America/New_York", "2027-03-14T02:30", "2027-03-14T07:00Z"),
    ("America/New_York", "2027-03-14T03:00", "2027-03-14T07:00Z"),
    ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30Z"),
    ("America/New_York", "2026-11-01T02:00", "2026-11-01T07:00Z"),
    # Half an hour: 02:00 to 02:30 is left out, 01:30 to 02:00 comes twice.
    ("Australia/Lord_Howe", "2026-10-04T01:45", "2026-10-03T15:15Z"),
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30Z"),
    ("Australia/Lord_Howe", "2026-10-04T02:45", "2026-10-03T15:45Z"),
    ("Australia/Lord_Howe", "2027-04-04T01:15", "2027-04-03T14:15Z"),
    ("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45Z"),
    ("Australia/Lord_Howe", "2027-04-04T02:00", "2027-04-03T15:30Z"),
    ("Asia/Kolkata", "2027-03-28T02:30", "2027-03-27T21:00Z"),
    ("Asia/Kolkata", "2026-10-25T09:00", "2026-10-25T03:30Z"),
    # 30 December 2011 was left out, from midnight to midnight.
    ("Pacific/Apia", "2011-12-29T23:59", "2011-12-30T09:59Z"),
    ("Pacific/Apia", "2011-12-30T00:00", "2011-12-30T10:00Z"),
    ("Pacific/Apia", "2011-12-30T09:00", "2011-12-30T10:00Z"),
    ("Pacific/Apia", "2011-12-31T00:00", "2011-12-30T10:00Z"),
    ("Pacific/Apia", "2011-12-31T09:00", "2011-12-30T19:00Z"),
    # The day begins at 01:00; the hour before midnight comes twice.
    ("Africa/Cairo", "2027-04-30T00:00", "2027-04-29T22:00Z"),
    ("Africa/Cairo", "2027-04-30T00:30", "2027-04-29T22:00Z"),
    ("Africa/Cairo", "2027-04-30T01:00", "2027-04-29T22:00Z"),
    ("Africa/Cairo", "2026-10-29T23:30", "2026-10-29T20:30Z"),
    ("Africa/Cairo", "2026-10-30T00:00", "2026-10-29T22:00Z"),
    # The day begins at 01:00; the hour after midnight comes twice.
    ("America/Havana", "2027-03-14T00:00", "2027-03-14T05:00Z"),
    ("America/Havana", "2027-03-14T00:59", "2027-03-14T05:00Z"),
    ("America/Havana", "2026-11-01T00:00", "2026-11-01T04:00Z"),
    ("America/Havana", "2026-11-01T00:30", "2026-11-01T04:30Z"),
    ("America/Havana", "2026-11-01T01:00", "2026-11-01T06:00Z"),
    # Two hours.
    ("Antarctica/Troll", "2027-03-28T02:10", "2027-03-28T01:00Z"),
    # Beyond the calendar.
    ("America/New_York", "9999-12-31T23:00", "9999-12-31T23:59:59.999999Z"),
    ("Asia/Tokyo", "0001-01-01T00:00", "0001-01-01T00:00Z"),
]


@pytest.mark.parametrize(("zone", "local", "instant"), CLOCKS)
def test_a_time_left_out_is_the_end_of_the_gap_and_a_repeated_one_its_first(
    zone: str, local: str, instant: str
) -> None:
    assert instant_of_local(datetime.fromisoformat(local), ZoneInfo(zone)) == utc(instant)


@given(zone=zones, local=st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)))
def test_an_instant_shows_its_local_time_or_is_where_clocks_jump_over_it(
    zone: str, local: datetime
) -> None:
    info = ZoneInfo(zone)
    at = instant_of_local(local, info)
    assert at.utcoffset() == timedelta(0)
    if local_of_instant(at, info) == local:
        assert at.astimezone(info).fold == 0
    else:
        assert local_of_instant(at - TICK, info) < local < local_of_instant(at, info)


@given(
    zone=zones,
    local=st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    by=st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_a_later_local_time_is_never_an_earlier_instant(
    zone: str, local: datetime, by: timedelta
) -> None:
    info = ZoneInfo(zone)
    assert instant_of_local(local, info) <= instant_of_local(local + by, info)


@given(zone=zones, local=st.datetimes())
def test_every_local_time_of_the_calendar_is_an_instant(zone: str, local: datetime) -> None:
    info = ZoneInfo(zone)
    assert isinstance(local_of_instant(instant_of_local(local, info), info), datetime)


@pytest.mark.parametrize("name", ["localtime", "posixrules"])
def test_what_means_another_zone_on_each_machine_is_no_zone_here_nor_in_settings(
    name: str,
) -> None:
    assert name not in zone_names()
    with pytest.raises(ValidationError, match="means another zone on each machine"):
        TypeAdapter(TimeZoneName).validate_python(name)


def test_every_other_zone_is_one_that_settings_take() -> None:
    assert TypeAdapter(list[TimeZoneName]).validate_python(ZONES) == ZONES
