"""How an RRULE is read, and what its writer is told about one that cannot be.

Belongs here: lines, parts, numbers and their bounds, what a rule leaves open, which rules are
refused. Does not belong here: what a rule then says (`rrule`). Stricter than dateutil, which takes
numbers that it later stumbles over, and parts that RFC 5545 forbids with each other.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

from dateutil.rrule import weekday

from enrollment_pipeline.clocks.frequency import MOST_OFTEN, fires_too_often
from enrollment_pipeline.clocks.rrule import Days, Frequency, Rule
from enrollment_pipeline.conditions.explain import show

HIGHEST_COUNT = 10_000
"""Firings that COUNT may ask for: they are counted from the start whenever the rule is asked."""

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""In which a rule may start, for the same reason."""

SEARCHED_YEARS = 50
"""From the start, in which a rule has to fire; it takes 40 years for such as a Monday, 29 February.
"""

_BOUNDS = {
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (1, 31),
    "BYYEARDAY": (1, 366),
    "BYWEEKNO": (1, 53),
    "BYHOUR": (0, 23),
    "BYMINUTE": (0, 59),
    "BYSECOND": (0, 59),
    "BYSETPOS": (1, 366),
    "INTERVAL": (1, 999_999),
    "COUNT": (1, HIGHEST_COUNT),
}
_FROM_THE_END = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"})
_SINGLE = frozenset({"INTERVAL", "COUNT", "BYSECOND"})
_SELECT_DAYS = frozenset({"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"})
_PARTS = frozenset({"FREQ", "UNTIL", "WKST", "BYDAY", *_BOUNDS})

_DOES_NOT_GO_WITH = {
    "BYWEEKNO": frozenset(Frequency) - {Frequency.YEARLY},
    "BYYEARDAY": frozenset({Frequency.MONTHLY, Frequency.WEEKLY, Frequency.DAILY}),
    "BYMONTHDAY": frozenset({Frequency.WEEKLY}),
}
"""RFC 5545, the table in section 3.3.10: "N/A"."""

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_line = re.compile(r"(?=DTSTART|RRULE|EXRULE|RDATE|EXDATE)")
_moment = re.compile(r"([0-9]{8})(?:T([0-9]{6})(Z?))?")
_integer = re.compile(r"[+-]?[0-9]{1,9}")
_weekday = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")


def parse_rrule(text: str, start: datetime | None) -> Rule:
    """Return the rule that a text holds: an RRULE, with or without its name, and perhaps a DTSTART.

    `start` is the naive local DTSTART where the text has none. An UNTIL that ends in Z is an
    instant, one without a time the end of that local day.

    Raises:
        ValueError: with a sentence that says what to change.
    """
    lines = _lines(text)
    rule = _rule(_parts(lines.get("RRULE", "")), _start(lines.get("DTSTART"), start))
    spread = rule.frequency is Frequency.HOURLY and rule.interval > 1
    if fires_too_often(() if spread else rule.hours, rule.minutes):
        raise ValueError(f"The schedule fires more often than every {MOST_OFTEN} minutes.")
    searched = datetime(rule.start.year + SEARCHED_YEARS, 12, 31)
    if rule.ends is not None:
        # No clock is a day ahead of UTC.
        searched = min(searched, rule.ends.replace(tzinfo=None) + timedelta(days=1))
    if next(rule.walls(rule.start - timedelta(seconds=1), searched), None) is None:
        where = f"in the {SEARCHED_YEARS} years from its start"
        if rule.until or rule.ends:
            where = "between its start and UNTIL"
        raise ValueError(f"The schedule never fires {where}.")
    return rule


def _lines(text: str) -> dict[str, str]:
    """Return what follows the names DTSTART and RRULE, in capitals and without spaces."""
    lines: dict[str, str] = {}
    for line in filter(None, _line.split("".join(text.upper().split()))):
        if line.startswith(("EXRULE", "RDATE", "EXDATE")):
            raise ValueError("Only DTSTART and RRULE are known here: no EXDATE, RDATE or EXRULE.")
        name = "DTSTART" if line.startswith("DTSTART") else "RRULE"
        if name in lines:
            raise ValueError(f"There is more than one {name}.")
        lines[name] = line.removeprefix(name)
    return lines


def _start(line: str | None, given: datetime | None) -> datetime:
    start = given
    if line is not None:
        options, _, value = line.rpartition(":")
        if options not in ("", ";VALUE=DATE", ";VALUE=DATE-TIME"):
            raise ValueError(
                f"DTSTART is a local time such as 20261231T090000, without {show(options)}."
            )
        start = _read_moment("DTSTART", value, without_time=time())
    if start is None:
        raise ValueError("An RRULE needs a start, or a line such as DTSTART:20261231T090000.")
    if start.tzinfo is not None:
        raise ValueError("The start is a local time: it has no time zone of its own.")
    if not FIRST_YEAR <= start.year <= LAST_YEAR:
        raise ValueError(f"The start lies between the years {FIRST_YEAR} and {LAST_YEAR}.")
    return start.replace(microsecond=0, fold=0)


