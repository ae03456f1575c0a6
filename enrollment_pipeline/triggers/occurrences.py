"""Time triggers: what was due within a span of time, each occurrence fired at most once.

Belongs here: one transaction for each trigger, in chunks of contacts; and how far an account has
been looked at. When something is due is `timing` and `recurrence`, who is due a statement of the
store, what follows in `firing`.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.records import Account, WorkflowStatus
from enrollment_pipeline.storage.failures import transient_reason
from enrollment_pipeline.storage.schema import contacts
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.documents import TriggerDocument
from enrollment_pipeline.triggers.evaluating import ready
from enrollment_pipeline.triggers.evaluation import FIRED, Finding, Ready, Result, judge
from enrollment_pipeline.triggers.firing import Considered, fire
from enrollment_pipeline.triggers.registry import Parameter
from enrollment_pipeline.triggers.store import occurrences, triggers
from enrollment_pipeline.triggers.store.occurrences import DatedDue, DueContact, YearlyDue
from enrollment_pipeline.triggers.store.triggers import Trigger
from enrollment_pipeline.triggers.timing import due_days, lateness_verdict, yearly_targets

TIMED = ("birthday", "anniversary", "scheduled_date", "recurring_schedule")
OLDEST = timedelta(days=366)
"""What was due longer ago is not looked at: its occurrences may have been forgotten."""

QUARTER = timedelta(minutes=15)
"""How long the windows are that the schedule goes by."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Span:
    """The instants after `since`, up to `until`."""

    since: datetime
    until: datetime


def span_of(window: Span, watermark: datetime | None, now: datetime) -> Span:
    """Return what a run of a window looks at.

    The newest window goes on to the present, and none beyond it; one that the watermark has not
    reached begins there, so that what was missed is caught up. An older one is looked at as it is.
    """
    newest = now - window.until < QUARTER
    until = now if newest else window.until
    since = window.since
    if watermark is not None and until > watermark:
        since = min(since, watermark)
    return Span(max(since, now - OLDEST), until)


def evaluate_window(
    database: Database, account: Account, window: Span, *, now: datetime
) -> Counter[Result]:
    """Fire what was due in a window, and in what was missed before it; return results by number.

    However often, and in whatever order, windows are evaluated, an occurrence fires once. A trigger
    that cannot be evaluated holds up no other; its error is raised at the end.
    """
    with database.account(account.id) as connection:
        span = span_of(window, occurrences.watermark(connection, account.id), now)
        waiting = triggers.on_event(connection, TIMED)
    found: Counter[Result] = Counter()
    trouble: Exception | None = None
    for trigger in waiting:
        try:
            found += evaluate_trigger(database, account, trigger, span, now=now)
        except Exception as error:
            if isinstance(error, DBAPIError) and transient_reason(error):
                raise
            # The others have their turn; what this one missed is looked at again by the next run.
            _log.debug("Trigger %s could not be evaluated.", trigger.id, exc_info=True)
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    with database.account(account.id) as connection:
        occurrences.advance(connection, account.id, span.until)
    return found


def catch_up(database: Database, account: Account, *, now: datetime) -> Counter[Result]:
    """Fire what has been due since the account was last looked at, up to now."""
    return evaluate_window(database, account, Span(now - QUARTER, now), now=now)


def evaluate_trigger(
    database: Database, account: Account, trigger: Trigger, span: Span, *, now: datetime
) -> Counter[Result]:
    """Fire the occurrences of one trigger within a span; all in one transaction."""
    with database.account(account.id) as connection:
        return evaluate_within(connection, account, trigger, span, now=now)


def evaluate_within(
    connection: Connection, account: Account, trigger: Trigger, span: Span, *, now: datetime
) -> Counter[Result]:
    """Do the work of `evaluate_trigger` in the caller's transaction."""
    found: Counter[Result] = Counter()
    occurrences.lock_trigger(connection, trigger.id)
    # As it is by now: others had their turn before it.
    present = triggers.with_id(connection, trigger.id)
    if present is None or not (present.active and present.document.event.timed):
        return found
    # A new trigger does not fire for what was due before it.
    span = Span(max(span.since, present.active_since), span.until)
    if span.since >= span.until:
        return found
    look = _LOOKS[present.document.event.name](connection, account, present, span, now)
    for considered in look:
        found += fire(connection, account, considered, now=now)
    return found


class _Look(Protocol):
    def __call__(
        self, connection: Connection, account: Account, trigger: Trigger, span: Span, now: datetime
    ) -> Iterator[list[Considered]]: ...


