"""What is kept of a closed job, and for how long: the settings of its account say it.

After `failure_days`, the first `max_failure_rows` failures; after `history_days`, the job's row
alone, with its counts, and no message about it. Its enrollments and the files of its report are not
touched. Does not belong here: when it is done.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.enrollment.store import jobs, outcomes, retention
from enrollment_pipeline.enrollment.transitions import summary_of
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database


@dataclass(frozen=True, slots=True)
class Pruned:
    """From how many jobs something was removed, and how many rows by table."""

    jobs: int
    rows: dict[str, int]


def prune(
    database: Database,
    account: Account,
    *,
    now: datetime,
    actor: str,
    needs: Permission | None = None,
) -> Pruned:
    """Remove what is older than the account keeps it, each job in a transaction of its own.

    Messages that are still to be sent stay, however old. `needs` is what the actor must hold; None
    for what the product does by itself.

    Raises:
        ForbiddenError: the actor may not.
    """
    with operation(
        database, account.id, actor=actor, action="history.prune", needs=needs
    ) as asking:
        # Each job that loses something is written down by itself.
        asking.silent = True

    def of_job(job_id: UUID) -> dict[str, int]:
        with operation(
            database,
            account.id,
            actor=actor,
            action="history.prune",
            needs=None,
            subject=job_id,
        ) as doing:
            removed = _prune_job(doing.connection, account, job_id, now)
            doing.details = dict(removed)
            doing.silent = not removed
        return removed

    pruned = [of_job(job_id) for job_id in _due(database, account, now)]
    with database.account(account.id) as connection:
        return _sum(pruned, _prune_messages(connection, account, now))


def plan(database: Database, account: Account, *, now: datetime) -> Pruned:
    """Return what `prune` would remove; does the same, and undoes it."""

    def of_job(job_id: UUID) -> dict[str, int]:
        with database.rehearsal(account.id) as connection:
            return _prune_job(connection, account, job_id, now)

    pruned = [of_job(job_id) for job_id in _due(database, account, now)]
    with database.rehearsal(account.id) as connection:
        return _sum(pruned, _prune_messages(connection, account, now))


def past_history(
    database: Database, account: Account, job_ids: Iterable[UUID], *, now: datetime
) -> list[UUID]:
    """Return which of these are jobs of the account of which only the counts are kept."""
    with database.account(account.id) as connection:
        return retention.closed_before(connection, list(job_ids), _Limits.of(account, now).history)


@dataclass(frozen=True, slots=True)
class _Limits:
    """A job that was closed before one of these is subject to that rule."""

    history: datetime
    failures: datetime

    @classmethod
    def of(cls, account: Account, now: datetime) -> "_Limits":
        kept = account.settings
        return cls(now - timedelta(days=kept.history_days), now - timedelta(days=kept.failure_days))


def _due(database: Database, account: Account, now: datetime) -> list[UUID]:
    limits = _Limits.of(account, now)
    with database.account(account.id) as connection:
        return retention.due(
            connection,
            history_before=limits.history,
            failures_before=limits.failures,
            most=account.settings.max_failure_rows,
        )


def _prune_job(
    connection: Connection, account: Account, job_id: UUID, now: datetime
) -> dict[str, int]:
    """Remove what a job no longer needs; return how many rows by table, none where all stays."""
    job = jobs.load(connection, job_id, lock=True)
    limits = _Limits.of(account, now)
    if job.completed_at is None or job.completed_at >= max(limits.history, limits.failures):
        return {}
    if job.report is None:
        # Without a report the counts are still told by what is about to go.
        counts = outcomes.count(connection, job_id)
        jobs.change(connection, job_id, report=summary_of(job, counts, now))
    if job.completed_at < limits.history:
        removed = retention.remove_details(connection, job_id)
    else:
        removed = retention.trim_failures(
            connection, job_id, most=account.settings.max_failure_rows
        )
    removed = {table: rows for table, rows in removed.items() if rows}
    if removed:
        jobs.change(connection, job_id, pruned_at=now)
    return removed


def _prune_messages(connection: Connection, account: Account, now: datetime) -> int:
    return notifications.prune(connection, before=_Limits.of(account, now).history)


def _sum(removed: Iterable[dict[str, int]], messages: int) -> Pruned:
    jobs_pruned = 0
    rows: Counter[str] = Counter()
    for one in removed:
        jobs_pruned += bool(one)
        rows.update(one)
    by_table = {table: rows[table] for table in retention.TABLES}
    return Pruned(jobs_pruned, {**by_table, "notifications": messages})
