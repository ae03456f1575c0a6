"""Telling that an operation is scheduled, has ended, or has lost its run.

Belongs here: what is told of an operation, and whom the request wants told. A message is written in
the transaction of what it tells of, so there is none without the other; how it is sent is the
business of `notifications`. Does not belong here: whether an operation that starts at once is
confirmed.
"""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations import report
from enrollment_pipeline.bulk_operations.states import OperationStatus
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.clocks.local_time import zone_of
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import (
    Event,
    Notice,
    OperationLinks,
    OperationPayload,
    Recipients,
)
from enrollment_pipeline.settings import Settings

_EVENTS = {
    OperationStatus.SCHEDULED: Event.OPERATION_SCHEDULED,
    OperationStatus.COMPLETED: Event.OPERATION_COMPLETED,
    OperationStatus.COMPLETED_WITH_ERRORS: Event.OPERATION_COMPLETED_WITH_ERRORS,
    OperationStatus.FAILED: Event.OPERATION_FAILED,
    OperationStatus.CANCELLED: Event.OPERATION_CANCELLED,
}


def tell(connection: Connection, settings: Settings, operation: OperationRecord) -> None:
    """Tell the state that an operation has just reached: scheduled, also anew, or closed.

    Of one that was rolled back nothing is told: its rollback is an operation that tells of itself.
    """
    event = _EVENTS.get(operation.status)
    if event is None:
        return
    # It ends once. It may be moved to a time and back again, and the last word is where it is.
    occasion = None if event is Event.OPERATION_SCHEDULED else ""
    reason = operation.error["message"] if operation.error else None
    _enqueue(connection, settings, operation, event, occasion, reason)


def tell_of_failed_run(
    connection: Connection, settings: Settings, operation: OperationRecord, run_id: str, reason: str
) -> None:
    """Tell that a run has failed and nobody goes on with its operation; once for a run."""
    _enqueue(connection, settings, operation, Event.RUN_FAILED, run_id, reason)


def _enqueue(
    connection: Connection,
    settings: Settings,
    operation: OperationRecord,
    event: Event,
    occasion: str | None,
    reason: str | None,
) -> None:
    wanted = operation.request.get("notify", {})
    notifications.enqueue(
        connection,
        operation.account_id,
        Notice(event, operation.id, occasion, _payload(connection, settings, operation, reason)),
        Recipients(tuple(wanted.get("emails", ())), tuple(wanted.get("webhooks", ()))),
    )


def _payload(
    connection: Connection, settings: Settings, operation: OperationRecord, reason: str | None
) -> OperationPayload:
    return {
        "operation_id": str(operation.id),
        "type": str(operation.type),
        "status": str(operation.status),
        "counts": {
            str(outcome): number for outcome, number in operation.outcomes.items() if number
        },
        "total": operation.total,
        "scheduled_at": _local_start(connection, operation),
        "after_id": _text(operation.after_id),
        "recurring": operation.schedule_id is not None,
        "reverses_id": _text(operation.reverses_id),
        "withdraws_job_id": _text(operation.withdraws_job_id),
        "duration_seconds": _duration_of(operation),
        "reason": reason,
        "requested_by": operation.requested_by,
        "links": _links(settings, operation),
    }


def _links(settings: Settings, operation: OperationRecord) -> OperationLinks:
    files: dict[str, str] = (operation.result or {}).get("files", {})
    folder = report.folder_of(settings, operation.account_id, operation.id)
    # What an export has written may be elsewhere, and where all went well there is no report.
    has_report = any(Path(file).is_relative_to(folder) for file in files.values())
    return {
        "ui": f"{settings.ui_url.rstrip('/')}/assets/bulk_operations?partition={operation.id}",
        "report": str(folder) if has_report else None,
        "files": files,
    }


def _local_start(connection: Connection, operation: OperationRecord) -> str | None:
    if operation.after_id is not None:
        return None
    account = operations.account_of(connection, operation.id)
    return operation.scheduled_at.astimezone(zone_of(account.settings.timezone)).isoformat()


def _duration_of(operation: OperationRecord) -> float | None:
    if operation.started_at is None:
        return None
    ended_at = operation.completed_at or datetime.now(UTC)
    return round((ended_at - operation.started_at).total_seconds(), 2)


def _text(reference: UUID | None) -> str | None:
    return None if reference is None else str(reference)
