"""Replaying: what a trigger, as it is now, would have made of the last days.

Belongs here: events that came in and times that came round, each judged as of its own moment, and
what is counted of that. Does not belong here: holding back who is started too often, which depends
on everything else that happened; and who would be enrolled. Nothing is written.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.clocks.business_hours import BusinessHours
from enrollment_pipeline.conditions.model import Group, members
from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.records import Account, WorkflowStatus
from enrollment_pipeline.storage.schema import contacts as contacts_table
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.asking import (
    NOBODY,
    UNMATCHED,
    WITHIN,
    phrase,
    wanted_of,
)
from enrollment_pipeline.triggers.due import Span, due_contacts, occurrence_at, zone_of_recurrence
from enrollment_pipeline.triggers.evaluation import (
    FIRED,
    Finding,
    Ready,
    Record,
    Result,
    findings_on,
    judge,
    states_of,
    value_of_key,
    waits,
)
from enrollment_pipeline.triggers.events import payload_faults
from enrollment_pipeline.triggers.firing import business_hours_of
from enrollment_pipeline.triggers.occurrences import ready_of
from enrollment_pipeline.triggers.store import contacts, events, looking
from enrollment_pipeline.triggers.store.events import ClaimedEvent
from enrollment_pipeline.triggers.store.triggers import Trigger

MOST_DAYS = 90
SAMPLES = 20
TOP_REASONS = 10
NOTE = "contacts are taken as they are now"

CHUNK = 5_000
"""Events in memory at a time."""

MOST_REASONS = 1_000
"""Different reasons that are counted. They name no values, so there are few of them; but a filter
of 20 conditions may fail in a million ways, which nobody reads."""

_OTHER = "other reasons"
_UNKNOWN = "the contact is unknown, or there are several"
_CLOSED = "outside business hours"


def replay(
    database: Database, account: Account, trigger: Trigger, *, days: int, now: datetime
) -> dict[str, Any]:
    """Return what a trigger would have made of the last days, whether it was active or not.

    Shape: `{"days", "considered", "matched", "by_result": {result: number}, "by_reason":
    [{"reason", "number"}], "samples": [{"event_id" or "occurrence", "contact_id", "result",
    "reason"}], "note"}`. The reasons that are counted name no values; samples show first what
    matched. An event is judged as of when it came in, a time as of when it was due, and what has
    fired already is among it.

    Raises:
        InvalidRequestError: `days` is not from 1 to 90.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidRequestError(f"days: must be from 1 to {MOST_DAYS}, not {days}.")
    span = Span(now - timedelta(days=days), now)
    asked = _Asked.of(account, trigger)
    kind = trigger.document.event
    tally = _Tally("occurrence" if kind.timed else "event_id")
    with database.rehearsal(account.id) as connection:
        if kind.name == "recurring_schedule":
            _replay_recurrences(connection, asked, span, tally)
        elif kind.timed:
            _replay_dates(connection, asked, span, tally)
        else:
            _replay_events(connection, asked, span, tally)
    return {"days": days, **tally.as_dict(), "note": NOTE}


