"""Firings that waited for the business hours: started at the opening, or no longer wanted.

Belongs here: what became of trigger, workflow and contact meanwhile. Whom filters took is not asked
again: that was decided when it happened.
"""

from collections import Counter
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row

from enrollment_pipeline.records import Account, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.evaluation import DELETED, FIRED, Finding, Result
from enrollment_pipeline.triggers.firing import Considered, decide, hand_over
from enrollment_pipeline.triggers.occurrences import ready_of
from enrollment_pipeline.triggers.store import contacts, evaluations, triggers
from enrollment_pipeline.triggers.store.triggers import Trigger

MOST = 10_000
"""Firings of one transaction."""

GONE = Finding(Result.TRIGGER_INACTIVE, "the trigger was deactivated or deleted meanwhile")


def release(database: Database, account: Account, *, now: datetime) -> Counter[Result]:
    """Start whoever's time has come; return how many came to what."""
    with database.account(account.id) as connection:
        claimed = evaluations.claim_due(connection, account.id, now=now, most=MOST)
        if not claimed:
            return Counter()
        known = _triggers(connection, {row.trigger_id for row in claimed})
        people = contacts.named(connection, ids={row.contact_id for row in claimed}, wanted=())
        waiting = [(row, known[row.trigger_id]) for row in claimed if row.trigger_id in known]
        considered = [
            Considered(ready_of(trigger), row.contact_id, _finding(trigger, row, people))
            for row, trigger in waiting
        ]
        decide(connection, account, considered, now=now, opened=True)
        hand_over(connection, account, considered)
        found = [
            (row.number, one.finding.result, one.finding.reason, one.job_id)
            for (row, _), one in zip(waiting, considered, strict=True)
        ]
        lost = [
            (row.number, GONE.result, GONE.reason, None)
            for row in claimed
            if row.trigger_id not in known
        ]
        evaluations.resolve(connection, [*found, *lost])
    return Counter(result for _, result, _, _ in (*found, *lost))


def _triggers(connection: Connection, trigger_ids: set[UUID]) -> dict[UUID, Trigger]:
    found = triggers.with_ids(connection, sorted(trigger_ids))
    return {one.id: one for one in found if one.active}


def _finding(
    trigger: Trigger, row: Row[tuple[int, UUID, UUID]], people: contacts.People
) -> Finding:
    contact = people.by_id.get(row.contact_id)
    if contact is None or contact["deleted_at"] is not None:
        return DELETED
    if trigger.workflow.status is not WorkflowStatus.ACTIVE:
        return Finding(Result.WORKFLOW_INACTIVE, f"the workflow is {trigger.workflow.status}")
    return FIRED
