"""The dry run: everything that the job would do, done by the same code, told, and undone."""

import time
from datetime import UTC, datetime
from typing import Any

from enrollment_pipeline.accounts.operations import check
from enrollment_pipeline.enrollment.claims import enroll_in_place
from enrollment_pipeline.enrollment.request import BulkEnrollmentRequest
from enrollment_pipeline.enrollment.store import jobs, outcomes
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.enrollment.submission import create_job
from enrollment_pipeline.enrollment.transitions import (
    begin_enrolling,
    check_outcomes,
    close_job,
    lane_work,
    partition_contacts,
    select_contacts,
    validate_contacts,
)
from enrollment_pipeline.enrollment.view import describe_job
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.times import due_time

SAMPLE_ROWS = 20
# Starting a run takes longer than enrolling ten thousand contacts; an estimate must hold it.
RUN_OVERHEAD_SECONDS = 3.0


def preview(
    database: Database, settings: Settings, account: Account, request: BulkEnrollmentRequest
) -> dict[str, Any]:
    """Do everything that the job would do, tell the outcome, and undo it.

    Raises:
        RefusedError: the request would be refused.
    """
    due_time(request.scheduled_at, request.timezone, account)
    with database.rehearsal(account.id) as connection:
        check(connection, request.requested_by, Permission.WORKFLOW_MANAGE)
        plain = request.model_copy(update={"request_id": None, "scheduled_at": None})
        job_id = create_job(connection, account, plain, source="preview", runner="caller")

        def job() -> Job:
            return jobs.load(connection, job_id)

        select_contacts(connection, job(), account, settings)
        validate_contacts(connection, job())
        partition_contacts(connection, job())
        begin_enrolling(connection, job())
        begun = time.monotonic()
        enroll_in_place(connection, lane_work(job(), account, settings))
        seconds = time.monotonic() - begun
        counts = outcomes.collect(connection, job_id)
        checks = check_outcomes(connection, job(), counts)
        close_job(connection, settings, job(), counts, datetime.now(UTC))
        document = describe_job(connection, job(), now=datetime.now(UTC))
        del document["job_id"], document["progress"]["job_id"]
        return {
            **document,
            "dry_run": True,
            "checks": {check.name: check.passed for check in checks},
            "estimated_seconds": round(seconds + RUN_OVERHEAD_SECONDS, 1),
            "samples": outcomes.sample(connection, size=SAMPLE_ROWS),
        }
