"""Webhooks of the CRM HighLevel: from a payload to the document of an event, or why it makes none.

Pure. A payload that leaves open what happened, or to whom, is refused; nothing is guessed. Does not
belong here: what each type of payload tells of (`highlevel_payloads`), what an event must be
(`events`), receiving webhooks and checking who sent them (whoever calls).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from enrollment_pipeline.conditions.values import FIRST_INSTANT
from enrollment_pipeline.triggers.events import RejectedEvent, fits, read_event
from enrollment_pipeline.triggers.highlevel_payloads import (
    AS_MADE,
    Happening,
    Payload,
    is_id,
    read_payload,
)
from enrollment_pipeline.triggers.registry import CUSTOM, EVENT_TYPES, Kind

# Of the payload itself, not of what happened.
_ENVELOPE = frozenset({"type", "webhookId", "timestamp", "contactId"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a payload makes no event: `reason` says what cannot be told, and what to do instead.

    `type` is the CRM's, `unknown` where the payload gives none that could be kept.
    """

    type: str
    reason: str


def from_highlevel(payload: object) -> dict[str, Any] | Refusal:
    """Return the document for `read_event` that a webhook's payload makes, or why it makes none.

    Never raises. The contact is named by its e-mail address, or else by the CRM's id of it as
    `external_id`. `occurred_at` is left out where the payload does not tell it: what was updated
    often carries the time of its creation alone. What the event type has no field for is in
    `data.custom` under the CRM's name. The `event_id` is the webhook's, except for payments and
    appointments: several webhooks tell of the same one, and it must not count twice.
    """
    if not isinstance(payload, Mapping):
        return Refusal("unknown", "A webhook's payload is a JSON object. Send them one by one.")
    told = read_payload(payload)
    made = told if isinstance(told, str) else _document(payload, told)
    if isinstance(made, str):
        name = payload.get("type")
        return Refusal(str(name) if is_id(name) else "unknown", made)
    return made


def _document(payload: Payload, happening: Happening) -> dict[str, Any] | str:
    contact = _contact(happening)
    if not contact:
        return (
            "The payload names no contact, neither by an e-mail address nor by an id: nobody can "
            "be enrolled for it. Send the payloads of contacts alone."
        )
    data, missing = _data(happening)
    if missing:
        return (
            f'The payload has no usable "{happening.fields[missing]}", which a {happening.event} '
            f"event cannot be without. {AS_MADE}"
        )
    event_id = _event_id(payload, happening)
    if not event_id:
        return f"The payload cannot be read as JSON to its end. {AS_MADE}"
    document: dict[str, Any] = {
        "event_id": event_id,
        "type": happening.event,
        **contact,
        "data": data,
    }
    for moment in (payload.get("timestamp"), *happening.times):
        if fits(Kind.INSTANT, moment):
            document["occurred_at"] = moment
            break
    found = read_event(document, now=FIRST_INSTANT)
    if isinstance(found, RejectedEvent):
        return f"The payload makes no event that could be kept: {found.reason}. {AS_MADE}"
    return document


def _contact(happening: Happening) -> dict[str, str]:
    email, contact_id = happening.email, happening.contact_id
    if isinstance(email, str) and "@" in email:
        return {"email": email.strip()}
    if isinstance(contact_id, str) and contact_id.strip():
        return {"external_id": contact_id.strip()}
    return {}


def _data(happening: Happening) -> tuple[dict[str, Any], str]:
    """Return the event's `data`, and the name of a required field that it lacks."""
    data = dict(happening.told)
    used = set(_ENVELOPE)
    for one in EVENT_TYPES[happening.event].fields:
        name = happening.fields.get(one.name, "")
        value = happening.about.get(name)
        if value not in (None, "") and fits(one.kind, value):
            data[one.name] = value
            used.add(name)
        elif one.required:
            return data, one.name
    custom = {
        name: value
        for name, value in happening.about.items()
        if isinstance(name, str) and name not in used and _is_scalar(value)
    }
    return {**data, **({CUSTOM: custom} if custom else {})}, ""


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | bool | int | float | Decimal) and value != ""


def _event_id(payload: Payload, happening: Happening) -> str:
    """Return the id, or an empty text for a payload that goes deeper than can be followed."""
    if happening.key:
        return f"highlevel:{happening.key}"
    given = payload.get("webhookId")
    if isinstance(given, str) and is_id(given):
        return given
    try:
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"), default=str)
    except (RecursionError, TypeError, ValueError):
        return ""
    return f"highlevel:{hashlib.sha256(text.encode()).hexdigest()}"
