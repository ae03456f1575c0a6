"""Ending an item, and noticing that it was the last of its batch."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.onboarding import notices
from enrollment_pipeline.onboarding.states import ItemStatus, require_move
from enrollment_pipeline.onboarding.store import batches, items
from enrollment_pipeline.onboarding.store.items import ItemRecord
from enrollment_pipeline.settings import Settings


def end(
    connection: Connection,
    settings: Settings,
    item: ItemRecord,
    status: ItemStatus,
    *,
    error: dict[str, Any] | None = None,
    step: str | None = None,
) -> None:
    """End an item that is locked; `step` is where, if not where it was last.

    Raises:
        InvalidStateError: it has ended already.
    """
    require_move(item.status, status)
    now = datetime.now(UTC)
    items.pause(connection, item, now)
    where = {} if step is None else {"step": step}
    items.change(connection, item, status=status, error=error, completed_at=now, **where)
    tell_if_finished(connection, settings, item.batch_id)


def tell_if_finished(connection: Connection, settings: Settings, batch_id: UUID) -> None:
    """Tell that a batch has finished, if nothing of it is open any more.

    Its row is locked after those of items, by everybody: of two last items that end at the same
    moment, the second sees the end of the first.
    """
    batch = batches.load(connection, batch_id, lock=True)
    if batch.completed_at is not None:
        attempts = batches.attempts(connection, batch_id)
        notices.tell_of_finished(connection, settings, batch, occasion=str(attempts))
