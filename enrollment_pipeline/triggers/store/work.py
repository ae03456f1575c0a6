"""Which accounts have something for triggers to do, over all accounts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


def accounts_with_work(connection: Connection, now: datetime) -> dict[UUID, int]:
    """Return the accounts with pending events, or firings or small jobs that are due.

    With the number of their pending events, of which more than 200,000 are not counted.
    """
    found = text("select account_id, pending from enrollment.trigger_work(:now)")
    return {row.account_id: row.pending for row in connection.execute(found, {"now": now})}
