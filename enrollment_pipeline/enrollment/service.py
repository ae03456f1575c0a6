"""Bulk enrollment as the rest of the product asks for it.

Belongs here: submitting, previewing, looking at and resuming jobs; who may and how many. Does not
belong here: the work of a job (`phases`), SQL (`store`), words for a terminal (`cli`).
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.enrollment import report
from enrollment_pipeline.enrollment.cancelling import cancel_job
from enrollment_pipeline.enrollment.engine import enroll_in_place
from enrollment_pipeline.enrollment.phases import (
    Phases,
    begin_enrolling,
    check_outcomes,
    close_job,
    lane_work,
    partition_contacts,
    report_folder,
    require_active,
    select_contacts,
    validate_contacts,
)
from enrollment_pipeline.enrollment.request import (
    BulkEnrollmentRequest,
    CsvSelection,
    FilterSelection,
    ManualSelection,
)
from enrollment_pipeline.enrollment.selection import chunks_of, chunks_of_ids, too_many
from enrollment_pipeline.enrollment.states import JobStatus, require_move
from enrollment_pipeline.enrollment.store import batches, jobs, outcomes
from enrollment_pipeline.enrollment.store.jobs import DueJob, Job, JobFilter
from enrollment_pipeline.enrollment.view import describe_job
from enrollment_pipeline.errors import InvalidRequestError, InvalidStateError, TooManyJobsError
from enrollment_pipeline.files.identifiers import parse_contact_id
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

SAMPLE_ROWS = 20
# Starting a run takes longer than enrolling ten thousand contacts; an estimate must hold it.
RUN_OVERHEAD_SECONDS = 3.0
# Further ahead it is a slip of the pen; and the last instants of year 9999, read in another zone,
# are none.
FURTHEST_AHEAD = timedelta(days=3660)


def submit(
    database: Database,
    account: Account,
    request: BulkEnrollmentRequest,
    *,
    source: str,
    runner: str = "queue",
) -> tuple[UUID, bool]:
    """Create the job; return its id, and False where the request id named a job already.

    `runner` is "queue" when the queue sensor has to start a run, "caller" when the caller does.

    Raises:
        RefusedError: the request cannot be accepted; nothing was created.
    """
    with database.account(account.id) as connection:
        jobs.lock_account(connection, account.id)
        known = request.request_id and jobs.with_request_id(connection, request.request_id)
        if known:
            return known, False
        limit = account.settings.max_open_jobs
        if jobs.count_open(connection) >= limit:
            raise TooManyJobsError(
                f"The account has {limit} open jobs, which is its limit.", details={"limit": limit}
            )
        return _create(connection, account, request, source=source, runner=runner), True


def preview(
    database: Database, settings: Settings, account: Account, request: BulkEnrollmentRequest
) -> dict[str, Any]:
    """Do everything that the job would do, tell the outcome, and undo it.

    Raises:
        RefusedError: the request would be refused.
    """
    _due_time(request, account)
    with database.rehearsal(account.id) as connection:
        plain = request.model_copy(update={"request_id": None, "scheduled_at": None})
        job_id = _create(connection, account, plain, source="preview", runner="caller")

        def job() -> Job:
            return jobs.load(connection, job_id)

        select_contacts(connection, job(), account, settings)
        validate_contacts(connection, job())
        partition_contacts(connection, job())
        begin_enrolling(connection, job())
        begun = time.monotonic()
        enroll_in_place(connection, lane_work(job()))
        seconds = time.monotonic() - begun
        counts = outcomes.collect(connection, job_id)
        checks = check_outcomes(connection, job(), counts)
        close_job(connection, job(), counts, datetime.now(UTC))
        document = describe_job(connection, job(), now=datetime.now(UTC))
        del document["job_id"], document["progress"]["job_id"]
        return {
            **document,
            "dry_run": True,
            "checks": {check.name: check.passed for check in checks},
            "estimated_seconds": round(seconds + RUN_OVERHEAD_SECONDS, 1),
            "samples": outcomes.sample(connection, size=SAMPLE_ROWS),
        }


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


def resume(database: Database, account: Account, job_id: UUID) -> None:
    """Let the caller go on with an open job: a paused one, or one whose run has died.

    Raises:
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is closed, being cancelled, or not yet due.
        WorkflowInactiveError: contacts are left, and the workflow takes none.
    """
    with database.account(account.id) as connection:
        job = jobs.load(connection, job_id, lock=True)
        if job.status.closed or job.status is JobStatus.CANCELLING:
            raise InvalidStateError(f"The job is {job.status}; there is nothing to resume.")
        if job.status is JobStatus.SCHEDULED and not jobs.is_due(connection, job_id):
            raise InvalidStateError(
                f"The job is scheduled for {job.scheduled_at} and not yet due.",
                remedy="Wait for its time, or cancel it and run the request anew.",
            )
        if batches.open_batches(connection, job_id).batches:
            require_active(job.workflow.name, job.workflow.status)
        if job.status is JobStatus.PAUSED:
            require_move(job.status, JobStatus.QUEUED)
            jobs.change(connection, job_id, status=JobStatus.QUEUED)
        jobs.change(connection, job_id, error=None, runner="caller", attempt=job.attempt + 1)


def cancel(database: Database, settings: Settings, account: Account, job_id: UUID) -> None:
    """End an open job; what is enrolled stays, the rest becomes `cancelled`. Writes the report.

    Raises:
        JobNotFoundError: the account has no such job.
        InvalidStateError: the job is closed; the message names its state.
    """
    cancel_job(database, account.id, job_id)
    Phases(database, settings, job_id).report()


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


def due_jobs(database: Database) -> list[DueJob]:
    """Return the jobs of all accounts that wait for a run, oldest first."""
    with database.across_accounts() as connection:
        return jobs.due(connection)


def _create(
    connection: Connection,
    account: Account,
    request: BulkEnrollmentRequest,
    *,
    source: str,
    runner: str,
) -> UUID:
    workflow = jobs.find_workflow(connection, request.workflow)
    require_active(workflow.name, workflow.status)
    scheduled_at = _due_time(request, account)
    selection, content = _selection(request, account)
    document = request.model_dump(mode="json", exclude={"selection", "request_id"})
    job_id = jobs.add(
        connection,
        {
            "account_id": account.id,
            "workflow_id": workflow.id,
            "request": {**document, "selection": selection},
            "request_id": request.request_id,
            "selection_type": request.selection.type,
            "source": source,
            "requested_by": request.requested_by,
            "status": JobStatus.SCHEDULED if scheduled_at else JobStatus.PENDING,
            "runner": runner,
            "scheduled_at": scheduled_at,
        },
    )
    jobs.add_input(connection, account.id, job_id, content)
    jobs.announce(connection, job_id)
    return job_id


def _selection(
    request: BulkEnrollmentRequest, account: Account
) -> tuple[dict[str, Any], Iterable[bytes]]:
    """Return what the job's row keeps of the selection, and the input that is kept beside it."""
    limits = account.settings
    match request.selection:
        case ManualSelection(contact_ids=contact_ids):
            different = len({parse_contact_id(one) for one in contact_ids} - {None})
            if different > limits.max_contacts_per_job:
                raise too_many(different, limits)
            return {"type": "manual", "contact_ids": len(contact_ids)}, chunks_of_ids(contact_ids)
        case FilterSelection(filter=document):
            parse(document)
            return {"type": "filter", "filter": document}, ()
        case CsvSelection(path=path, identifier_column=column):
            size = _size_of(path, limits.csv_max_bytes)
            # A name that is no Unicode cannot be kept in the database as it is.
            name = os.fsencode(path.name).decode("utf-8", "replace")
            kept = {"type": "csv", "file": name, "bytes": size, "identifier_column": column}
            return kept, chunks_of(path)


def _size_of(path: Path, limit: int) -> int:
    with suppress(OSError, ValueError):
        if path.is_file() and os.access(path, os.R_OK) and path.stat().st_size <= limit:
            return path.stat().st_size
    # Refuses the file, and says why.
    with open_table(path, max_bytes=limit) as table:
        return table.size


def _due_time(request: BulkEnrollmentRequest, account: Account) -> datetime | None:
    wanted = request.scheduled_at
    if wanted is None:
        return None
    if wanted.tzinfo is None:
        wanted = wanted.replace(tzinfo=ZoneInfo(request.timezone or account.settings.timezone))
    if wanted <= datetime.now(UTC):
        raise InvalidRequestError(
            f"The time {wanted.isoformat()} is in the past.",
            remedy="Name a time to come, or leave it out to start now.",
        )
    if wanted > datetime.now(UTC) + FURTHEST_AHEAD:
        raise InvalidRequestError(
            f"The time {wanted.isoformat()} is more than ten years ahead.",
            remedy="Name an earlier time.",
        )
    return wanted


def _offset(limit: int, page: int) -> int:
    if limit < 1 or page < 1:
        raise InvalidRequestError(f"There is no page {page} of {limit} rows; both begin at 1.")
    return (page - 1) * limit
