"""From findings to enrollments: who is started, who waits for the opening, and the log of all.

Belongs here: what is the same for events and for times, in the caller's transaction. Does not
belong here: how a finding comes about (`evaluating`, `occurrences`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.clocks.business_hours import BusinessHours
from enrollment_pipeline.enrollment import service as enrollment
from enrollment_pipeline.enrollment.request import Matches
from enrollment_pipeline.records import Account
from enrollment_pipeline.triggers.evaluation import (
    FIRED,
    MOST_STARTS,
    STARTS_MINUTES,
    Finding,
    Ready,
    Result,
    looped,
    waits,
)
from enrollment_pipeline.triggers.store import contacts, evaluations

REPEATED = Finding(Result.REPEATED, "matched already in the same evaluation")


@dataclass(slots=True)
class Considered:
    """A trigger that considered an event or an occurrence, and what it came to."""

    ready: Ready
    contact_id: UUID | None
    finding: Finding
    event_number: int | None = None
    occurrence: str | None = None
    due_at: datetime | None = None
    fire_at: datetime | None = None
    job_id: UUID | None = None

    @property
    def row(self) -> evaluations.EvaluationRow:
        """What the log says of it."""
        return (
            self.ready.id,
            self.ready.workflow_id,
            self.event_number,
            self.occurrence,
            self.contact_id,
            self.finding.result,
            self.finding.reason,
            self.due_at,
            self.fire_at,
            self.job_id,
        )


def fire(
    connection: Connection, account: Account, considered: Sequence[Considered], *, now: datetime
) -> Counter[Result]:
    """Hand over whoever is to be started, and write the log; return how many came to what."""
    decide(connection, account, considered, now=now)
    hand_over(connection, account, considered)
    occurrences = bool(considered) and considered[0].occurrence is not None
    rows = (one.row for one in considered)
    evaluations.write(connection, account.id, rows, occurrences=occurrences)
    return Counter(one.finding.result for one in considered)


def decide(
    connection: Connection,
    account: Account,
    considered: Sequence[Considered],
    *,
    now: datetime,
) -> None:
    """Hold back who was started too often, or is to wait; writes nothing."""
    starting = _once(considered)
    if not starting:
        return
    often = contacts.starts(
        connection,
        account.id,
        starting,
        since=now - timedelta(minutes=STARTS_MINUTES),
        at_least=MOST_STARTS,
    )
    waiting = []
    for pair, one in starting.items():
        stopped = looped(often.get(pair, 0))
        if stopped is not None:
            one.finding = stopped
        elif one.ready.waits_for_opening:
            waiting.append(one)
    if waiting:
        _let_wait(account, waiting, now)


def _let_wait(account: Account, considered: Sequence[Considered], now: datetime) -> None:
    hours = business_hours_of(account)
    if hours.is_open(now):
        return
    opening = hours.next_opening(now)
    for one in considered:
        one.fire_at = opening
        one.finding = waits(opening, hours.zone)


def hand_over(connection: Connection, account: Account, considered: Sequence[Considered]) -> None:
    """Write a job, or several, for each workflow that contacts are started in."""
    started: dict[UUID, list[Considered]] = {}
    for one in considered:
        if one.finding is FIRED:
            started.setdefault(one.ready.workflow_id, []).append(one)
    matches = [
        Matches(
            workflow_id=workflow_id,
            workflow_name=ones[0].ready.workflow_name,
            trigger_id=ones[0].ready.id,
            single=ones[0].ready.single,
            contact_ids=[one.contact_id for one in ones if one.contact_id is not None],
        )
        for workflow_id, ones in started.items()
    ]
    taken = {
        (match.workflow_id, contact_id): job_id
        for job_id, match, part in enrollment.open_trigger_jobs(connection, account, matches)
        for contact_id in part
    }
    for workflow_id, ones in started.items():
        for one in ones:
            if one.contact_id is not None:
                one.job_id = taken[workflow_id, one.contact_id]


def business_hours_of(account: Account) -> BusinessHours:
    """Return the account's business hours."""
    settings = account.settings
    return BusinessHours.parse(
        settings.business_days, settings.business_hours, settings.timezone, settings.holidays
    )


def _once(considered: Sequence[Considered]) -> dict[tuple[UUID, UUID], Considered]:
    """Return what fires, the first for each workflow and contact; a job takes nobody twice."""
    starting: dict[tuple[UUID, UUID], Considered] = {}
    for one in considered:
        if one.finding is not FIRED or one.contact_id is None:
            continue
        first = starting.setdefault((one.ready.workflow_id, one.contact_id), one)
        if first is not one:
            one.finding = REPEATED
    return starting
