"""When time triggers fire: days that are due, birthdays, lateness.

Belongs here: pure rules over dates, zones and windows; `now` and windows are arguments. Does not
belong here: rules that repeat (`clocks.recurrence`), and who is celebrated or enrolled.

A window is half-open, (since, until], in aware instants, so that windows that meet share nothing
and leave nothing out.
Source: spec "Time triggers".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from enrollment_pipeline.clocks.local_time import instant_of_local, local_of_instant, zone_of

ON_TIME = timedelta(minutes=30)
"""What `Lateness.SKIP` tolerates: two windows of the schedule."""

_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """On local `day` in `zone`, the trigger's local time falls at instant `at`, in UTC."""

    zone: str
    day: date
    at: datetime


def due_days(zones: Iterable[str], local_time: time, since: datetime, until: datetime) -> list[Due]:
    """Return every local day of every zone on which the local time falls into (since, until].

    Zones in the order given, each once, days in order. A day that a zone skipped altogether is due
    at the first instant after it. One window of a schedule over all zones takes about a
    millisecond.

    Raises:
        ZoneInfoNotFoundError: a zone is unknown.
    """
    found = []
    for name in dict.fromkeys(zones):
        zone = zone_of(name)
        for local in _daily(local_time, after=local_of_instant(since, zone)):
            at = instant_of_local(local, zone)
            if at > until:
                break
            # Within an hour that comes twice, a later local time may be of the first pass.
            if at > since:
                found.append(Due(name, local.date(), at))
    return found


def _daily(local_time: time, *, after: datetime) -> Iterator[datetime]:
    # Nothing earlier is due: local times up to the one at `since` are instants up to `since`.
    local = datetime.combine(after.date(), local_time)
    if local > after:
        yield local
    while local.date() < date.max:
        local += _A_DAY
        yield local


class LeapDay(StrEnum):
    """When 29 February is celebrated in years that have none."""

    FEB28 = "feb28"
    MAR1 = "mar1"
    LEAP_YEARS_ONLY = "leap_years_only"


@dataclass(frozen=True, slots=True)
class Yearly:
    """Which stored dates a due day celebrates: those whose `month * 100 + day` is in `keys`.

    `year` is the year of the celebrated date, which is another than the due day's where the offset
    crosses the turn of the year: an anniversary's number, and a firing's key, count from it.
    """

    year: int
    keys: tuple[int, ...]


def yearly_targets(day: date, offset_days: int, leap_day: LeapDay) -> Yearly:
    """Return what is celebrated by a trigger that is due on `day`; -7 is a week before the date.

    No keys where the date would be outside the years 1 to 9999.
    """
    try:
        celebrated = day - timedelta(days=offset_days)
    except OverflowError:
        return Yearly(day.year, ())
    key = celebrated.month * 100 + celebrated.day
    if _stands_for_leap_day(celebrated, leap_day):
        return Yearly(celebrated.year, (key, 229))
    return Yearly(celebrated.year, (key,))


def _stands_for_leap_day(day: date, leap_day: LeapDay) -> bool:
    if day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0):
        return False
    stand_in = {LeapDay.FEB28: (2, 28), LeapDay.MAR1: (3, 1)}.get(leap_day)
    return (day.month, day.day) == stand_in


class Lateness(StrEnum):
    """What becomes of a firing whose window is run late."""

    FIRE_LATE = "fire_late"
    SKIP_IF_LATER_THAN = "skip_if_later_than"
    SKIP = "skip"


def lateness_verdict(policy: Lateness, hours: int, due: datetime, now: datetime) -> str | None:
    """Return None where a firing is still to happen, else the reason why it is too late.

    `hours` is what `SKIP_IF_LATER_THAN` tolerates, and counts for no other policy.
    The reason is such as `late by 1 day 2 h, which is more than 24 h`.
    """
    late = now - due
    if policy is Lateness.FIRE_LATE:
        return None
    if policy is Lateness.SKIP:
        tolerated, words = ON_TIME // _MICROSECOND, _spelled(ON_TIME)
    else:
        tolerated, words = hours * 3_600_000_000, f"{hours} h"
    if late // _MICROSECOND <= tolerated:
        return None
    return f"late by {_spelled(late)}, which is more than {words}"


def _spelled(duration: timedelta) -> str:
    # Rounded up, so that what is too late never reads like what is tolerated.
    rest = -((-duration) // _SECOND)
    parts = []
    for size, unit in ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}")
    return " ".join(parts[:2])
