"""One lane: claims batches until none is left, each claim whole in one transaction.

Belongs here: the order of claim, enroll, count and mark; what a failed transaction means; when a
lane waits and when it ends. Does not belong here: how a contact is enrolled (`targets`), SQL
(`store`), Dagster.

What is left to do is always read from the database, so a lane may be killed, repeated or run twice
at once without losing or doubling a contact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.enrollment.batching import claim_size
from enrollment_pipeline.enrollment.eligibility import count_by_outcome
from enrollment_pipeline.enrollment.states import JobStatus
from enrollment_pipeline.enrollment.store import batches, jobs
from enrollment_pipeline.errors import DatabaseUnavailableError, Reason, WorkflowInactiveError
from enrollment_pipeline.records import Outcome, WorkflowStatus
from enrollment_pipeline.storage.failures import first_line, transient_reason
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.targets.base import EnrollmentOrder, EnrollmentResult, Target

# Seconds before the second, third and fourth attempt of a batch (spec "Enrolling").
RETRY_WAITS = (10, 30, 90)
# How long a lane sleeps while others hold the batches that are left.
IDLE_SECONDS = 0.2
# The longest uninterrupted sleep; a job cancelled from elsewhere is noticed after it.
LONGEST_SLEEP_SECONDS = 2.0
WHOLE_BATCH = 1_000


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
class LaneWork:
    """What a lane works on."""

    account_id: UUID
    job_id: UUID
    order: EnrollmentOrder
    batch_size: int
    target: Target


@dataclass(frozen=True, slots=True)
class _Idle:
    """Nothing could be claimed; look again in so many seconds."""

    seconds: float


_Step = LaneEnd | _Idle | int


class Lane:
    """A worker on one job."""

    def __init__(
        self,
        database: Database,
        work: LaneWork,
        stop: Stop,
        on_contacts: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._work = work
        self._stop = stop
        self._on_contacts = on_contacts
        self._claimed: list[int] = []
        # Claims left to be made one batch at a time, because one of them met bad data.
        self._careful = 0

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
                self._on_contacts(step)
        return LaneEnd.STOPPED

    def _attempt(self) -> _Step:
        self._claimed = []
        try:
            with self._database.account(self._work.account_id) as connection:
                return self._step(connection)
        except DBAPIError as error:
            return self._after(error)

    def _after(self, error: DBAPIError) -> _Step:
        reason = transient_reason(error)
        if reason is None:
            if not self._claimed:
                raise error
            self._careful = len(self._claimed)
            return 0
        try:
            self._postpone(reason, first_line(error))
        except DBAPIError as second:
            raise DatabaseUnavailableError(first_line(second)) from second
        return 0

    def _postpone(self, reason: Reason, message: str) -> None:
        with self._database.account(self._work.account_id) as connection:
            if self._claimed:
                batches.postpone(
                    connection,
                    self._work.job_id,
                    self._claimed,
                    code=reason,
                    message=message,
                    waits=RETRY_WAITS,
                )
            jobs.announce(connection, self._work.job_id)

    def _step(self, connection: Connection) -> _Step:
        job_id = self._work.job_id
        halted = _halted(connection, job_id)
        if halted is not None:
            return halted
        size = 1 if self._careful else claim_size(self._work.batch_size)
        self._claimed = batches.claim(connection, job_id, size)
        if not self._claimed:
            return _rest(connection, job_id)
        if self._careful:
            self._careful -= 1
            return enroll_around_poison(connection, self._work, self._claimed[0])
        return enroll_claimed(connection, self._work, self._claimed, WHOLE_BATCH)


def enroll_claimed(
    connection: Connection, work: LaneWork, numbers: list[int], contacts: int
) -> int:
    """Enroll up to `contacts` contacts of each claimed batch, move the batches on, and count."""
    result = work.target.enroll(connection, work.order, numbers, contacts=contacts)
    batches.advance(connection, work.job_id, numbers, contacts=contacts)
    jobs.add_counts(connection, work.job_id, _outcomes(result), current_batch=max(numbers))
    return result.contacts


def enroll_in_place(connection: Connection, work: LaneWork) -> None:
    """Enroll everything in the caller's transaction, as a rehearsal does."""
    while numbers := batches.claim(connection, work.job_id, claim_size(work.batch_size)):
        try:
            with connection.begin_nested():
                enroll_claimed(connection, work, numbers, WHOLE_BATCH)
        except DBAPIError as error:
            if transient_reason(error) is not None:
                raise
            for number in numbers:
                enroll_around_poison(connection, work, number)


def enroll_around_poison(connection: Connection, work: LaneWork, number: int) -> int:
    """Enroll one batch of which at least one contact cannot be; only that one fails.

    Halves the batch until the contact is found; each half is tried in a savepoint.
    """
    remaining = batches.remaining(connection, work.job_id, number)
    _halve(connection, work, number, remaining)
    return remaining


def _halve(connection: Connection, work: LaneWork, number: int, contacts: int) -> None:
    try:
        with connection.begin_nested():
            enroll_claimed(connection, work, [number], contacts)
    except DBAPIError as error:
        if transient_reason(error) is not None:
            raise
        if contacts > 1:
            _halve(connection, work, number, contacts // 2)
            _halve(connection, work, number, contacts - contacts // 2)
            return
        batches.fail_next(
            connection,
            work.job_id,
            number,
            code=Reason.ENROLLMENT_ERROR,
            message=first_line(error),
        )
        batches.advance(connection, work.job_id, [number], contacts=1)
        jobs.add_counts(connection, work.job_id, {Outcome.FAILED: 1}, current_batch=number)


def _outcomes(result: EnrollmentResult) -> dict[Outcome, int]:
    return {Outcome.ENROLLED: result.enrolled, **count_by_outcome(result.refused)}


def _halted(connection: Connection, job_id: UUID) -> LaneEnd | None:
    status, workflow = jobs.state(connection, job_id)
    if status is JobStatus.PAUSED:
        return LaneEnd.PAUSED
    if status is JobStatus.CANCELLING:
        return LaneEnd.STOPPED
    if status is not JobStatus.PROCESSING:
        return LaneEnd.DONE
    if workflow is not WorkflowStatus.ACTIVE:
        reason = WorkflowInactiveError(
            f"The workflow became {workflow} while the job was running.",
            remedy="Activate the workflow, then go on with: enrollment resume JOB",
        )
        jobs.change(connection, job_id, status=JobStatus.PAUSED, error=reason.as_dict())
        return LaneEnd.PAUSED
    return None


def _rest(connection: Connection, job_id: UUID) -> LaneEnd | _Idle:
    rest = batches.open_batches(connection, job_id)
    if not rest.batches:
        return LaneEnd.DONE
    if rest.next_attempt_at is None:
        return _Idle(IDLE_SECONDS)
    due_in = (rest.next_attempt_at - datetime.now(UTC)).total_seconds()
    return _Idle(min(LONGEST_SLEEP_SECONDS, max(IDLE_SECONDS, due_in)))
