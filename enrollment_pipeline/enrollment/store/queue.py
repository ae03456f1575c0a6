"""The jobs that the queue has to see to their end, over all accounts."""

from uuid import UUID

from sqlalchemy import Connection, text

from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.work.queueing import QueuedWork

# Phases and contacts that are done: what a run that dies leaves behind it.
_RESTART = text(
    """
    update enrollment.enrollment_jobs
    set attempt = attempt + 1,
      restarts = case when mark > restart_mark then 1 else restarts + 1 end,
      restart_mark = mark
    from (
      select id as job_id, num_nonnulls(selected_at, validated_at, batched_at)
        + enrolled + already_enrolled + skipped + failed as mark
      from enrollment.enrollment_jobs where id = :job_id
    ) progress
    where id = job_id and attempt = :attempt and completed_at is null
    returning restarts
    """
)


def in_queue(connection: Connection) -> list[QueuedWork]:
    """Return the jobs of all accounts that are due and not closed or paused, oldest first."""
    rows = connection.execute(text("select * from enrollment.queue_jobs()"))
    return [
        QueuedWork(
            kind="job",
            account_id=row.account_id,
            account_name=row.account_name,
            work_id=row.job_id,
            attempt=row.attempt,
            cancelling=row.status == JobStatus.CANCELLING,
            due_at=row.due_at,
            alive_at=row.alive_at,
        )
        for row in rows
    ]


def restart(connection: Connection, job_id: UUID, attempt: int) -> int | None:
    """Let a job begin its next attempt; return how many restarts in a row brought no progress.

    Return None where it is no longer at that attempt, or closed.
    """
    restarts = connection.execute(_RESTART, {"job_id": job_id, "attempt": attempt}).scalar()
    return None if restarts is None else int(restarts)
