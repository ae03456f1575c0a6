"""One lane: claims batches until none is left, each claim whole in one transaction.

Belongs here: what a failed transaction means, when a lane waits and when it ends. Does not belong
here: what is done with a claim (`claims`), SQL (`store`), Dagster.

What is left to do is always read from the database, so a lane may be killed, repeated or run twice
at once without losing or doubling a contact.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.enrollment.batching import claim_size, portion_of
from enrollment_pipeline.enrollment.brake import must_brake
from enrollment_pipeline.enrollment.claims import (
    WHOLE_BATCH,
    Done,
    FailedAttempt,
    LaneWork,
    count_attempt,
    enroll_around_poison,
    enroll_claimed,
)
from enrollment_pipeline.enrollment.pausing import pause_job
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import batches, jobs
from enrollment_pipeline.enrollment.store.jobs import JobState
from enrollment_pipeline.errors import (
    DatabaseUnavailableError,
    ProductError,
    Reason,
    TooManyFailuresError,
    WorkflowInactiveError,
)
from enrollment_pipeline.limits import service as limits
from enrollment_pipeline.limits.budget import Reservation
from enrollment_pipeline.records import WorkflowStatus
from enrollment_pipeline.storage.failures import (
    first_line,
    is_bad_data,
    transient_reason,
    was_rolled_back,
)
from enrollment_pipeline.storage.patience import OUTAGE_WAITS
from enrollment_pipeline.storage.tenancy import Database

# How long a lane sleeps while others hold the batches that are left.
IDLE_SECONDS = 0.2
# The longest uninterrupted sleep; a job cancelled from elsewhere is noticed after it.
LONGEST_SLEEP_SECONDS = 2.0


class Stop(Protocol):
    """A request to end after the transaction in progress; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Return whether to stop."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep for `timeout` seconds or until the stop; return whether to stop."""
        ...


class LaneEnd(StrEnum):
    """Why a lane ended."""

    DONE = "done"
    STOPPED = "stopped"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class _Idle:
    """Nothing could be claimed; look again in so many seconds."""

    seconds: float


_Step = LaneEnd | _Idle | Done


