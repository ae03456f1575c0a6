"""Cron expressions by the clocks of a zone, windows of any schedule, and texts that are refused."""

import re
from datetime import UTC, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enrollment_pipeline.clocks.recurrence import parse_recurrence
from enrollment_pipeline_tests.clocks.recurring import (
    MONDAY,
    ZONES,
    cron,
    instants,
    numbers,
    parsed,
    rule,
    rules,
    utc,
)


@pytest.mark.parametrize(
    ("text", "zone", "since", "until", "expected"),
    [
        (
            "0 9 * * MON",
            "Europe/Berlin",
            "2027-03-20",
            "2027-04-06",
            ["2027-03-22T08:00", "2027-03-29T07:00", "2027-04-05T07:00"],
        ),
        # In the gap: at its end.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2027-03-27",
            "2027-03-30",
            ["2027-03-27T01:30", "2027-03-28T01:00", "2027-03-29T00:30"],
        ),
        # Four times in the gap, and one at its end, are one firing.
        (
            "*/15 1-3 * * *",
            "Europe/Berlin",
            "2027-03-28T00:20",
            "2027-03-28T01:20",
            ["2027-03-28T00:30", "2027-03-28T00:45", "2027-03-28T01:00", "2027-03-28T01:15"],
        ),
        # Twice: the first time.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            "2026-10-26T12:00",
            ["2026-10-25T00:30", "2026-10-26T01:30"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-24T22:30",
            "2026-10-25T03:00",
            [
                "2026-10-24T23:00",
                "2026-10-25T00:00",
                "2026-10-25T02:00",
                "2026-10-25T03:00",
            ],
        ),
        (
            "30 2 * * *",
            "America/New_York",
            "2027-03-13",
            "2027-03-15",
            ["2027-03-13T07:30", "2027-03-14T07:00"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00",
            "2026-11-02T12:00",
            ["2026-11-01T05:30", "2026-11-02T06:30"],
        ),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-02T00:00",
            "2026-10-04T23:00",
            ["2026-10-02T15:45", "2026-10-03T15:30", "2026-10-04T15:15"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2027-04-03T00:00",
            "2027-04-05T00:00",
            ["2027-04-03T14:45", "2027-04-04T15:15"],
        ),
        (
            "0 9 * * *",
            "Asia/Kolkata",
            "2027-03-27",
            "2027-03-29",
            ["2027-03-27T03:30", "2027-03-28T03:30"],
        ),
        # 30 December 2011, which was left out, and midnight of the day after it.
        (
            "0 0 * * *",
            "Pacific/Apia",
            "2011-12-29T00:00",
            "2012-01-01T00:00",
            ["2011-12-29T10:00", "2011-12-30T10:00", "2011-12-31T10:00"],
        ),
        (
            "0 9 30 * *",
            "Pacific/Apia",
            "2011-12-01",
            "2012-01-31",
            ["2011-12-30T10:00", "2012-01-29T19:00"],
        ),
        # Midnight that is left out, and midnight that comes twice.
        (
            "0 0 * * *",
            "Africa/Cairo",
            "2027-04-28T12:00",
            "2027-04-30T23:00",
            ["2027-04-28T22:00", "2027-04-29T22:00", "2027-04-30T21:00"],
        ),
        (
            "0 0 * * *",
            "America/Havana",
            "2026-10-31T12:00",
            "2026-11-02T12:00",
            ["2026-11-01T04:00", "2026-11-02T05:00"],
        ),
        ("0 9 L * *", "UTC", "2027-01-15", "2027-03-15", ["2027-01-31T09:00", "2027-02-28T09:00"]),
        ("0 9 * * FRI#1", "UTC", "2027-01-15", "2027-03-01", ["2027-02-05T09:00"]),
        ("0 0 29 2 *", "UTC", "2027-01-01", "2033-01-01", ["2028-02-29T00:00", "2032-02-29T00:00"]),
        # The end of a window belongs to it, the beginning does not.
        ("0 9 * * *", "UTC", "2027-01-01T09:00", "2027-01-02T09:00", ["2027-01-02T09:00"]),
        ("0 9 * * *", "UTC", "2027-01-02T09:00", "2027-01-02T09:00", []),
        ("0 9 * * *", "UTC", "2027-01-05T09:00", "2027-01-02T09:00", []),
    ],
)
def test_a_cron_expression_fires_by_the_clocks_of_its_zone(
    text: str, zone: str, since: str, until: str, expected: list[str]
) -> None:
    assert instants(cron(text), zone, since, until) == expected


