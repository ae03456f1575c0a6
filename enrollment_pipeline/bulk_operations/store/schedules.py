"""Rows of `bulk_schedules`: what comes again and again.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from enrollment_pipeline.bulk_operations.states import OperationStatus
from enrollment_pipeline.storage.schema import bulk_operations, bulk_schedules


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """One row of `bulk_schedules`; `start` is a naive local time as ISO text."""

    id: UUID
    account_id: UUID
    type: str
    request: dict[str, Any]
    cron: str | None
    rrule: str | None
    start: str | None
    timezone: str
    active: bool
    requested_by: str
    ends_at: datetime | None


def add(connection: Connection, values: Mapping[str, Any]) -> ScheduleRecord:
    """Insert a schedule and return it."""
    statement = insert(bulk_schedules).values(**values).returning(bulk_schedules.c.id)
    return load(connection, connection.execute(statement).scalar_one())


def load(connection: Connection, schedule_id: UUID, *, lock: bool = False) -> ScheduleRecord:
    """Return a schedule; with `lock`, nobody else makes its next firing meanwhile."""
    statement = select(*(bulk_schedules.c[name] for name in ScheduleRecord.__dataclass_fields__))
    statement = statement.where(bulk_schedules.c.id == schedule_id)
    if lock:
        statement = statement.with_for_update()
    return ScheduleRecord(**connection.execute(statement).one()._mapping)


def has_waiting(connection: Connection, schedule_id: UUID, *, besides: UUID) -> bool:
    """Return whether a firing that has not begun is there, besides one."""
    column = bulk_operations.c
    found = connection.execute(
        select(column.id)
        .where(
            column.schedule_id == schedule_id,
            column.status == OperationStatus.SCHEDULED,
            column.id != besides,
        )
        .limit(1)
    ).scalar_one_or_none()
    return found is not None


def end(connection: Connection, schedule_id: UUID) -> bool:
    """Let a schedule make no more firings; return False for one that had ended."""
    ended = connection.execute(
        update(bulk_schedules)
        .where(bulk_schedules.c.id == schedule_id, bulk_schedules.c.active)
        .values(active=False)
    ).rowcount
    return bool(ended)
