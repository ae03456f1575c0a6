"""What an event means for a trigger: the verdict, with its reason; pure rules.

Belongs here: the order in which reasons count, the record that filters are asked of, and what came
before it. Does not belong here: where events, contacts and triggers come from (`evaluating`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from enrollment_pipeline.clocks.local_time import local_of_instant, zone_of
from enrollment_pipeline.conditions.evaluate import Evaluator
from enrollment_pipeline.conditions.explain import mask, show
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.records import WorkflowStatus
from enrollment_pipeline.triggers.documents import TriggerDocument
from enrollment_pipeline.triggers.registry import EventType, Parameter

MOST_STARTS = 50
"""Starts of a contact in a workflow within `STARTS_MINUTES`; there is no further one."""

STARTS_MINUTES = 30

Record = Mapping[str, Any]


class Event(Protocol):
    """What is asked of an event here, wherever it comes from."""

    @property
    def type(self) -> str:
        """The name of its type."""
        ...

    @property
    def contact_id(self) -> UUID | None:
        """The contact, by its id."""
        ...

    @property
    def email(self) -> str | None:
        """The contact, by its address."""
        ...

    @property
    def external_id(self) -> str | None:
        """The contact, by the sender's id of it."""
        ...

    @property
    def data(self) -> Record:
        """The payload."""
        ...

    @property
    def previous_state(self) -> Record | None:
        """The state before, as far as it is told."""
        ...


class Result(StrEnum):
    """What came of an event, or of an occurrence, for one trigger."""

    FIRED = "fired"
    QUEUED = "queued"
    FILTERS = "filters"
    WORKFLOW_INACTIVE = "workflow_inactive"
    TRIGGER_INACTIVE = "trigger_inactive"
    TRIGGER_UNREADABLE = "trigger_unreadable"
    CONTACT_UNKNOWN = "contact_unknown"
    CONTACT_DELETED = "contact_deleted"
    REPEATED = "repeated"
    LOOP = "loop"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Ready:
    """A trigger made ready to be asked about many events.

    `asks` are the columns of a contact, and `data`, that its filters look at.
    """

    id: UUID
    workflow_id: UUID
    workflow_name: str
    version: int
    document: TriggerDocument
    evaluator: Evaluator
    asks: frozenset[str]
    single: bool
    waits_for_opening: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What one event or occurrence came to: the result, and the reason where it did not fire."""

    result: Result
    reason: str | None = None


Waiter = tuple[Ready, WorkflowStatus]
"""A trigger that waits, and its workflow's status."""

FIRED = Finding(Result.FIRED)
DELETED = Finding(Result.CONTACT_DELETED, "the contact was deleted")


def unknown_contact(contact_id: UUID | None, email: str | None, external_id: str | None) -> Finding:
    """Return the finding on an event whose contact this account does not have, or has twice."""
    if email:
        named = f"e-mail address {mask(email)}"
    elif external_id:
        named = f"external_id {show(external_id)}"
    else:
        named = f"id {contact_id}"
    return Finding(Result.CONTACT_UNKNOWN, f"no contact of this account, or several, by {named}")


def judge(
    ready: Ready,
    status: WorkflowStatus,
    record: Record,
    previous: Record | None,
    now: datetime,
) -> Finding:
    """Return what an event means for a trigger, but for what others have done to the contact.

    `record` is the contact's columns with the event's `data`, `previous` the same as it was before.
    """
    if ready.document.trouble is not None:
        return Finding(Result.TRIGGER_UNREADABLE, ready.document.trouble)
    if not ready.evaluator.matches(record, now=now, previous=previous):
        failing = ready.evaluator.failures(record, now=now, previous=previous)
        return Finding(Result.FILTERS, f"filters: {'; '.join(failing)}")
    if status is not WorkflowStatus.ACTIVE:
        return Finding(Result.WORKFLOW_INACTIVE, f"the workflow is {status}")
    return FIRED


