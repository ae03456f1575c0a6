"""What earlier items tell: how long they took, and what they cost.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection, func, select

from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.storage.schema import onboarding_items

LOOKED_AT = 200
"""Items of a workflow whose median counts: what it takes today, and not what it took last month."""


def median_seconds(connection: Connection, workflow_ids: Collection[UUID]) -> dict[UUID, float]:
    """Return how long the newest completed items of each workflow were at work.

    Without an entry for a workflow that no item has completed.
    """
    column = onboarding_items.c
    found = {}
    # The index leads to the newest ones of one workflow; a batch has one, seldom some.
    for workflow_id in workflow_ids:
        newest = (
            select(column.worked_seconds.label("seconds"))
            .where(
                column.workflow_id == workflow_id,
                column.status.in_((ItemStatus.READY, ItemStatus.DEGRADED)),
            )
            .order_by(column.completed_at.desc())
            .limit(LOOKED_AT)
            .subquery()
        )
        median = connection.execute(
            select(func.percentile_cont(0.5).within_group(newest.c.seconds))
        ).scalar()
        if median is not None:
            found[workflow_id] = float(median)
    return found
