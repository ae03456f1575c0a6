"""Rows of `enrollment_jobs`: submitted, moved from state to state, counted, listed.

Every function works in the caller's transaction, which has its account set.
"""

from dataclasses import dataclass
from datetime import datetime
from operator import eq, ge, lt
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, text, update

from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.errors import JobNotFoundError
from enrollment_pipeline.records import (
    Account,
    AccountSettings,
    Outcome,
    Workflow,
    WorkflowStatus,
)
from enrollment_pipeline.storage.schema import (
    accounts,
    enrollment_jobs,
    workflows,
)
from enrollment_pipeline.work.announcing import announce

_COUNTED = tuple(outcome for outcome in Outcome if outcome is not Outcome.UNPROCESSED)


@dataclass(frozen=True, slots=True)
class Job:
    """One row of `enrollment_jobs`, with its workflow as it is now."""

    id: UUID
    account_id: UUID
    workflow: Workflow
    request: dict[str, Any]
    selection_type: str
    source: str
    requested_by: str
    status: JobStatus
    runner: str
    attempt: int
    input_rows: int
    total_contacts: int
    total_batches: int
    current_batch: int
    counts: dict[Outcome, int]
    exclusions: dict[str, int]
    error: dict[str, Any] | None
    report: dict[str, Any] | None
    scheduled_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    selected_at: datetime | None
    validated_at: datetime | None
    batched_at: datetime | None
    completed_at: datetime | None
    heartbeat_at: datetime | None
    waiting_since: datetime | None
    waiting_until: datetime | None
    waiting_for: str | None
    retry_of: UUID | None
    pruned_at: datetime | None

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """All nine outcomes; they add up to `input_rows`."""
        rest = self.input_rows - sum(self.counts.values())
        return {**self.counts, Outcome.UNPROCESSED: rest}


def account_of(connection: Connection, job_id: UUID) -> Account:
    """Return the account a job belongs to; for callers that know nothing but the job.

    Raises:
        JobNotFoundError: there is no such job.
    """
    row = connection.execute(
        text("select id, name, settings from enrollment.account_of_job(:job)"), {"job": job_id}
    ).one_or_none()
    if row is None:
        raise JobNotFoundError(f"There is no job {job_id}.")
    return Account(row.id, row.name, AccountSettings.model_validate(row.settings))


def lock_account(connection: Connection, account_id: UUID) -> None:
    """Let one submission at a time of this account pass, so that its limits hold."""
    # Key share: rows that refer to the account may be written meanwhile.
    connection.execute(
        select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)
    )


def count_open(connection: Connection) -> int:
    """Return how many jobs of the account are not closed, but for those that triggers have made."""
    column = enrollment_jobs.c
    return connection.execute(
        select(func.count()).where(column.completed_at.is_(None), column.source != "trigger")
    ).scalar_one()


def add(connection: Connection, values: dict[str, Any]) -> UUID:
    """Insert a job and return its id."""
    statement = insert(enrollment_jobs).values(values).returning(enrollment_jobs.c.id)
    return UUID(str(connection.execute(statement).scalar_one()))


def with_request_id(connection: Connection, request_id: str) -> UUID | None:
    """Return the job that was submitted under this request id."""
    return connection.execute(
        select(enrollment_jobs.c.id).where(enrollment_jobs.c.request_id == request_id)
    ).scalar_one_or_none()


def request_hash(connection: Connection, job_id: UUID) -> str | None:
    """Return what tells a job's request from any other, where that was kept."""
    kept: str | None = connection.execute(
        select(enrollment_jobs.c.request_hash).where(enrollment_jobs.c.id == job_id)
    ).scalar_one()
    return kept


def open_retry_of(connection: Connection, job_id: UUID) -> UUID | None:
    """Return an open job that tries the failures of a job again."""
    column = enrollment_jobs.c
    return connection.execute(
        select(column.id).where(column.retry_of == job_id, column.completed_at.is_(None)).limit(1)
    ).scalar_one_or_none()


def load(connection: Connection, job_id: UUID, *, lock: bool = False) -> Job:
    """Return a job; with `lock`, nobody else moves it until the transaction ends.

    Raises:
        JobNotFoundError: the account has no such job.
    """
    statement = _SELECT_JOB.where(enrollment_jobs.c.id == job_id)
    if lock:
        statement = statement.with_for_update(of=enrollment_jobs)
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise JobNotFoundError(f"There is no job {job_id} in this account.")
    return _job(row)


@dataclass(frozen=True, slots=True)
class JobState:
    """What a lane asks for at each claim.

    `enrolled` and `failed` count from the start or the last resume; `failed` holds the contacts of
    batches that were given up.
    """

    status: JobStatus
    workflow: WorkflowStatus
    enrolled: int
    failed: int


_STATE = text(
    """
    select j.status, w.status as workflow, j.enrolled - j.brake_enrolled as enrolled,
      j.failed - j.brake_failed + (
        select coalesce(sum(cardinality(contact_ids) - processed), 0)
        from enrollment.enrollment_batches where job_id = j.id and status = 'failed'
      ) as failed
    from enrollment.enrollment_jobs j join enrollment.workflows w on w.id = j.workflow_id
    where j.id = :job_id
    """
)


def state(connection: Connection, job_id: UUID) -> JobState:
    """Return only what a lane needs to know of a job and its workflow."""
    row = connection.execute(_STATE, {"job_id": job_id}).one()
    return JobState(
        JobStatus(row.status), WorkflowStatus(row.workflow), row.enrolled, int(row.failed)
    )


