"""The trigger document: what a trigger waits for, whom it takes, and how it behaves.

Pure: from a document to a `TriggerDocument`, or to everything that is wrong with it, each with its
path. Does not belong here: whether the workflow exists or would start itself (`service`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from rapidfuzz import process

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.model import EVERYTHING, FieldKind, Group, dump
from enrollment_pipeline.conditions.parse import load, parse
from enrollment_pipeline.errors import InvalidConditionError, InvalidTriggerError
from enrollment_pipeline.records import TimeZoneName
from enrollment_pipeline.triggers.events import MAX_ID
from enrollment_pipeline.triggers.recurrence import Recurrence, parse_recurrence
from enrollment_pipeline.triggers.registry import EVENT_TYPES, EventType, Parameter
from enrollment_pipeline.triggers.timing import Lateness, LeapDay

KEYS = ("event", "parameters", "filters", "settings")
MOST_OFFSET_DAYS = 366
DEFAULT_TIME = "09:00"
_SHOWN_ERRORS = 10
_FURTHEST_LATENESS = 8_760

Errors = list[dict[str, str]]

_days = re.compile(r"[+-]?[0-9]{1,3}")
_time_of_day = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class EnrollmentLimit(StrEnum):
    """How often a trigger takes the same contact.

    `single`: whoever is or was in the workflow is not taken. `multiple`: the workflow's own policy
    decides, which never lets a contact in twice at the same time.
    """

    SINGLE = "single"
    MULTIPLE = "multiple"


class TriggerSettings(BaseModel):
    """How a trigger behaves, whatever it waits for."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    enrollment_limit: EnrollmentLimit = Field(
        EnrollmentLimit.SINGLE, description="single: each contact once; multiple: by the workflow."
    )
    respect_business_hours: bool = Field(
        False, description="On: outside of the account's business hours it waits for the opening."
    )
    active: bool = Field(True, description="Off: it waits for nothing.")
    lateness: Lateness = Field(
        Lateness.SKIP_IF_LATER_THAN, description="Of a time trigger: what becomes of a late firing."
    )
    lateness_hours: int = Field(
        24, ge=1, le=_FURTHEST_LATENESS, description="Hours for skip_if_later_than."
    )


@dataclass(frozen=True, slots=True)
class TriggerDocument:
    """A valid trigger. `parameters` are in their canonical form, as JSON holds them."""

    event: EventType
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    filters: Group = EVERYTHING
    settings: TriggerSettings = field(default_factory=TriggerSettings)

    @property
    def match_key(self) -> str | None:
        """The value of the event's key that the trigger waits for; None where there is no key."""
        return None if self.event.key is None else str(self.parameters[self.event.key])

    @property
    def local_time(self) -> time:
        """Of a yearly or dated trigger: when on its day."""
        return time.fromisoformat(self.parameters.get(Parameter.TIME, DEFAULT_TIME))

    @property
    def offset_days(self) -> int:
        """Days from the date to the firing; negative ones are before it."""
        return int(self.parameters.get(Parameter.OFFSET_DAYS, 0))

    @property
    def leap_day(self) -> LeapDay:
        """When the 29 February is celebrated in other years."""
        return LeapDay(self.parameters.get(Parameter.LEAP_DAY, LeapDay.FEB28))

    @property
    def recurrence(self) -> Recurrence:
        """Of a recurring trigger: its times on the wall clock."""
        return _recurrence(self.parameters)

    def as_dict(self) -> dict[str, Any]:
        """Return the document that `parse_trigger` reads back as the same trigger."""
        return {
            "event": self.event.name,
            "parameters": dict(self.parameters),
            "filters": dump(self.filters),
            "settings": self.settings.model_dump(mode="json"),
        }

    def activated(self, active: bool) -> Self:
        """Return the same trigger, active or not."""
        settings = self.settings.model_copy(update={"active": active})
        return type(self)(self.event, self.parameters, self.filters, settings)


