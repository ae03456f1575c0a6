"""What is kept of finished batches, and for how long: a setting of the account says it.

A batch goes as a whole, `onboarding_days` after the last of its items has ended (spec: 30 days).
Does not belong here: when it is done.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.onboarding.store import retention
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database


def prune(database: Database, account: Account, *, now: datetime, actor: str) -> dict[str, int]:
    """Remove finished batches that are older than the account keeps them, with their items.

    Return how many batches and items are gone; without those of which there are none.
    """
    with accounted(
        database, account.id, actor=actor, action="onboarding.prune", needs=None
    ) as doing:
        due = _due(doing.connection, account, now)
        items = retention.count_items(doing.connection, due)
        retention.remove(doing.connection, due)
        doing.details = {"batches": [str(one) for one in due]}
        doing.silent = not due
    return _counted(due, items)


def plan(database: Database, account: Account, *, now: datetime) -> dict[str, int]:
    """Return what `prune` would remove, in the same form."""
    with database.account(account.id) as connection:
        due = _due(connection, account, now)
        return _counted(due, retention.count_items(connection, due))


def _due(connection: Connection, account: Account, now: datetime) -> list[UUID]:
    return retention.finished_before(
        connection, now - timedelta(days=account.settings.onboarding_days)
    )


def _counted(due: list[UUID], items: int) -> dict[str, int]:
    found = {"onboarding_batches": len(due), "onboarding_items": items}
    return {name: number for name, number in found.items() if number}
