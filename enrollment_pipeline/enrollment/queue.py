"""Which jobs the queue has to start."""

from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.enrollment.store.jobs import QueuedJob
from enrollment_pipeline.storage.tenancy import Database

NOT_BEGUN = (JobStatus.SCHEDULED, JobStatus.PENDING)


def open_jobs(database: Database) -> list[QueuedJob]:
    """Return the jobs of all accounts that are due and not closed or paused, oldest first."""
    with database.across_accounts() as connection:
        return jobs.in_queue(connection)
