"""Which day a cell means: ISO first, else the declared format; never a guess.

Belongs here: pure rules over one cell (spec "Bulk operations on contacts", import). Does not belong
here: instants and time zones.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from enrollment_pipeline.bulk_operations.reading.json_values import Unusable

FIRST_YEAR = 1900
"""Nobody who has an e-mail address was born before."""

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WIDTHS = {"%d": 2, "%m": 2, "%y": 2, "%Y": 4, "%b": None, "%B": None}
_PARTS = (("day", "%d"), ("month", "%m", "%b", "%B"), ("year", "%Y", "%y"))
_DIRECTIVE = re.compile(r"%.?", re.DOTALL)
_BETWEEN = " .,/-'"
_LONGEST_FORMAT = 40
_LONGEST_DATE = 60
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](.+))?", re.ASCII)
_MIDNIGHT = re.compile(r"00:00(?::00(?:\.0+)?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII)
_NUMBERS = re.compile(r"(\d{1,4})[./ -](\d{1,2})[./ -](\d{1,4})", re.ASCII)
_ADVICE = "declare the format, such as %d/%m/%Y"
_NONE = "has a date that is none"
_TIME = "has a date with a time of day that is not midnight"


def check_date_format(text: str) -> str:
    """Return the format of a date, in the directives of `strptime`, if dates can be read by it.

    It names day (%d), month (%m, %b or %B) and year (%Y or %y) once each, with spaces or
    punctuation between them; without any, every date must have all its digits.

    Raises:
        ValueError: it cannot be used; the message is a sentence.
    """
    directives = _DIRECTIVE.findall(text)
    unknown = next((one for one in directives if one not in _WIDTHS), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} is no part of a date; use {', '.join(_WIDTHS)}.")
    for name, *spellings in _PARTS:
        if sum(map(directives.count, spellings)) != 1:
            raise ValueError(
                f"A date format names the {name} once ({' or '.join(spellings)}), such as %d/%m/%Y."
            )
    others = _DIRECTIVE.sub("", text).strip(_BETWEEN)
    if others or len(text) > _LONGEST_FORMAT:
        raise ValueError(
            "Between the parts of a date format stand spaces and the characters . , / - ' only."
        )
    if _is_dense(text) and any(_WIDTHS[one] is None for one in directives):
        raise ValueError("Put a character between the name of the month and what is beside it.")
    return text


def read_day(value: Any, date_format: str | None, today: date) -> str | Unusable:
    """Return the day of birth that a filled cell means as YYYY-MM-DD, or why it means none.

    Args:
        value: A trimmed text, or what else a file has.
        date_format: What `check_date_format` lets through, or None.
        today: A day behind tomorrow is refused: somewhere, tomorrow has begun.
    """
    if isinstance(value, str):
        # What is remembered must stay small.
        too_long = len(value) > _LONGEST_DATE
        return Unusable(_NONE) if too_long else _read_text(value, date_format, today)
    if isinstance(value, datetime):
        if value.time() != time():
            return Unusable(_TIME)
        value = value.date()
    if isinstance(value, date):
        return _plausible(value, today)
    return Unusable(_NONE)


# A million people have about 36,000 birthdays, and `strptime` takes longer than all else in a row.
@lru_cache(maxsize=65_536)
def _read_text(text: str, date_format: str | None, today: date) -> str | Unusable:
    iso = _ISO.fullmatch(text)
    if iso:
        try:
            day = date.fromisoformat(iso[1])
        except ValueError:
            return Unusable("has a date that the calendar does not have")
        if iso[2] and not _MIDNIGHT.fullmatch(iso[2]):
            return Unusable(_TIME)
        return _plausible(day, today)
    if date_format is None:
        return Unusable(_undeclared(text))
    declared = _by_format(text, date_format, today)
    if declared is None:
        return Unusable(f"has a date that is neither YYYY-MM-DD nor of the form {date_format}")
    return _plausible(declared, today)


def _by_format(text: str, date_format: str, today: date) -> date | None:
    if _is_dense(date_format) and len(text) != _dense_length(date_format):
        return None
    try:
        found = datetime.strptime(text, date_format).date()
    except ValueError:
        return None
    if "%y" in date_format and (found - today).days > 1:
        # 45 is 1945: `strptime` takes it for 2045, when nobody has been born yet.
        with suppress(ValueError):
            return found.replace(year=found.year - 100)
    return found


def _plausible(day: date, today: date) -> str | Unusable:
    if day.year < FIRST_YEAR:
        return Unusable(f"has a date before {FIRST_YEAR}")
    if (day - today).days > 1:
        return Unusable("has a date in the future")
    return day.isoformat()


def _undeclared(text: str) -> str:
    numbers = _NUMBERS.fullmatch(text)
    readings = sorted(set(_readings(*numbers.groups()))) if numbers else []
    if len(readings) > 1:
        said = " or ".join(f"{day.day} {_MONTHS[day.month - 1]} {day.year}" for day in readings)
        return f"has a date that could be {said}; {_ADVICE}"
    if readings or re.search(r"\d", text):
        return f"has a date that is not of the form YYYY-MM-DD; {_ADVICE}"
    return _NONE


def _readings(first: str, second: str, third: str) -> Iterator[date]:
    if len(first) <= 2:
        for year in _years(third):
            yield from _days(year, second, first)
            yield from _days(year, first, second)
    if len(third) <= 2:
        for year in _years(first):
            yield from _days(year, second, third)


def _years(digits: str) -> Iterator[int]:
    if len(digits) == 4:
        yield int(digits)
    elif len(digits) == 2:
        # As POSIX has it, and `strptime` does.
        yield int(digits) + (1900 if int(digits) > 68 else 2000)


def _days(year: int, month: str, day: str) -> Iterator[date]:
    with suppress(ValueError):
        yield date(year, int(month), int(day))


def _is_dense(date_format: str) -> bool:
    return re.search(r"%.%", date_format) is not None


def _dense_length(date_format: str) -> int:
    digits = sum(_WIDTHS[one] or 0 for one in _DIRECTIVE.findall(date_format))
    return digits + len(_DIRECTIVE.sub("", date_format))
