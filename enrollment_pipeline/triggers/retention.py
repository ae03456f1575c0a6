"""What is kept of events and of the log, and for how long: `history_days` of the account say it.

Does not belong here: jobs and their details (`enrollment/retention`), and when it is done.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.occurrences import OLDEST
from enrollment_pipeline.triggers.store import daily

MOST = 50_000
"""Rows of one transaction."""

_ALL = 2**62
# Longer than any window is looked at again: what has been forgotten could fire a second time.
OCCURRENCES_KEPT = OLDEST + timedelta(days=34)


def prune(database: Database, account: Account, *, now: datetime) -> dict[str, int]:
    """Remove events and rows of the log that are older than the account keeps them, by table.

    Pending events and firings that wait stay, however old; occurrences of time triggers stay for
    400 days, so that no old window can fire twice.
    """
    removed: Counter[str] = Counter()
    for table, delete in _DELETIONS.items():
        some = MOST
        while some == MOST:
            with database.account(account.id) as connection:
                some = delete(connection, account, now, MOST)
            removed[table] += some
    return dict(+removed)


def plan(database: Database, account: Account, *, now: datetime) -> dict[str, int]:
    """Return what `prune` would remove; does the same, and undoes it."""
    with database.rehearsal(account.id) as connection:
        found = {
            table: delete(connection, account, now, _ALL) for table, delete in _DELETIONS.items()
        }
    return {table: rows for table, rows in found.items() if rows}


def _delete_evaluations(connection: Connection, account: Account, now: datetime, most: int) -> int:
    before = _kept_since(account, now)
    return daily.delete_evaluations(
        connection,
        account.id,
        before=before,
        occurrences_before=min(before, now - OCCURRENCES_KEPT),
        most=most,
    )


def _delete_events(connection: Connection, account: Account, now: datetime, most: int) -> int:
    return daily.delete_events(connection, account.id, before=_kept_since(account, now), most=most)


def _kept_since(account: Account, now: datetime) -> datetime:
    return now - timedelta(days=account.settings.history_days)


_DELETIONS: dict[str, Callable[[Connection, Account, datetime, int], int]] = {
    "trigger_evaluations": _delete_evaluations,
    "events": _delete_events,
}
