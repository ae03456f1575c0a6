"""Pausing a job: it keeps what it has done, says why, and goes on when it is resumed."""

from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.errors import ProductError


def pause_job(connection: Connection, job_id: UUID, why: ProductError) -> bool:
    """Pause a job that is at work; return False for one that was paused or cancelled meanwhile."""
    return jobs.pause(connection, job_id, error=why.as_dict())
