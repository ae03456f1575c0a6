"""The event types: what each carries, what a trigger must say about it, and what can be filtered.

A new type is one entry here, and a row of docs/triggers.md. Does not belong here: how an event is
read (`events`), how a trigger is validated (`documents`), when time events are due (`timing`).
Source of the list: spec "Event types".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from enrollment_pipeline.conditions.fields import CONTACT_FIELDS, Fields
from enrollment_pipeline.conditions.model import Field, FieldKind


class Category(StrEnum):
    """What an event is about."""

    CONTACT = "contact"
    FORM = "form"
    PIPELINE = "pipeline"
    APPOINTMENT = "appointment"
    PAYMENT = "payment"
    COMMUNICATION = "communication"
    TIME = "time"


class Kind(StrEnum):
    """The type of a payload field; `object` holds whatever the sender puts there."""

    TEXT = "text"
    NUMBER = "number"
    INSTANT = "instant"
    TEXTS = "texts"
    ANY = "any"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class PayloadField:
    """A field of an event's `data`. A required one makes an event without it malformed."""

    name: str
    kind: Kind
    required: bool = False
    filtered: bool = True


class Parameter(StrEnum):
    """What a trigger says about its event besides filters."""

    TAG = "tag"
    FIELD = "field"
    FORM_ID = "form_id"
    SURVEY_ID = "survey_id"
    STAGE_ID = "stage_id"
    DATE_FIELD = "date_field"
    OFFSET_DAYS = "offset_days"
    TIME = "time"
    LEAP_DAY = "leap_day"
    CRON = "cron"
    RRULE = "rrule"
    START = "start"
    TIMEZONE = "timezone"


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event.

    `key` is the required parameter that is held against the payload field of the same name; only
    triggers that wait for the event's value are considered. `compares`: events of the type carry
    the state before, which the `changed` operators ask for.
    """

    name: str
    category: Category
    says: str
    fields: tuple[PayloadField, ...] = ()
    key: Parameter | None = None
    required: tuple[Parameter, ...] = ()
    optional: tuple[Parameter, ...] = ()
    compares: bool = False
    sample: Mapping[str, Any] | None = None

    @property
    def timed(self) -> bool:
        """Whether the clock raises it, so that nobody can send it."""
        return self.category is Category.TIME

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters that a trigger on this type may have."""
        return (*((self.key,) if self.key else ()), *self.required, *self.optional)

    @property
    def must_have(self) -> tuple[Parameter, ...]:
        """The parameters that a trigger on this type must have."""
        return (*((self.key,) if self.key else ()), *self.required)

    @property
    def filters(self) -> Fields:
        """The fields that a filter of such a trigger may name."""
        return _FILTERS[self.name]

    def find_field(self, name: str) -> Field | None:
        """Return the field of that name that a filter may name, None where there is none."""
        return _find_field(self.name, name)


CUSTOM = "custom"
"""The object in every event's `data` that takes whatever else a sender wants to filter by."""


def _text(name: str, *, required: bool = False) -> PayloadField:
    return PayloadField(name, Kind.TEXT, required)


def _number(name: str, *, required: bool = False) -> PayloadField:
    return PayloadField(name, Kind.NUMBER, required)


_AMOUNT = (_number("amount"), _text("currency"))
_DEAL = (_text("deal_id"), _text("name"), _text("pipeline_id"), *_AMOUNT)
_APPOINTMENT = (
    _text("appointment_id"),
    _text("calendar_id"),
    _text("title"),
    _text("assigned_to"),
    PayloadField("starts_at", Kind.INSTANT),
)
_SUBSCRIPTION = (_text("subscription_id"), _text("plan_id"), *_AMOUNT)
_MESSAGE = (_text("message_id"), _text("campaign_id"), _text("subject"))
_DATED = (Parameter.OFFSET_DAYS, Parameter.TIME)