def load_trigger(
    event: str,
    parameters: Mapping[str, Any],
    filters: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> TriggerDocument:
    """Return the trigger that `as_dict` has written down, without a second look at it.

    Raises:
        LookupError: it is of another making.
        ValueError: likewise.
    """
    kind = EVENT_TYPES[event]
    return TriggerDocument(
        kind, parameters, load(filters, kind.find_field), _settings_of(tuple(settings.items()))
    )


# Thousands of triggers have the same ones.
@lru_cache(maxsize=1_000)
def _settings_of(items: tuple[tuple[str, Any], ...]) -> TriggerSettings:
    return TriggerSettings.model_validate(dict(items))


def parse_trigger(document: object) -> TriggerDocument:
    """Return the trigger that a document describes.

    Shape: `{"event", "parameters": {...}, "filters": condition tree, "settings": {...}}`; all but
    `event` may be left out.

    Raises:
        InvalidTriggerError: `details["errors"]` lists every `{"path", "message"}`; the message
            tells the first ten.
    """
    errors: Errors = []
    found = _read(document, errors)
    if found is None or errors:
        shown = [f"{one['path'] or 'trigger'}: {one['message']}" for one in errors[:_SHOWN_ERRORS]]
        if len(errors) > _SHOWN_ERRORS:
            shown.append(f"And {len(errors) - _SHOWN_ERRORS} more.")
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        raise InvalidTriggerError(
            f"The trigger is not valid ({count}). {' '.join(shown)}", details={"errors": errors}
        )
    return found


def _read(document: object, errors: Errors) -> TriggerDocument | None:
    if not isinstance(document, Mapping):
        _add(errors, "", "a trigger is an object.")
        return None
    for key in document:
        if key not in KEYS:
            _add(errors, "", f"unknown key {show(key)}. The keys are {', '.join(KEYS)}.")
    settings = _settings(document.get("settings"), errors)
    event = _event(document.get("event"), errors)
    if event is None:
        return None
    parameters = _parameters(document.get("parameters"), event, errors)
    filters = _filters(document.get("filters"), event, errors)
    return TriggerDocument(event, MappingProxyType(parameters), filters, settings)


def _add(errors: Errors, path: str, message: str) -> None:
    errors.append({"path": path, "message": message})


def _sentence(error: ValueError) -> str:
    text = str(error)
    return text if text.endswith((".", "?")) else f"{text}."


def _event(name: object, errors: Errors) -> EventType | None:
    if not isinstance(name, str) or not name:
        _add(errors, "event", "must be the name of an event type: enrollment triggers types")
        return None
    if name in EVENT_TYPES:
        return EVENT_TYPES[name]
    best = process.extractOne(name.lower()[:50], list(EVENT_TYPES), score_cutoff=70)
    hint = f'Did you mean "{best[0]}"?' if best else "List them with: enrollment triggers types"
    _add(errors, "event", f"there is no event type {show(name)}. {hint}")
    return None


def _settings(given: object, errors: Errors) -> TriggerSettings:
    try:
        return TriggerSettings.model_validate({} if given is None else given)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            path = ".".join(("settings", *map(str, problem["loc"])))
            _add(errors, path, f"{problem['msg'].removeprefix('Value error, ')}.")
    return TriggerSettings()


def _filters(given: object, event: EventType, errors: Errors) -> Group:
    try:
        return parse(given, event.filters)
    except InvalidConditionError as error:
        for one in error.details["errors"]:
            path = f"filters.{one['path']}" if one["path"] else "filters"
            _add(errors, path, one["message"])
    return EVERYTHING


def _parameters(given: object, event: EventType, errors: Errors) -> dict[str, Any]:
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        _add(errors, "parameters", "must be an object.")
        return {}
    before = len(errors)
    for name in given:
        if name not in event.parameters:
            _add(errors, "parameters", _unknown_parameter(name, event))
    read: dict[str, Any] = {}
    for parameter in event.parameters:
        value = given.get(parameter)
        if value is None or value == "":
            if parameter in event.must_have:
                _add(errors, f"parameters.{parameter}", f"is missing: {_MEANING[parameter]}.")
            continue
        try:
            read[str(parameter)] = _READERS[parameter](value)
        except ValueError as error:
            _add(errors, f"parameters.{parameter}", _sentence(error))
    if event.name == "recurring_schedule" and len(errors) == before:
        _check_recurrence(read, errors)
    return read


def _unknown_parameter(name: object, event: EventType) -> str:
    known = ", ".join(event.parameters) or "none"
    return f"{show(name)} is no parameter of {event.name}; those are: {known}."


def _check_recurrence(parameters: dict[str, Any], errors: Errors) -> None:
    try:
        _recurrence(parameters)
    except ValueError as error:
        _add(errors, "parameters", _sentence(error))


def _recurrence(parameters: Mapping[str, Any]) -> Recurrence:
    start = parameters.get(Parameter.START)
    return parse_recurrence(
        parameters.get(Parameter.CRON),
        parameters.get(Parameter.RRULE),
        None if start is None else datetime.fromisoformat(start),
    )


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

_MEANING = {
    Parameter.TAG: "the tag to wait for",
    Parameter.FIELD: "the field of your own to wait for, such as plan",
    Parameter.FORM_ID: "the form to wait for",
    Parameter.SURVEY_ID: "the survey to wait for",
    Parameter.STAGE_ID: "the stage to wait for",
    Parameter.DATE_FIELD: "the field that holds the date, such as custom_fields.renewal_date",
}
