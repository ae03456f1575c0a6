"""Rows of `trigger_evaluations`: written once, fired once, read as the log.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, func, select, text

from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.schema import events, trigger_log, workflows

# What a row says: trigger, workflow, event, occurrence, contact, result, reason, due, fires, job.
EvaluationRow = tuple[
    UUID,
    UUID,
    int | None,
    str | None,
    UUID | None,
    str,
    str | None,
    datetime | None,
    datetime | None,
    UUID | None,
]
_CREATE_FOUND = text(
    """
    create temporary table found_evaluations (
      trigger_id uuid not null, workflow_id uuid not null, event_number bigint, occurrence text,
      contact_id uuid, result text not null, reason text, due_at timestamptz, fire_at timestamptz,
      job_id uuid
    ) on commit drop
    """
)
_COPY = "copy found_evaluations from stdin"
_INSERT = text(
    """
    insert into enrollment.trigger_evaluations (account_id, trigger_id, workflow_id, event_number,
      occurrence, contact_id, result, reason, due_at, fire_at, job_id)
    select :account_id, * from found_evaluations
    """
)
# An occurrence that did not fire may be looked at again, and then says what it came to last.
_INSERT_OCCURRENCES = text(
    """
    insert into enrollment.trigger_evaluations (account_id, trigger_id, workflow_id, event_number,
      occurrence, contact_id, result, reason, due_at, fire_at, job_id)
    select :account_id, * from found_evaluations
    order by trigger_id, contact_id, occurrence
    on conflict (trigger_id, contact_id, occurrence) where occurrence is not null do update
    set result = excluded.result, reason = excluded.reason, due_at = excluded.due_at,
      fire_at = excluded.fire_at, job_id = excluded.job_id, evaluated_at = now()
    where trigger_evaluations.result not in ('fired', 'queued')
    """
)
_DUE = text(
    """
    select number, trigger_id, contact_id from enrollment.trigger_evaluations
    where account_id = :account_id and result = 'queued' and fire_at <= :now
    order by fire_at, number
    limit :most
    for update skip locked
    """
)
_RESOLVE = text(
    """
    update enrollment.trigger_evaluations e set result = r.result, reason = r.reason,
      job_id = r.job_id, fire_at = coalesce(r.fire_at, e.fire_at), evaluated_at = now()
    from unnest(cast(:numbers as bigint[]), cast(:results as text[]), cast(:reasons as text[]),
      cast(:jobs as uuid[]), cast(:openings as timestamptz[]))
      r (number, result, reason, job_id, fire_at)
    where e.account_id = :account_id and e.number = r.number
    """
)


def write(
    connection: Connection, account_id: UUID, rows: Iterable[EvaluationRow], *, occurrences: bool
) -> None:
    """Insert what was found; an occurrence that is known and has not fired is replaced."""
    connection.execute(text("drop table if exists pg_temp.found_evaluations"))
    connection.execute(_CREATE_FOUND)
    with driver_cursor(connection) as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)
    statement = _INSERT_OCCURRENCES if occurrences else _INSERT
    connection.execute(statement, {"account_id": account_id})


def claim_due(
    connection: Connection, account_id: UUID, *, now: datetime, most: int
) -> Sequence[Row[Any]]:
    """Take firings whose time has come: number, trigger and contact, the longest due first."""
    asked = {"account_id": account_id, "now": now, "most": most}
    return connection.execute(_DUE, asked).all()


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of a firing that waited; `fire_at` where it is to wait again."""

    number: int
    result: str
    reason: str | None
    job_id: UUID | None = None
    fire_at: datetime | None = None


def resolve(connection: Connection, account_id: UUID, found: Sequence[Resolved]) -> None:
    """Write down what became of claimed firings."""
    connection.execute(
        _RESOLVE,
        {
            "account_id": account_id,
            "numbers": [one.number for one in found],
            "results": [one.result for one in found],
            "reasons": [one.reason for one in found],
            "jobs": [one.job_id for one in found],
            "openings": [one.fire_at for one in found],
        },
    )


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which rows of the log to list; every field that is None lets all pass."""

    trigger_id: UUID | None = None
    contact_id: UUID | None = None
    event_id: str | None = None
    result: str | None = None


def log_page(
    connection: Connection, wanted: LogFilter, *, limit: int, offset: int
) -> tuple[Sequence[Row[Any]], int]:
    """Return one page of the log, newest first, and how many rows there are in all."""
    column = trigger_log.c
    joined = trigger_log.outerjoin(
        events,
        and_(events.c.account_id == column.account_id, events.c.number == column.event_number),
    )
    conditions = [
        of == value
        for of, value in (
            (column.trigger_id, wanted.trigger_id),
            (column.contact_id, wanted.contact_id),
            (column.result, wanted.result),
            (events.c.event_id, wanted.event_id),
        )
        if value is not None
    ]
    total = connection.execute(
        select(func.count()).select_from(joined).where(*conditions)
    ).scalar_one()
    statement = (
        select(
            trigger_log,
            workflows.c.name.label("workflow_name"),
            events.c.event_id.label("event_id"),
            events.c.type.label("event_type"),
        )
        .select_from(joined.join(workflows, workflows.c.id == column.workflow_id))
        .where(*conditions)
        .order_by(column.number.desc())
        .limit(limit)
        .offset(offset)
    )
    return connection.execute(statement).all(), total
