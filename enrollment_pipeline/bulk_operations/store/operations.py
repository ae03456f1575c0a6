"""Rows of `bulk_operations`: submitted, begun, moved on, closed, listed.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select, text, update

from enrollment_pipeline.bulk_operations.request import OperationType
from enrollment_pipeline.bulk_operations.states import OperationStatus, RowOutcome
from enrollment_pipeline.errors import OperationNotFoundError
from enrollment_pipeline.records import Account, AccountSettings
from enrollment_pipeline.storage.schema import accounts, bulk_operations
from enrollment_pipeline.work.announcing import announce
from enrollment_pipeline.work.queueing import QueuedWork

KIND = "operation"


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """One row of `bulk_operations`.

    `total` is the number of input rows, 0 until they are known; `mark` the position up to which the
    work is done and committed; `counts` the rows that have their outcome.
    """

    id: UUID
    account_id: UUID
    type: OperationType
    status: OperationStatus
    request: dict[str, Any]
    request_id: str | None
    source: str
    requested_by: str
    runner: str
    attempt: int
    total: int
    mark: int
    counts: dict[RowOutcome, int]
    error: dict[str, Any] | None
    result: dict[str, Any] | None
    after_id: UUID | None
    reverses_id: UUID | None
    withdraws_job_id: UUID | None
    schedule_id: UUID | None
    occurrence_at: datetime | None
    scheduled_at: datetime
    created_at: datetime
    started_at: datetime | None
    prepared_at: datetime | None
    completed_at: datetime | None
    heartbeat_at: datetime | None
    images_removed_at: datetime | None
    files_removed_at: datetime | None

    @property
    def outcomes(self) -> dict[RowOutcome, int]:
        """The counts with what has no outcome yet; they add up to `total`."""
        left = self.total - sum(self.counts.values())
        return {**self.counts, **({RowOutcome.UNPROCESSED: left} if left else {})}


def account_of(connection: Connection, operation_id: UUID) -> Account:
    """Return the account an operation belongs to; for callers that know nothing but its id.

    Raises:
        OperationNotFoundError: there is no such operation.
    """
    row = connection.execute(
        text("select id, name, settings from enrollment.account_of_operation(:operation)"),
        {"operation": operation_id},
    ).one_or_none()
    if row is None:
        raise OperationNotFoundError(f"There is no operation {operation_id}.")
    return Account(row.id, row.name, AccountSettings.model_validate(row.settings))


def add(connection: Connection, values: Mapping[str, Any]) -> UUID:
    """Insert an operation and return its id."""
    statement = insert(bulk_operations).values(**values).returning(bulk_operations.c.id)
    operation_id = UUID(str(connection.execute(statement).scalar_one()))
    announce(connection, operation_id)
    return operation_id


def lock_account(connection: Connection, account_id: UUID) -> None:
    """Let one submission at a time of this account pass, so that its limits hold."""
    # Key share: rows that refer to the account may be written meanwhile.
    connection.execute(
        select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)
    )


def count_open(connection: Connection) -> int:
    """Return how many operations of the account are not closed."""
    return connection.execute(
        select(func.count())
        .select_from(bulk_operations)
        .where(bulk_operations.c.completed_at.is_(None))
    ).scalar_one()


def with_request_id(connection: Connection, request_id: str) -> tuple[UUID, str | None] | None:
    """Return the operation that was submitted under this request id, and what tells it apart."""
    column = bulk_operations.c
    row = connection.execute(
        select(column.id, column.request_hash).where(column.request_id == request_id)
    ).one_or_none()
    return None if row is None else (row.id, row.request_hash)


def load(connection: Connection, operation_id: UUID, *, lock: bool = False) -> OperationRecord:
    """Return an operation; with `lock`, nobody else moves it until the transaction ends.

    Raises:
        OperationNotFoundError: the account has no such operation.
    """
    statement = select(bulk_operations).where(bulk_operations.c.id == operation_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise OperationNotFoundError(f"There is no operation {operation_id} in this account.")
    return _record(row)


_ONE_WRITER = text("select pg_advisory_xact_lock(hashtextextended('contacts of ' || :account, 0))")


def let_one_write(connection: Connection, operation: OperationRecord) -> None:
    """Wait until no other operation of the account is in the middle of a piece.

    Two that met the same contacts in different orders would wait for each other. An export only
    reads, and holds up nobody.
    """
    if operation.type is not OperationType.EXPORT:
        connection.execute(_ONE_WRITER, {"account": str(operation.account_id)})


def change(connection: Connection, operation_id: UUID, **values: Any) -> None:
    """Set columns of an operation and tell the listeners."""
    connection.execute(
        update(bulk_operations).where(bulk_operations.c.id == operation_id).values(**values)
    )
    announce(connection, operation_id)


def is_due(connection: Connection, operation: OperationRecord) -> bool:
    """Return whether its time has come and what it waits for is completed, by the queue's clock."""
    column = bulk_operations.c
    time_has_come = connection.execute(
        select(column.scheduled_at <= func.now()).where(column.id == operation.id)
    ).scalar_one()
    if not time_has_come or operation.after_id is None:
        return bool(time_has_come)
    status = connection.execute(
        select(column.status).where(column.id == operation.after_id)
    ).scalar_one_or_none()
    return status is not None and OperationStatus(status).succeeded


