"""Batches and items as answers have them: plain JSON values."""

from datetime import UTC, datetime
from typing import Any

from enrollment_pipeline.onboarding.states import batch_status
from enrollment_pipeline.onboarding.store.batches import BatchRecord
from enrollment_pipeline.onboarding.store.items import ItemRecord
from enrollment_pipeline.onboarding.store.steps import StepRecord


def batch_document(batch: BatchRecord) -> dict[str, Any]:
    """Return what there is to say of a batch.

    `percent` is of items that have ended, `success_rate` of completed ones among those that
    completed or failed, null where there are none; `seconds` is for how long the items were at
    work, all together and without long waits, `cost` what services reported.
    """
    status = batch_status(batch.counts)
    return {
        "batch_id": str(batch.id),
        "company": batch.company,
        "state": str(status.state),
        "total": status.total,
        "queued": status.queued,
        "in_progress": status.in_progress,
        "completed": status.completed,
        "ready": status.ready,
        "degraded": status.degraded,
        "failed": status.failed,
        "cancelled": status.cancelled,
        "percent": status.percent,
        "success_rate": status.success_rate,
        "seconds": round(batch.seconds, 1),
        "cost": float(batch.cost),
        "workflow": batch.options["workflow"],
        "skip_enhancement": batch.options["skip_enhancement"],
        "force_rerun": batch.options["force_rerun"],
        "priority": batch.priority,
        "source": batch.source,
        "requested_by": batch.requested_by,
        "created_by": batch.created_by,
        "refused": len(batch.refused),
        "created_at": iso(batch.created_at),
        "started_at": iso(batch.started_at),
        "completed_at": iso(batch.completed_at),
        "cancelled_at": iso(batch.cancelled_at),
    }


def item_document(item: ItemRecord) -> dict[str, Any]:
    """Return what there is to say of an item.

    `step` is where it is, or was when it ended; `error` says why it failed, or is degraded.
    """
    return {
        "item_id": str(item.id),
        "position": item.position,
        "role_name": item.role_name,
        "reference_name": item.reference_name,
        "status": str(item.status),
        "step": item.step,
        "attempt": item.attempt,
        "error": item.error,
        "dashboard_url": item.dashboard_url,
        "created_at": iso(item.created_at),
        "due_at": None if item.status.ended else iso(item.due_at),
        "started_at": iso(item.started_at),
        "completed_at": iso(item.completed_at),
    }


def step_document(step: StepRecord) -> dict[str, Any]:
    """Return what a step has come to."""
    return {
        "step": step.step_id,
        "visit": step.visit,
        "round": step.round,
        "status": str(step.status),
        "attempt": step.attempt,
        "calls": step.calls,
        "cost": float(step.cost),
        "error": step.error,
        "started_at": iso(step.started_at),
        "finished_at": iso(step.finished_at),
    }


def iso(instant: datetime | None) -> str | None:
    """Return a point in time as ISO text in UTC."""
    return None if instant is None else instant.astimezone(UTC).isoformat()
