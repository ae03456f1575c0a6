"""RRULEs by the clocks of a zone: examples written out, and dateutil as the second opinion."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import example, given
from hypothesis import strategies as st

from enrollment_pipeline_tests.clocks.recurring import instants, parsed, rule, rules

starts = st.datetimes(datetime(2000, 1, 1), datetime(2003, 1, 1)).map(
    lambda start: start.replace(microsecond=0)
)


def whole_week(text: str, start: datetime) -> datetime:
    """The start of the week, with which alone dateutil sees the first week whole."""
    if "WEEKLY" not in text or "BYSETPOS" not in text:
        return start
    first = next((i for i, day in enumerate(["MO", "WE", "SU"]) if f"WKST={day}" in text), 0)
    return start - timedelta(days=(start.weekday() - (0, 2, 6)[first]) % 7)


@pytest.mark.parametrize(
    ("text", "zone", "since", "until", "expected"),
    [
        (
            "FREQ=WEEKLY",
            "Europe/Berlin",
            "2027-03-20",
            "2027-04-06",
            ["2027-03-22T08:00", "2027-03-29T07:00", "2027-04-05T07:00"],
        ),
        (
            "RRULE:FREQ=DAILY;BYHOUR=2;BYMINUTE=30",
            "Europe/Berlin",
            "2027-03-27",
            "2027-03-29",
            ["2027-03-27T01:30", "2027-03-28T01:00"],
        ),
        (
            "FREQ=HOURLY",
            "Europe/Berlin",
            "2027-03-28T00:30",
            "2027-03-28T02:30",
            ["2027-03-28T01:00", "2027-03-28T02:00"],
        ),
        (
            "FREQ=HOURLY;INTERVAL=5",
            "UTC",
            "2026-01-05",
            "2026-01-06T06:00",
            [
                "2026-01-05T09:00",
                "2026-01-05T14:00",
                "2026-01-05T19:00",
                "2026-01-06T00:00",
                "2026-01-06T05:00",
            ],
        ),
        (
            "DTSTART:20260107T083000\nRRULE:FREQ=WEEKLY;INTERVAL=2",
            "UTC",
            "2026-01-01",
            "2026-02-10",
            ["2026-01-07T08:30", "2026-01-21T08:30", "2026-02-04T08:30"],
        ),
        (
            "DTSTART;VALUE=DATE:20260107 RRULE:FREQ=WEEKLY",
            "UTC",
            "2026-01-01",
            "2026-01-15",
            ["2026-01-07T00:00", "2026-01-14T00:00"],
        ),
        # The last business day of the month.
        (
            "freq=monthly; byday=MO,TU,WE,TH,FR; bysetpos=-1;",
            "UTC",
            "2026-01-01",
            "2026-04-01",
            ["2026-01-30T09:00", "2026-02-27T09:00", "2026-03-31T09:00"],
        ),
        (
            "FREQ=MONTHLY;BYDAY=2TU,-1FR",
            "UTC",
            "2026-01-01",
            "2026-03-01",
            ["2026-01-13T09:00", "2026-01-30T09:00", "2026-02-10T09:00", "2026-02-27T09:00"],
        ),
        # The last of Monday and Saturday of a week that ends in the next year.
        (
            "FREQ=WEEKLY;BYDAY=MO,SA;BYSETPOS=-1",
            "UTC",
            "2026-12-20",
            "2027-01-04",
            ["2026-12-26T09:00", "2027-01-02T09:00"],
        ),
        (
            "FREQ=WEEKLY;BYDAY=MO,SA;BYSETPOS=-1",
            "UTC",
            "2026-12-27",
            "2026-12-31",
            [],
        ),
        # RFC 5545: what the start leaves of its week counts as part of the whole week.
        (
            "DTSTART:20260107T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1",
            "UTC",
            "2026-01-01",
            "2026-01-20",
            ["2026-01-12T09:00", "2026-01-19T09:00"],
        ),
        # The example of RFC 5545: on which day weeks begin decides which are left out.
        (
            "DTSTART:19970805T090000 RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            "UTC",
            "1997-08-01",
            "1998-01-01",
            ["1997-08-05T09:00", "1997-08-10T09:00", "1997-08-19T09:00", "1997-08-24T09:00"],
        ),
        (
            "DTSTART:19970805T090000 RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            "UTC",
            "1997-08-01",
            "1998-01-01",
            ["1997-08-05T09:00", "1997-08-17T09:00", "1997-08-19T09:00", "1997-08-31T09:00"],
        ),
        # Months without a 31st have none.
        (
            "DTSTART:20260131T090000\nRRULE:FREQ=MONTHLY",
            "UTC",
            "2026-01-01",
            "2026-06-01",
            ["2026-01-31T09:00", "2026-03-31T09:00", "2026-05-31T09:00"],
        ),
        (
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
            "UTC",
            "2026-01-01",
            "2028-01-01",
            ["2026-05-11T09:00", "2027-05-17T09:00"],
        ),
        ("FREQ=YEARLY;BYYEARDAY=-1", "UTC", "2026-01-01", "2027-01-01", ["2026-12-31T09:00"]),
        (
            "FREQ=DAILY;COUNT=3",
            "UTC",
            "2026-01-06",
            "2027-01-01",
            ["2026-01-06T09:00", "2026-01-07T09:00"],
        ),
        ("FREQ=DAILY;COUNT=3", "UTC", "2026-02-01", "2027-01-01", []),
        (
            "FREQ=DAILY;UNTIL=20260106T090000",
            "UTC",
            "2026-01-06",
            "2027-01-01",
            ["2026-01-06T09:00"],
        ),
        ("FREQ=DAILY;UNTIL=20260106T085959", "UTC", "2026-01-06", "2027-01-01", []),
        # A day without a time is meant whole.
        ("FREQ=DAILY;UNTIL=20260106", "UTC", "2026-01-06", "2027-01-01", ["2026-01-06T09:00"]),
        # An instant is the same in every zone.
        (
            "FREQ=DAILY;UNTIL=20260107T080000Z",
            "Europe/Berlin",
            "2026-01-06",
            "2027-01-01",
            ["2026-01-06T08:00", "2026-01-07T08:00"],
        ),
        (
            "FREQ=DAILY;UNTIL=20260107T080000Z",
            "Europe/London",
            "2026-01-06",
            "2027-01-01",
            ["2026-01-06T09:00"],
        ),
        # 40 years between two of them.
        (
            "DTSTART:20680101T000000\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=WE",
            "UTC",
            "2068-03-01",
            "2110-01-01",
            ["2096-02-29T00:00", "2108-02-29T00:00"],
        ),
    ],
)
def test_a_rule_fires_by_the_clocks_of_its_zone(
    text: str, zone: str, since: str, until: str, expected: list[str]
) -> None:
    assert instants(rule(text), zone, since, until) == expected


def test_nothing_fires_before_the_start() -> None:
    assert instants(rule("FREQ=DAILY"), "UTC", "2025-12-01", "2026-01-05T08:59") == []
    assert instants(rule("FREQ=DAILY"), "UTC", "2025-12-01", "2026-01-05T09:00") == [
        "2026-01-05T09:00"
    ]


def upto(until: datetime, times: Iterator[datetime]) -> Iterator[datetime]:
    for one in times:
        if one > until:
            return
        yield one


@given(
    text=rules(),
    start=starts,
    since=st.timedeltas(timedelta(days=-30), timedelta(days=1500)),
    length=st.timedeltas(timedelta(0), timedelta(days=500)),
)
@example("FREQ=WEEKLY;BYDAY=MO,SA;BYSETPOS=-1", datetime(2001, 1, 1), timedelta(), timedelta(400))
def test_a_rule_says_what_dateutil_says(
    text: str, start: datetime, since: timedelta, length: timedelta
) -> None:
    start = whole_week(text, start)
    ours = parsed(text, start)
    after, until = start + since, start + since + length
    found = ours.instants(ZoneInfo("UTC"), after.replace(tzinfo=UTC), until.replace(tzinfo=UTC))
    theirs = [one for one in upto(until, iter(rrulestr(text, dtstart=start))) if one > after]
    assert [at.replace(tzinfo=None) for at in found] == theirs


@given(text=rules(), start=starts)
def test_a_rule_that_is_taken_fires_at_most_every_15_minutes(text: str, start: datetime) -> None:
    since = start.replace(tzinfo=UTC) - timedelta(days=1)
    found = parsed(text, start).instants(ZoneInfo("UTC"), since, since + timedelta(days=800))
    assert all(later - earlier >= timedelta(minutes=15) for earlier, later in pairwise(found))
