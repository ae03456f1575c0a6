"""Rows of `enrollment_jobs` that triggers have made.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select, text, update

from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.storage.schema import enrollment_jobs
from enrollment_pipeline.work.announcing import announce


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job of a trigger: its id, its request as JSON, and the ids of its contacts, one a line."""

    id: UUID
    workflow_id: UUID
    request: str
    runner: str
    contact_ids: bytes


# One statement for all of them: an evaluation may open thousands at once.
_ADD = text(
    """
    with opened as (
      select * from unnest(cast(:ids as uuid[]), cast(:workflows as uuid[]),
        cast(:requests as text[]), cast(:runners as text[]), cast(:contents as bytea[]))
        o (id, workflow_id, request, runner, content)
    ), added as (
      insert into enrollment.enrollment_jobs (id, account_id, workflow_id, request, selection_type,
        source, requested_by, status, runner)
      select id, :account_id, workflow_id, request::jsonb, 'manual', :source, :source, :status,
        runner from opened
    )
    insert into enrollment.kept_inputs (account_id, work_id, chunk, content)
    select :account_id, id, 0, content from opened
    """
)


def add(connection: Connection, account_id: UUID, source: str, opened: Sequence[NewJob]) -> None:
    """Insert pending jobs, each with its input in one piece."""
    connection.execute(
        _ADD,
        {
            "account_id": account_id,
            "source": source,
            "status": str(JobStatus.PENDING),
            "ids": [one.id for one in opened],
            "workflows": [one.workflow_id for one in opened],
            "requests": [one.request for one in opened],
            "runners": [one.runner for one in opened],
            "contents": [one.contact_ids for one in opened],
        },
    )


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


def take_in_hand(connection: Connection, job_id: UUID) -> bool:
    """Keep others from taking a job until the transaction ends; False where one has it in hand.

    Or has just closed it.
    """
    taken: bool = connection.execute(_TAKE, {"job_id": str(job_id)}).scalar_one()
    if not taken:
        return False
    column = enrollment_jobs.c
    still_open = select(column.id).where(
        column.id == job_id, column.runner == "trigger", column.completed_at.is_(None)
    )
    return connection.execute(still_open).first() is not None


_TAKE = text("select pg_try_advisory_xact_lock(hashtextextended('small job ' || :job_id, 0))")


def leave_to_queue(connection: Connection, job_id: UUID) -> None:
    """Let the queue go on with a job that an evaluation has kept for itself."""
    column = enrollment_jobs.c
    connection.execute(
        update(enrollment_jobs)
        .where(column.id == job_id, column.runner == "trigger")
        .values(runner="queue")
    )
    announce(connection, job_id)
