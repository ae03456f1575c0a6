"""Pausing a job: it keeps what it has done, says why, and goes on when it is resumed."""

from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.enrollment import notices
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.errors import ProductError
from enrollment_pipeline.settings import Settings


def pause_job(connection: Connection, settings: Settings, job_id: UUID, why: ProductError) -> None:
    """Pause a job that is at work; one that was paused or cancelled meanwhile stays as it is."""
    if jobs.pause(connection, job_id, error=why.as_dict()):
        notices.tell(connection, settings, job_id)
