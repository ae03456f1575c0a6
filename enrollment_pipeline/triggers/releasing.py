"""Firings that waited for the business hours: started at the opening, or no longer wanted.

Belongs here: what became of trigger, workflow and contact meanwhile, and of the hours themselves.
Whom filters took is not asked again: that was decided when it happened.
"""

from collections import Counter
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row

from enrollment_pipeline.records import Account, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.evaluation import DELETED, FIRED, Finding, Result, waits
from enrollment_pipeline.triggers.firing import Considered, business_hours_of, decide, hand_over
from enrollment_pipeline.triggers.occurrences import ready_of
from enrollment_pipeline.triggers.store import contacts, evaluations, triggers
from enrollment_pipeline.triggers.store.evaluations import Resolved
from enrollment_pipeline.triggers.store.triggers import Trigger

MOST = 10_000
"""Firings of one transaction."""

GONE = Finding(Result.TRIGGER_INACTIVE, "the trigger was deactivated or deleted meanwhile")

_Claimed = Row[tuple[int, UUID, UUID]]


def release(database: Database, account: Account, *, now: datetime) -> Counter[Result]:
    """Start whoever's time has come; return how many came to what.

    Who is looked at only when the hours are over again, or have been changed, waits once more, and
    is not counted.
    """
    with database.account(account.id) as connection:
        claimed = evaluations.claim_due(connection, account.id, now=now, most=MOST)
        if not claimed:
            return Counter()
        known = _triggers(connection, {row.trigger_id for row in claimed})
        lost = [_resolved(row, _lost(known.get(row.trigger_id))) for row in claimed]
        present = [
            (row, trigger)
            for row in claimed
            if (trigger := known.get(row.trigger_id)) is not None and trigger.active
        ]
        held = _held(account, present, now)
        waiting = [(row, trigger) for row, trigger in present if row.number not in held]
        started = _started(connection, account, waiting, now)
        done = [*filter(None, lost), *started]
        evaluations.resolve(connection, account.id, [*done, *held.values()])
    ended = [one for one in held.values() if one.fire_at is None]
    return Counter(Result(one.result) for one in (*done, *ended))


def _started(
    connection: Connection,
    account: Account,
    waiting: list[tuple[_Claimed, Trigger]],
    now: datetime,
) -> list[Resolved]:
    people = contacts.named(connection, ids={row.contact_id for row, _ in waiting}, wanted=())
    considered = [
        Considered(ready_of(trigger), row.contact_id, _finding(trigger, row, people))
        for row, trigger in waiting
    ]
    # Whoever is to wait is not among them.
    decide(connection, account, considered, now=now)
    hand_over(connection, account, considered)
    return [
        Resolved(row.number, one.finding.result, one.finding.reason, one.job_id)
        for (row, _), one in zip(waiting, considered, strict=True)
    ]


def _held(
    account: Account, present: list[tuple[_Claimed, Trigger]], now: datetime
) -> dict[int, Resolved]:
    """Return, by their number, those that wait for the next opening; nothing else is asked yet."""
    hours = business_hours_of(account)
    if hours.is_open(now):
        return {}
    opening = hours.next_opening(now)
    finding = waits(opening, hours.zone)
    return {
        row.number: Resolved(row.number, finding.result, finding.reason, fire_at=opening)
        for row, trigger in present
        if trigger.document.settings.respect_business_hours
    }


def _triggers(connection: Connection, trigger_ids: set[UUID]) -> dict[UUID, Trigger]:
    return {one.id: one for one in triggers.with_ids(connection, sorted(trigger_ids))}


def _lost(trigger: Trigger | None) -> Finding | None:
    """Return the finding on a firing whose trigger fires no more, None where it may."""
    if trigger is not None and trigger.document.trouble is not None:
        return Finding(Result.TRIGGER_UNREADABLE, trigger.document.trouble)
    return None if trigger is not None and trigger.active else GONE


def _resolved(row: _Claimed, finding: Finding | None) -> Resolved | None:
    return None if finding is None else Resolved(row.number, finding.result, finding.reason)


def _finding(trigger: Trigger, row: _Claimed, people: contacts.People) -> Finding:
    contact = people.by_id.get(row.contact_id)
    if contact is None or contact["deleted_at"] is not None:
        return DELETED
    if trigger.workflow.status is not WorkflowStatus.ACTIVE:
        return Finding(Result.WORKFLOW_INACTIVE, f"the workflow is {trigger.workflow.status}")
    return FIRED
