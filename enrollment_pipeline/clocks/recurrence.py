"""Schedules that repeat: what a cron expression or an RRULE says, as instants in a time zone.

Belongs here: reading either, with a sentence for whoever wrote it, and the way from the wall clock
to instants. Does not belong here: RRULEs themselves (`rrule`, `rrule_text`), and what a local time
is that clocks skip or repeat (`local_time`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from enrollment_pipeline.clocks.frequency import MOST_OFTEN, fires_too_often
from enrollment_pipeline.clocks.local_time import instant_of_local, local_of_instant
from enrollment_pipeline.clocks.rrule_text import parse_rrule
from enrollment_pipeline.conditions.explain import show

LONGEST_TEXT = 500
"""Characters of an expression or a rule."""

_CRON_FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day of the month": "1-31 or L",
    "month": "1-12 or JAN-DEC",
    "day of the week": "0-7 or SUN-SAT",
}

# More than clocks were ever set back at once.
_FURTHEST_BACK = timedelta(days=2)

# Where the search for a first firing begins: cronsim gives up after 50 years without any, which
# is more than the 40 years in which 29 February is, around 2100, never the same day of the week.
_ANY_TIME = datetime(2000, 1, 1)


class WallTimes(Protocol):
    """What repeats, as naive local times, whatever the zone."""

    def walls(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the local times in (after, until], in order."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A schedule that repeats on the wall clock, up to the instant `ends` where one is given."""

    times: WallTimes
    ends: datetime | None = None

    def instants(self, zone: ZoneInfo, since: datetime, until: datetime) -> list[datetime]:
        """Return the instants in (since, until], in UTC, in order, each once.

        Times within a gap are the first instant after it, all of them together one firing; a time
        that comes twice is the first of the two.
        """
        if self.ends is not None:
            until = min(until, self.ends)
        # Where an hour comes twice, a local time after the one at `until` may be of its first pass.
        latest = min(local_of_instant(until, zone), datetime.max - _FURTHEST_BACK) + _FURTHEST_BACK
        found: list[datetime] = []
        for wall in self.times.walls(local_of_instant(since, zone), latest):
            at = instant_of_local(wall, zone)
            if at > until:
                break
            if at > since and at not in found[-1:]:
                found.append(at)
        return found


def parse_recurrence(cron: str | None, rrule: str | None, start: datetime | None) -> Recurrence:
    """Return what the one of the two texts says that is given.

    `start` is the naive local time from which an RRULE counts, unless its text has a DTSTART; cron
    has no start. Texts are read in a bounded time, whatever they hold.

    Raises:
        ValueError: with a sentence that says what to change: the text cannot be read, is too long,
            never fires, or fires more often than every MOST_OFTEN minutes.
    """
    if cron is not None and rrule is not None:
        raise ValueError("Give a cron expression or an RRULE, not both.")
    if cron is not None:
        return Recurrence(_parse_cron(_bounded(cron)))
    if rrule is not None:
        rule = parse_rrule(_bounded(rrule), start)
        return Recurrence(rule, rule.ends)
    raise ValueError("Give a cron expression or an RRULE.")


def _bounded(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"The text has {len(text)} characters; {LONGEST_TEXT} is the most.")
    return text


@dataclass(frozen=True, slots=True)
class _Cron:
    expression: str

    def walls(self, after: datetime, until: datetime) -> Iterator[datetime]:
        try:
            for wall in CronSim(self.expression, after):
                if wall > until:
                    return
                yield wall
        except OverflowError:
            # The calendar ends.
            return


def _parse_cron(text: str) -> _Cron:
    fields = text.split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError(
            f"A cron expression has 5 fields ({', '.join(_CRON_FIELDS)}); this has {len(fields)}."
        )
    try:
        parsed = CronSim(text, _ANY_TIME)
    except CronSimError:
        raise ValueError(_cron_trouble(fields)) from None
    if fires_too_often(parsed.hours, parsed.minutes):
        raise ValueError(f"The schedule fires more often than every {MOST_OFTEN} minutes.")
    if next(parsed, None) is None:
        raise ValueError(_cron_trouble(fields))
    return _Cron(text)


def _cron_trouble(fields: list[str]) -> str:
    for index, (name, takes) in enumerate(_CRON_FIELDS.items()):
        alone = ["*"] * len(fields)
        alone[index] = fields[index]
        try:
            CronSim(" ".join(alone), _ANY_TIME)
        except CronSimError:
            return f"The {name} of a cron expression is {takes}, not {show(fields[index])}."
    # Each field for itself can be read, so it is all of them together.
    return "The schedule never fires: no year has such a day."
