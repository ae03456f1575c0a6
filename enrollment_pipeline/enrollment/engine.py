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

from enrollment_pipeline.enrollment.batching import claim_size
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
from enrollment_pipeline.storage.failures import first_line, is_bad_data, transient_reason
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
        try:
            if self._work.budget.unlimited or self._failed is not None:
                step = self._transact(None)
            else:
                step = self._within_budget()
        except DBAPIError as error:
            return self._after(error)
        self._outages = 0
        self._failed = None
        if self._claimed and self._alone:
            self._alone -= 1
        return step

    def _within_budget(self) -> _Step:
        work = self._work
        wanted = work.batch_size * (1 if self._alone else claim_size(work.batch_size))
        reserved = limits.reserve(
            self._database, work.account_id, wanted, work.budget, at=self._clock()
        )
        if not reserved.granted:
            with self._database.account(work.account_id) as connection:
                return self._wait_for_budget(connection, reserved)
        used = 0
        try:
            step = self._transact(reserved.granted)
            used = step.enrolled if isinstance(step, Done) else 0
        finally:
            if used < reserved.granted:
                # Where that fails, the account enrolls fewer in this window, and never more.
                with suppress(DBAPIError):
                    limits.give_back(
                        self._database,
                        work.account_id,
                        reserved.granted - used,
                        work.budget,
                        at=reserved.at,
                    )
        return step

    def _wait_for_budget(self, connection: Connection, reserved: Reservation) -> _Step:
        halted = _halted(connection, self._work)
        if halted is not None:
            return halted
        if not batches.open_batches(connection, self._work.job_id).batches:
            return LaneEnd.DONE
        until = reserved.opens_at or reserved.at
        jobs.wait(
            connection,
            self._work.job_id,
            since=reserved.at,
            until=until,
            budget=reserved.held_by or "",
        )
        return _Idle(_until((until - reserved.at).total_seconds()))

    def _transact(self, allowance: int | None) -> _Step:
        with self._database.account(self._work.account_id) as connection:
            return self._step(connection, allowance)

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

    def _step(self, connection: Connection, allowance: int | None) -> _Step:
        work = self._work
        if self._failed is not None:
            count_attempt(connection, work, self._failed)
            return Done()
        halted = _halted(connection, work)
        if halted is not None:
            return halted
        if not limits.take_lane(connection, work.account_id, work.max_lanes):
            return _Idle(0)
        size, contacts = self._portion(allowance)
        self._claimed = batches.claim(connection, work.job_id, size)
        if not self._claimed:
            return _rest(connection, work.job_id)
        if self._alone:
            return enroll_around_poison(connection, work, self._claimed[0], contacts)
        return enroll_claimed(connection, work, self._claimed, contacts)

    def _portion(self, allowance: int | None) -> tuple[int, int]:
        """Return how many batches to claim, and how many contacts of each to enroll."""
        size = 1 if self._alone else claim_size(self._work.batch_size)
        if allowance is None:
            return size, WHOLE_BATCH
        whole = allowance // self._work.batch_size
        return (min(size, whole), WHOLE_BATCH) if whole else (1, allowance)


def _halted(connection: Connection, work: LaneWork) -> LaneEnd | None:
    state = jobs.state(connection, work.job_id)
    if state.status is JobStatus.PAUSED:
        return LaneEnd.PAUSED
    if state.status is JobStatus.CANCELLING:
        return LaneEnd.STOPPED
    if state.status is not JobStatus.PROCESSING:
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
