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

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.enrollment import notices, report
from enrollment_pipeline.enrollment.batching import lane_count
from enrollment_pipeline.enrollment.cancelling import LOCK_SECONDS, ask_to_cancel, close_cancelled
from enrollment_pipeline.enrollment.engine import Lane, Stop
from enrollment_pipeline.enrollment.pausing import pause_job
from enrollment_pipeline.enrollment.states import JOB_MOVES, JobStatus
from enrollment_pipeline.enrollment.store import batches, jobs, outcomes
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.enrollment.store.outcomes import OutcomeCounts
from enrollment_pipeline.enrollment.transitions import (
    Check,
    begin_enrolling,
    check_outcomes,
    close_job,
    kept_counts,
    lane_work,
    move,
    partition_contacts,
    require_done,
    require_finished,
    select_contacts,
    summary_of,
    validate_contacts,
)
from enrollment_pipeline.enrollment.view import progress_of
from enrollment_pipeline.errors import (
    CheckFailedError,
    ConfigurationError,
    InvalidStateError,
    ProductError,
    RefusedError,
)
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.planning import limit_lock_waits
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work import inputs
from enrollment_pipeline.work.progress import Progress


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
        return report.report_folder(self._settings, self.account.id, self._job_id)

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
                require_done(job.selected_at, "The selection of the job is not resolved yet.")
                validate_contacts(connection, job)
        return self.job()

    def partition(self) -> Job:
        """Cut the rest into batches.

        Raises:
            JobIncompleteError: the contacts are not checked yet.
        """
        with self._locked() as (connection, job):
            if job.batched_at is None and not job.status.closed:
                require_done(job.validated_at, "The contacts of the job are not checked yet.")
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

    def lane(
        self,
        stop: Stop,
        on_contacts: Callable[[int], None] = lambda _: None,
        clock: Callable[[], datetime | None] = lambda: None,
    ) -> Lane:
        """Return a lane that works on this job; see `engine.Lane`."""
        work = lane_work(self.job(), self.account, self._settings)
        return Lane(self._database, work, stop, on_contacts, clock)

    def cancel(self, *, actor: str, lock_seconds: int = LOCK_SECONDS) -> None:
        """End the job, unless it is closed already.

        For whoever ended its run rather than the job, which no permission can prevent.
        """
        with (
            suppress(InvalidStateError),
            operation(
                self._database,
                self.account.id,
                actor=actor,
                action="job.cancel",
                needs=None,
                subject=self._job_id,
            ) as doing,
        ):
            limit_lock_waits(doing.connection, lock_seconds)
            ask_to_cancel(doing.connection, self._settings, self._job_id)
        close_cancelled(
            self._database,
            self._settings,
            self.account.id,
            self._job_id,
            lock_seconds=lock_seconds,
        )

    def end(self, *, actor: str, lock_seconds: int = LOCK_SECONDS) -> None:
        """Cancel the job and write its report, because somebody ended its run."""
        self.cancel(actor=actor, lock_seconds=lock_seconds)
        if self.job().report is None:
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
                require_finished(connection, job)
            if job.status is JobStatus.QUEUED:
                # Nothing to enroll: the way over `processing` is taken without a lane.
                begin_enrolling(connection, job)
        return self.job()

    def check(self) -> list[Check]:
        """Hold the job against what the product promises; a check that fails is told in the job.

        Of a job whose details were removed, the kept counts are held against the counters.
        """
        with self._locked() as (connection, job):
            counts = kept_counts(job) or outcomes.count(connection, job.id)
            checks = check_outcomes(connection, job, counts)
            failed = [check for check in checks if not check.passed]
            if failed:
                told = "; ".join(f"{check.name} {check.figures}" for check in failed)
                error = CheckFailedError(f"The result of the job is not what it must be: {told}.")
                jobs.change(connection, job.id, error=error.as_dict())
        return checks

    def report(self) -> Report:
        """Write the files, and close the job where it is still open.

        The files of a job whose details were removed stay as they are.

        Raises:
            JobIncompleteError: batches are left, or not made yet.
            InvalidStateError: the job is paused or being cancelled.
            ConfigurationError: the files cannot be written; the job then says so, and stays open.
        """
        try:
            return self._report(datetime.now(UTC))
        except OSError as error:
            why = ConfigurationError(
                f"The report cannot be written to {self.folder}: {error.strerror}.",
                remedy="Make room or give permission there, then go on with: "
                f"enrollment resume {self._job_id}",
            )
        with self._locked() as (connection, job):
            if not job.status.closed:
                jobs.change(connection, job.id, error=why.as_dict())
        raise why

    def close(self) -> None:
        """Close the job without the files of a report, which can be written at any time later.

        Raises:
            JobIncompleteError: batches are left, or not made yet.
        """
        with self._locked() as (connection, job):
            if not job.status.closed:
                require_finished(connection, job)
                counts = outcomes.collect(connection, job.id)
                close_job(connection, self._settings, job, counts, datetime.now(UTC))

    def _report(self, now: datetime) -> Report:
        with self._locked() as (connection, job):
            kept = kept_counts(job)
            if kept is not None:
                return Report(job, kept, report.files_in(self.folder))
            counts = outcomes.collect(connection, job.id)
            if not job.status.closed:
                require_finished(connection, job)
                close_job(connection, self._settings, job, counts, now)
                job = jobs.load(connection, job.id)
            elif job.report is None:
                jobs.change(connection, job.id, report=summary_of(job, counts, now))
            files = report.write_files(connection, job, counts, self.folder, now=now)
        return Report(job, counts, files)

    def fail(self, error: dict[str, Any]) -> None:
        """Close the job as failed; one that is closed or being cancelled stays as it is."""
        with self._locked() as (connection, job):
            if JobStatus.FAILED not in JOB_MOVES[job.status]:
                return
            move(connection, job, JobStatus.FAILED, error=error, completed_at=datetime.now(UTC))
            inputs.drop_input(connection, job.id)
            notices.tell(connection, self._settings, job.id)

    def tell_of_failed_run(self, run_id: str, reason: str) -> None:
        """Tell that a run has failed, where neither the queue nor a person has the job in hand."""
        with self._locked() as (connection, job):
            in_hand = job.runner == "queue" and job.error is None
            if job.status.closed or job.status is JobStatus.PAUSED or in_hand:
                return
            notices.tell_of_failed_run(connection, self._settings, job, run_id, reason)

    def give_up(self, why: ProductError) -> None:
        """Pause an open job where it can go on from, otherwise close it as failed."""
        with self._locked() as (connection, job):
            if JobStatus.PAUSED in JOB_MOVES[job.status]:
                pause_job(connection, self._settings, job.id, why)
                return
        self.fail(why.as_dict())

    def _begin_when_due(self) -> None:
        with self._locked() as (connection, job):
            if job.status is not JobStatus.SCHEDULED:
                return
            if not jobs.is_due(connection, job.id):
                raise InvalidStateError(
                    f"The job is scheduled for {job.scheduled_at}.",
                    remedy="It is started when its time comes.",
                )
            move(connection, job, JobStatus.PENDING)

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
