"""Telling those who follow a piece of work that it has changed, with the change itself."""

from uuid import UUID

from sqlalchemy import Connection, text

# Every committed change is announced here; the payload is the id of the work.
CHANNEL = "enrollment_progress"


def announce(connection: Connection, work_id: UUID) -> None:
    """Notify the listeners of this work when the transaction commits."""
    connection.execute(
        text("select pg_notify(:channel, :work)"), {"channel": CHANNEL, "work": str(work_id)}
    )