def value_of_key(kind: EventType, data: Record) -> str | None:
    """Return the value of an event's key as triggers name it; None where the type has no key."""
    if kind.key is None:
        return None
    value = str(data.get(kind.key, ""))
    return value.removeprefix("custom_fields.") if kind.key is Parameter.FIELD else value


def states_of(event: Event, contact: Record) -> tuple[Record, Record | None]:
    """Return the record that filters are asked of, and the one before it."""
    record = with_data(contact, event.type, event.data)
    return record, state_before(record, event.type, event.data, event.previous_state)


def findings_on(
    event: Event, contact: Record | None, waiting: Iterable[Waiter], now: datetime
) -> Iterator[Finding]:
    """Yield what an event means for each of the triggers that wait for it, in their order.

    `contact` is the one that the event names, None where there is none, or several.
    """
    if contact is None:
        nobody = unknown_contact(event.contact_id, event.email, event.external_id)
        yield from (nobody for _ in waiting)
    elif contact["deleted_at"] is not None:
        yield from (DELETED for _ in waiting)
    else:
        record, before = states_of(event, contact)
        for ready, status in waiting:
            yield judge(ready, status, record, before, now)


def with_data(contact: Record, event: str, data: Record) -> dict[str, Any]:
    """Return the record that filters are asked of.

    The new value of a custom field is the event's: the contact may not have been told yet.
    """
    record = {**contact, "data": data}
    if event == "custom_field_changed" and "new_value" in data:
        own = contact.get("custom_fields") or {}
        record["custom_fields"] = _placed(own, _path_of(data), data["new_value"])
    return record


def state_before(
    record: Record, event: str, data: Record, previous_state: Record | None
) -> dict[str, Any] | None:
    """Return the record as it was before an update; None where the event does not say.

    What the event does not mention was as it is now; what `previous_state` and the payload both
    mention was as the former says.
    """
    told = previous_state if isinstance(previous_state, Mapping) else {}
    before = {**record, **told}
    for name in ("custom_fields", "data"):
        if isinstance(told.get(name), Mapping):
            before[name] = {**(record.get(name) or {}), **told[name]}
    path: tuple[str, ...] = ()
    if event == "custom_field_changed" and "old_value" in data:
        path, value = ("custom_fields", *_path_of(data)), data["old_value"]
    elif event == "stage_changed" and data.get("previous_stage_id"):
        path, value = ("data", "stage_id"), data["previous_stage_id"]
    if path and not _mentions(told, path):
        return _placed(before, path, value)
    return before if told else None


def _path_of(data: Record) -> tuple[str, ...]:
    """Return where the field of your own that an event names is found among them."""
    name = str(data.get("field", "")).removeprefix("custom_fields.")
    found = CONTACT_FIELDS.find(f"custom_fields.{name}")
    return (name,) if found is None else found.path[1:]


def _placed(record: Record, path: Sequence[str], value: object) -> dict[str, Any]:
    """Return a record that has a value at a path, and is otherwise the same."""
    first, *rest = path
    if not rest:
        return {**record, first: value}
    within = record.get(first)
    return {**record, first: _placed(within if isinstance(within, Mapping) else {}, rest, value)}


def _mentions(record: Record, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(record, Mapping) or name not in record:
            return False
        record = record[name]
    return True


def looped(starts: int) -> Finding | None:
    """Return why a contact is not started again, None where it may be.

    `starts` counts those within the last `STARTS_MINUTES`. Source of the numbers: spec "Triggers".
    """
    if starts < MOST_STARTS:
        return None
    return Finding(
        Result.LOOP, f"loop: started {starts} times within {STARTS_MINUTES} minutes already"
    )


def waits(fire_at: datetime | None, zone: str) -> Finding:
    """Return the finding on a firing outside of the business hours; None: they never open."""
    if fire_at is None:
        return Finding(Result.LATE, "outside business hours, and none are ahead")
    local = local_of_instant(fire_at, zone_of(zone)).isoformat(timespec="minutes")
    return Finding(Result.QUEUED, f"outside business hours, due {local} ({zone})")
