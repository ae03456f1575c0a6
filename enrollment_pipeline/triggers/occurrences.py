"""Time triggers: what was due within a span of time, each occurrence fired at most once.

Belongs here: one transaction for each trigger, in chunks of contacts; and how far an account has
been looked at. When something is due is `timing` and `recurrence`, who is due a statement of the
store, what follows in `firing`.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.records import Account, Permission, WorkflowStatus
from enrollment_pipeline.storage.failures import transient_reason
from enrollment_pipeline.storage.schema import contacts
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.due import Span, due_contacts, occurrence_at, zone_of_recurrence
from enrollment_pipeline.triggers.evaluating import ready
from enrollment_pipeline.triggers.evaluation import FIRED, Finding, Ready, Result, judge
from enrollment_pipeline.triggers.firing import Considered, fire
from enrollment_pipeline.triggers.store import occurrences, triggers
from enrollment_pipeline.triggers.store.occurrences import DueContact
from enrollment_pipeline.triggers.store.triggers import Trigger
from enrollment_pipeline.triggers.timing import lateness_verdict

TIMED = ("birthday", "anniversary", "scheduled_date", "recurring_schedule")
OLDEST = timedelta(days=366)
"""What was due longer ago is not looked at: its occurrences may have been forgotten."""

QUARTER = timedelta(minutes=15)
"""How long the windows are that the schedule goes by."""

_log = logging.getLogger(__name__)


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


def catch_up(database: Database, account: Account, *, now: datetime, actor: str) -> Counter[Result]:
    """Fire what has been due since the account was last looked at, up to now.

    Raises:
        ForbiddenError: the actor may not.
    """
    with operation(
        database,
        account.id,
        actor=actor,
        action="triggers.fire",
        needs=Permission.WORKFLOW_MANAGE,
    ) as doing:
        # What they do is written down by the triggers themselves.
        doing.silent = True
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
    if present is not None and present.document.trouble is not None:
        return fire(connection, account, [_unreadable(present, span)], now=now)
    if present is None or not (present.active and present.document.event.timed):
        return found
    # A new trigger does not fire for what was due before it.
    span = Span(max(span.since, present.active_since), span.until)
    if span.since >= span.until:
        return found
    for considered in _due_for(connection, account, present, span, now):
        found += fire(connection, account, considered, now=now)
    return found


def _unreadable(trigger: Trigger, span: Span) -> Considered:
    """Return what the log says of a trigger that nobody can be looked for: once a day."""
    finding = Finding(Result.TRIGGER_UNREADABLE, trigger.document.trouble)
    return Considered(
        ready_of(trigger), None, finding, occurrence=span.until.astimezone(UTC).date().isoformat()
    )


def _due_for(
    connection: Connection, account: Account, trigger: Trigger, span: Span, now: datetime
) -> Iterator[list[Considered]]:
    one = ready_of(trigger)
    if trigger.document.event.name == "recurring_schedule":
        yield from _recurrences(connection, account, one, trigger, span, now)
        return
    chunks = due_contacts(connection, account, trigger.document, trigger.id, span, wanted=one.asks)
    for chunk in chunks:
        yield [_due(one, due, _judge(one, due, trigger, now)) for due in chunk]


def _recurrences(
    connection: Connection,
    account: Account,
    one: Ready,
    trigger: Trigger,
    span: Span,
    now: datetime,
) -> Iterator[list[Considered]]:
    document = trigger.document
    zone = zone_of_recurrence(account, document)
    for at in document.recurrence.instants(zone, span.since, span.until):
        occurrence = occurrence_at(at)
        held_up = _held_up(trigger, at, now)
        if held_up is not None:
            # Of all contacts at once: nobody was looked at.
            yield [Considered(one, None, held_up, occurrence=occurrence, due_at=at)]
            continue
        condition = compile_filter(document.filters, contacts, now=now)
        for chunk in occurrences.matching(connection, trigger.id, condition, occurrence, at):
            yield [_due(one, due, FIRED) for due in chunk]


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
