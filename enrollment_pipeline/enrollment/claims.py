"""What a lane does with the batches it has claimed, within the transaction of the claim.

Belongs here: enroll, move the batches on, count; finding a contact that cannot be enrolled;
counting an attempt that failed. Does not belong here: when to claim, wait or end (`engine`).
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.enrollment.batching import claim_size
from enrollment_pipeline.enrollment.eligibility import count_by_outcome
from enrollment_pipeline.enrollment.store import batches, jobs
from enrollment_pipeline.errors import Reason
from enrollment_pipeline.limits.budget import Budget
from enrollment_pipeline.records import Outcome
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.failures import first_line, is_bad_data, transient_reason
from enrollment_pipeline.targets.base import EnrollmentOrder, EnrollmentResult, Target

# Seconds before the second, third and fourth attempt of a batch (spec "Enrolling").
RETRY_WAITS = (10, 30, 90)
# More than a batch can hold.
WHOLE_BATCH = 1_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaneWork:
    """What a lane works on, and within which limits."""

    account_id: UUID
    job_id: UUID
    order: EnrollmentOrder
    batch_size: int
    target: Target
    budget: Budget
    max_lanes: int
    max_failure_share: float
    settings: Settings


@dataclass(frozen=True, slots=True)
class Done:
    """Contacts that got their outcome in a transaction, and how many of them were enrolled."""

    contacts: int = 0
    enrolled: int = 0

    def __add__(self, other: "Done") -> "Done":
        return Done(self.contacts + other.contacts, self.enrolled + other.enrolled)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A batch whose own transaction failed, to be counted against it."""

    number: int
    code: Reason
    message: str


def enroll_claimed(
    connection: Connection, work: LaneWork, numbers: list[int], contacts: int = WHOLE_BATCH
) -> Done:
    """Enroll up to `contacts` contacts of each claimed batch, move the batches on, and count."""
    result = work.target.enroll(connection, work.order, numbers, contacts=contacts)
    batches.advance(connection, work.job_id, numbers, contacts=contacts)
    jobs.add_counts(connection, work.job_id, _outcomes(result), current_batch=max(numbers))
    return Done(result.contacts, result.enrolled)


def enroll_in_place(connection: Connection, work: LaneWork) -> None:
    """Enroll everything in the caller's transaction, as a rehearsal does, without any wait."""
    while numbers := list(batches.claim(connection, work.job_id, claim_size(work.batch_size))):
        try:
            with connection.begin_nested():
                enroll_claimed(connection, work, numbers)
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
            count_attempt(connection, work, FailedAttempt(number, reason, first_line(error)))
        else:
            return


def count_attempt(connection: Connection, work: LaneWork, failed: FailedAttempt) -> None:
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


def enroll_around_poison(
    connection: Connection, work: LaneWork, number: int, contacts: int = WHOLE_BATCH
) -> Done:
    """Enroll up to `contacts` contacts of a batch, of which some cannot be; only those fail.

    Halves the batch until such a contact is found; each half is tried in a savepoint.
    """
    remaining = batches.remaining(connection, work.job_id, number)
    return _halve(connection, work, number, min(remaining, contacts))


def _halve(connection: Connection, work: LaneWork, number: int, contacts: int) -> Done:
    try:
        with connection.begin_nested():
            return enroll_claimed(connection, work, [number], contacts)
    except DBAPIError as error:
        if transient_reason(error) is not None or not is_bad_data(error):
            raise
        if contacts > 1:
            first = _halve(connection, work, number, contacts // 2)
            return first + _halve(connection, work, number, contacts - contacts // 2)
        batches.fail_next(
            connection,
            work.job_id,
            number,
            code=Reason.ENROLLMENT_ERROR,
            message=first_line(error),
        )
        batches.advance(connection, work.job_id, [number], contacts=1)
        jobs.add_counts(connection, work.job_id, {Outcome.FAILED: 1}, current_batch=number)
        return Done(contacts=1)


def _outcomes(result: EnrollmentResult) -> dict[Outcome, int]:
    return {Outcome.ENROLLED: result.enrolled, **count_by_outcome(result.refused)}
