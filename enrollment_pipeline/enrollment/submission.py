"""Accepting a request: who may, how many, and what is kept of it until its run begins."""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.enrollment.request import (
    BulkEnrollmentRequest,
    CsvSelection,
    FilterSelection,
    ManualSelection,
)
from enrollment_pipeline.enrollment.selection import chunks_of, chunks_of_ids, too_many
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import inputs, jobs
from enrollment_pipeline.enrollment.transitions import require_active
from enrollment_pipeline.errors import (
    InvalidRequestError,
    InvalidStateError,
    RequestIdUsedError,
    TooManyJobsError,
)
from enrollment_pipeline.files.identifiers import parse_contact_id
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.storage.workflow_rows import find_workflow

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
    retry_of: UUID | None = None,
    origin: dict[str, Any] | None = None,
) -> tuple[UUID, bool]:
    """Create the job; return its id, and False where the request id named a job already.

    `runner` is "queue" when the queue sensor has to start a run, "caller" when the caller does.
    `retry_of` is the job whose failures this one tries again.
    `origin` is kept with the request, for the one who submits to know his own again.

    Raises:
        ForbiddenError: whoever asks may not.
        RequestIdUsedError: the request id names a job that was asked for otherwise.
        RefusedError: the request cannot be accepted; nothing was created.
    """
    with operation(
        database,
        account.id,
        actor=request.requested_by,
        action="job.retry" if retry_of else "job.submit",
        needs=Permission.WORKFLOW_MANAGE,
    ) as doing:
        connection = doing.connection
        jobs.lock_account(connection, account.id)
        known = request.request_id and jobs.with_request_id(connection, request.request_id)
        if known:
            doing.silent = True
            _require_same(connection, account, request, known)
            return known, False
        if retry_of is not None:
            _require_no_open_retry(connection, retry_of)
        limit = account.settings.max_open_jobs
        if jobs.count_open(connection) >= limit:
            raise TooManyJobsError(
                f"The account has {limit} open jobs, which is its limit.", details={"limit": limit}
            )
        job_id = create_job(
            connection,
            account,
            request,
            source=source,
            runner=runner,
            retry_of=retry_of,
            origin=origin,
        )
        doing.subject = str(retry_of or job_id)
        doing.details = {"workflow": request.workflow, "source": source, "job_id": str(job_id)}
        return job_id, True


def create_job(
    connection: Connection,
    account: Account,
    request: BulkEnrollmentRequest,
    *,
    source: str,
    runner: str,
    retry_of: UUID | None = None,
    origin: dict[str, Any] | None = None,
) -> UUID:
    """Write the job and the input that is kept beside it.

    Raises:
        RefusedError: the request cannot be accepted.
    """
    workflow = find_workflow(connection, request.workflow)
    require_active(workflow.name, workflow.status)
    scheduled_at = due_time(request.scheduled_at, request.timezone, account)
    selection, content = _selection(request, account)
    document = request.model_dump(mode="json", exclude={"selection", "request_id"})
    if origin is not None:
        document["origin"] = origin
    job_id = jobs.add(
        connection,
        {
            "account_id": account.id,
            "workflow_id": workflow.id,
            "request": {**document, "selection": selection},
            "request_id": request.request_id,
            "request_hash": _fingerprint(request, account, workflow.id),
            "retry_of": retry_of,
            "selection_type": request.selection.type,
            "source": source,
            "requested_by": request.requested_by,
            "status": JobStatus.SCHEDULED if scheduled_at else JobStatus.PENDING,
            "runner": runner,
            "scheduled_at": scheduled_at,
        },
    )
    inputs.add_input(connection, account.id, job_id, content)
    jobs.announce(connection, job_id)
    return job_id


def _fingerprint(request: BulkEnrollmentRequest, account: Account, workflow_id: UUID) -> str | None:
    """Return what tells this request from any other, None for one without a request id.

    Who asks, and how the file is called, do not count.
    """
    if request.request_id is None:
        return None
    selection, content = _selection(request, account)
    selection.pop("file", None)
    due = instant_of(request.scheduled_at, request.timezone, account)
    options = request.options.model_dump(mode="json")
    if not request.options.single_enrollment:
        # Of an option that came later, the default is left out: an older request is still the same.
        del options["single_enrollment"]
    told = {
        "options": options,
        "due": due and due.astimezone(UTC).isoformat(),
        "workflow": str(workflow_id),
        "selection": selection,
    }
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for chunk in content:
        found.update(chunk)
    return found.hexdigest()


def _require_same(
    connection: Connection, account: Account, request: BulkEnrollmentRequest, job_id: UUID
) -> None:
    kept = jobs.request_hash(connection, job_id)
    workflow = find_workflow(connection, request.workflow)
    if kept is not None and kept != _fingerprint(request, account, workflow.id):
        raise RequestIdUsedError(
            f"The request id {request.request_id!r} stands for job {job_id}, which was asked for "
            "otherwise.",
            details={"job_id": str(job_id)},
        )


def _require_no_open_retry(connection: Connection, job_id: UUID) -> None:
    other = jobs.open_retry_of(connection, job_id)
    if other is not None:
        raise InvalidStateError(
            f"Job {other} is trying its failures again already.",
            remedy=f"Follow that one with: enrollment watch {other}",
        )


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


def instant_of(wanted: datetime | None, timezone: str | None, account: Account) -> datetime | None:
    """Return the instant that a time means; without an offset, by the clock of the zone."""
    if wanted is None or wanted.tzinfo is not None:
        return wanted
    return wanted.replace(tzinfo=ZoneInfo(timezone or account.settings.timezone))


def due_time(wanted: datetime | None, timezone: str | None, account: Account) -> datetime | None:
    """Return when a job is to start, None for now.

    Raises:
        InvalidRequestError: the time is in the past, or too far ahead.
    """
    wanted = instant_of(wanted, timezone, account)
    if wanted is None:
        return None
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
