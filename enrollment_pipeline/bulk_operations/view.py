"""An operation as other programs and people see it: its document.

Belongs here: which fields there are and how they come from the operation's row.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from enrollment_pipeline.bulk_operations.request import REVERSIBLE, OperationType
from enrollment_pipeline.bulk_operations.states import OperationStatus
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.bulk_operations.store.schedules import ScheduleRecord
from enrollment_pipeline.notifications.message import Channel, shown
from enrollment_pipeline.records import Account
from enrollment_pipeline.work.progress import abandoned, percent_of

# Told in fields of their own.
_TOLD_ELSEWHERE = ("type", "notify", "origin")


def describe_operation(
    operation: OperationRecord,
    schedule: ScheduleRecord | None,
    account: Account,
    *,
    now: datetime,
) -> dict[str, Any]:
    """Return everything about an operation, as plain JSON values."""
    result = operation.result or {}
    return {
        "operation_id": str(operation.id),
        "type": str(operation.type),
        "status": str(operation.status),
        "requested_by": operation.requested_by,
        "source": operation.source,
        "parameters": {
            name: value for name, value in operation.request.items() if name not in _TOLD_ELSEWHERE
        },
        "notify": _notify(operation.request.get("notify") or {}),
        "rows": operation.total,
        "outcomes": {str(outcome): number for outcome, number in operation.outcomes.items()},
        "progress": _progress(operation),
        "files": {} if operation.files_removed_at else result.get("files", {}),
        "notes": result.get("notes", []),
        "files_expire_at": _iso(_files_expire_at(operation, account)),
        "can_be_rolled_back_until": _iso(_reversible_until(operation, account, now)),
        "reverses": _text(operation.reverses_id),
        "withdraws_job": _text(operation.withdraws_job_id),
        "after": _text(operation.after_id),
        "recurs": _recurs(schedule),
        "error": _error(operation),
        "attention": _attention(operation, now),
        "scheduled_at": _iso(operation.scheduled_at),
        "created_at": _iso(operation.created_at),
        "started_at": _iso(operation.started_at),
        "completed_at": _iso(operation.completed_at),
    }


def duration_of(operation: OperationRecord, now: datetime) -> float | None:
    """Return the seconds from the start of an operation to its end, or to `now`."""
    if operation.started_at is None:
        return None
    return round(((operation.completed_at or now) - operation.started_at).total_seconds(), 2)


def _progress(operation: OperationRecord) -> dict[str, Any]:
    done = sum(operation.counts.values())
    known = operation.prepared_at is not None
    return {
        "processed": done,
        "total": operation.total,
        "percent": percent_of(done, operation.total) if known else 0.0,
        "heartbeat": _iso(operation.heartbeat_at),
    }


def _notify(notify: dict[str, list[str]]) -> dict[str, list[str]]:
    # Path and query of a webhook are often a secret.
    webhooks = [shown(Channel.WEBHOOK, url) for url in notify.get("webhooks", [])]
    return {"emails": notify.get("emails", []), "webhooks": webhooks}


def _files_expire_at(operation: OperationRecord, account: Account) -> datetime | None:
    if operation.type is not OperationType.EXPORT or operation.completed_at is None:
        return None
    return operation.completed_at + timedelta(days=account.settings.export_days)


def _reversible_until(
    operation: OperationRecord, account: Account, now: datetime
) -> datetime | None:
    if operation.type not in REVERSIBLE or operation.completed_at is None:
        return None
    if operation.status in (
        OperationStatus.ROLLED_BACK,
        OperationStatus.PARTIALLY_ROLLED_BACK,
    ):
        return None
    until = operation.completed_at + timedelta(hours=account.settings.rollback_hours)
    return until if until > now and operation.images_removed_at is None else None


def _recurs(schedule: ScheduleRecord | None) -> dict[str, Any] | None:
    if schedule is None:
        return None
    return {
        "schedule_id": str(schedule.id),
        "cron": schedule.cron,
        "rrule": schedule.rrule,
        "timezone": schedule.timezone,
        "until": _iso(schedule.ends_at),
        "active": schedule.active,
    }


def _error(operation: OperationRecord) -> dict[str, Any] | None:
    """Return what is wrong with an operation; a command in the remedy names it."""
    if operation.error is None:
        return None
    remedy = re.sub(r"\bOPERATION\b", str(operation.id), operation.error.get("remedy", ""))
    return {**operation.error, "remedy": remedy}


def _attention(operation: OperationRecord, now: datetime) -> str | None:
    if operation.completed_at is not None:
        return None
    if operation.after_id is not None and operation.status is OperationStatus.SCHEDULED:
        return f"It waits for operation {operation.after_id}."
    alive_at = operation.heartbeat_at or operation.started_at or operation.scheduled_at
    if not abandoned(alive_at, now):
        return None
    if operation.status is OperationStatus.SCHEDULED:
        return "It waits for its turn in the queue, which a running enrollment ui serves."
    return f"Nobody is working on this. Go on with: enrollment operations resume {operation.id}"


def _iso(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat() if instant else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
