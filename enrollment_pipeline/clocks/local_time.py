"""Local times as instants, and back, through all that zones do to their clocks.

Belongs here: pure rules over one time and one zone. Does not belong here: what is to happen then.

An instant beyond the calendar is the calendar's first or last instant.
Source: spec "Daylight saving".
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from enrollment_pipeline.conditions.values import FIRST_INSTANT, LAST_INSTANT

_SECOND = timedelta(seconds=1)
_OF_THE_MACHINE = {"localtime", "posixrules"}


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return the zone of that name, read once per process.

    `ZoneInfo` itself remembers eight; reading all of them anew takes 0.15 s.

    Raises:
        ZoneInfoNotFoundError: there is no such zone; a KeyError.
    """
    return ZoneInfo(name)


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all zones that are the same on each machine."""
    return frozenset(available_timezones()) - _OF_THE_MACHINE


def instant_of_local(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which clocks in the zone show a naive local time.

    A time that does not exist is the first instant after the gap; one that exists twice is the
    first of the two (spec "Daylight saving"). So a later local time never is an earlier instant.
    """
    try:
        first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    except OverflowError:
        return _end_of_calendar(local)
    if first <= second:
        return first
    # In a gap, fold=0 counts with the offset from before it and so lands behind it (PEP 495).
    return change_of_clocks(zone, second, first)


def local_of_instant(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what clocks in the zone show at an aware instant, naive."""
    try:
        return instant.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        return _end_of_calendar(instant).replace(tzinfo=None)


def change_of_clocks(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the instant in (before, after] from which the zone's offset is not that of `before`.

    Both are aware and less than some months apart, with one change between them. Offsets change at
    whole seconds.
    """
    offset = before.astimezone(zone).utcoffset()
    low, high = before.replace(microsecond=0), after.replace(microsecond=0) + _SECOND
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def _end_of_calendar(near: datetime) -> datetime:
    return FIRST_INSTANT if near.year < 5000 else LAST_INSTANT