def change(connection: Connection, job_id: UUID, **values: Any) -> None:
    """Set columns of a job and tell the listeners."""
    connection.execute(
        update(enrollment_jobs).where(enrollment_jobs.c.id == job_id).values(**values)
    )
    announce(connection, job_id)


def begin(connection: Connection, job_id: UUID) -> None:
    """Let a job be at work that is ready for it."""
    column = enrollment_jobs.c
    connection.execute(
        update(enrollment_jobs)
        .where(column.id == job_id, column.status == JobStatus.QUEUED)
        .values(status=JobStatus.PROCESSING, error=None)
    )
    announce(connection, job_id)


def pause(connection: Connection, job_id: UUID, *, error: dict[str, Any]) -> bool:
    """Pause a job that is at work; return False for one that no longer is."""
    column = enrollment_jobs.c
    paused = connection.execute(
        update(enrollment_jobs)
        .where(column.id == job_id, column.status.in_((JobStatus.QUEUED, JobStatus.PROCESSING)))
        .values(
            status=JobStatus.PAUSED,
            error=error,
            waiting_since=None,
            waiting_until=None,
            waiting_for=None,
        )
    ).rowcount
    announce(connection, job_id)
    return bool(paused)


_RESUME = text(
    """
    update enrollment.enrollment_jobs j
    set status = :status, error = null, runner = :runner, attempt = attempt + 1,
      restarts = 0, restart_mark = 0, brake_enrolled = enrolled,
      brake_failed = failed + (
        select coalesce(sum(cardinality(contact_ids) - processed), 0)
        from enrollment.enrollment_batches where job_id = j.id and status = 'failed'
      )
    where id = :job_id
    """
)


def resume(connection: Connection, job_id: UUID, *, status: JobStatus, runner: str) -> None:
    """Let a job go on in a new run; the brake looks at what comes from now on."""
    connection.execute(_RESUME, {"job_id": job_id, "status": str(status), "runner": runner})
    announce(connection, job_id)


def wait(
    connection: Connection, job_id: UUID, *, since: datetime, until: datetime, budget: str
) -> None:
    """Tell that a job waits for a budget, and show life."""
    column = enrollment_jobs.c
    connection.execute(
        update(enrollment_jobs)
        .where(column.id == job_id, column.status == JobStatus.PROCESSING)
        .values(
            waiting_since=func.coalesce(column.waiting_since, since),
            waiting_until=until,
            waiting_for=budget,
            heartbeat_at=func.clock_timestamp(),
        )
    )
    announce(connection, job_id)


def is_due(connection: Connection, job_id: UUID) -> bool:
    """Return whether the time of a scheduled job has come, by the clock that the queue goes by."""
    return connection.execute(
        select(enrollment_jobs.c.scheduled_at <= func.now()).where(enrollment_jobs.c.id == job_id)
    ).scalar_one()


def add_counts(
    connection: Connection, job_id: UUID, counts: dict[Outcome, int], *, current_batch: int
) -> None:
    """Add to the counters, show life, and tell the listeners, with the work itself."""
    column = enrollment_jobs.c
    connection.execute(
        update(enrollment_jobs)
        .where(column.id == job_id)
        .values(
            **{str(outcome): column[outcome] + number for outcome, number in counts.items()},
            current_batch=func.greatest(column.current_batch, current_batch),
            heartbeat_at=func.clock_timestamp(),
            waiting_since=None,
            waiting_until=None,
            waiting_for=None,
        )
    )
    announce(connection, job_id)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; every field that is None lets all pass.

    A job counts by its creation: at `since` or after it, and before `before`.
    """

    status: JobStatus | None = None
    workflow_id: UUID | None = None
    source: str | None = None
    since: datetime | None = None
    before: datetime | None = None


def page(
    connection: Connection, wanted: JobFilter, *, limit: int, offset: int
) -> tuple[list[Job], int]:
    """Return one page of jobs, newest first, and how many there are in all."""
    column = enrollment_jobs.c
    conditions = [
        compare(of, value)
        for of, compare, value in (
            (column.status, eq, wanted.status),
            (column.workflow_id, eq, wanted.workflow_id),
            (column.source, eq, wanted.source),
            (column.created_at, ge, wanted.since),
            (column.created_at, lt, wanted.before),
        )
        if value is not None
    ]
    total = connection.execute(
        select(func.count()).select_from(enrollment_jobs).where(*conditions)
    ).scalar_one()
    statement = (
        _SELECT_JOB.where(*conditions)
        .order_by(column.created_at.desc(), column.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_job(row) for row in connection.execute(statement)], total


_SELECT_JOB = select(
    enrollment_jobs,
    workflows.c.name.label("name"),
    workflows.c.status.label("workflow_status"),
    workflows.c.config.label("config"),
).join(workflows, workflows.c.id == enrollment_jobs.c.workflow_id)


def _job(row: Row[Any]) -> Job:
    fields = row._mapping
    plain = {
        name: fields[name]
        for name in Job.__dataclass_fields__
        if name not in ("workflow", "status", "counts")
    }
    return Job(
        workflow=Workflow.from_config(
            fields["workflow_id"], fields["name"], fields["workflow_status"], fields["config"]
        ),
        status=JobStatus(fields["status"]),
        counts={outcome: fields[outcome] for outcome in _COUNTED},
        **plain,
    )
