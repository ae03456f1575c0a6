"""Items in the queue of all accounts: which are in it, and those whose run has died."""

from collections.abc import Collection
from uuid import UUID

from enrollment_pipeline.errors import RunFailedError
from enrollment_pipeline.onboarding.engine import ItemWork
from enrollment_pipeline.onboarding.store import items, queue
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.planning import limit_lock_waits
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.queueing import MAX_RESTARTS, QueuedWork

# A worker that hangs must not hold up the queue of everybody; the next look tries again.
SENSOR_LOCK_SECONDS = 2


def open_items(database: Database) -> list[QueuedWork]:
    """Return the items of all accounts that are due: those at work, and the next of each company.

    Oldest first.
    """
    with database.across_accounts() as connection:
        return queue.in_queue(connection)


def gone(database: Database, item_ids: Collection[UUID]) -> list[UUID]:
    """Return which of these are items of no account (any more)."""
    with database.across_accounts() as connection:
        known = queue.among(connection, item_ids)
    return [one for one in item_ids if one not in known]


def restart(database: Database, settings: Settings, work: QueuedWork) -> bool:
    """Let an item whose run has died have its next run; return whether it may.

    One whose runs die again and again without finishing a step fails.
    """
    with database.account(work.account_id) as connection:
        limit_lock_waits(connection, SENSOR_LOCK_SECONDS)
        restarts = items.restart(connection, work.work_id, work.attempt)
    if restarts is None:
        return False
    if restarts <= MAX_RESTARTS:
        return True
    why = RunFailedError(
        f"{MAX_RESTARTS + 1} runs of the item in a row died without finishing a step.",
        remedy="Look at its runs in the Dagster UI, then: enrollment onboarding retry BATCH",
    )
    ItemWork(database, settings, work.work_id).fail(why.as_dict())
    return False


def finish_terminated(database: Database, settings: Settings, work: QueuedWork, actor: str) -> bool:
    """End an item whose run somebody terminated; no run is wanted after it."""
    ItemWork(database, settings, work.work_id).end(actor=actor, lock_seconds=SENSOR_LOCK_SECONDS)
    return False
