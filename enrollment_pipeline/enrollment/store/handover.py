"""Rows of `enrollment_jobs` that triggers have made.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.storage.schema import enrollment_jobs


def add_many(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert jobs that have their ids."""
    connection.execute(insert(enrollment_jobs), rows)


def kept_by_triggers(connection: Connection) -> list[UUID]:
    """Return the open jobs that evaluations run themselves, oldest first.

    But for those that say what is wrong with them, and wait for somebody to mend that.
    """
    column = enrollment_jobs.c
    return list(
        connection.scalars(
            select(column.id)
            .where(column.runner == "trigger", column.completed_at.is_(None))
            .where(
                column.status.not_in((JobStatus.PAUSED, JobStatus.CANCELLING)),
                column.error.is_(None),
            )
            .order_by(column.created_at, column.id)
        )
    )


def leave_to_queue(connection: Connection, job_id: UUID) -> None:
    """Let the queue go on with a job that an evaluation has kept for itself."""
    column = enrollment_jobs.c
    connection.execute(
        update(enrollment_jobs)
        .where(column.id == job_id, column.runner == "trigger")
        .values(runner="queue")
    )
    jobs.announce(connection, job_id)
