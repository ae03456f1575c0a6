"""Accepting a request: who may, how many, and what is kept of it until its run begins."""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.enrollment.request import BulkEnrollmentRequest
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.enrollment.transitions import require_active, require_contacts
from enrollment_pipeline.errors import (
    InvalidStateError,
    RequestIdUsedError,
    TooManyJobsError,
)
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.selections.keeping import to_be_kept
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.storage.workflow_rows import find_workflow
from enrollment_pipeline.work import inputs
from enrollment_pipeline.work.announcing import announce
from enrollment_pipeline.work.times import due_time, instant_of


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
    require_contacts(workflow)
    require_active(workflow.name, workflow.status)
    scheduled_at = due_time(request.scheduled_at, request.timezone, account)
    selection, content = _kept_selection(request, account)
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
    announce(connection, job_id)
    return job_id


def _fingerprint(request: BulkEnrollmentRequest, account: Account, workflow_id: UUID) -> str | None:
    """Return what tells this request from any other, None for one without a request id.

    Who asks, and how the file is called, do not count.
    """
    if request.request_id is None:
        return None
    selection, content = _kept_selection(request, account)
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


def _kept_selection(
    request: BulkEnrollmentRequest, account: Account
) -> tuple[dict[str, Any], Iterable[bytes]]:
    limits = account.settings
    return to_be_kept(request.selection, limits, most=limits.max_contacts_per_job)
