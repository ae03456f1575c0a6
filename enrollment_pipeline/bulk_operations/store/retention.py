"""Which operations have something to be removed, and removing one.

Every function works in the caller's transaction, which has its account set.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from enrollment_pipeline.bulk_operations.store import changes
from enrollment_pipeline.storage.schema import (
    bulk_operation_rows,
    bulk_operations,
    bulk_schedules,
)

_COLUMNS = bulk_operations.c


@dataclass(frozen=True, slots=True)
class Limits:
    """What was closed before one of these is subject to that rule."""

    images: datetime
    files: datetime
    operations: datetime


def due(connection: Connection, limits: Limits) -> list[UUID]:
    """Return the operations that have something to be removed, the longest closed first.

    None that is still needed: that something which has not ended waits for, or takes back.
    """
    closed = _COLUMNS.completed_at
    return list(
        connection.scalars(
            select(_COLUMNS.id)
            .where(
                ~_needed(),
                or_(
                    closed < limits.operations,
                    and_(closed < limits.images, _COLUMNS.images_removed_at.is_(None)),
                    and_(closed < limits.files, _COLUMNS.files_removed_at.is_(None)),
                ),
            )
            .order_by(closed, _COLUMNS.id)
        )
    )


def is_needed(connection: Connection, operation_id: UUID) -> bool:
    """Return whether something that has not ended waits for an operation, or takes it back."""
    return connection.execute(select(_needed()).where(_COLUMNS.id == operation_id)).scalar_one()


def _needed() -> ColumnElement[bool]:
    other = bulk_operations.alias("other").c
    return (
        select(other.id)
        .where(
            other.completed_at.is_(None),
            or_(other.after_id == _COLUMNS.id, other.reverses_id == _COLUMNS.id),
        )
        .correlate(bulk_operations)
        .exists()
    )


def remove(connection: Connection, operation_id: UUID) -> None:
    """Delete an operation and all that is kept of it."""
    changes.remove(connection, operation_id)
    connection.execute(
        delete(bulk_operation_rows).where(bulk_operation_rows.c.operation_id == operation_id)
    )
    connection.execute(delete(bulk_operations).where(_COLUMNS.id == operation_id))


def remove_ended_schedules(connection: Connection) -> int:
    """Delete schedules that have ended and of whose firings none is kept."""
    column = bulk_schedules.c
    left = select(_COLUMNS.id).where(_COLUMNS.schedule_id == column.id).exists()
    return connection.execute(delete(bulk_schedules).where(~column.active, ~left)).rowcount