def _birthdays(
    connection: Connection, account: Account, trigger: Trigger, span: Span, now: datetime
) -> Iterator[list[Considered]]:
    due = _yearly(account, trigger.document, span)
    if due:
        one = ready_of(trigger)
        chunks = occurrences.born_on(
            connection, trigger.id, due, account_zone=account.settings.timezone, wanted=one.asks
        )
        yield from _judged(chunks, one, trigger, now)


def _anniversaries(
    connection: Connection, account: Account, trigger: Trigger, span: Span, now: datetime
) -> Iterator[list[Considered]]:
    due = _yearly(account, trigger.document, span)
    if due:
        one = ready_of(trigger)
        chunks = occurrences.anniversary_of(
            connection,
            trigger.id,
            trigger.document.parameters[Parameter.DATE_FIELD],
            due,
            account_zone=account.settings.timezone,
            wanted=one.asks,
        )
        yield from _judged(chunks, one, trigger, now)


def _dates(
    connection: Connection, account: Account, trigger: Trigger, span: Span, now: datetime
) -> Iterator[list[Considered]]:
    document = trigger.document
    offset = timedelta(days=document.offset_days)
    due = [
        DatedDue(one.zone, one.day - offset, one.at)
        for one in due_days(_zones(account), document.local_time, span.since, span.until)
    ]
    if due:
        one = ready_of(trigger)
        chunks = occurrences.dated_on(
            connection,
            trigger.id,
            document.parameters[Parameter.DATE_FIELD],
            due,
            account_zone=account.settings.timezone,
            wanted=one.asks,
        )
        yield from _judged(chunks, one, trigger, now)


def _recurrences(
    connection: Connection, account: Account, trigger: Trigger, span: Span, now: datetime
) -> Iterator[list[Considered]]:
    document = trigger.document
    zone = ZoneInfo(document.parameters.get(Parameter.TIMEZONE, account.settings.timezone))
    one = ready_of(trigger)
    for at in document.recurrence.instants(zone, span.since, span.until):
        occurrence = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
        held_up = _held_up(trigger, at, now)
        if held_up is not None:
            # Of all contacts at once: nobody was looked at.
            yield [Considered(one, None, held_up, occurrence=occurrence, due_at=at)]
            continue
        condition = compile_filter(document.filters, contacts, now=now)
        for chunk in occurrences.matching(connection, trigger.id, condition, occurrence, at):
            yield [_due(one, due, FIRED) for due in chunk]


_LOOKS: dict[str, _Look] = {
    "birthday": _birthdays,
    "anniversary": _anniversaries,
    "scheduled_date": _dates,
    "recurring_schedule": _recurrences,
}


def ready_of(trigger: Trigger) -> Ready:
    """Return a trigger made ready to be asked."""
    return ready(
        triggers.StoredTrigger(
            trigger.id,
            trigger.workflow.id,
            trigger.workflow.name,
            trigger.version,
            trigger.document,
        )
    )


def _yearly(account: Account, document: TriggerDocument, span: Span) -> list[YearlyDue]:
    due = []
    for one in due_days(_zones(account), document.local_time, span.since, span.until):
        target = yearly_targets(one.day, document.offset_days, document.leap_day)
        due += [YearlyDue(one.zone, key, target.year, one.at) for key in target.keys]
    return due


def _zones(account: Account) -> Sequence[str]:
    return sorted({*occurrences.known_zones(), account.settings.timezone})


def _judged(
    chunks: Iterator[list[DueContact]], one: Ready, trigger: Trigger, now: datetime
) -> Iterator[list[Considered]]:
    for chunk in chunks:
        yield [_due(one, due, _judge(one, due, trigger, now)) for due in chunk]


def _judge(one: Ready, due: DueContact, trigger: Trigger, now: datetime) -> Finding:
    found = judge(one, trigger.workflow.status, due.contact, None, now)
    return (_held_up(trigger, due.due_at, now) or FIRED) if found is FIRED else found


def _held_up(trigger: Trigger, at: datetime, now: datetime) -> Finding | None:
    status = trigger.workflow.status
    if status is not WorkflowStatus.ACTIVE:
        return Finding(Result.WORKFLOW_INACTIVE, f"the workflow is {status}")
    settings = trigger.document.settings
    late = lateness_verdict(settings.lateness, settings.lateness_hours, at, now)
    return None if late is None else Finding(Result.LATE, late)


def _due(one: Ready, due: DueContact, finding: Finding) -> Considered:
    return Considered(one, due.contact["id"], finding, occurrence=due.occurrence, due_at=due.due_at)