@dataclass(slots=True)
class _Tally:
    """What a replay has come to so far; `source` is what the samples call where they are from."""

    source: str
    results: Counter[Result] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    matched: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)

    def count(self, finding: Finding, reason: str | None, number: int = 1) -> None:
        """Count a finding; the reason is one that names no values."""
        self.results[finding.result] += number
        if reason is None or not number:
            return
        if reason not in self.reasons and len(self.reasons) >= MOST_REASONS:
            reason = _OTHER
        self.reasons[reason] += number

    def sample(self, source: str, contact_id: UUID | None, finding: Finding) -> None:
        """Keep one of the first."""
        kept = self.others if finding.result in UNMATCHED else self.matched
        if len(kept) < SAMPLES:
            kept.append(
                {
                    self.source: source,
                    "contact_id": None if contact_id is None else str(contact_id),
                    "result": str(finding.result),
                    "reason": finding.reason,
                }
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the part of the answer that is counted."""
        found = {result: number for result, number in self.results.items() if number}
        return {
            "considered": sum(found.values()),
            "matched": sum(found[one] for one in found if one not in UNMATCHED),
            "by_result": {str(result): number for result, number in found.items()},
            "by_reason": [
                {"reason": reason, "number": number}
                for reason, number in self.reasons.most_common(TOP_REASONS)
            ],
            "samples": [*self.matched, *self.others][:SAMPLES],
        }


@dataclass(frozen=True, slots=True)
class _Asked:
    """The trigger that is replayed, and the business hours where it waits for them."""

    account: Account
    one: Ready
    status: WorkflowStatus
    hours: BusinessHours | None

    @classmethod
    def of(cls, account: Account, trigger: Trigger) -> Self:
        """Make a trigger ready."""
        one = ready_of(trigger)
        hours = business_hours_of(account) if one.waits_for_opening else None
        return cls(account, one, trigger.workflow.status, hours)

    def opened(self, finding: Finding, at: datetime) -> Finding:
        """Return the finding, but that whoever would start outside of business hours waits."""
        if finding is not FIRED or self.hours is None or self.hours.is_open(at):
            return finding
        return waits(self.hours.next_opening(at), self.hours.zone)

    def general(
        self, finding: Finding, states: tuple[Record, Record | None] | None, at: datetime
    ) -> str | None:
        """Return the reason of a finding without the values that it names."""
        if finding.result is Result.FILTERS and states is not None:
            record, before = states
            verdict = self.one.evaluator.evaluate(record, now=at, previous=before)
            failing = [phrase(one.condition) for one in verdict.reasons if not one.matched]
            return f"filters: {'; '.join(f'{one} does not hold' for one in failing)}"
        return _GENERAL.get(finding.result, finding.reason)


_GENERAL = {Result.CONTACT_UNKNOWN: _UNKNOWN, Result.QUEUED: _CLOSED}


def _replay_events(connection: Connection, asked: _Asked, span: Span, tally: _Tally) -> None:
    kind, after = asked.one.document.event, 0
    while chunk := events.stored(
        connection, since=span.since, types=[kind.name], after=after, most=CHUNK
    ):
        after = chunk[-1].number
        _replay_chunk(connection, asked, [one for one in chunk if _is_for(asked, one)], tally)


def _is_for(asked: _Asked, event: ClaimedEvent) -> bool:
    """Return whether an event is one, and one that the trigger waits for.

    One that was written into the table itself may not have been looked at yet.
    """
    document = asked.one.document
    return (
        event.dated
        and isinstance(event.data, dict)
        and value_of_key(document.event, event.data) == document.match_key
        and not payload_faults(document.event, event.data)
        and bool(event.contact_id or event.email or event.external_id)
    )


def _replay_chunk(
    connection: Connection, asked: _Asked, chunk: Sequence[ClaimedEvent], tally: _Tally
) -> None:
    arrived = looking.arrivals(connection, [one.number for one in chunk])
    people = contacts.named(
        connection,
        ids={one.contact_id for one in chunk if one.contact_id},
        emails={one.email for one in chunk if one.email},
        external_ids={one.external_id for one in chunk if one.external_id},
        wanted=wanted_of(asked.one),
    )
    for event in chunk:
        event_id, at = arrived[event.number]
        contact = people.find(event.contact_id, event.email, event.external_id)
        [finding] = findings_on(event, contact, [(asked.one, asked.status)], at)
        finding = asked.opened(finding, at)
        states = None if contact is None else states_of(event, contact)
        tally.count(finding, asked.general(finding, states, at))
        tally.sample(event_id, None if contact is None else contact["id"], finding)


def _replay_dates(connection: Connection, asked: _Asked, span: Span, tally: _Tally) -> None:
    for chunk in due_contacts(
        connection, asked.account, asked.one.document, NOBODY, span, wanted=asked.one.asks
    ):
        for due in chunk:
            finding = judge(asked.one, asked.status, due.contact, None, due.due_at)
            finding = asked.opened(finding, due.due_at)
            tally.count(finding, asked.general(finding, (due.contact, None), due.due_at))
            tally.sample(due.occurrence, due.contact["id"], finding)


def _replay_recurrences(connection: Connection, asked: _Asked, span: Span, tally: _Tally) -> None:
    document = asked.one.document
    instants = document.recurrence.instants(
        zone_of_recurrence(asked.account, document), span.since, span.until
    )
    if asked.status is not WorkflowStatus.ACTIVE:
        # As when it is run: nobody is looked at.
        finding = Finding(Result.WORKFLOW_INACTIVE, f"the workflow is {asked.status}")
        tally.count(finding, finding.reason, len(instants))
        for at in instants[:SAMPLES]:
            tally.sample(occurrence_at(at), None, finding)
        return
    # Filters that look at the clock answer otherwise each time; all others are asked once.
    groups = [[one] for one in instants] if _asks_the_clock(document.filters) else [instants]
    for group in filter(None, groups):
        condition = compile_filter(document.filters, contacts_table, now=group[0])
        numbers = looking.count_matching_at(connection, condition, group)
        for at, number in zip(group, numbers, strict=True):
            finding = asked.opened(FIRED, at)
            tally.count(finding, asked.general(finding, None, at), number)
            left = SAMPLES - len(tally.matched)
            if number and left:
                for row in looking.first_matching(connection, condition, most=left, until=at):
                    tally.sample(occurrence_at(at), row.id, finding)


def _asks_the_clock(tree: Group) -> bool:
    return any(
        _asks_the_clock(member) if isinstance(member, Group) else member.operator in WITHIN
        for _, member in members(tree)
    )
