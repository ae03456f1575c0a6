"""What an event means for a trigger: the verdict, with its reason; pure rules.

Belongs here: the order in which reasons count, the record that filters are asked of, and what came
before it. Does not belong here: where events, contacts and triggers come from (`evaluating`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from enrollment_pipeline.clocks.local_time import local_of_instant, zone_of
from enrollment_pipeline.conditions.evaluate import Evaluator
from enrollment_pipeline.conditions.explain import mask, show
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
        own = dict(contact.get("custom_fields") or {})
        own[str(data.get("field", "")).removeprefix("custom_fields.")] = data["new_value"]
        record["custom_fields"] = own
    return record


def state_before(
    record: Record, event: str, data: Record, previous_state: Record | None
) -> dict[str, Any] | None:
    """Return the record as it was before an update; None where the event does not say.

    What the event does not mention was as it is now.
    """
    told = dict(previous_state) if isinstance(previous_state, Mapping) else {}
    if event == "custom_field_changed" and "old_value" in data:
        name = str(data.get("field", "")).removeprefix("custom_fields.")
        told.setdefault("custom_fields", {name: data["old_value"]})
    if event == "stage_changed" and data.get("previous_stage_id"):
        told.setdefault("data", {"stage_id": data["previous_stage_id"]})
    if not told:
        return None
    before = {**record, **told}
    for name in ("custom_fields", "data"):
        if isinstance(told.get(name), Mapping):
            before[name] = {**(record.get(name) or {}), **told[name]}
    return before


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