def waiting_for(connection: Connection, operation_id: UUID) -> list[OperationRecord]:
    """Return the operations that have not begun because they wait for this one, locked."""
    column = bulk_operations.c
    rows = connection.execute(
        select(bulk_operations)
        .where(column.after_id == operation_id, column.status == OperationStatus.SCHEDULED)
        .order_by(column.id)
        .with_for_update(key_share=True)
    )
    return [_record(row) for row in rows]


def firings_waiting(connection: Connection, schedule_id: UUID) -> list[OperationRecord]:
    """Return the firings of a schedule that have not begun, locked.

    Without one that is beginning just now, whose lock is not waited for.
    """
    column = bulk_operations.c
    rows = connection.execute(
        select(bulk_operations)
        .where(column.schedule_id == schedule_id, column.status == OperationStatus.SCHEDULED)
        .order_by(column.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return [_record(row) for row in rows]


def in_queue(connection: Connection) -> list[QueuedWork]:
    """Return the operations of all accounts that are due and not closed, oldest first."""
    rows = connection.execute(text("select * from enrollment.queue_operations()"))
    return [
        QueuedWork(
            kind=KIND,
            account_id=row.account_id,
            account_name=row.account_name,
            work_id=row.operation_id,
            attempt=row.attempt,
            cancelling=False,
            due_at=row.due_at,
            alive_at=row.alive_at,
        )
        for row in rows
    ]


_RESTART = text(
    """
    update enrollment.bulk_operations
    set attempt = attempt + 1, runner = 'queue',
      restarts = case when progress > restart_mark then 1 else restarts + 1 end,
      restart_mark = progress
    from (
      select id as operation_id, mark + num_nonnulls(prepared_at) as progress
      from enrollment.bulk_operations where id = :operation_id
    ) seen
    where id = operation_id and attempt = :attempt and completed_at is null
    returning restarts
    """
)


def restart(connection: Connection, operation_id: UUID, attempt: int) -> int | None:
    """Let an operation begin its next attempt; return how many in a row brought no progress.

    Return None where it is no longer at that attempt, or closed.
    """
    values = {"operation_id": operation_id, "attempt": attempt}
    restarts = connection.execute(_RESTART, values).scalar()
    return None if restarts is None else int(restarts)


@dataclass(frozen=True, slots=True)
class OperationFilter:
    """Which operations to list; every field that is None lets all pass."""

    type: OperationType | None = None
    status: OperationStatus | None = None


def page(
    connection: Connection, wanted: OperationFilter, *, limit: int, offset: int
) -> tuple[list[OperationRecord], int]:
    """Return one page of operations, newest first, and how many there are in all."""
    column = bulk_operations.c
    conditions = [
        of == value
        for of, value in ((column.type, wanted.type), (column.status, wanted.status))
        if value is not None
    ]
    total = connection.execute(
        select(func.count()).select_from(bulk_operations).where(*conditions)
    ).scalar_one()
    statement = (
        select(bulk_operations)
        .where(*conditions)
        .order_by(column.created_at.desc(), column.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_record(row) for row in connection.execute(statement)], total


def rollback_of(connection: Connection, operation_id: UUID) -> OperationRecord | None:
    """Return the rollback of an operation that has not failed, the only one there can be."""
    column = bulk_operations.c
    row = connection.execute(
        select(bulk_operations).where(
            column.reverses_id == operation_id,
            column.status.not_in((OperationStatus.FAILED, OperationStatus.CANCELLED)),
        )
    ).one_or_none()
    return None if row is None else _record(row)


def withdrawal_of(connection: Connection, job_id: UUID) -> OperationRecord | None:
    """Return the withdrawal of a job that has not failed, the only one there can be."""
    column = bulk_operations.c
    row = connection.execute(
        select(bulk_operations).where(
            column.withdraws_job_id == job_id,
            column.status.not_in((OperationStatus.FAILED, OperationStatus.CANCELLED)),
        )
    ).one_or_none()
    return None if row is None else _record(row)


def _record(row: Row[Any]) -> OperationRecord:
    fields = row._mapping
    plain = {
        name: fields[name]
        for name in OperationRecord.__dataclass_fields__
        if name not in ("type", "status", "counts")
    }
    return OperationRecord(
        type=OperationType(fields["type"]),
        status=OperationStatus(fields["status"]),
        counts={RowOutcome(name): number for name, number in fields["counts"].items()},
        **plain,
    )
