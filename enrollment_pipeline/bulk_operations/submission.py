"""Accepting an operation: who may, how many, when it starts, and what is kept of it until then."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.bulk_operations import notices
from enrollment_pipeline.bulk_operations.executors import needed_for
from enrollment_pipeline.bulk_operations.request import OperationRequest
from enrollment_pipeline.bulk_operations.requirements import kept_request
from enrollment_pipeline.bulk_operations.reversibility import require_reversible
from enrollment_pipeline.bulk_operations.scheduling import add_firing, next_firing
from enrollment_pipeline.bulk_operations.states import OperationStatus
from enrollment_pipeline.bulk_operations.store import operations, schedules
from enrollment_pipeline.errors import (
    InvalidRequestError,
    InvalidStateError,
    RequestIdUsedError,
    TooManyOperationsError,
)
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work import inputs
from enrollment_pipeline.work.times import due_time, instant_of


@dataclass(frozen=True, slots=True)
class Submitted:
    """The operation; `created` is False where the request id named one already."""

    operation_id: UUID
    created: bool


def submit(
    database: Database,
    settings: Settings,
    account: Account,
    request: OperationRequest,
    *,
    source: str,
    runner: str = "queue",
    origin: dict[str, Any] | None = None,
) -> Submitted:
    """Create the operation, or the first firing of one that comes again.

    `runner` is "queue" when the queue sensor has to start a run, "caller" when the caller does.
    `origin` is kept with the request, for the one who submits to know his own again.

    Raises:
        ForbiddenError: whoever asks may not.
        RequestIdUsedError: the request id names an operation that was asked for otherwise.
        RefusedError: the request cannot be accepted; nothing was created.
    """
    needs = needed_for(database, account, request)
    with accounted(
        database,
        account.id,
        actor=request.requested_by,
        action=f"contacts.{request.type}",
        needs=needs,
    ) as doing:
        connection = doing.connection
        operations.lock_account(connection, account.id)
        known = request.request_id and operations.with_request_id(connection, request.request_id)
        if known:
            doing.silent = True
            operation_id, kept_hash = known
            if kept_hash != _fingerprint(settings, request, account):
                raise RequestIdUsedError(
                    f"The request id {request.request_id!r} stands for operation {operation_id}, "
                    "which was asked for otherwise.",
                    details={"operation_id": str(operation_id)},
                )
            return Submitted(operation_id, created=False)
        limit = account.settings.max_open_operations
        if operations.count_open(connection) >= limit:
            raise TooManyOperationsError(
                f"The account has {limit} open operations, which is its limit.",
                details={"limit": limit},
            )
        operation_id = create(
            connection, settings, account, request, source=source, runner=runner, origin=origin
        )
        doing.subject = str(operation_id)
        doing.details = {"source": source}
        _tell_if_later(connection, settings, operation_id)
        return Submitted(operation_id, created=True)


def create(
    connection: Connection,
    settings: Settings,
    account: Account,
    request: OperationRequest,
    *,
    source: str,
    runner: str,
    origin: dict[str, Any] | None = None,
) -> UUID:
    """Write the operation and the input that is kept beside it.

    Raises:
        RefusedError: the request cannot be accepted.
    """
    due = due_time(request.timing.scheduled_at, request.timing.timezone, account)
    require_reversible(connection, account, request, at=due or datetime.now(UTC))
    document, content = kept_request(settings, account, request)
    if origin is not None:
        document["origin"] = origin
    if request.timing.recurring:
        return _create_recurring(connection, account, request, document)
    _require_waitable(connection, request)
    operation_id = operations.add(
        connection,
        {
            "account_id": account.id,
            "type": request.type,
            "status": OperationStatus.SCHEDULED,
            "request": document,
            "request_id": request.request_id,
            "request_hash": _fingerprint(settings, request, account),
            "source": source,
            "requested_by": request.requested_by,
            # Somebody who is not there when its time comes cannot run it.
            "runner": "queue" if due or request.timing.after else runner,
            "after_id": request.timing.after,
            "reverses_id": getattr(request, "operation_id", None),
            "withdraws_job_id": getattr(request, "job_id", None),
            **({"scheduled_at": due} if due else {}),
        },
    )
    inputs.add_input(connection, account.id, operation_id, content)
    return operation_id


def _create_recurring(
    connection: Connection, account: Account, request: OperationRequest, document: dict[str, Any]
) -> UUID:
    timing = request.timing
    if request.request_id is not None:
        raise InvalidRequestError("A request id stands for one operation, not for one that recurs.")
    if request.type in ("rollback", "withdrawal"):
        raise InvalidRequestError(f"A {request.type} is done once; it cannot recur.")
    zone = timing.timezone or account.settings.timezone
    begin = due_time(timing.scheduled_at, zone, account)
    ends_at = due_time(timing.until, zone, account)
    local = begin.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if begin else None
    now = datetime.now(UTC)
    try:
        schedule = schedules.add(
            connection,
            {
                "account_id": account.id,
                "type": request.type,
                "request": document,
                "cron": timing.cron,
                "rrule": timing.rrule,
                "start": (local or now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)).isoformat(
                    timespec="seconds"
                ),
                "timezone": zone,
                "requested_by": request.requested_by,
                "ends_at": ends_at,
            },
        )
        first = next_firing(schedule, now)
    except ValueError as error:
        raise InvalidRequestError(f"{error}") from None
    if first is None:
        raise InvalidRequestError("The schedule never fires before it ends.")
    return add_firing(connection, account, schedule, first)


def _require_waitable(connection: Connection, request: OperationRequest) -> None:
    if request.timing.after is None:
        return
    # Locked: whoever ends it meanwhile cancels what waits for it, and must find this one.
    before = operations.load(connection, request.timing.after, lock=True)
    if before.status.closed and not before.status.succeeded:
        raise InvalidStateError(
            f"Operation {before.id} is {before.status}; nothing can wait for its completion."
        )


def _tell_if_later(connection: Connection, settings: Settings, operation_id: UUID) -> None:
    made = operations.load(connection, operation_id)
    later = made.scheduled_at > made.created_at
    if later or made.after_id is not None or made.schedule_id is not None:
        notices.tell(connection, settings, made)


def _fingerprint(settings: Settings, request: OperationRequest, account: Account) -> str | None:
    """Return what tells this request from any other, None for one without a request id.

    Who asks, who is told, and how the file is called, do not count.
    """
    if request.request_id is None:
        return None
    document, content = kept_request(settings, account, request)
    for name in ("file", "notify", "requested_by", "origin"):
        document.pop(name, None)
    due = instant_of(request.timing.scheduled_at, request.timing.timezone, account)
    told = {
        "due": due and due.astimezone(UTC).isoformat(),
        "after": str(request.timing.after),
        "takes_back": str(getattr(request, "operation_id", getattr(request, "job_id", None))),
    }
    found = hashlib.sha256(json.dumps({**document, **told}, sort_keys=True).encode())
    for chunk in content:
        found.update(chunk)
    return found.hexdigest()
