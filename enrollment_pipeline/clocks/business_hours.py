"""Business hours: when an account may write to people, and when it next may.

Belongs here: reading the account's settings, and asking about an instant, which is an argument.
Does not belong here: which triggers respect business hours, and what waits for the opening.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self

from enrollment_pipeline.clocks.local_time import (
    change_of_clocks,
    instant_of_local,
    local_of_instant,
    zone_of,
)
from enrollment_pipeline.conditions.explain import show

FURTHEST_OPENING = 400
"""Days: who has not opened by then is closed for good."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_span = re.compile(r"([0-9]{2}:[0-9]{2}) *- *([0-9]{2}:[0-9]{2})")
_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """The hours that clocks in `zone` show on business days; 0 is Monday.

    `opens` belongs to them, `closes` does not; None is the midnight at the end of the day.
    """

    days: frozenset[int]
    opens: time
    closes: time | None
    zone: str
    holidays: frozenset[date]

    @classmethod
    def parse(cls, days: str, hours: str, zone: str, holidays: str) -> Self:
        """Read settings such as `mon,tue`, `09:00-17:00`, `Europe/Berlin`, `2026-12-25`.

        Days and holidays are separated by commas; no holidays is an empty text. The day ends at
        24:00 at the latest.

        Raises:
            ValueError: with a sentence that names the part that cannot be read.
        """
        opens, closes = _hours(hours)
        try:
            zone_of(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"Time zone: {show(zone)} is not a time zone such as Europe/Berlin."
            ) from None
        return cls(_weekdays(days), opens, closes, zone, _holidays(holidays))

    def is_open(self, at: datetime) -> bool:
        """Return whether an aware instant is within business hours, by the clocks of the zone."""
        wall = local_of_instant(at, zone_of(self.zone))
        if not self._is_business_day(wall.date()) or wall.time() < self.opens:
            return False
        return self.closes is None or wall.time() < self.closes

    def next_opening(self, at: datetime) -> datetime | None:
        """Return the first instant from `at` on, in UTC, that is within business hours.

        An opening time that does not exist on a day is the first instant after the gap, if that is
        still within the hours. None where nothing opens within FURTHEST_OPENING days.
        """
        if self.is_open(at):
            return at.astimezone(UTC)
        today = local_of_instant(at, zone_of(self.zone)).toordinal()
        # Clocks that are set back around midnight show the end of a day again. The first and last
        # days of the calendar are left out, because not every zone has all of them.
        first = max(today - 1, date.min.toordinal() + 2)
        last = min(today + FURTHEST_OPENING, date.max.toordinal() - 3)
        found: list[datetime] = []
        for day in map(date.fromordinal, range(first, last + 1)):
            seen = bool(found)
            if self._is_business_day(day):
                found += [one for one in self._openings(day) if one >= at and self.is_open(one)]
            # One day more, which may have begun before clocks were set back into the day before.
            if seen:
                break
        return min(found, default=None)

    def _is_business_day(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.holidays

    def _openings(self, day: date) -> Iterator[datetime]:
        """Yield the instants at which business hours may begin on a local day, and some besides."""
        zone = zone_of(self.zone)
        opening = datetime.combine(day, self.opens)
        yield instant_of_local(opening, zone)
        begin, end = (
            instant_of_local(datetime.combine(day + timedelta(days=later), time()), zone)
            for later in (0, 2)
        )
        if begin.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset():
            # Set back, clocks show hours again that were over, or the opening a second time.
            yield change_of_clocks(zone, begin, end)
            yield opening.replace(tzinfo=zone, fold=1).astimezone(UTC)


def _weekdays(text: str) -> frozenset[int]:
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if name not in _DAYS:
            raise ValueError(f"Days: {show(name)} is not one of {', '.join(_DAYS)}.")
    return frozenset(map(_DAYS.index, names))


def _hours(text: str) -> tuple[time, time | None]:
    found = _span.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        opens = time.fromisoformat(found[1])
        closes = None if found[2] == "24:00" else time.fromisoformat(found[2])
    except ValueError:
        raise ValueError(f"Hours: {show(text)} is not two times such as 09:00-17:00.") from None
    if closes is not None and closes <= opens:
        raise ValueError(f"Hours: {show(text)} closes before it opens; a day ends at 24:00.")
    return opens, closes


def _holidays(text: str) -> frozenset[date]:
    return frozenset(map(_holiday, text.split(","))) if text.strip() else frozenset()


def _holiday(text: str) -> date:
    try:
        if _date.fullmatch(text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise ValueError(f"Holidays: {show(text.strip())} is not a date such as 2026-12-25.")
