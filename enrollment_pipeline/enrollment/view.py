"""A job as other programs and people see it: its progress and its document.

Belongs here: which fields there are and how they come from the job's row (spec "CLI contract").
"""

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from enrollment_pipeline.enrollment.report import duration_of, notice_of
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import batches
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.records import Outcome
from enrollment_pipeline.work.progress import (
    RATE_WINDOW,
    Progress,
    abandoned,
    eta_of,
    percent_of,
    rate_of,
)

_AT_WORK = (
    JobStatus.PENDING,
    JobStatus.VALIDATING,
    JobStatus.QUEUED,
    JobStatus.PROCESSING,
    JobStatus.CANCELLING,
)


def progress_of(connection: Connection, job: Job, *, now: datetime) -> Progress:
    """Return how far a job is."""
    counted = job.counts
    skipped = counted[Outcome.SKIPPED] + counted[Outcome.ALREADY_ENROLLED]
    success, failed = counted[Outcome.ENROLLED], counted[Outcome.FAILED]
    processed = success + failed + skipped + counted[Outcome.CANCELLED]
    if job.completed_at is None:
        recent = batches.recently_processed(connection, job.id, now - RATE_WINDOW)
        rate = rate_of(recent, job.batched_at, now)
        eta = eta_of(job.total_contacts - processed, rate) if job.selected_at else None
    else:
        seconds = duration_of(job, now)
        rate, eta = (success / seconds if seconds else 0.0), 0
    return Progress(
        total=job.total_contacts,
        processed=processed,
        success=success,
        failed=failed,
        skipped=skipped,
        current_batch=job.current_batch,
        total_batches=job.total_batches,
        percent=percent_of(processed, job.total_contacts) if job.selected_at else 0.0,
        rate=round(rate, 2),
        eta_seconds=eta,
        heartbeat=job.heartbeat_at,
    )


def describe_job(connection: Connection, job: Job, *, now: datetime) -> dict[str, Any]:
    """Return everything about a job but its files, as plain JSON values."""
    return {
        "job_id": str(job.id),
        "status": str(job.status),
        "workflow_id": str(job.workflow.id),
        "workflow_name": job.workflow.name,
        "selection_type": job.selection_type,
        "source": job.source,
        "requested_by": job.requested_by,
        "input_rows": job.input_rows,
        "total_contacts": job.total_contacts,
        "total_batches": job.total_batches,
        "outcomes": {str(outcome): number for outcome, number in job.outcomes.items()},
        "reasons": _reasons(connection, job),
        "progress": {
            "job_id": str(job.id),
            "status": str(job.status),
            **progress_of(connection, job, now=now).as_dict(),
        },
        "files": {},
        "error": _error(job),
        "attention": _attention(job, now),
        "waiting": _waiting(job, now),
        "retry_of": str(job.retry_of) if job.retry_of else None,
        "scheduled_at": _iso(job.scheduled_at),
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "completed_at": _iso(job.completed_at),
        "pruned_at": _iso(job.pruned_at),
    }


def _reasons(connection: Connection, job: Job) -> dict[str, int]:
    """Return how many rows by code, the most frequent first."""
    if job.report is not None:
        return _by_frequency(job.report["reasons"])
    reasons = {
        "DUPLICATE": job.counts[Outcome.DUPLICATE],
        "UNMATCHED": job.counts[Outcome.UNMATCHED],
        "REJECTED": job.counts[Outcome.REJECTED],
        **job.exclusions,
    }
    for code, number in batches.failure_codes(connection, job.id).items():
        reasons[code] = reasons.get(code, 0) + number
    return _by_frequency({code: number for code, number in reasons.items() if number})


def _by_frequency(reasons: dict[str, int]) -> dict[str, int]:
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _error(job: Job) -> dict[str, Any] | None:
    """Return what is wrong with a job; a command in the remedy names it."""
    if job.error is None:
        return None
    return {**job.error, "remedy": re.sub(r"\bJOB\b", str(job.id), job.error.get("remedy", ""))}


def _waiting(job: Job, now: datetime) -> dict[str, str | None] | None:
    """Return since when and until when a job waits for budget, and for which."""
    if job.status is not JobStatus.PROCESSING or job.waiting_until is None:
        return None
    if job.heartbeat_at is not None and abandoned(job.heartbeat_at, now):
        return None
    return {
        "since": _iso(job.waiting_since),
        "until": _iso(job.waiting_until),
        "budget": job.waiting_for,
    }


def _attention(job: Job, now: datetime) -> str | None:
    if job.completed_at is not None:
        return notice_of(job) if job.error is None else None
    alive_at = job.heartbeat_at or job.scheduled_at or job.created_at
    if job.status not in _AT_WORK or not abandoned(alive_at, now):
        return None
    if job.status is JobStatus.CANCELLING:
        return f"Its cancellation was cut off. End it with: enrollment cancel {job.id}"
    if job.status is JobStatus.PENDING and job.runner == "queue":
        return "It waits for its turn in the queue, which a running enrollment ui serves."
    return f"Nobody is working on this. Go on with: enrollment resume {job.id}"


def _iso(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat() if instant else None
