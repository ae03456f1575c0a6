"""The work of one job, phase by phase, in the order in which the Dagster assets call it.

Belongs here: one transaction per phase, the state it moves the job to, and the mark that keeps it
from being done twice. Every phase may be repeated: what a mark says is done is not done again, so a
re-executed run goes on where the last one ended. Does not belong here: Dagster.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.enrollment import report
from enrollment_pipeline.enrollment.batching import lane_count
from enrollment_pipeline.enrollment.cancelling import cancel_job
from enrollment_pipeline.enrollment.eligibility import count_by_outcome, rules_for
from enrollment_pipeline.enrollment.engine import Lane, LaneWork, Stop
from enrollment_pipeline.enrollment.progress import Progress
from enrollment_pipeline.enrollment.selection import resolve
from enrollment_pipeline.enrollment.states import (
    JOB_MOVES,
    JobStatus,
    closing_status,
    require_move,
)
from enrollment_pipeline.enrollment.store import batches, jobs, outcomes, selections
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.enrollment.store.outcomes import OutcomeCounts
from enrollment_pipeline.enrollment.view import progress_of
from enrollment_pipeline.errors import (
    CheckFailedError,
    InvalidStateError,
    JobIncompleteError,
    RefusedError,
    WorkflowInactiveError,
)
from enrollment_pipeline.records import Account, EligibilityRule, Outcome, WorkflowStatus
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.targets.base import EnrollmentOrder
from enrollment_pipeline.targets.database import DatabaseTarget

SOURCE = "bulk_enrollment"


@dataclass(frozen=True, slots=True)
class Check:
    """One promise held against a job: its name, whether it holds, and the figures."""

    name: str
    passed: bool
    figures: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """A closed job's counts and files."""

    job: Job
    counts: OutcomeCounts
    files: dict[str, Path]


