"""What an event is, and reading one: from a document to an event, or to the reasons why it is none.

Pure. Does not belong here: where documents come from (`intake`), and what an event sets off
(`evaluation`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from rapidfuzz import fuzz, process

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.shapes import MAX_DIGITS, fault_of
from enrollment_pipeline.conditions.values import instant_of
from enrollment_pipeline.triggers.registry import CUSTOM, EVENT_TYPES, EventType, Kind

MAX_ID = 200
"""Characters in an event's id and type."""

MAX_BYTES = 100_000
"""Bytes of one event as JSON in UTF-8."""

MAX_LEVELS = 100
"""Objects and lists within each other, the event itself counted."""

_KEYS = (
    "event_id",
    "type",
    "contact_id",
    "email",
    "external_id",
    "occurred_at",
    "data",
    "previous_state",
)
# What no text in the database can hold: NUL, which JSON always escapes, and half of a character.
_UNUSABLE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000|[\ud800-\udfff]")
_MOST_ADDRESS = 320
_SHOWN_FAULTS = 10
_SHOWN_LEVELS = 20
_TOO_DEEP = f"is nested more than {MAX_LEVELS} levels deep"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a contact, as its sender tells it.

    The contact is named by one of `contact_id`, `email` and `external_id`, which is the custom
    field `external_id` of contacts: the id that the sender's system knows it by.
    """

    event_id: str
    type: str
    occurred_at: datetime
    contact_id: UUID | None = None
    email: str | None = None
    external_id: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    previous_state: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """What came in and is no event: kept under an id, with all the reasons as one text.

    `content` is what is kept of it, as an object.
    """

    event_id: str
    type: str
    content: Mapping[str, Any]
    reason: str


def read_event(document: object, *, now: datetime) -> Event | RejectedEvent:
    """Return the event that a JSON document describes, or why it describes none.

    Without `occurred_at` it happened at `now`.
    """
    if not isinstance(document, Mapping):
        return rejected(document, "an event is a JSON object")
    faults = list(_envelope_faults(document))
    kind = EVENT_TYPES.get(document["type"]) if isinstance(document.get("type"), str) else None
    if kind is not None:
        faults += payload_faults(kind, _given(document, "data"))
    if faults:
        return rejected(document, told(faults))
    return Event(
        event_id=document["event_id"],
        type=document["type"],
        occurred_at=instant_of(document.get("occurred_at")) or now,
        contact_id=UUID(document["contact_id"]) if document.get("contact_id") else None,
        email=_stripped(document.get("email")),
        external_id=_stripped(document.get("external_id")),
        data=_given(document, "data"),
        previous_state=document.get("previous_state"),
    )


def _given(document: Mapping[Any, Any], name: str) -> Any:
    """Return what stands under a name; an empty object where nothing does, or null."""
    value = document.get(name)
    return {} if value is None else value


def rejected(document: object, reason: str) -> RejectedEvent:
    """Return what is kept of something that is no event; of a large one, its beginning."""
    given: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
    text = document if isinstance(document, str) else _text_of(document)
    event_id = given.get("event_id")
    if not isinstance(event_id, str) or _id_fault(event_id):
        # The same thing sent again is kept once.
        event_id = f"sha256:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"
    name = given.get("type")
    usable = isinstance(name, str) and not _id_fault(name)
    whole = given and not any(_content_faults(given))
    kept = json.loads(text) if whole else {"raw": _printable(text[:2_000])}
    return RejectedEvent(event_id, str(name) if usable else "unknown", kept, _printable(reason))


def payload_faults(kind: EventType, data: object) -> list[str]:
    """Return everything that is wrong with the payload of an event of that type."""
    if not isinstance(data, Mapping):
        return []
    faults = []
    for one in kind.fields:
        value = data.get(one.name)
        if value is None or value == "":
            if one.required:
                faults.append(f"data.{one.name}: is missing")
        elif not fits(one.kind, value):
            faults.append(f"data.{one.name}: must be {_SORTS[one.kind]}, not {show(value)}")
    own = data.get(CUSTOM)
    if own is not None and not isinstance(own, Mapping):
        faults.append(f"data.{CUSTOM}: must be an object")
    return faults


def fits(kind: Kind, value: object) -> bool:
    """Whether a payload field of that kind may have that value."""
    return _FITS[kind](value)


def type_fault(name: object) -> str | None:
    """Return why no event of that type can come in, None where it can."""
    kind = EVENT_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        return f"type: there is no event type {show(name)}{_meant(name)}"
    if kind.timed:
        return f"type: {kind.name} is raised by the clock and cannot be sent"
    return None


def _meant(name: object) -> str:
    known = [one.name for one in EVENT_TYPES.values() if not one.timed]
    likely = isinstance(name, str) and process.extractOne(
        name[:50].lower(), known, scorer=fuzz.ratio, score_cutoff=75
    )
    return f'; did you mean "{likely[0]}"?' if likely else ""


def told(faults: list[str]) -> str:
    """Return faults as one text."""
    more = len(faults) - _SHOWN_FAULTS
    return "; ".join([*faults[:_SHOWN_FAULTS], *([f"and {more} more"] if more > 0 else [])])


def _envelope_faults(document: Mapping[Any, Any]) -> Iterator[str]:
    unknown = [key for key in document if key not in _KEYS]
    for key in unknown[:_SHOWN_FAULTS]:
        yield f"{show(key)} is no part of an event; whatever else is told belongs into data.custom"
    yield from _content_faults(document)
    event_id = document.get("event_id")
    if not isinstance(event_id, str) or _id_fault(event_id):
        yield f"event_id: must be a text of 1 to {MAX_ID} printable characters, the sender's own"
    if fault := type_fault(document.get("type")):
        yield fault
    yield from _contact_faults(document)
    when = document.get("occurred_at")
    if when is not None and instant_of(when) is None:
        yield f"occurred_at: must be an ISO time such as 2027-01-05T09:00:00Z, not {show(when)}"
    for name in ("data", "previous_state"):
        if not isinstance(_given(document, name), Mapping):
            yield f"{name}: must be an object"


def _content_faults(document: Mapping[Any, Any]) -> Iterator[str]:
    """Yield why the database could not keep it, or not give it back as it was."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, default=_written)
    except RecursionError:
        yield _TOO_DEEP
        return
    except (TypeError, ValueError):
        yield f"holds what JSON does not have, or a number of more than {MAX_DIGITS:,} digits"
        return
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        yield f"is larger than {MAX_BYTES:,} bytes"
    if _UNUSABLE.search(text):
        yield "holds a NUL character or half a character, which no text in the database can"
    # Nearly always the brackets alone are too few.
    if text.count("{") + text.count("[") > MAX_LEVELS and _is_deep(document):
        yield _TOO_DEEP


