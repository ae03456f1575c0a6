"""Asking a trigger what it would make of an event, or of a day, without anything coming of it.

Belongs here: what `looking` and `replaying` have in common, one event and one contact at a time, by
the rules and the queries of a real evaluation. Nothing is written.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Connection

from enrollment_pipeline.clocks.local_time import instant_of_local, local_of_instant, zone_of
from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.model import Condition, Operator
from enrollment_pipeline.records import Account, WorkflowStatus
from enrollment_pipeline.triggers.documents import TriggerDocument
from enrollment_pipeline.triggers.evaluation import (
    DELETED,
    Finding,
    Ready,
    Record,
    Result,
    judge,
    state_before,
    unknown_contact,
    with_data,
)
from enrollment_pipeline.triggers.occurrences import Span
from enrollment_pipeline.triggers.registry import Parameter
from enrollment_pipeline.triggers.store import occurrences
from enrollment_pipeline.triggers.store.events import ClaimedEvent
from enrollment_pipeline.triggers.store.occurrences import DatedDue, DueContact, YearlyDue
from enrollment_pipeline.triggers.timing import due_days, yearly_targets

UNMATCHED = frozenset({Result.FILTERS, Result.CONTACT_UNKNOWN, Result.CONTACT_DELETED})
"""Results of a trigger that was not for this contact; the log draws the same line."""

WITHIN = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT)
"""The operators that look at the clock."""

_A_MOMENT = timedelta(microseconds=1)
_A_DAY = timedelta(days=1)
# How far ahead firings are searched for: first near, because a schedule may fire every 15 minutes;
# at last far, because 29 February is a Monday every 28 years, around 2100 every 40.
_HORIZONS = tuple(timedelta(days=days) for days in (1, 7, 60, 500, 4_000, 80_000))


@dataclass(frozen=True, slots=True)
class NotDue:
    """Why a time trigger is not due for a contact."""

    reason: str


def phrase(condition: Condition) -> str:
    """Return what a condition asks, such as `data.amount greater_than 500`."""
    asked = f"{show(condition.field.name)[1:-1]} {condition.operator}"
    if condition.value is None:
        return asked
    if condition.operator in WITHIN:
        return f"{asked} {condition.value}"
    return f"{asked} {show(condition.value, masked=condition.field.sensitive)}"


def value_of_key(document: TriggerDocument, data: Record) -> str | None:
    """Return the value of an event's key as triggers name it; None where the type has no key."""
    key = document.event.key
    if key is None:
        return None
    value = str(data.get(key, ""))
    return value.removeprefix("custom_fields.") if key is Parameter.FIELD else value


def states_of(event: ClaimedEvent, contact: Record) -> tuple[Record, Record | None]:
    """Return the record that filters are asked of, and the one before it."""
    record = with_data(contact, event.type, event.data)
    return record, state_before(record, event.type, event.data, event.previous_state)


def finding_on(
    one: Ready,
    status: WorkflowStatus,
    event: ClaimedEvent,
    contact: Record | None,
    now: datetime,
) -> Finding:
    """Return what an event means for a trigger that waits for it."""
    if contact is None:
        return unknown_contact(event.contact_id, event.email, event.external_id)
    if contact["deleted_at"] is not None:
        return DELETED
    return judge(one, status, *states_of(event, contact), now)


def wanted_of(one: Ready) -> set[str]:
    """Return the columns of a contact that the filters look at."""
    return set(one.asks) - {"data"}


def occurrence_at(at: datetime) -> str:
    """Return the key of a recurring trigger's firing."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def due_contacts(
    connection: Connection,
    account: Account,
    document: TriggerDocument,
    zones: Iterable[str],
    span: Span,
    *,
    wanted: Collection[str],
) -> Iterator[list[DueContact]]:
    """Yield the contacts in the zones that a yearly or dated trigger is due for within a span.

    Whether that has fired or not.
    """
    # Nothing has fired under the id of a trigger that does not exist.
    nobody = uuid4()
    days = due_days(zones, document.local_time, span.since, span.until)
    home = account.settings.timezone
    if document.event.name == "scheduled_date":
        offset = timedelta(days=document.offset_days)
        dated = [DatedDue(one.zone, one.day - offset, one.at) for one in days]
        name = document.parameters[Parameter.DATE_FIELD]
        return occurrences.dated_on(
            connection, nobody, name, dated, account_zone=home, wanted=wanted
        )
    yearly = [
        YearlyDue(one.zone, key, target.year, one.at)
        for one in days
        for target in [yearly_targets(one.day, document.offset_days, document.leap_day)]
        for key in target.keys
    ]
    if document.event.name == "birthday":
        return occurrences.born_on(connection, nobody, yearly, account_zone=home, wanted=wanted)
    name = document.parameters[Parameter.DATE_FIELD]
    return occurrences.anniversary_of(
        connection, nobody, name, yearly, account_zone=home, wanted=wanted
    )


def due_that_day(
    connection: Connection,
    account: Account,
    document: TriggerDocument,
    contact: Record,
    moment: datetime,
) -> DueContact | NotDue:
    """Return when a yearly or dated trigger is due for a contact on its local day of an instant."""
    known = contact["timezone"] in available_timezones()
    name = str(contact["timezone"]) if known else account.settings.timezone
    zone = zone_of(name)
    day = local_of_instant(moment, zone).date()
    begin, end = (
        instant_of_local(datetime.combine(one, time()), zone) for one in (day, day + _A_DAY)
    )
    span = Span(begin - _A_MOMENT, end - _A_MOMENT)
    for chunk in due_contacts(connection, account, document, [name], span, wanted=()):
        for due in chunk:
            if due.contact["id"] == contact["id"]:
                return due
    return NotDue(f"not due on {day} ({name})")


def next_due(
    account: Account, document: TriggerDocument, contact: Record, moment: datetime
) -> DueContact | NotDue:
    """Return when a recurring trigger is due next, from an instant on."""
    found = next_firings(account, document, moment - _A_MOMENT, 1)
    if not found:
        return NotDue("the schedule has ended")
    if contact["created_at"] > found[0]:
        return NotDue("the contact was not there yet")
    return DueContact(dict(contact), occurrence_at(found[0]), found[0])


def next_firings(
    account: Account, document: TriggerDocument, after: datetime, number: int
) -> list[datetime]:
    """Return the next firings of a recurring trigger; of any other there are none."""
    if document.event.name != "recurring_schedule":
        return []
    zone = zone_of_recurrence(account, document)
    found: list[datetime] = []
    for horizon in _HORIZONS:
        found = document.recurrence.instants(zone, after, after + horizon)
        if len(found) >= number:
            break
    return found[:number]


def zone_of_recurrence(account: Account, document: TriggerDocument) -> ZoneInfo:
    """Return the zone whose clock a recurring trigger goes by."""
    return zone_of(document.parameters.get(Parameter.TIMEZONE, account.settings.timezone))
