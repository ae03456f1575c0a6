"""Asking a trigger what it would make of an event, or of a day, without anything coming of it.

Belongs here: what `looking` and `replaying` have in common, one event and one contact at a time, by
the rules and the queries of a real evaluation. Nothing is written.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.clocks.local_time import instant_of_local, local_of_instant, zone_of
from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.model import Condition, Operator
from enrollment_pipeline.records import Account
from enrollment_pipeline.triggers.documents import TriggerDocument
from enrollment_pipeline.triggers.due import Span, due_contacts, occurrence_at, zone_of_recurrence
from enrollment_pipeline.triggers.evaluation import Ready, Record, Result
from enrollment_pipeline.triggers.store.occurrences import DueContact, known_zones

UNMATCHED = frozenset(
    {Result.FILTERS, Result.CONTACT_UNKNOWN, Result.CONTACT_DELETED, Result.TRIGGER_UNREADABLE}
)
"""Results of a trigger that was not for this contact; the log draws the same line."""

WITHIN = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT)
"""The operators that look at the clock."""

NOBODY = UUID(int=0)
"""The id of a trigger that does not exist, for which nothing has fired."""

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


def wanted_of(one: Ready) -> set[str]:
    """Return the columns of a contact that the filters look at."""
    return set(one.asks) - {"data"}


def due_that_day(
    connection: Connection,
    account: Account,
    document: TriggerDocument,
    contact: Record,
    moment: datetime,
    day: date | None = None,
) -> DueContact | NotDue:
    """Return when a yearly or dated trigger is due for a contact on a day.

    Without one, on its local day of an instant.
    """
    known = contact["timezone"] in known_zones(connection)
    name = str(contact["timezone"]) if known else account.settings.timezone
    zone = zone_of(name)
    day = day or local_of_instant(moment, zone).date()
    begin, end = (
        instant_of_local(datetime.combine(one, time()), zone) for one in (day, day + _A_DAY)
    )
    span = Span(begin - _A_MOMENT, end - _A_MOMENT)
    chunks = due_contacts(connection, account, document, NOBODY, span, zones=[name], wanted=())
    for chunk in chunks:
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
