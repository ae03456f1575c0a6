"""Parts of a document that are no texts but of a fixed form: lengths of time, schedules, choices.

Pure. Each function takes a value and its path, and returns the value as it is, or MISSING where it
is not of its form. What is of such a form holds nothing personal, and needs no looking through.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from enrollment_pipeline.clocks.recurrence import parse_recurrence
from enrollment_pipeline.conditions.values import Duration
from enrollment_pipeline.records import ReenrollmentPolicy, Subject, TimeZoneName
from enrollment_pipeline.triggers.documents import MOST_OFFSET_DAYS, EnrollmentLimit
from enrollment_pipeline.triggers.timing import Lateness, LeapDay
from enrollment_pipeline.workflows.integrations import INTEGRATIONS

MISSING = object()
"""Stands for what does not stay."""

Keep = Callable[[Any, str], Any]
"""What a part becomes: from its value and its path to what stays, or to MISSING."""

_MOST_NUMBER = 100_000
_clock = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_days = re.compile(r"[+-]?[0-9]{1,3}")
_zone: TypeAdapter[str] = TypeAdapter(TimeZoneName)


def keep_known(given: Mapping[Any, Any], keeps: Mapping[str, Keep], path: str) -> dict[str, Any]:
    """Return what stays of an object; a key that is not in `keeps` does not."""
    kept: dict[str, Any] = {}
    for key, keep in keeps.items():
        if key in given:
            one = keep(given[key], f"{path}.{key}" if path else key)
            if one is not MISSING:
                kept[key] = one
    return kept


def one_of(names: Iterable[str]) -> Keep:
    """Return a rule that keeps one of some words."""
    words = frozenset(map(str, names))
    return lambda given, _: given if isinstance(given, str) and given in words else MISSING


def some_of(names: Iterable[str]) -> Keep:
    """Return a rule that keeps a list, and of it some words."""
    words = frozenset(map(str, names))

    def keep(given: object, _: str) -> Any:
        if not isinstance(given, list | tuple):
            return MISSING
        return [one for one in given if isinstance(one, str) and one in words][: len(words)]

    return keep


def boolean(given: object, _: str) -> Any:
    """Keep true and false."""
    return given if isinstance(given, bool) else MISSING


def small_number(given: object, _: str) -> Any:
    """Keep a whole number that is nobody's."""
    if isinstance(given, bool) or not isinstance(given, int):
        return MISSING
    return given if abs(given) <= _MOST_NUMBER else MISSING


def duration(given: object, _: str) -> Any:
    """Keep a length of time such as `3 days` or `-24 hours`."""
    read = isinstance(given, str) and Duration.read(given.removeprefix("-")) is not None
    return given if read else MISSING


def instant(given: object, _: str) -> Any:
    """Keep a date or a time in ISO form."""
    return given if isinstance(given, str) and _reads(datetime.fromisoformat, given) else MISSING


def kept_integrations(given: object, path: str) -> Any:
    """Keep the names of integrations."""
    return some_of(INTEGRATIONS)(given, path)


def kept_settings(given: object, path: str) -> Any:
    """Keep whom a workflow is for and how it takes them, but not where it is carried out."""
    if not isinstance(given, Mapping):
        return MISSING
    keeps: dict[str, Keep] = {
        "subject": one_of(Subject),
        "estimate": duration,
        "reenrollment": one_of(ReenrollmentPolicy),
        "required_fields": some_of(("email", "phone")),
        "business_hours": boolean,
    }
    return keep_known(given, keeps, path)


def kept_trigger_settings(given: object, path: str) -> Any:
    """Keep how a trigger behaves."""
    if not isinstance(given, Mapping):
        return MISSING
    keeps: dict[str, Keep] = {
        "enrollment_limit": one_of(EnrollmentLimit),
        "respect_business_hours": boolean,
        "active": boolean,
        "lateness": one_of(Lateness),
        "lateness_hours": small_number,
    }
    return keep_known(given, keeps, path)


def schedule_rules(parameters: Mapping[Any, Any]) -> dict[str, Keep]:
    """Return the rules for those parameters of a trigger that say when it fires."""
    start = parameters.get("start")
    started = start if isinstance(start, str) and _reads(datetime.fromisoformat, start) else None
    rules: dict[str, Keep] = {
        "offset_days": _offset_days,
        "time": lambda given, _: _kept_if(given, _clock.fullmatch),
        "leap_day": one_of(LeapDay),
        "cron": lambda given, _: _kept_if(given, partial(_is_schedule, rrule=None, start=None)),
        "rrule": lambda given, _: _kept_if(given, partial(_is_rule, start=started)),
        "start": instant,
        "timezone": lambda given, _: _kept_if(given, _zone.validate_python),
    }
    return rules


def _offset_days(given: object, path: str) -> Any:
    if isinstance(given, str):
        return given if _days.fullmatch(given) else MISSING
    number = small_number(given, path)
    return number if number is MISSING or abs(number) <= MOST_OFFSET_DAYS else MISSING


def _is_schedule(cron: str | None, rrule: str | None, start: str | None) -> object:
    return parse_recurrence(cron, rrule, datetime.fromisoformat(start) if start else None)


def _is_rule(rrule: str, start: str | None) -> object:
    return _is_schedule(None, rrule, start)


def _kept_if(given: object, reads: Callable[[str], object]) -> Any:
    return given if isinstance(given, str) and _reads(reads, given) else MISSING


def _reads(reads: Callable[[str], object], text: str) -> bool:
    try:
        return bool(reads(text))
    except (ValueError, ValidationError):
        return False


def texts_within(given: object, depth: int) -> Iterator[str]:
    """Yield all texts of a JSON value, its keys among them, as deep as is asked."""
    if isinstance(given, str):
        yield given
    elif depth and isinstance(given, Mapping):
        for key, value in given.items():
            yield str(key)
            yield from texts_within(value, depth - 1)
    elif depth and isinstance(given, list | tuple):
        for one in given:
            yield from texts_within(one, depth - 1)