def _parts(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in text.removeprefix(":").rstrip(";").split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS:
            raise ValueError(
                f"{show(part)} is no part of an RRULE such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=9."
            )
        if name in parts:
            raise ValueError(f"{name} is there twice.")
        parts[name] = value
    return parts


def _rule(parts: Mapping[str, str], start: datetime) -> Rule:
    frequency = _frequency(parts)
    _refuse_what_does_not_go_together(parts, frequency)
    numbers = {name: _numbers(name, parts[name]) for name in _BOUNDS if name in parts}
    until = ends = None
    if "UNTIL" in parts:
        until = _read_moment("UNTIL", parts["UNTIL"], without_time=time(23, 59, 59))
        if until.tzinfo is not None:
            until, ends = None, until
    hourly = frequency is Frequency.HOURLY
    return Rule(
        frequency=frequency,
        start=start,
        interval=numbers.get("INTERVAL", (1,))[0],
        days=_days(parts, numbers, frequency, start),
        hours=numbers.get("BYHOUR", tuple(range(24)) if hourly else (start.hour,)),
        minutes=numbers.get("BYMINUTE", (start.minute,)),
        second=numbers.get("BYSECOND", (start.second,))[0],
        positions=numbers.get("BYSETPOS", ()),
        count=numbers["COUNT"][0] if "COUNT" in numbers else None,
        until=until,
        ends=ends,
    )


def _frequency(parts: Mapping[str, str]) -> Frequency:
    text = parts.get("FREQ")
    if text is None:
        raise ValueError("An RRULE needs FREQ, such as FREQ=WEEKLY.")
    if text in ("SECONDLY", "MINUTELY"):
        raise ValueError(f"FREQ={text} is more often than every {MOST_OFTEN} minutes.")
    if text not in frozenset(Frequency):
        raise ValueError(f"FREQ is one of {', '.join(Frequency)}, not {show(text)}.")
    return Frequency(text)


def _refuse_what_does_not_go_together(parts: Mapping[str, str], frequency: Frequency) -> None:
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("COUNT and UNTIL both say when the schedule ends; give one of them.")
    if "BYWEEKNO" in parts and "BYDAY" not in parts:
        # The RFC would take the weekday of the start, dateutil takes all seven.
        raise ValueError("BYWEEKNO needs BYDAY, such as BYWEEKNO=20;BYDAY=MO.")
    for name, frequencies in _DOES_NOT_GO_WITH.items():
        if name in parts and frequency in frequencies:
            raise ValueError(f"{name} does not go with FREQ={frequency}.")


def _days(
    parts: Mapping[str, str],
    numbers: Mapping[str, tuple[int, ...]],
    frequency: Frequency,
    start: datetime,
) -> Days:
    """Return the days that the parts select; what they leave open is as it is at the start."""
    months, month_days = numbers.get("BYMONTH", ()), numbers.get("BYMONTHDAY", ())
    monthly = frequency is Frequency.MONTHLY
    weekdays = _weekdays(parts.get("BYDAY"), frequency, of_month=monthly or bool(months))
    if not _SELECT_DAYS & set(parts):
        if frequency is Frequency.WEEKLY:
            weekdays = (weekday(start.weekday()),)
        elif frequency in (Frequency.YEARLY, Frequency.MONTHLY):
            month_days = (start.day,)
            months = months or (() if monthly else (start.month,))
    first = parts.get("WKST", _WEEKDAYS[0])
    if first not in _WEEKDAYS:
        raise ValueError(f"WKST is one of {', '.join(_WEEKDAYS)}, not {show(first)}.")
    return Days(
        months=months or (tuple(range(1, 13)) if monthly else ()),
        month_days=month_days,
        year_days=numbers.get("BYYEARDAY", ()),
        weeks=numbers.get("BYWEEKNO", ()),
        weekdays=weekdays,
        week_start=_WEEKDAYS.index(first),
    )


def _weekdays(text: str | None, frequency: Frequency, *, of_month: bool) -> tuple[weekday, ...]:
    if text is None:
        return ()
    found = [_one_weekday(one, of_month=of_month) for one in text.split(",")]
    numbered = sum(one.n is not None for one in found)
    if numbered and frequency not in (Frequency.YEARLY, Frequency.MONTHLY):
        raise ValueError(f"BYDAY={show(text)} counts days, which FREQ={frequency} does not.")
    if 0 < numbered < len(found):
        # The RFC means either of them, dateutil both at once.
        raise ValueError("BYDAY has days with and without a number; use one kind.")
    return tuple(found)


def _one_weekday(text: str, *, of_month: bool) -> weekday:
    found = _weekday.fullmatch(text)
    if found is None:
        raise ValueError(f"BYDAY is days such as MO,TU or -1FR, not {show(text)}.")
    number = None if found[1] is None else int(found[1])
    most, period = (5, "month") if of_month else (53, "year")
    if number is not None and not 1 <= abs(number) <= most:
        raise ValueError(f"BYDAY cannot be {text}: such days of a {period} count from 1 to {most}.")
    return weekday(_WEEKDAYS.index(found[2]), number)


def _numbers(name: str, text: str) -> tuple[int, ...]:
    """Return the numbers of a part, ascending, each once."""
    low, high = _BOUNDS[name]
    signed = name in _FROM_THE_END
    kind = "one number" if name in _SINGLE else "numbers"
    takes = f"{name} takes {kind} from {low} to {high}" + (f" or -{high} to -1" if signed else "")
    found = set()
    for one in text.split(","):
        number = int(one) if _integer.fullmatch(one) else None
        if number is None or not low <= (abs(number) if signed else number) <= high:
            raise ValueError(f"{takes}, not {show(one)}.")
        found.add(number)
    if name in _SINGLE and len(found) > 1:
        raise ValueError(f"{takes}, not {show(text)}.")
    return tuple(sorted(found))


def _read_moment(name: str, text: str, *, without_time: time) -> datetime:
    """Return a date and time, naive, or in UTC where the text ends in Z."""
    found = _moment.fullmatch(text)
    try:
        if found is not None:
            day = datetime.strptime(found[1], "%Y%m%d").date()
            clock = datetime.strptime(found[2], "%H%M%S").time() if found[2] else without_time
            return datetime.combine(day, clock, UTC if found[3] else None)
    except ValueError:
        # Digits that are no day or no time are told like anything else that is none.
        pass
    raise ValueError(f"{name} is a time such as 20261231T090000, not {show(text)}.")
