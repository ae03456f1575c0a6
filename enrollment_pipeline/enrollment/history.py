"""Looking at jobs: one, a page of them, and the contacts that failed."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from enrollment_pipeline.enrollment import report
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import batches, jobs
from enrollment_pipeline.enrollment.store.jobs import JobFilter
from enrollment_pipeline.enrollment.transitions import report_folder
from enrollment_pipeline.enrollment.view import describe_job
from enrollment_pipeline.errors import InvalidRequestError, InvalidStateError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database


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
    files = report.files_in(report_folder(settings, account, job_id))
    return {**document, "files": {name: str(path) for name, path in files.items()}}


def list_jobs(
    database: Database,
    account: Account,
    *,
    status: str | None = None,
    workflow: str | None = None,
    limit: int = 20,
    page: int = 1,
) -> dict[str, Any]:
    """Return one page of the account's jobs, newest first, and their number.

    Raises:
        InvalidRequestError: there is no such status or page.
        WorkflowNotFoundError: there is no such workflow.
    """
    if status is not None and status not in list(JobStatus):
        raise InvalidRequestError(
            f"There is no status {status!r}.",
            remedy=f"Use one of: {', '.join(JobStatus)}.",
        )
    with database.account(account.id) as connection:
        wanted = JobFilter(
            status=JobStatus(status) if status else None,
            workflow_id=jobs.find_workflow(connection, workflow).id if workflow else None,
        )
        found, total = jobs.page(connection, wanted, limit=limit, offset=_offset(limit, page))
        now = datetime.now(UTC)
        listed = [describe_job(connection, job, now=now) for job in found]
    for document in listed:
        del document["files"]
    return {"jobs": listed, "total": total, "page": page}


def list_failures(
    database: Database, account: Account, job_id: UUID, *, limit: int = 50, page: int = 1
) -> dict[str, Any]:
    """Return one page of the contacts that failed or turned ineligible while being enrolled.

    Raises:
        InvalidRequestError: there is no such page.
        JobNotFoundError: the account has no such job.
    """
    offset = _offset(limit, page)
    with database.account(account.id) as connection:
        jobs.load(connection, job_id)
        found, total = batches.failures_page(connection, job_id, limit=limit, offset=offset)
    failures = [
        {
            **failure,
            "contact_id": str(failure["contact_id"]),
            "created_at": failure["created_at"].isoformat(),
        }
        for failure in found
    ]
    return {"failures": failures, "total": total, "page": page}


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
    """
    with database.account(account.id) as connection:
        job = jobs.load(connection, job_id)
    if not job.status.closed:
        raise InvalidStateError(
            f"The job is {job.status}; its report is written when it is closed.",
            remedy=f"Look at it with: enrollment status {job_id}",
        )
    if not report.is_whole(report_folder(settings, account, job_id)):
        Phases(database, settings, job_id).report()


def _offset(limit: int, page: int) -> int:
    if limit < 1 or page < 1:
        raise InvalidRequestError(f"There is no page {page} of {limit} rows; both begin at 1.")
    return (page - 1) * limit
