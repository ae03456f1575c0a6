"""What each type of HighLevel's webhook payloads tells of, or why none of our events.

Pure. A new type is one function and its entry in `_READERS`. Does not belong here: the document
that is made of it (`highlevel`). Source of the shapes: the webhook examples in HighLevel's API
documentation. They give invoices no `type`, and appointments that were updated, and messages that
came in, the type of new ones and of sent ones; so a payload's content decides, too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.values import number_of
from enrollment_pipeline.triggers.events import MAX_ID

Payload = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """What a payload tells of, in the CRM's words.

    `fields`: which of the names in `about` holds which field of the event's `data`; `told` are
    fields that are known otherwise. `times`: ISO texts of when it happened, the likeliest first.
    With a `key` it is one event, however many payloads tell of it. Nothing but `event`, `fields`
    and `key` has been checked.
    """

    event: str
    about: Payload
    fields: Mapping[str, str]
    contact_id: object = None
    email: object = None
    times: tuple[object, ...] = ()
    key: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)


AS_MADE = "Send it as the CRM made it."

_INSTEAD = (
    "Where it should enroll somebody, let a workflow of the CRM send a tag_added event of its own."
)
_NOTHING_TO_DO = "Nothing needs to be done."
_REFUSED = {
    "ContactTagUpdate": (
        "The payload lists the tags that the contact has now: which one was added or removed "
        "cannot be told. Let a workflow of the CRM that starts with the tag send a tag_added or "
        "tag_removed event, in which it can name the tag."
    ),
    "ContactDndUpdate": (
        "A change of consent enrolls nobody. Import the contact with its new status instead: who "
        "is unsubscribed or blocked is not enrolled."
    ),
    "ContactDelete": (
        "That a contact was deleted must never enroll it. Import it with the status blocked, so "
        "that nothing else does."
    ),
}

# Events outlive contacts, and these are asked of the contact itself.
_PERSONAL = frozenset(
    {"id", "email", "name", "firstName", "lastName", "phone", "address1", "dateOfBirth"}
)
_DEAL = {
    "deal_id": "id",
    "name": "name",
    "pipeline_id": "pipelineId",
    "amount": "monetaryValue",
    "currency": "currency",
}
_STAGED_DEAL = {**_DEAL, "stage_id": "pipelineStageId"}
_DEAL_ENDS = {"won": "deal_won", "lost": "deal_lost"}
_APPOINTMENT = {
    "appointment_id": "id",
    "calendar_id": "calendarId",
    "title": "title",
    "assigned_to": "assignedUserId",
    "starts_at": "startTime",
}
_BOOKED = "appointment_booked"
_APPOINTMENT_ENDS = {
    "cancelled": "appointment_cancelled",
    "canceled": "appointment_cancelled",
    "showed": "appointment_completed",
    "noshow": "appointment_no_show",
}
_EMAILS = {"opened": "email_opened", "clicked": "email_clicked"}
_PAID = ("paid", "completed")


def read_payload(payload: Payload) -> Happening | str:
    """Return what a payload tells of, or a sentence on why that is none of our events."""
    name = payload.get("type")
    if not name and "invoiceNumber" in payload:
        return _invoice(payload)
    if not isinstance(name, str) or not name:
        return f'The payload has no "type" and is no invoice: what happened is unknown. {_INSTEAD}'
    if name in _REFUSED:
        return _REFUSED[name]
    if name in _READERS:
        return _READERS[name](payload)
    return f"{show(name)} is no event that triggers know. {_INSTEAD}"


def is_id(value: object) -> bool:
    """Whether the value is a text that can be an id or the name of a type."""
    return isinstance(value, str) and 0 < len(value) <= MAX_ID and value.isprintable()


def _contact_created(payload: Payload) -> Happening:
    return _contact(payload, "contact_created", "dateAdded")


def _contact_updated(payload: Payload) -> Happening:
    # Its `dateAdded` is when the contact came into being.
    return _contact(payload, "contact_updated", "dateUpdated")


def _contact(payload: Payload, event: str, time: str) -> Happening:
    return Happening(
        event,
        {name: value for name, value in payload.items() if name not in _PERSONAL},
        {"source": "source"},
        contact_id=payload.get("id"),
        email=payload.get("email"),
        times=(payload.get(time),),
    )


def _deal_created(payload: Payload) -> Happening:
    return _deal(payload, "deal_created", _STAGED_DEAL, payload.get("dateAdded"))


def _stage_changed(payload: Payload) -> Happening:
    return _deal(payload, "stage_changed", _STAGED_DEAL)


def _status_changed(payload: Payload) -> Happening | str:
    status = payload.get("status")
    event = _DEAL_ENDS.get(_word(status))
    if event is None:
        return (
            f"Only a deal that is won or lost makes an event; this one is {_said(status)}. "
            f"{_NOTHING_TO_DO}"
        )
    return _deal(payload, event, _DEAL)


def _deal(payload: Payload, event: str, fields: Mapping[str, str], *times: object) -> Happening:
    return Happening(event, payload, fields, contact_id=payload.get("contactId"), times=times)


def _appointment_created(payload: Payload) -> Happening | str:
    return _appointment(payload, otherwise=_BOOKED)


def _appointment_updated(payload: Payload) -> Happening | str:
    return _appointment(payload, otherwise=None)


def _appointment(payload: Payload, *, otherwise: str | None) -> Happening | str:
    appointment = _object(payload.get("appointment"))
    status = appointment.get("appointmentStatus")
    event = _APPOINTMENT_ENDS.get(_word(status), otherwise)
    if event is None or _word(status) == "invalid":
        return (
            "Once it is booked, an appointment makes an event only when it is cancelled, kept or "
            f"missed; this one is {_said(status)}. {_INSTEAD}"
        )
    return Happening(
        event,
        {"locationId": payload.get("locationId"), **appointment},
        _APPOINTMENT,
        contact_id=appointment.get("contactId"),
        times=(appointment.get("dateAdded" if event == _BOOKED else "dateUpdated"),),
        key=_appointment_key(appointment, event),
    )


def _appointment_key(appointment: Payload, event: str) -> str:
    """Return what tells an event of an appointment from others of it.

    An edit of its notes brings the status that it has once more. But one that was put off after it
    was missed can be missed a second time.
    """
    given, start = appointment.get("id"), appointment.get("startTime")
    if not is_id(given):
        return ""
    again = f":{start}" if event != _BOOKED and is_id(start) else ""
    return f"appointment:{given}:{event}{again}"


def _message(payload: Payload) -> Happening | str:
    usual = "outbound" if payload.get("type") == "OutboundMessage" else "inbound"
    if (_word(payload.get("direction")) or usual) != "inbound":
        return (
            "What is sent to a contact is no event that triggers know. Wait for what comes back: "
            "InboundMessage tells of it."
        )
    kind = payload.get("messageType")
    if _word(kind) == "call":
        return _call(payload)
    if _word(kind) != "sms":
        return (
            f"Of what comes in only SMS and completed calls make events; this is {_said(kind)}. "
            f"{_INSTEAD}"
        )
    fields = {"body": "body", "message_id": "messageId"}
    return _received(payload, "sms_received", fields)


def _call(payload: Payload) -> Happening | str:
    name = "callStatus" if payload.get("callStatus") else "status"
    status = payload.get(name)
    if _word(status) != "completed":
        return (
            f"Only a completed call makes an event; this one is {_said(status)}. {_NOTHING_TO_DO}"
        )
    fields = {"duration_seconds": "callDuration", "result": name, "call_id": "messageId"}
    return _received(payload, "call_completed", fields, direction="inbound")


def _received(payload: Payload, event: str, fields: Mapping[str, str], **told: object) -> Happening:
    return Happening(
        event,
        payload,
        fields,
        contact_id=payload.get("contactId"),
        times=(payload.get("dateAdded"),),
        told=told,
    )


def _email(payload: Payload) -> Happening | str:
    stats = _object(payload.get("webhookPayload"))
    status = stats.get("event")
    event = _EMAILS.get(_word(status))
    if event is None:
        return (
            "Only an e-mail that is opened or clicked makes an event; this one is "
            f"{_said(status)}. {_NOTHING_TO_DO}"
        )
    headers = _object(_object(stats.get("message")).get("headers"))
    about = {
        "locationId": payload.get("locationId"),
        **{name: value for name, value in stats.items() if name != "recipient"},
        "message-id": headers.get("message-id"),
        "subject": headers.get("subject"),
        "campaign": _only(stats.get("campaigns")),
    }
    return Happening(
        event,
        about,
        {"message_id": "message-id", "campaign_id": "campaign", "subject": "subject", "url": "url"},
        email=stats.get("recipient"),
        times=(_from_unix(stats.get("timestamp")),),
    )


def _invoice(payload: Payload) -> Happening | str:
    status = payload.get("status")
    if _word(status) == "partiallypaid":
        return (
            "The payload says what was paid in all so far: how much was paid now cannot be told. "
            "Wait for the payload that says the invoice is paid; it has the whole amount."
        )
    if _word(status) != "paid":
        return f"Only a paid invoice makes an event; this one is {_said(status)}. {_NOTHING_TO_DO}"
    contact = _object(payload.get("contactDetails"))
    product = _object(_only(payload.get("invoiceItems"))).get("productId")
    return _payment(payload, "invoice", "amountPaid", contact, product)


def _order(payload: Payload) -> Happening | str:
    status = payload.get("status")
    if _word(status) == "pending":
        return "The order is not paid yet. Wait for OrderStatusUpdate, which tells when it is."
    if _word(status) not in _PAID:
        return (
            f"Only an order that is paid or completed makes an event; this one is {_said(status)}. "
            f"{_NOTHING_TO_DO}"
        )
    snapshot = _object(payload.get("contactSnapshot"))
    contact = {**snapshot, "id": payload.get("contactId") or snapshot.get("id")}
    product = _object(_object(_only(payload.get("items"))).get("product")).get("_id")
    return _payment(payload, "order", "amount", contact, product)


def _payment(
    payload: Payload, kind: str, amount: str, contact: Payload, product: object
) -> Happening | str:
    given = payload.get("_id")
    if not is_id(given):
        return (
            f'The {kind} has no "_id": whether its payment was told of before is unknown. {AS_MADE}'
        )
    return Happening(
        "payment_received",
        {**payload, "product": product},
        {"amount": amount, "currency": "currency", "product_id": "product"},
        contact_id=contact.get("id"),
        email=contact.get("email"),
        times=(payload.get("updatedAt"),),
        key=f"{kind}:{given}:paid",
    )


def _object(value: object) -> Payload:
    return value if isinstance(value, Mapping) else {}


def _only(value: object) -> object:
    """Return the one member of a list of one; of several none is more meant than another."""
    return value[0] if isinstance(value, list) and len(value) == 1 else None


def _word(value: object) -> str:
    """Return a status in one spelling: `No Show`, `no_show` and `noshow` are the same."""
    text = value.casefold() if isinstance(value, str) else ""
    return "".join(letter for letter in text if letter.isalpha())


def _said(value: object) -> str:
    return show(value) if value else "unknown"


def _from_unix(seconds: object) -> str | None:
    """Return the ISO text of a time in seconds since 1970, None for what is no such time."""
    number = None if isinstance(seconds, str) else number_of(seconds)
    try:
        return None if number is None else datetime.fromtimestamp(float(number), UTC).isoformat()
    except (OSError, OverflowError, ValueError):
        return None


_READERS: Mapping[str, Callable[[Payload], Happening | str]] = {
    "ContactCreate": _contact_created,
    "ContactUpdate": _contact_updated,
    "OpportunityCreate": _deal_created,
    "OpportunityStageUpdate": _stage_changed,
    "OpportunityStatusUpdate": _status_changed,
    "AppointmentCreate": _appointment_created,
    "AppointmentUpdate": _appointment_updated,
    "InboundMessage": _message,
    "OutboundMessage": _message,
    "LCEmailStats": _email,
    "InvoicePaid": _invoice,
    "InvoicePartiallyPaid": _invoice,
    "OrderCreate": _order,
    "OrderStatusUpdate": _order,
}
