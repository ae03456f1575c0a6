"""Enrollment jobs as work of the queue."""

from enrollment_pipeline.defs.enrollment.job import bulk_enrollment
from enrollment_pipeline.defs.enrollment.partitions import ENROLLMENT_JOBS
from enrollment_pipeline.defs.product import TERMINATED_BY
from enrollment_pipeline.defs.queue import WorkKind
from enrollment_pipeline.enrollment import queue
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.queueing import QueuedWork


def _finish(database: Database, settings: Settings, job: QueuedWork) -> bool:
    queue.finish_cancelling(database, settings, job, actor=TERMINATED_BY)
    # A closed job has a report, and only a run can write it where the UI finds it.
    return True


JOBS = WorkKind(
    name="job",
    job=bulk_enrollment,
    partitions=ENROLLMENT_JOBS,
    open_work=queue.open_jobs,
    restart=queue.restart,
    finish=_finish,
)