class Phases:
    """The phases of one job.

    Raises:
        JobNotFoundError: there is no such job.
    """

    def __init__(self, database: Database, settings: Settings, job_id: UUID) -> None:
        self._database = database
        self._settings = settings
        self._job_id = job_id
        with database.across_accounts() as connection:
            self.account: Account = jobs.account_of(connection, job_id)

    @property
    def folder(self) -> Path:
        """Where the files of this job's report are."""
        return report_folder(self._settings, self.account, self._job_id)

    def job(self) -> Job:
        """Return the job as it is now."""
        with self._database.account(self.account.id) as connection:
            return jobs.load(connection, self._job_id)

    def progress(self, now: datetime) -> Progress:
        """Return how far the job is."""
        with self._database.account(self.account.id) as connection:
            return progress_of(connection, jobs.load(connection, self._job_id), now=now)

    def select(self) -> Job:
        """Resolve the selection; a request that cannot be resolved fails the job.

        Raises:
            InvalidStateError: the job is scheduled and not yet due; it stays so.
            RefusedError: why it cannot; the job is then `failed` and carries the same error.
        """
        self._begin_when_due()
        with self._failing_when_refused(), self._locked() as (connection, job):
            if job.selected_at is None and not job.status.closed:
                select_contacts(connection, job, self.account, self._settings)
        return self.job()

    def validate(self) -> Job:
        """Mark the contacts that may not be enrolled.

        Raises:
            JobIncompleteError: the selection is not resolved yet.
        """
        with self._locked() as (connection, job):
            if job.validated_at is None and not job.status.closed:
                _require(job.selected_at, "The selection of the job is not resolved yet.")
                validate_contacts(connection, job)
        return self.job()

    def partition(self) -> Job:
        """Cut the rest into batches.

        Raises:
            JobIncompleteError: the contacts are not checked yet.
        """
        with self._locked() as (connection, job):
            if job.batched_at is None and not job.status.closed:
                _require(job.validated_at, "The contacts of the job are not checked yet.")
                partition_contacts(connection, job)
        return self.job()

    def open_lanes(self) -> int:
        """Begin enrolling; return how many lanes to work with, none where nothing is left to do.

        Raises:
            InvalidStateError: the job is paused or being cancelled.
        """
        with self._locked() as (connection, job):
            if job.status.closed or not batches.open_batches(connection, job.id).batches:
                return 0
            if job.status is not JobStatus.PROCESSING:
                begin_enrolling(connection, job)
            return lane_count(
                job.total_contacts,
                requested=job.request["options"]["lanes"],
                allowed=self.account.settings.max_lanes,
            )

    def lane(self, stop: Stop, on_contacts: Callable[[int], None] = lambda _: None) -> Lane:
        """Return a lane that works on this job."""
        return Lane(self._database, lane_work(self.job()), stop, on_contacts)

    def cancel(self) -> None:
        """End the job, unless it is closed already, and write its report."""
        with suppress(InvalidStateError):
            cancel_job(self._database, self.account.id, self._job_id)
        self.report()

    def close_lanes(self) -> Job:
        """Make sure that every batch has ended; asks the database, not the lanes.

        Raises:
            JobIncompleteError: batches are left, because a lane was lost, or not made yet.
            InvalidStateError: the job was paused; the message says why.
        """
        with self._locked() as (connection, job):
            if job.status is JobStatus.PAUSED:
                why = (job.error or {}).get("message", "")
                raise InvalidStateError(
                    f"The job is paused. {why}".strip(), remedy="Go on with: enrollment resume JOB"
                )
            if not job.status.closed:
                _require_finished(connection, job)
            if job.status is JobStatus.QUEUED:
                # Nothing to enroll: the way over `processing` is taken without a lane.
                begin_enrolling(connection, job)
        return self.job()

    def check(self) -> list[Check]:
        """Hold the job against what the product promises; a check that fails is told in the job."""
        with self._locked() as (connection, job):
            checks = check_outcomes(connection, job, outcomes.count(connection, job.id))
            failed = [check for check in checks if not check.passed]
            if failed:
                told = "; ".join(f"{check.name} {check.figures}" for check in failed)
                error = CheckFailedError(f"The result of the job is not what it must be: {told}.")
                jobs.change(connection, job.id, error=error.as_dict())
        return checks

    def report(self) -> Report:
        """Write the files, and close the job where it is still open.

        Raises:
            JobIncompleteError: batches are left, or not made yet.
            InvalidStateError: the job is paused or being cancelled.
        """
        now = datetime.now(UTC)
        with self._locked() as (connection, job):
            counts = outcomes.collect(connection, job.id)
            if not job.status.closed:
                _require_finished(connection, job)
                close_job(connection, job, counts, now)
                job = jobs.load(connection, job.id)
            files = report.write_files(connection, job, counts, self.folder, now=now)
        return Report(job, counts, files)

    def fail(self, error: dict[str, Any]) -> None:
        """Close the job as failed; one that is closed or being cancelled stays as it is."""
        with self._locked() as (connection, job):
            if JobStatus.FAILED not in JOB_MOVES[job.status]:
                return
            _move(connection, job, JobStatus.FAILED, error=error, completed_at=datetime.now(UTC))
            jobs.drop_input(connection, job.id)

    def _begin_when_due(self) -> None:
        with self._locked() as (connection, job):
            if job.status is not JobStatus.SCHEDULED:
                return
            if not jobs.is_due(connection, job.id):
                raise InvalidStateError(
                    f"The job is scheduled for {job.scheduled_at}.",
                    remedy="It is started when its time comes.",
                )
            _move(connection, job, JobStatus.PENDING)

    @contextmanager
    def _locked(self) -> Iterator[tuple[Connection, Job]]:
        # Two runs of the same job take turns here; the second finds the mark of the first.
        with self._database.account(self.account.id) as connection:
            yield connection, jobs.load(connection, self._job_id, lock=True)

    @contextmanager
    def _failing_when_refused(self) -> Iterator[None]:
        try:
            yield
        except RefusedError as error:
            # Another run may have resolved the selection meanwhile; then the job goes on.
            if self.job().selected_at is None:
                self.fail(error.as_dict())
            raise


def select_contacts(connection: Connection, job: Job, account: Account, settings: Settings) -> None:
    """Resolve the selection of a job and count it.

    Raises:
        RefusedError: the workflow takes no enrollments, or the selection cannot be resolved.
    """
    require_active(job.workflow.name, job.workflow.status)
    now = datetime.now(UTC)
    counts = resolve(connection, job, limits=account.settings, scratch=settings.scratch, now=now)
    _move(
        connection,
        job,
        JobStatus.VALIDATING,
        started_at=job.started_at or now,
        selected_at=datetime.now(UTC),
        heartbeat_at=datetime.now(UTC),
        input_rows=counts.input_rows,
        total_contacts=counts.total_contacts,
        duplicate=counts.duplicate,
        unmatched=counts.unmatched,
        rejected=counts.rejected,
    )