def _written(value: object) -> str:
    if isinstance(value, Decimal) and not fault_of(value):
        return str(value)
    raise TypeError(f"{show(value)} is no JSON")


def _is_deep(document: object) -> bool:
    level = [document]
    for _ in range(MAX_LEVELS):
        level = [member for one in level for member in _members(one)]
    return any(isinstance(one, Mapping | list) for one in level)


def _members(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _text_of(document: object) -> str:
    """Return anything as JSON; of what JSON cannot hold, its upper levels."""
    try:
        return json.dumps(document, ensure_ascii=False, default=str)
    except (RecursionError, TypeError, ValueError):
        return json.dumps(_upper(document, _SHOWN_LEVELS), ensure_ascii=False)


def _upper(value: object, levels: int) -> object:
    if isinstance(value, Mapping) and levels:
        return {str(key): _upper(one, levels - 1) for key, one in value.items()}
    if isinstance(value, list) and levels:
        return [_upper(one, levels - 1) for one in value]
    return value if isinstance(value, str) else show(value)


def _contact_faults(document: Mapping[Any, Any]) -> Iterator[str]:
    named = [name for name in ("contact_id", "email", "external_id") if document.get(name)]
    if len(named) != 1:
        yield "exactly one of contact_id, email and external_id names the contact"
    contact_id = document.get("contact_id")
    if contact_id and not _is_id(contact_id):
        yield f"contact_id: {show(contact_id)} is not the id of a contact (a UUID)"
    for name in ("email", "external_id"):
        value = document.get(name)
        if value and (not isinstance(value, str) or _id_fault(value.strip(), _MOST_ADDRESS)):
            yield f"{name}: must be a text of 1 to {_MOST_ADDRESS} printable characters"


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


def _id_fault(text: str, most: int = MAX_ID) -> bool:
    return not 0 < len(text) <= most or not text.isprintable()


def _stripped(text: object) -> str | None:
    return text.strip() if isinstance(text, str) and text.strip() else None


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float | Decimal) and not fault_of(value)


_FITS: Mapping[Kind, Callable[[Any], bool]] = {
    Kind.TEXT: lambda value: isinstance(value, str),
    Kind.NUMBER: _is_number,
    Kind.INSTANT: lambda value: instant_of(value) is not None,
    Kind.TEXTS: lambda value: (
        isinstance(value, list) and all(isinstance(one, str) for one in value)
    ),
    Kind.ANY: lambda _: True,
    Kind.OBJECT: lambda value: isinstance(value, Mapping),
}
_SORTS = {
    Kind.TEXT: "a text",
    Kind.NUMBER: "a number",
    Kind.INSTANT: "an ISO time",
    Kind.TEXTS: "a list of texts",
    Kind.ANY: "anything",
    Kind.OBJECT: "an object",
}