_DEAL_SAMPLE = {
    "deal_id": "d-1",
    "name": "Spring offer",
    "pipeline_id": "sales",
    "amount": 1500,
    "currency": "EUR",
}
_APPOINTMENT_SAMPLE = {
    "appointment_id": "a-1",
    "calendar_id": "consulting",
    "title": "First talk",
    "starts_at": "2027-03-01T14:00:00+01:00",
}
_SUBSCRIPTION_SAMPLE = {"subscription_id": "s-1", "plan_id": "pro", "amount": 29, "currency": "EUR"}
_MESSAGE_SAMPLE = {"message_id": "m-1", "campaign_id": "spring", "subject": "It is spring"}


def _appointment(name: str, says: str, *more: PayloadField, **sample: Any) -> EventType:
    return EventType(
        name,
        Category.APPOINTMENT,
        says,
        (*_APPOINTMENT, *more),
        sample={**_APPOINTMENT_SAMPLE, **sample},
    )


_TYPES = (
    EventType(
        "contact_created",
        Category.CONTACT,
        "A contact came into being.",
        (_text("source"),),
        sample={"source": "landing page"},
    ),
    EventType(
        "contact_updated",
        Category.CONTACT,
        "Something about a contact changed.",
        (PayloadField("changed_fields", Kind.TEXTS),),
        compares=True,
        sample={"changed_fields": ["status"]},
    ),
    EventType(
        "tag_added",
        Category.CONTACT,
        "A contact got a tag.",
        (_text("tag", required=True),),
        key=Parameter.TAG,
        sample={"tag": "lead"},
    ),
    EventType(
        "tag_removed",
        Category.CONTACT,
        "A contact lost a tag.",
        (_text("tag", required=True),),
        key=Parameter.TAG,
        sample={"tag": "trial"},
    ),
    EventType(
        "custom_field_changed",
        Category.CONTACT,
        "A field of your own got another value.",
        (
            _text("field", required=True),
            PayloadField("old_value", Kind.ANY),
            PayloadField("new_value", Kind.ANY),
        ),
        key=Parameter.FIELD,
        compares=True,
        sample={"field": "plan", "old_value": "free", "new_value": "pro"},
    ),
    EventType(
        "form_submitted",
        Category.FORM,
        "A contact sent a form.",
        (_text("form_id", required=True), _text("page"), PayloadField("answers", Kind.OBJECT)),
        key=Parameter.FORM_ID,
        sample={"form_id": "newsletter", "page": "/blog", "answers": {"topic": "pricing"}},
    ),
    EventType(
        "survey_completed",
        Category.FORM,
        "A contact answered a survey to its end.",
        (_text("survey_id", required=True), _number("score"), PayloadField("answers", Kind.OBJECT)),
        key=Parameter.SURVEY_ID,
        sample={"survey_id": "nps", "score": 9, "answers": {"why": "quick help"}},
    ),
    EventType(
        "stage_changed",
        Category.PIPELINE,
        "A deal reached a stage.",
        (*_DEAL, _text("stage_id", required=True), _text("previous_stage_id")),
        key=Parameter.STAGE_ID,
        compares=True,
        sample={**_DEAL_SAMPLE, "stage_id": "offer", "previous_stage_id": "contacted"},
    ),
    EventType(
        "deal_created",
        Category.PIPELINE,
        "A deal was opened.",
        (*_DEAL, _text("stage_id")),
        sample={**_DEAL_SAMPLE, "stage_id": "new"},
    ),
    EventType("deal_won", Category.PIPELINE, "A deal was won.", _DEAL, sample=_DEAL_SAMPLE),
    EventType(
        "deal_lost",
        Category.PIPELINE,
        "A deal was lost.",
        (*_DEAL, _text("reason")),
        sample={**_DEAL_SAMPLE, "reason": "price"},
    ),
    _appointment("appointment_booked", "An appointment was made."),
    _appointment(
        "appointment_cancelled",
        "An appointment was called off.",
        _text("reason"),
        reason="ill",
    ),
    _appointment("appointment_completed", "An appointment took place."),
    _appointment("appointment_no_show", "The contact did not come to an appointment."),
    EventType(
        "payment_received",
        Category.PAYMENT,
        "A contact paid.",
        (
            _number("amount", required=True),
            _text("currency"),
            _text("payment_id"),
            _text("product_id"),
        ),
        sample={"amount": 120, "currency": "EUR", "payment_id": "p-1", "product_id": "course"},
    ),
    EventType(
        "subscription_created",
        Category.PAYMENT,
        "A subscription began.",
        _SUBSCRIPTION,
        sample=_SUBSCRIPTION_SAMPLE,
    ),
    EventType(
        "subscription_cancelled",
        Category.PAYMENT,
        "A subscription was ended.",
        (*_SUBSCRIPTION, _text("reason")),
        sample={**_SUBSCRIPTION_SAMPLE, "reason": "too expensive"},
    ),
    EventType(
        "email_opened",
        Category.COMMUNICATION,
        "A contact opened an e-mail.",
        _MESSAGE,
        sample=_MESSAGE_SAMPLE,
    ),
    EventType(
        "email_clicked",
        Category.COMMUNICATION,
        "A contact followed a link in an e-mail.",
        (*_MESSAGE, _text("url")),
        sample={**_MESSAGE_SAMPLE, "url": "https://example.com/offer"},
    ),
    EventType(
        "sms_received",
        Category.COMMUNICATION,
        "A contact sent an SMS.",
        (_text("body"), _text("message_id")),
        sample={"body": "STOP please call me", "message_id": "m-2"},
    ),
    EventType(
        "call_completed",
        Category.COMMUNICATION,
        "A phone call with a contact ended.",
        (_text("direction"), _number("duration_seconds"), _text("result"), _text("call_id")),
        sample={"direction": "inbound", "duration_seconds": 120, "result": "completed"},
    ),
    EventType(
        "scheduled_date",
        Category.TIME,
        "The day comes that a date field of the contact names, or so many days from it.",
        required=(Parameter.DATE_FIELD,),
        optional=_DATED,
    ),
    EventType(
        "recurring_schedule",
        Category.TIME,
        "The clock reaches a time of a cron expression or an RRULE, for all that match.",
        optional=(Parameter.CRON, Parameter.RRULE, Parameter.START, Parameter.TIMEZONE),
    ),
    EventType(
        "birthday",
        Category.TIME,
        "The contact has its birthday, or will have it in so many days.",
        optional=(*_DATED, Parameter.LEAP_DAY),
    ),
    EventType(
        "anniversary",
        Category.TIME,
        "A year, or several, have passed since a date field of the contact.",
        required=(Parameter.DATE_FIELD,),
        optional=(*_DATED, Parameter.LEAP_DAY),
    ),
)

EVENT_TYPES: Mapping[str, EventType] = {one.name: one for one in _TYPES}
"""All event types, by name."""


def _filters_of(kind: EventType) -> Fields:
    if kind.timed:
        return CONTACT_FIELDS
    known = {
        f"data.{field.name}": FieldKind.JSON
        for field in kind.fields
        if field.filtered and field.kind is not Kind.OBJECT
    }
    objects = tuple(f"data.{field.name}" for field in kind.fields if field.kind is Kind.OBJECT)
    return Fields(
        known={**CONTACT_FIELDS.known, **known},
        containers=(*CONTACT_FIELDS.containers, *objects, f"data.{CUSTOM}"),
        changes=kind.compares,
        folded=CONTACT_FIELDS.folded,
    )


_FILTERS = {one.name: _filters_of(one) for one in _TYPES}


# Thousands of triggers name the same fields.
@lru_cache(maxsize=10_000)
def _find_field(event: str, name: str) -> Field | None:
    return _FILTERS[event].find(name)