def validate_contacts(connection: Connection, job: Job) -> None:
    """Mark the selected contacts that a rule excludes, and count them by code."""
    excluded = selections.exclude(connection, job, _rules(job))
    counts = count_by_outcome(excluded)
    jobs.change(
        connection,
        job.id,
        validated_at=datetime.now(UTC),
        heartbeat_at=datetime.now(UTC),
        exclusions=excluded,
        skipped=counts.get(Outcome.SKIPPED, 0),
        already_enrolled=counts.get(Outcome.ALREADY_ENROLLED, 0),
    )


def partition_contacts(connection: Connection, job: Job) -> None:
    """Cut the contacts that no rule excludes into batches."""
    number = selections.partition(connection, job, job.request["options"]["batch_size"])
    _move(
        connection,
        job,
        JobStatus.QUEUED,
        batched_at=datetime.now(UTC),
        heartbeat_at=datetime.now(UTC),
        total_batches=number,
    )


def begin_enrolling(connection: Connection, job: Job) -> None:
    """Let lanes work on the batches."""
    _move(connection, job, JobStatus.PROCESSING, error=None)


def lane_work(job: Job) -> LaneWork:
    """Return what the lanes of a job work on."""
    order = EnrollmentOrder(
        account_id=job.account_id,
        workflow_id=job.workflow.id,
        first_step=job.workflow.first_step,
        source=SOURCE,
        source_id=job.id,
        rules=_rules(job),
        add_tags=tuple(job.request["options"]["add_tags"]),
    )
    return LaneWork(
        account_id=job.account_id,
        job_id=job.id,
        order=order,
        batch_size=job.request["options"]["batch_size"],
        target=DatabaseTarget(),
    )


def check_outcomes(connection: Connection, job: Job, counts: OutcomeCounts) -> list[Check]:
    """Return the three checks every run is held against."""
    doubled = outcomes.count_enrolled_twice(connection, job.id)
    foreign = outcomes.count_foreign(connection, job.id)
    derived = {str(outcome): number for outcome, number in counts.outcomes.items()}
    agree = counts.outcomes == job.outcomes
    return [
        Check(
            "outcomes_add_up",
            agree and counts.total == job.input_rows,
            {"input_rows": job.input_rows, **derived},
        ),
        Check("nobody_enrolled_twice", doubled == 0, {"enrolled_twice": doubled}),
        Check("contacts_belong_to_account", foreign == 0, {"foreign_contacts": foreign}),
    ]


def close_job(connection: Connection, job: Job, counts: OutcomeCounts, now: datetime) -> None:
    """End a job that has nothing left to do, as its counts say, and keep them as its report."""
    status = closing_status(
        enrolled=counts.outcomes[Outcome.ENROLLED],
        failed=counts.outcomes[Outcome.FAILED],
        unprocessed=counts.outcomes[Outcome.UNPROCESSED],
    )
    seconds = report.duration_of(job, now)
    summary = {
        "outcomes": {str(outcome): number for outcome, number in counts.outcomes.items()},
        "reasons": counts.reasons,
        "seconds": seconds,
    }
    _move(connection, job, status, completed_at=now, report=summary)


def require_active(name: str, status: WorkflowStatus) -> None:
    """Do nothing for a workflow that takes enrollments.

    Raises:
        WorkflowInactiveError: it does not.
    """
    if status is not WorkflowStatus.ACTIVE:
        raise WorkflowInactiveError(
            f"The workflow {name!r} is {status}; only an active one takes enrollments.",
            remedy=f"Activate it with: enrollment workflows activate {name!r}",
        )


def report_folder(settings: Settings, account: Account, job_id: UUID) -> Path:
    """Return the folder of a job's result files; named by ids, never by time."""
    return settings.reports / str(account.id) / str(job_id)


def _move(connection: Connection, job: Job, status: JobStatus, **values: Any) -> None:
    require_move(job.status, status)
    jobs.change(connection, job.id, status=status, **values)


def _require(done_at: datetime | None, otherwise: str) -> None:
    if done_at is None:
        raise JobIncompleteError(otherwise)


def _require_finished(connection: Connection, job: Job) -> None:
    _require(job.batched_at, "The contacts of the job are not in batches yet.")
    left = batches.open_batches(connection, job.id).batches
    if left:
        raise JobIncompleteError(f"{left} batches of the job are not finished.")


def _rules(job: Job) -> tuple[EligibilityRule, ...]:
    return rules_for(
        skip_unsubscribed=job.request["options"]["skip_unsubscribed"],
        reenrollment=job.workflow.reenrollment,
        required_fields=job.workflow.required_fields,
    )
