"""Schedules that repeat, as the tests write them: short ways to ask, and rules drawn at random."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import assume
from hypothesis import strategies as st

from enrollment_pipeline.clocks.recurrence import Recurrence, parse_recurrence

ZONES = sorted(available_timezones() - {"localtime"})
MONDAY = datetime(2026, 1, 5, 9)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(text: str) -> Recurrence:
    return parse_recurrence(text, None, None)


def rule(text: str, start: datetime | None = MONDAY) -> Recurrence:
    return parse_recurrence(None, text, start)


def instants(recurrence: Recurrence, zone: str, since: str, until: str) -> list[str]:
    found = recurrence.instants(ZoneInfo(zone), utc(since), utc(until))
    assert all(at.utcoffset() == timedelta(0) for at in found)
    return [at.replace(tzinfo=None).isoformat(timespec="minutes") for at in found]


def numbers(low: int, high: int, *, signed: bool = False) -> st.SearchStrategy[str]:
    one = st.integers(low, high)
    if signed:
        one = st.one_of(one, one.map(lambda number: -number))
    return st.lists(one, min_size=1, max_size=3, unique=True).map(lambda found: join(found))


def join(found: list[object]) -> str:
    return ",".join(map(str, found))


WEEKDAYS = st.lists(
    st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, unique=True
).map(join)
NUMBERED = st.lists(
    st.builds(
        lambda number, day: f"{number}{day}",
        st.sampled_from([1, 2, 3, 4, 5, -1, -2]),
        st.sampled_from(["MO", "WE", "SA"]),
    ),
    min_size=1,
    max_size=2,
    unique=True,
).map(join)
OPTIONAL = {
    "INTERVAL": st.integers(1, 12).map(str),
    "WKST": st.sampled_from(["MO", "WE", "SU"]),
    "BYMONTH": numbers(1, 12),
    "BYHOUR": numbers(0, 23),
    "BYMINUTE": st.sampled_from(["0", "7", "0,30", "5,20,35"]),
    "BYSECOND": st.just("20"),
    "BYSETPOS": numbers(1, 4, signed=True),
    "COUNT": st.integers(1, 60).map(str),
}
BY_FREQUENCY = {
    "YEARLY": {
        "BYMONTHDAY": numbers(1, 31, signed=True),
        "BYYEARDAY": numbers(1, 366, signed=True),
        "BYDAY": st.one_of(WEEKDAYS, NUMBERED),
    },
    "MONTHLY": {
        "BYMONTHDAY": numbers(1, 31, signed=True),
        "BYDAY": st.one_of(WEEKDAYS, NUMBERED),
    },
    "WEEKLY": {"BYDAY": WEEKDAYS},
    "DAILY": {"BYDAY": WEEKDAYS, "BYMONTHDAY": numbers(1, 31, signed=True)},
    "HOURLY": {"BYDAY": WEEKDAYS, "BYMONTHDAY": numbers(1, 31, signed=True)},
}


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(sorted(BY_FREQUENCY)))
    optional = {**OPTIONAL, **BY_FREQUENCY[frequency]}
    names = draw(st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True))
    parts = {name: draw(optional[name]) for name in names}
    if frequency == "YEARLY" and "BYDAY" in parts and draw(st.booleans()):
        parts["BYWEEKNO"] = draw(numbers(1, 52))
    if "COUNT" not in parts and draw(st.booleans()):
        until = draw(st.datetimes(datetime(2001, 1, 1), datetime(2008, 1, 1)))
        parts["UNTIL"] = until.strftime("%Y%m%dT%H%M%S")
    return ";".join([f"FREQ={frequency}", *(f"{name}={parts[name]}" for name in parts)])


def parsed(text: str, start: datetime) -> Recurrence:
    """What a rule or a cron expression says, where it fires and does not do so too often."""
    try:
        return rule(text, start) if "=" in text else cron(text)
    except ValueError as refusal:
        assume("fires" not in str(refusal))
        raise
