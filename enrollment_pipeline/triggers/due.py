"""Which contacts a time trigger is due for within a span, by its document.

Belongs here: what the firing of occurrences and looking ahead at them share, so that they cannot
disagree. When a day or a time is due is `timing` and `recurrence`; what follows, `occurrences`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from enrollment_pipeline.clocks.local_time import zone_of
from enrollment_pipeline.records import Account
from enrollment_pipeline.triggers.documents import TriggerDocument
from enrollment_pipeline.triggers.registry import Parameter
from enrollment_pipeline.triggers.store import occurrences
from enrollment_pipeline.triggers.store.occurrences import DatedDue, DueContact, YearlyDue
from enrollment_pipeline.triggers.timing import due_days, yearly_targets


@dataclass(frozen=True, slots=True)
class Span:
    """The instants after `since`, up to `until`."""

    since: datetime
    until: datetime


def due_contacts(
    connection: Connection,
    account: Account,
    document: TriggerDocument,
    trigger_id: UUID,
    span: Span,
    *,
    zones: Iterable[str] | None = None,
    wanted: Collection[str],
) -> Iterator[list[DueContact]]:
    """Yield the contacts that a yearly or dated trigger is due for, in chunks.

    But for those that the trigger of that id has fired for. `zones` are those whose clocks are
    looked at, by default all; `wanted` the columns of contacts that are asked for.
    """
    home = account.settings.timezone
    if zones is None:
        zones = {*occurrences.known_zones(connection), home}
    days = due_days(zones, document.local_time, span.since, span.until)
    field = document.parameters.get(Parameter.DATE_FIELD, "")
    if field and days:
        # No index helps with a date field, so all contacts are looked through, but only where the
        # time is due in a zone that one of them lives in.
        lived_in = {*occurrences.zones_lived_in(connection), home}
        days = [one for one in days if one.zone in lived_in]
    if not days:
        return
    if document.event.name == "scheduled_date":
        offset = timedelta(days=document.offset_days)
        dated = [DatedDue(one.zone, one.day - offset, one.at) for one in days]
        yield from occurrences.dated_on(
            connection, trigger_id, field, dated, account_zone=home, wanted=wanted
        )
        return
    yearly = [
        YearlyDue(one.zone, key, target.year, one.at)
        for one in days
        for target in [yearly_targets(one.day, document.offset_days, document.leap_day)]
        for key in target.keys
    ]
    if document.event.name == "birthday":
        yield from occurrences.born_on(
            connection, trigger_id, yearly, account_zone=home, wanted=wanted
        )
    else:
        yield from occurrences.anniversary_of(
            connection, trigger_id, field, yearly, account_zone=home, wanted=wanted
        )


def occurrence_at(at: datetime) -> str:
    """Return the key of a recurring trigger's firing."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def zone_of_recurrence(account: Account, document: TriggerDocument) -> ZoneInfo:
    """Return the zone whose clock a recurring trigger goes by."""
    return zone_of(document.parameters.get(Parameter.TIMEZONE, account.settings.timezone))
