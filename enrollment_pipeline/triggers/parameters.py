"""The parameters of a trigger: what each may hold, and its canonical form, as JSON holds it.

Pure. Does not belong here: which parameters an event type has (`registry`), and what they mean
together (`documents`).
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.model import FieldKind
from enrollment_pipeline.records import TimeZoneName
from enrollment_pipeline.triggers.events import MAX_ID
from enrollment_pipeline.triggers.registry import Parameter
from enrollment_pipeline.triggers.timing import LeapDay

MOST_OFFSET_DAYS = 366
DEFAULT_TIME = "09:00"

_days = re.compile(r"[+-]?[0-9]{1,3}")
_time_of_day = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def read_parameter(parameter: Parameter, value: object) -> Any:
    """Return what a parameter says, in its canonical form.

    Raises:
        ValueError: with a sentence that says what to write.
    """
    return _READERS[parameter](value)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"must be a text, not {show(value)}")
    if len(value) > MAX_ID or not value.isprintable():
        raise ValueError(f"must be one line of at most {MAX_ID} characters")
    return value.strip()


def _own_field(value: object) -> str:
    name = _name(value).removeprefix("custom_fields.")
    if not name:
        raise ValueError(f"{show(value)} names no field: write one such as plan")
    return name


def _date_field(value: object) -> str:
    name = _name(value)
    found = CONTACT_FIELDS.find(name)
    if found is None:
        raise ValueError(CONTACT_FIELDS.refusal(name))
    if found.kind not in (FieldKind.DATE, FieldKind.INSTANT, FieldKind.JSON):
        raise ValueError(f"{name} is no date")
    return found.name


def _offset(value: object) -> int:
    if isinstance(value, str) and _days.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST_OFFSET_DAYS:
        raise ValueError(
            f"must be a whole number of days from -{MOST_OFFSET_DAYS} to {MOST_OFFSET_DAYS}, such "
            "as -7 for a week before"
        )
    return value


def _time(value: object) -> str:
    if not isinstance(value, str) or not _time_of_day.fullmatch(value):
        raise ValueError(f"must be a time of day such as {DEFAULT_TIME}, not {show(value)}")
    return value


def _leap_day(value: object) -> str:
    if value not in list(LeapDay):
        raise ValueError(f"must be one of {', '.join(LeapDay)}, not {show(value)}")
    return str(value)


def _start(value: object) -> str:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise ValueError(
            "must be a local time without an offset, such as 2027-01-04T09:00; the zone is the "
            "parameter timezone"
        )
    return found.isoformat(timespec="seconds")


def _zone(value: object) -> str:
    try:
        return TypeAdapter(TimeZoneName).validate_python(value)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


_READERS: dict[Parameter, Callable[[object], Any]] = {
    Parameter.TAG: _name,
    Parameter.FIELD: _own_field,
    Parameter.FORM_ID: _name,
    Parameter.SURVEY_ID: _name,
    Parameter.STAGE_ID: _name,
    Parameter.DATE_FIELD: _date_field,
    Parameter.OFFSET_DAYS: _offset,
    Parameter.TIME: _time,
    Parameter.LEAP_DAY: _leap_day,
    Parameter.CRON: _name,
    Parameter.RRULE: lambda value: value if isinstance(value, str) else _name(value),
    Parameter.START: _start,
    Parameter.TIMEZONE: _zone,
}

MEANING = {
    Parameter.TAG: "the tag to wait for",
    Parameter.FIELD: "the field of your own to wait for, such as plan",
    Parameter.FORM_ID: "the form to wait for",
    Parameter.SURVEY_ID: "the survey to wait for",
    Parameter.STAGE_ID: "the stage to wait for",
    Parameter.DATE_FIELD: "the field that holds the date, such as custom_fields.renewal_date",
}