class Lane:
    """A worker on one job.

    Several batches share a transaction as long as all goes well. When it fails, each of them is
    tried alone: a contact that cannot be enrolled is then found by halving, and an attempt that
    fails as a whole counts against no other batch.

    `clock` is the time that budgets go by; None is the database's own.
    """

    def __init__(
        self,
        database: Database,
        work: LaneWork,
        stop: Stop,
        on_contacts: Callable[[int], None] = lambda _: None,
        clock: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        self._database = database
        self._work = work
        self._stop = stop
        self._on_contacts = on_contacts
        self._clock = clock
        self._claimed: list[int] = []
        self._reserved: Reservation | None = None
        # Claims left to be made one batch at a time.
        self._alone = 0
        self._failed: FailedAttempt | None = None
        # Times in a row that the database did not answer.
        self._outages = 0

    def drain(self) -> LaneEnd:
        """Work until no batch is left, the job is halted, or a stop is asked for.

        Raises:
            DatabaseUnavailableError: the database cannot be reached; what was committed stays.
        """
        while not self._stop.is_set():
            step = self._attempt()
            if isinstance(step, LaneEnd):
                return step
            if isinstance(step, _Idle):
                self._stop.wait(step.seconds)
            else:
                self._on_contacts(step.contacts)
        return LaneEnd.STOPPED

    def _attempt(self) -> _Step:
        self._claimed = []
        self._reserved = None
        try:
            with self._database.account(self._work.account_id) as connection:
                step = self._step(connection)
        except DBAPIError as error:
            if was_rolled_back(error):
                self._give_back(0)
            return self._after(error)
        self._give_back(step.enrolled if isinstance(step, Done) else 0)
        self._outages = 0
        self._failed = None
        if self._claimed and self._alone:
            self._alone -= 1
        return step

    def _give_back(self, used: int) -> None:
        """Give back what was reserved and not used; not where a commit may have gone through."""
        reserved = self._reserved
        if reserved is None or used >= reserved.granted:
            return
        # Where that fails, the account enrolls fewer in this window, and never more.
        with suppress(DBAPIError):
            limits.give_back(
                self._database,
                self._work.account_id,
                reserved.granted - used,
                self._work.budget,
                at=reserved.at,
            )

    def _wait_for_budget(self, connection: Connection, reserved: Reservation) -> _Idle:
        until = reserved.opens_at or reserved.at
        jobs.wait(
            connection,
            self._work.job_id,
            since=reserved.at,
            until=until,
            budget=reserved.held_by or "",
        )
        return _Idle(_until((until - reserved.at).total_seconds()))

    def _after(self, error: DBAPIError) -> _Step:
        reason = transient_reason(error)
        if not self._claimed:
            if reason is None:
                raise error
            return self._outage(error)
        if reason is None and not is_bad_data(error):
            return self._pause(error)
        if not self._alone and (reason is None or len(self._claimed) > 1):
            self._alone = len(self._claimed)
            return Done()
        self._alone = max(0, self._alone - 1)
        # Written down by the next transaction, because the connection of this one may be gone.
        self._failed = FailedAttempt(
            self._claimed[0], reason or Reason.ENROLLMENT_ERROR, first_line(error)
        )
        return Done()

    def _pause(self, error: DBAPIError) -> LaneEnd:
        # A statement that the database refuses, such as for a missing privilege, is no fault of
        # the contacts, and would be refused for every one of them.
        why = ProductError(
            f"The database refused to enroll: {first_line(error)}.",
            remedy=f"Mend it, then go on with: enrollment resume {self._work.job_id}",
        )
        with self._database.account(self._work.account_id) as connection:
            pause_job(connection, self._work.settings, self._work.job_id, why)
        return LaneEnd.PAUSED

    def _outage(self, error: DBAPIError) -> _Idle:
        if self._outages == len(OUTAGE_WAITS):
            raise DatabaseUnavailableError(first_line(error)) from error
        self._outages += 1
        # A server of the product's own is started again by whoever misses it.
        with suppress(ProductError):
            self._database.revive()
        return _Idle(OUTAGE_WAITS[self._outages - 1])

    def _step(self, connection: Connection) -> _Step:
        work = self._work
        if self._failed is not None:
            count_attempt(connection, work, self._failed)
            return Done()
        halted = _halted(connection, work)
        if halted is not None:
            return halted
        if not limits.take_lane(connection, work.account_id, work.max_lanes):
            return _Idle(0)
        claimed = batches.claim(
            connection, work.job_id, 1 if self._alone else claim_size(work.batch_size)
        )
        if not claimed:
            return _rest(connection, work.job_id)
        numbers, contacts = list(claimed), WHOLE_BATCH
        if not work.budget.unlimited:
            # In a transaction of its own, on another connection: the rows of a budget are locked
            # until its end, and every lane of the account needs them.
            self._reserved = limits.reserve(
                self._database,
                work.account_id,
                sum(claimed.values()),
                work.budget,
                at=self._clock(),
            )
            if not self._reserved.granted:
                return self._wait_for_budget(connection, self._reserved)
            numbers, contacts = portion_of(claimed, self._reserved.granted)
        self._claimed = numbers
        if self._alone:
            return enroll_around_poison(connection, work, numbers[0], contacts)
        return enroll_claimed(connection, work, numbers, contacts)


def _halted(connection: Connection, work: LaneWork) -> LaneEnd | None:
    state = jobs.state(connection, work.job_id)
    if state.status is JobStatus.PAUSED:
        return LaneEnd.PAUSED
    if state.status in (JobStatus.CANCELLING, JobStatus.CANCELLED):
        return LaneEnd.STOPPED
    if state.status is JobStatus.QUEUED:
        # Paused and resumed while this lane slept, which is as good as the one that will come.
        jobs.begin(connection, work.job_id)
    elif state.status is not JobStatus.PROCESSING:
        return LaneEnd.DONE
    why = _reason_to_pause(state, work.max_failure_share)
    if why is None or not batches.open_batches(connection, work.job_id).batches:
        return None
    pause_job(connection, work.settings, work.job_id, why)
    return LaneEnd.PAUSED


def _reason_to_pause(state: JobState, max_failure_share: float) -> ProductError | None:
    if state.workflow is not WorkflowStatus.ACTIVE:
        return WorkflowInactiveError(
            f"The workflow became {state.workflow} while the job was running.",
            remedy="Activate the workflow, then go on with: enrollment resume JOB",
        )
    if must_brake(enrolled=state.enrolled, failed=state.failed, share=max_failure_share):
        tried = state.enrolled + state.failed
        return TooManyFailuresError(
            f"{state.failed:,} of {tried:,} contacts failed, which is more than the "
            f"{max_failure_share:.0%} that the request allows."
        )
    return None


def _rest(connection: Connection, job_id: UUID) -> LaneEnd | _Idle:
    rest = batches.open_batches(connection, job_id)
    if not rest.batches:
        return LaneEnd.DONE
    if rest.next_attempt_at is None:
        return _Idle(IDLE_SECONDS)
    return _Idle(_until((rest.next_attempt_at - datetime.now(UTC)).total_seconds()))


def _until(seconds: float) -> float:
    return min(LONGEST_SLEEP_SECONDS, max(IDLE_SECONDS, seconds))
