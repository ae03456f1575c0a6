"""Rows of `bulk_operation_changes`: the images of what an operation has changed.

Every function works in the caller's transaction, which has its account set.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, select

from enrollment_pipeline.storage.schema import bulk_operation_changes

_COLUMNS = bulk_operation_changes.c


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """What an operation has done to a contact; None where there was none."""

    contact_id: UUID
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def email(self) -> str | None:
        """The contact's address after the change, or before it."""
        image = self.after or self.before or {}
        return image.get("email")


def first(connection: Connection, operation_id: UUID, most: int) -> list[ChangeRecord]:
    """Return the first changes of an operation, those of contacts that were there before others."""
    found = connection.execute(
        select(_COLUMNS.contact_id, _COLUMNS.before, _COLUMNS.after)
        .where(_COLUMNS.operation_id == operation_id)
        .order_by(_COLUMNS.before.is_(None), _COLUMNS.position)
        .limit(most)
    )
    return [ChangeRecord(row.contact_id, row.before, row.after) for row in found]


def count(connection: Connection, operation_id: UUID) -> int:
    """Return how many changes an operation has images of."""
    return connection.execute(
        select(func.count())
        .select_from(bulk_operation_changes)
        .where(_COLUMNS.operation_id == operation_id)
    ).scalar_one()


def remove(connection: Connection, operation_id: UUID) -> int:
    """Forget the images of an operation, which can then no longer be rolled back."""
    return connection.execute(
        delete(bulk_operation_changes).where(_COLUMNS.operation_id == operation_id)
    ).rowcount
