"""Rows of `onboarding_batches`: submitted, found, listed with what their items are.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, case, func, insert, literal, select, update

from enrollment_pipeline.errors import OnboardingBatchNotFoundError
from enrollment_pipeline.onboarding.request import name_key
from enrollment_pipeline.onboarding.states import BatchState, ItemStatus
from enrollment_pipeline.storage.schema import (
    accounts,
    onboarding_batches,
    onboarding_items,
    onboarding_steps,
)
from enrollment_pipeline.work.announcing import announce


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One row of `onboarding_batches`, with what is counted from its items.

    `counts` are items by status; `cost` is what services have reported over all attempts.
    """

    id: UUID
    account_id: UUID
    company: str
    options: dict[str, Any]
    priority: int
    source: str
    requested_by: str
    created_by: str
    refused: list[dict[str, Any]]
    created_at: datetime
    cancelled_at: datetime | None
    counts: dict[ItemStatus, int]
    started_at: datetime | None
    completed_at: datetime | None
    seconds: float
    cost: Decimal


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """Which batches to list; every field that is None lets all pass.

    `since` and `until` bound the time at which a batch was created; `until` is not within.
    """

    company: str | None = None
    state: BatchState | None = None
    since: datetime | None = None
    until: datetime | None = None


def lock_account(connection: Connection, account_id: UUID) -> None:
    """Let one submission or retry at a time of this account pass, so that no role is doubled."""
    # Key share: rows that refer to the account may be written meanwhile.
    connection.execute(
        select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)
    )


def add(connection: Connection, values: Mapping[str, Any]) -> UUID:
    """Insert a batch and return its id."""
    statement = insert(onboarding_batches).values(**values).returning(onboarding_batches.c.id)
    return UUID(str(connection.execute(statement).scalar_one()))


def with_request_id(connection: Connection, request_id: str) -> tuple[UUID, str | None] | None:
    """Return the batch that was submitted under this request id, and what tells it apart."""
    column = onboarding_batches.c
    row = connection.execute(
        select(column.id, column.request_hash).where(column.request_id == request_id)
    ).one_or_none()
    return None if row is None else (row.id, row.request_hash)


def load(connection: Connection, batch_id: UUID, *, lock: bool = False) -> BatchRecord:
    """Return a batch; with `lock`, nobody else ends the last of its items meanwhile.

    Raises:
        OnboardingBatchNotFoundError: the account has no such batch.
    """
    column = onboarding_batches.c
    if lock:
        connection.execute(
            select(column.id).where(column.id == batch_id).with_for_update(key_share=True)
        )
    row = connection.execute(_with_items(column.id == batch_id)).one_or_none()
    if row is None:
        raise OnboardingBatchNotFoundError(f"There is no batch {batch_id} in this account.")
    return _record(row)


def keep(connection: Connection, batch_id: UUID) -> None:
    """Let nobody remove a batch until the transaction ends; its items may end meanwhile.

    Raises:
        OnboardingBatchNotFoundError: the account has no such batch.
    """
    column = onboarding_batches.c
    kept = select(column.id).where(column.id == batch_id).with_for_update(read=True, key_share=True)
    if connection.execute(kept).first() is None:
        raise OnboardingBatchNotFoundError(f"There is no batch {batch_id} in this account.")


def mark_cancelled(connection: Connection, batch_id: UUID, at: datetime) -> None:
    """Write down when a batch was first cancelled."""
    column = onboarding_batches.c
    connection.execute(
        update(onboarding_batches)
        .where(column.id == batch_id, column.cancelled_at.is_(None))
        .values(cancelled_at=at)
    )
    announce(connection, batch_id)


def touch(connection: Connection, batch_id: UUID) -> None:
    """Tell the listeners of a batch that its items have changed."""
    announce(connection, batch_id)


def attempts(connection: Connection, batch_id: UUID) -> int:
    """Return how many attempts the items of a batch have had, all together."""
    item = onboarding_items.c
    asked = select(func.coalesce(func.sum(item.attempt), 0)).where(item.batch_id == batch_id)
    return int(connection.execute(asked).scalar_one())


def page(
    connection: Connection, wanted: BatchFilter, *, limit: int, offset: int
) -> tuple[list[BatchRecord], int]:
    """Return one page of batches, newest first, and how many there are in all."""
    column = onboarding_batches.c
    bounds = (
        None if wanted.company is None else column.company_key == name_key(wanted.company),
        None if wanted.since is None else column.created_at >= wanted.since,
        None if wanted.until is None else column.created_at < wanted.until,
        None if wanted.state is None else column.id.in_(_in_state(wanted.state)),
    )
    conditions = [bound for bound in bounds if bound is not None]
    total = connection.execute(
        select(func.count()).select_from(onboarding_batches).where(*conditions)
    ).scalar_one()
    # Only the batches of the page have their items counted.
    chosen = (
        select(column.id)
        .where(*conditions)
        .order_by(column.created_at.desc(), column.id.desc())
        .limit(limit)
        .offset(offset)
    )
    statement = _with_items(column.id.in_(chosen)).order_by(
        column.created_at.desc(), column.id.desc()
    )
    return [_record(row) for row in connection.execute(statement)], total


def _in_state(state: BatchState) -> Select[Any]:
    """Select the batches that are in a state, by the same rules as `states.batch_status`."""
    item = onboarding_items.c
    total = func.count()
    of = {status: func.count().filter(item.status == status) for status in ItemStatus}
    found = case(
        (of[ItemStatus.QUEUED] == total, literal(BatchState.PENDING.value)),
        (
            of[ItemStatus.QUEUED] + of[ItemStatus.IN_PROGRESS] > 0,
            literal(BatchState.IN_PROGRESS.value),
        ),
        (of[ItemStatus.CANCELLED] > 0, literal(BatchState.CANCELLED.value)),
        (of[ItemStatus.READY] == total, literal(BatchState.COMPLETED.value)),
        (of[ItemStatus.FAILED] == total, literal(BatchState.FAILED.value)),
        else_=literal(BatchState.PARTIAL.value),
    )
    return select(item.batch_id).group_by(item.batch_id).having(found == state.value)


def _with_items(condition: Any) -> Select[Any]:
    item, step = onboarding_items.c, onboarding_steps.c
    counted = (
        select(
            *(
                func.count().filter(item.status == status).label(f"items_{status}")
                for status in ItemStatus
            ),
            func.min(item.started_at).label("started_at"),
            func.max(item.completed_at).label("completed_at"),
            func.coalesce(func.sum(item.worked_seconds), 0).label("seconds"),
        )
        .where(item.batch_id == onboarding_batches.c.id)
        .lateral("counted")
    )
    spent = (
        select(func.coalesce(func.sum(step.cost), 0).label("cost"))
        .select_from(onboarding_steps.join(onboarding_items, item.id == step.item_id))
        .where(item.batch_id == onboarding_batches.c.id)
        .lateral("spent")
    )
    return select(onboarding_batches, counted, spent).where(condition)


def _record(row: Row[Any]) -> BatchRecord:
    fields = row._mapping
    counts = {status: int(fields[f"items_{status}"]) for status in ItemStatus}
    open_items = counts[ItemStatus.QUEUED] + counts[ItemStatus.IN_PROGRESS]
    counted = ("counts", "completed_at", "seconds", "cost")
    return BatchRecord(
        counts=counts,
        completed_at=None if open_items else fields["completed_at"],
        seconds=float(fields["seconds"]),
        cost=Decimal(fields["cost"]),
        **{name: fields[name] for name in BatchRecord.__dataclass_fields__ if name not in counted},
    )
