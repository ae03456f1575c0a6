"""Looking at jobs: one, a page of them, and the contacts that failed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from enrollment_pipeline.enrollment import report
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import batches, jobs
from enrollment_pipeline.enrollment.store.jobs import JobFilter
from enrollment_pipeline.enrollment.view import describe_job
from enrollment_pipeline.errors import DetailsPrunedError, InvalidRequestError, InvalidStateError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.paging import offset_of
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.storage.workflow_rows import find_workflow
from enrollment_pipeline.work import following
from enrollment_pipeline.work.bounds import since_of, until_of


def describe(
    database: Database, settings: Settings, account: Account, job_id: UUID
) -> dict[str, Any]:
    """Return everything about a job, in the form that `status`, `run` and `report` answer with.

    Raises:
        JobNotFoundError: the account has no such job.
    """
    with database.account(account.id) as connection:
        job = jobs.load(connection, job_id)
        document = describe_job(connection, job, now=datetime.now(UTC))
    files = report.files_in(report.report_folder(settings, account.id, job_id))
    return {**document, "files": {name: str(path) for name, path in files.items()}}


@dataclass(frozen=True, slots=True)
class JobEnd:
    """Whether a job is closed, in which state, and since when."""

    status: JobStatus
    closed: bool
    completed_at: datetime | None


def state_of(connection: Connection, job_id: UUID) -> JobEnd:
    """Return whether a job of the transaction's account has ended.

    Raises:
        JobNotFoundError: the account has no such job.
    """
    job = jobs.load(connection, job_id)
    return JobEnd(job.status, job.status.closed, job.completed_at)


def list_jobs(
    database: Database,
    account: Account,
    *,
    status: str | None = None,
    workflow: str | None = None,
    source: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 20,
    page: int = 1,
) -> dict[str, Any]:
    """Return one page of the account's jobs, newest first, and their number.

    `since` and `until` are ISO dates or times, read in the account's zone where they name none. A
    date as `until` holds the whole day; a time as `until` is the first that is left out.

    Raises:
        InvalidRequestError: there is no such status or page, or a time cannot be read.
        WorkflowNotFoundError: there is no such workflow.
    """
    if status is not None and status not in list(JobStatus):
        raise InvalidRequestError(
            f"There is no status {status!r}.",
            remedy=f"Use one of: {', '.join(JobStatus)}.",
        )
    offset = offset_of(limit, page)
    zone = ZoneInfo(account.settings.timezone)
    first = since_of(since, zone) if since is not None else None
    end = until_of(until, zone) if until is not None else None
    with database.account(account.id) as connection:
        wanted = JobFilter(
            status=JobStatus(status) if status else None,
            workflow_id=find_workflow(connection, workflow).id if workflow else None,
            source=source,
            since=first,
            before=end,
        )
        found, total = jobs.page(connection, wanted, limit=limit, offset=offset)
        now = datetime.now(UTC)
        listed = [describe_job(connection, job, now=now) for job in found]
    for document in listed:
        del document["files"]
    return {"jobs": listed, "total": total, "page": page}


def list_failures(
    database: Database, account: Account, job_id: UUID, *, limit: int = 50, page: int = 1
) -> dict[str, Any]:
    """Return one page of the contacts that failed or turned ineligible while being enrolled.

    `pruned_at` says that rows may be missing, because old ones were removed.

    Raises:
        InvalidRequestError: there is no such page.
        JobNotFoundError: the account has no such job.
    """
    offset = offset_of(limit, page)
    with database.account(account.id) as connection:
        job = jobs.load(connection, job_id)
        found, total = batches.failures_page(connection, job_id, limit=limit, offset=offset)
    failures = [
        {
            **failure,
            "contact_id": str(failure["contact_id"]),
            "created_at": failure["created_at"].isoformat(),
        }
        for failure in found
    ]
    pruned_at = job.pruned_at and job.pruned_at.astimezone(UTC).isoformat()
    return {"failures": failures, "total": total, "page": page, "pruned_at": pruned_at}


def is_left_to_caller(database: Database, account: Account, job_id: UUID) -> bool:
    """Return whether a job is open and was to be run by the command that submitted it.

    So a script that repeats a request under the same id goes on with what a killed one left.
    """
    with database.account(account.id) as connection:
        job = jobs.load(connection, job_id)
    return job.runner == "caller" and job.completed_at is None


def write_report(database: Database, settings: Settings, account: Account, job_id: UUID) -> None:
    """Write the result files of a job once more, from what the database holds.

    Raises:
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is not closed yet.
        DetailsPrunedError: files are missing, and what they told was removed.
    """
    with database.account(account.id) as connection:
        job = jobs.load(connection, job_id)
    if not job.status.closed:
        raise InvalidStateError(
            f"The job is {job.status}; its report is written when it is closed.",
            remedy=f"Look at it with: enrollment status {job_id}",
        )
    if report.is_whole(report.report_folder(settings, account.id, job_id)):
        return
    if job.pruned_at is not None:
        raise DetailsPrunedError(
            f"Files of the report are missing, and on {job.pruned_at.astimezone(UTC):%Y-%m-%d} "
            "details of the job were removed, because they were old.",
            remedy=f"Its counts are kept: enrollment status {job_id}",
        )
    Phases(database, settings, job_id).report()


def follow(
    database: Database,
    settings: Settings,
    account: Account,
    job_id: UUID,
    *,
    every: float = following.SILENCE_SECONDS,
) -> Iterator[dict[str, Any]]:
    """Yield a job's document now and after each of its changes; see `following.follow`.

    Raises:
        JobNotFoundError: the account has no such job.
        DatabaseUnavailableError: the database stays away.
    """

    def document() -> dict[str, Any]:
        return describe(database, settings, account, job_id)

    return following.follow(database, job_id, document, every=every)
