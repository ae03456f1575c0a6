"""Telling that a job has ended, paused, or lost its run.

Belongs here: what is told of a job, and whom the request wants told. A message is written in the
transaction of what it tells of, so there is none without the other; how it is sent is the business
of `notifications`.
"""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.enrollment.handover import SOURCE
from enrollment_pipeline.enrollment.report import duration_of, report_folder
from enrollment_pipeline.enrollment.request import Options
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import (
    Event,
    JobPayload,
    Notice,
    Recipients,
)
from enrollment_pipeline.settings import Settings

_EVENTS = {
    JobStatus.COMPLETED: Event.JOB_COMPLETED,
    JobStatus.COMPLETED_WITH_ERRORS: Event.JOB_COMPLETED_WITH_ERRORS,
    JobStatus.FAILED: Event.JOB_FAILED,
    JobStatus.CANCELLED: Event.JOB_CANCELLED,
    JobStatus.PAUSED: Event.JOB_PAUSED,
}


def tell(connection: Connection, settings: Settings, job_id: UUID) -> None:
    """Tell the state that a job has just reached: closed, or paused."""
    job = jobs.load(connection, job_id)
    if job.source == SOURCE and job.status is JobStatus.COMPLETED:
        # There may be one for every event, and nobody wants a message for each.
        return
    # A job pauses at most once an attempt; it ends once.
    occasion = str(job.attempt) if job.status is JobStatus.PAUSED else ""
    reason = job.error["message"] if job.error else None
    _enqueue(connection, settings, job, _EVENTS[job.status], occasion, reason)


def tell_of_failed_run(
    connection: Connection, settings: Settings, job: Job, run_id: str, reason: str
) -> None:
    """Tell that a run has failed and nobody goes on with its job."""
    _enqueue(connection, settings, job, Event.RUN_FAILED, run_id, reason)


def _enqueue(
    connection: Connection,
    settings: Settings,
    job: Job,
    event: Event,
    occasion: str,
    reason: str | None,
) -> None:
    wanted = Options.model_validate(job.request["options"]).notify
    notifications.enqueue(
        connection,
        job.account_id,
        Notice(event, job.id, occasion, _payload(settings, job, reason)),
        Recipients(wanted.emails, wanted.webhooks),
    )


def _payload(settings: Settings, job: Job, reason: str | None) -> JobPayload:
    report = report_folder(settings, job.account_id, job.id) / "report.html"
    return {
        "job_id": str(job.id),
        "workflow_name": job.workflow.name,
        "status": str(job.status),
        "outcomes": {str(outcome): number for outcome, number in job.outcomes.items()},
        "input_rows": job.input_rows,
        "duration_seconds": duration_of(job, datetime.now(UTC)),
        "reason": reason,
        "requested_by": job.requested_by,
        "links": {
            "ui": f"{settings.ui_url.rstrip('/')}/assets/enrollment_report?partition={job.id}",
            "report": str(report) if job.status.closed else None,
        },
    }
