"""Which batches are old enough to go, and their removal.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, func, select

from enrollment_pipeline.storage.schema import onboarding_batches, onboarding_items

MOST = 1_000
"""Batches of one look; the next one goes on."""


def finished_before(connection: Connection, before: datetime) -> list[UUID]:
    """Return the batches whose last item ended before then, locked, the oldest first."""
    batch, item = onboarding_batches.c, onboarding_items.c
    late = (
        select(item.id)
        .where(item.batch_id == batch.id)
        .where((item.completed_at.is_(None)) | (item.completed_at >= before))
        .exists()
    )
    return list(
        connection.execute(
            select(batch.id)
            # A batch is older than the end of its items.
            .where(batch.created_at < before, ~late)
            .order_by(batch.created_at)
            .limit(MOST)
            .with_for_update(skip_locked=True)
        ).scalars()
    )


def count_items(connection: Connection, batch_ids: Collection[UUID]) -> int:
    """Return how many items these batches have."""
    counted = select(func.count()).where(onboarding_items.c.batch_id.in_(batch_ids))
    return int(connection.execute(counted).scalar_one())


def remove(connection: Connection, batch_ids: Collection[UUID]) -> None:
    """Delete batches, and with them their items and steps."""
    connection.execute(delete(onboarding_batches).where(onboarding_batches.c.id.in_(batch_ids)))