def test_the_ends_of_the_calendar_are_no_trouble() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for zone in map(ZoneInfo, ("Asia/Tokyo", "America/New_York")):
        for weekly in (cron("0 9 * * MON"), rule("FREQ=WEEKLY;BYDAY=MO")):
            assert weekly.instants(zone, last - timedelta(days=8), last)
            weekly.instants(zone, first, first + timedelta(days=8))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("61 * * * *", 'The minute of a cron expression is 0-59, not "61".'),
        ("0 24 * * *", 'The hour of a cron expression is 0-23, not "24".'),
        ("0 9 32 * *", 'The day of the month of a cron expression is 1-31 or L, not "32".'),
        ("0 9 * 13 *", 'The month of a cron expression is 1-12 or JAN-DEC, not "13".'),
        ("0 9 * * ?", 'The day of the week of a cron expression is 0-7 or SUN-SAT, not "?".'),
        ("0 9 * *", "has 5 fields (minute, hour, day of the month, month, day of the week)"),
        ("0 0 9 * * MON", "this has 6."),
        ("@daily", "this has 1."),
        ("", "this has 0."),
        ("*/14 * * * *", "The schedule fires more often than every 15 minutes."),
        ("* * * * *", "more often"),
        ("0,50 * * * *", "more often"),
        ("50,0 23,0 * * *", "more often"),
        ("0 0 30 2 *", "The schedule never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 */31 * MON#5", "never fires"),
        ("0 9 1," + "1," * 250 + "1 * *", "The text has 511 characters; 500 is the most."),
    ],
)
def test_a_cron_expression_that_cannot_be_is_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        cron(text)


@pytest.mark.parametrize("text", ["*/15 * * * *", "0,45 */2 * * *", "45 23 * * *", "0 0 29 2 *"])
def test_what_fires_every_15_minutes_or_hardly_ever_is_taken(text: str) -> None:
    cron(text)


@pytest.mark.parametrize(
    ("texts", "start", "sentence"),
    [
        ((None, None), MONDAY, "Give a cron expression or an RRULE."),
        (("0 9 * * *", "FREQ=DAILY"), MONDAY, "Give a cron expression or an RRULE, not both."),
        ((None, "FREQ=DAILY"), None, "An RRULE needs a start"),
        ((None, "FREQ=DAILY"), MONDAY.replace(tzinfo=UTC), "no time zone of its own"),
        ((None, "FREQ=DAILY"), MONDAY.replace(year=2200), "between the years 1970 and 2199"),
    ],
)
def test_one_text_and_for_a_rule_a_start_must_be_given(
    texts: tuple[str | None, str | None], start: datetime | None, sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_recurrence(*texts, start)


crons = st.builds(
    " ".join,
    st.tuples(
        st.sampled_from(["0", "30", "*/15", "10,40", "59"]),
        st.one_of(st.just("*"), st.just("0-3"), numbers(0, 23)),
        st.one_of(st.just("*"), st.just("L"), numbers(1, 31)),
        st.one_of(st.just("*"), numbers(1, 12)),
        st.one_of(st.just("*"), st.just("MON-FRI"), st.just("0#1"), numbers(0, 6)),
    ),
)


@given(
    text=st.one_of(crons, rules()),
    zone=st.sampled_from(ZONES),
    since=st.datetimes(datetime(2000, 1, 1), datetime(2012, 1, 1), timezones=st.just(UTC)),
    length=st.timedeltas(timedelta(0), timedelta(days=60)),
    cut=st.floats(0, 1),
)
@example("*/15 * * * *", "Europe/Berlin", utc("2010-03-28"), timedelta(hours=2), 0.5)
@example("*/15 * * * *", "Europe/Berlin", utc("2010-10-31"), timedelta(hours=2), 0.7)
@example("*/15 * * * *", "Pacific/Apia", utc("2011-12-29"), timedelta(days=3), 34 / 72)
@example("FREQ=HOURLY", "Pacific/Apia", utc("2011-12-29"), timedelta(days=3), 34 / 72)
def test_however_a_window_is_cut_its_parts_have_what_it_has(
    text: str, zone: str, since: datetime, length: timedelta, cut: float
) -> None:
    recurrence = parsed(text, datetime(2000, 1, 1))
    info, middle, until = ZoneInfo(zone), since + length * cut, since + length
    parts = recurrence.instants(info, since, middle) + recurrence.instants(info, middle, until)
    assert parts == recurrence.instants(info, since, until)
    assert parts == sorted(set(parts))
    assert all(since < at <= until for at in parts)


WORDS = [
    "FREQ=",
    "DAILY",
    "BYDAY=",
    "MO",
    "-1",
    ";",
    ",",
    "=",
    "*",
    "/",
    "#",
    "L",
    "LW",
    "-",
    " ",
    "0",
    "9",
    "99999",
    "DTSTART:",
    "RRULE:",
    "20260101T090000",
    "\n",
    "UNTIL=",
    "BYSETPOS=",
]


@given(text=st.one_of(st.text(max_size=40), st.lists(st.sampled_from(WORDS)).map("".join)))
def test_whatever_the_text_it_is_taken_or_refused_with_a_sentence(text: str) -> None:
    for texts in ((text, None), (None, text)):
        begun = perf_counter()
        said = "Taken."
        try:
            parse_recurrence(*texts, MONDAY)
        except ValueError as refusal:
            said = str(refusal)
        assert perf_counter() - begun < 1
        assert said.endswith(".")
        assert said.isprintable()
