"""One lane: claims batches until none is left, each claim whole in one transaction.

Belongs here: the order of claim, enroll, count and mark; what a failed transaction means; when a
lane waits and when it ends. Does not belong here: how a contact is enrolled (`targets`), SQL
(`store`), Dagster.

What is left to do is always read from the database, so a lane may be killed, repeated or run twice
at once without losing or doubling a contact.
"""

import logging
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
from enrollment_pipeline.errors import (
    DatabaseUnavailableError,
    ProductError,
    Reason,
    WorkflowInactiveError,
)
from enrollment_pipeline.records import Outcome, WorkflowStatus
from enrollment_pipeline.storage.failures import first_line, is_bad_data, transient_reason
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.targets.base import EnrollmentOrder, EnrollmentResult, Target

# Seconds before the second, third and fourth attempt of a batch (spec "Enrolling").
RETRY_WAITS = (10, 30, 90)
# Seconds between the looks at a database that does not answer; a minute in all, which outlasts the
# restart of a server.
OUTAGE_WAITS = (0.2, 0.5, 1, 2, 4, 8, 15, 30)
# How long a lane sleeps while others hold the batches that are left.
IDLE_SECONDS = 0.2
# The longest uninterrupted sleep; a job cancelled from elsewhere is noticed after it.
LONGEST_SLEEP_SECONDS = 2.0
WHOLE_BATCH = 1_000

_log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class _FailedAttempt:
    """A batch whose own transaction failed, to be counted against it."""

    number: int
    code: Reason
    message: str


class Lane:
    """A worker on one job.

    Several batches share a transaction as long as all goes well. When it fails, each of them is
    tried alone: a contact that cannot be enrolled is then found by halving, and an attempt that
    fails as a whole counts against no other batch.
    """

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
        # Claims left to be made one batch at a time.
        self._alone = 0
        self._failed: _FailedAttempt | None = None
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
                self._on_contacts(step)
        return LaneEnd.STOPPED

    def _attempt(self) -> _Step:
        self._claimed = []
        try:
            with self._database.account(self._work.account_id) as connection:
                step = self._step(connection)
        except DBAPIError as error:
            return self._after(error)
        self._outages = 0
        self._failed = None
        if self._claimed and self._alone:
            self._alone -= 1
        return step

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
            return 0
        self._alone = max(0, self._alone - 1)
        # Written down by the next transaction, because the connection of this one may be gone.
        self._failed = _FailedAttempt(
            self._claimed[0], reason or Reason.ENROLLMENT_ERROR, first_line(error)
        )
        return 0

    def _pause(self, error: DBAPIError) -> LaneEnd:
        # A statement that the database refuses, such as for a missing privilege, is no fault of
        # the contacts, and would be refused for every one of them.
        why = ProductError(
            f"The database refused to enroll: {first_line(error)}.",
            remedy=f"Mend it, then go on with: enrollment resume {self._work.job_id}",
        )
        with self._database.account(self._work.account_id) as connection:
            jobs.pause(connection, self._work.job_id, error=why.as_dict())
        return LaneEnd.PAUSED

    def _outage(self, error: DBAPIError) -> _Idle:
        if self._outages == len(OUTAGE_WAITS):
            raise DatabaseUnavailableError(first_line(error)) from error
        self._outages += 1
        return _Idle(OUTAGE_WAITS[self._outages - 1])

    def _step(self, connection: Connection) -> _Step:
        if self._failed is not None:
            _count_attempt(connection, self._work, self._failed)
            return 0
        job_id = self._work.job_id
        halted = _halted(connection, job_id)
        if halted is not None:
            return halted
        size = 1 if self._alone else claim_size(self._work.batch_size)
        self._claimed = batches.claim(connection, job_id, size)
        if not self._claimed:
            return _rest(connection, job_id)
        if self._alone:
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
    """Enroll everything in the caller's transaction, as a rehearsal does, without any wait."""
    while numbers := batches.claim(connection, work.job_id, claim_size(work.batch_size)):
        try:
            with connection.begin_nested():
                enroll_claimed(connection, work, numbers, WHOLE_BATCH)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            for number in numbers:
                _enroll_alone(connection, work, number)


def _enroll_alone(connection: Connection, work: LaneWork, number: int) -> None:
    for _ in range(len(RETRY_WAITS) + 1):
        try:
            with connection.begin_nested():
                enroll_around_poison(connection, work, number)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            reason = transient_reason(error) or Reason.ENROLLMENT_ERROR
            _count_attempt(connection, work, _FailedAttempt(number, reason, first_line(error)))
        else:
            return


def _count_attempt(connection: Connection, work: LaneWork, failed: _FailedAttempt) -> None:
    """Count a failed attempt of a batch: it waits for the next, or is given up."""
    given_up = batches.postpone(
        connection,
        work.job_id,
        failed.number,
        code=failed.code,
        message=failed.message,
        waits=RETRY_WAITS,
    )
    jobs.change(connection, work.job_id, heartbeat_at=datetime.now(UTC))
    if given_up:
        _log.error(
            "Batch %d of job %s was given up after %d attempts (%s: %s); its contacts are "
            "unprocessed.",
            failed.number,
            work.job_id,
            len(RETRY_WAITS) + 1,
            failed.code,
            failed.message,
        )


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
        if transient_reason(error) is not None or not is_bad_data(error):
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
    if workflow is not WorkflowStatus.ACTIVE and batches.open_batches(connection, job_id).batches:
        reason = WorkflowInactiveError(
            f"The workflow became {workflow} while the job was running.",
            remedy="Activate the workflow, then go on with: enrollment resume JOB",
        )
        jobs.pause(connection, job_id, error=reason.as_dict())
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
