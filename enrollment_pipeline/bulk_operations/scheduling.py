"""Operations that come again: the next firing of a schedule, made when the last one is begun.

An active schedule always has one operation that has not begun, so that the next firing is there to
be seen, moved or cancelled like any other. It is made in the transaction in which the one before
begins or ends without having begun. What was missed while nobody worked is one late firing and not
many. Belongs here: which time is next. Does not belong here: what a cron expression or an RRULE
says (`clocks.recurrence`).
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.states import OperationStatus
from enrollment_pipeline.bulk_operations.store import operations, schedules
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.bulk_operations.store.schedules import ScheduleRecord
from enrollment_pipeline.clocks.recurrence import parse_recurrence
from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.records import Account

# How far ahead a firing is looked for, window by window: a rule may fire on 29 February alone.
_WINDOWS = (timedelta(days=2), timedelta(days=62), timedelta(days=800), timedelta(days=40 * 366))


def next_firing(schedule: ScheduleRecord, after: datetime) -> datetime | None:
    """Return the first instant after `after` at which a schedule fires, None where it has ended.

    Raises:
        ValueError: the texts cannot be read; with a sentence that says what to change.
    """
    start = None if schedule.start is None else datetime.fromisoformat(schedule.start)
    recurrence = parse_recurrence(schedule.cron, schedule.rrule, start)
    since = after
    for window in _WINDOWS:
        until = min(after + window, schedule.ends_at or after + window)
        found = (
            recurrence.instants(ZoneInfo(schedule.timezone), since, until) if until > since else []
        )
        if found:
            return found[0]
        since = until
    return None


def require_due(connection: Connection, operation: OperationRecord) -> None:
    """Do nothing for an operation whose time has come, with what it waits for completed.

    Raises:
        InvalidStateError: it has not.
    """
    if not operations.is_due(connection, operation):
        raise InvalidStateError(
            f"The operation is scheduled for {operation.scheduled_at}.",
            remedy="It is started when its time comes.",
        )


def goes_on(connection: Connection, operation: OperationRecord) -> bool:
    """Return whether an operation that is locked may begin: not as a firing of what has ended.

    Whoever ends a schedule cancels the firings that wait; one that is about to begin in this very
    moment finds it out here.
    """
    if operation.schedule_id is None:
        return True
    return schedules.load(connection, operation.schedule_id, lock=True).active


def add_next(
    connection: Connection, account: Account, operation: OperationRecord, *, now: datetime
) -> UUID | None:
    """Make the next firing of the schedule that an operation belongs to; None where there is none.

    Called with the operation locked. A schedule that has ended is marked so.
    """
    if operation.schedule_id is None:
        return None
    schedule = schedules.load(connection, operation.schedule_id, lock=True)
    if not schedule.active or schedules.has_waiting(connection, schedule.id, besides=operation.id):
        return None
    after = max(now, operation.occurrence_at or now)
    following = next_firing(schedule, after)
    if following is None:
        schedules.end(connection, schedule.id)
        return None
    return add_firing(connection, account, schedule, following)


def add_firing(
    connection: Connection, account: Account, schedule: ScheduleRecord, at: datetime
) -> UUID:
    """Write the operation that a schedule fires at a time."""
    return operations.add(
        connection,
        {
            "account_id": account.id,
            "type": schedule.type,
            "status": OperationStatus.SCHEDULED,
            "request": schedule.request,
            "source": "schedule",
            "requested_by": schedule.requested_by,
            "runner": "queue",
            "schedule_id": schedule.id,
            "occurrence_at": at.astimezone(UTC),
            "scheduled_at": at.astimezone(UTC),
        },
    )
