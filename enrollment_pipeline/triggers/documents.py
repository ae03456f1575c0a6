"""The trigger document: what a trigger waits for, whom it takes, and how it behaves.

Pure: from a document to a `TriggerDocument`, or to everything that is wrong with it, each with its
path. Does not belong here: whether the workflow exists or would start itself (`keeping`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rapidfuzz import process

from enrollment_pipeline.clocks.recurrence import Recurrence, parse_recurrence
from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.model import EVERYTHING, Group, dump
from enrollment_pipeline.conditions.parse import load, parse
from enrollment_pipeline.errors import InvalidConditionError, InvalidTriggerError
from enrollment_pipeline.triggers.parameters import (
    DEFAULT_TIME,
    MEANING,
    MOST_OFFSET_DAYS,
    read_parameter,
)
from enrollment_pipeline.triggers.registry import EVENT_TYPES, Category, EventType, Parameter
from enrollment_pipeline.triggers.timing import Lateness, LeapDay

KEYS = ("event", "parameters", "filters", "settings")
__all__ = [
    "DEFAULT_TIME",
    "MOST_OFFSET_DAYS",
    "EnrollmentLimit",
    "TriggerDocument",
    "TriggerSettings",
    "load_trigger",
    "parse_trigger",
    "unreadable",
]
_SHOWN_ERRORS = 10
_FURTHEST_LATENESS = 8_760

Errors = list[dict[str, str]]


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


_SETTINGS = {
    "enrollment_limit": f"one of {', '.join(EnrollmentLimit)}",
    "respect_business_hours": "true or false",
    "active": "true or false",
    "lateness": f"one of {', '.join(Lateness)}",
    "lateness_hours": f"a whole number of hours from 1 to {_FURTHEST_LATENESS:,}",
}


@dataclass(frozen=True, slots=True)
class TriggerDocument:
    """A valid trigger. `parameters` are in their canonical form, as JSON holds them.

    `trouble` says of one that stands for a row that cannot be read why it cannot.
    """

    event: EventType
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    filters: Group = EVERYTHING
    settings: TriggerSettings = field(default_factory=TriggerSettings)
    trouble: str | None = None

    @property
    def match_key(self) -> str | None:
        """The value of the event's key that the trigger waits for; None where there is no key."""
        return None if self.event.key is None else str(self.parameters[self.event.key])

    @property
    def waits_for(self) -> tuple[str, Mapping[str, Any]]:
        """What it waits for: another than this is another trigger, whomever it takes."""
        return self.event.name, dict(self.parameters)

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

    Of what is of another making, one that takes nobody and says so: it must hold up no other.
    """
    try:
        kind = EVENT_TYPES[event]
        return TriggerDocument(
            kind, parameters, load(filters, kind.find_field), _settings_of(tuple(settings.items()))
        )
    # Whatever somebody has written into the row.
    except Exception as error:
        return unreadable(event, error)


def unreadable(event: str, error: Exception) -> TriggerDocument:
    """Return what stands for a trigger that cannot be read: it is not active, and says why."""
    kind = EVENT_TYPES.get(event) or EventType(event, Category.CONTACT, "Nothing that is known.")
    trouble = f"the trigger cannot be read ({type(error).__name__}: {show(str(error))[1:-1]})"
    return TriggerDocument(kind, settings=TriggerSettings(active=False), trouble=trouble)


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
            name = str(problem["loc"][0]) if problem["loc"] else ""
            path = f"settings.{name}" if name else "settings"
            _add(errors, path, _setting_fault(name))
    return TriggerSettings()


def _setting_fault(name: str) -> str:
    if not name:
        return "must be an object."
    if name in _SETTINGS:
        return f"must be {_SETTINGS[name]}."
    return f"is no setting; those are: {', '.join(TriggerSettings.model_fields)}."


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
                _add(errors, f"parameters.{parameter}", f"is missing: {MEANING[parameter]}.")
            continue
        try:
            read[str(parameter)] = read_parameter(parameter, value)
        except ValueError as error:
            _add(errors, f"parameters.{parameter}", _sentence(error))
    if event.name == "recurring_schedule" and len(errors) == before:
        _check_recurrence(read, errors)
    return read


def _unknown_parameter(name: object, event: EventType) -> str:
    known = ", ".join(event.parameters) or "none"
    return f"{show(name)} is no parameter of {event.name}; those are: {known}."


def _check_recurrence(parameters: dict[str, Any], errors: Errors) -> None:
    if Parameter.CRON in parameters and Parameter.START in parameters:
        _add(
            errors,
            f"parameters.{Parameter.START}",
            "is from when an rrule counts; a cron expression has none. Leave it out, or write an "
            "rrule.",
        )
    try:
        _recurrence(parameters)
    except ValueError as error:
        _add(errors, "parameters", _sentence(error))


def _recurrence(parameters: Mapping[str, Any]) -> Recurrence:
    start = parameters.get(Parameter.START)
    # One that was accepted once goes on as it always did: from now on.
    return parse_recurrence(
        parameters.get(Parameter.CRON),
        parameters.get(Parameter.RRULE),
        None if start is None else datetime.fromisoformat(start),
    )
