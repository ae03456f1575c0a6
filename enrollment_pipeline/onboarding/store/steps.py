"""Rows of `onboarding_steps`: the checkpoints of an item.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, case, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from enrollment_pipeline.onboarding.store.items import ItemRecord
from enrollment_pipeline.storage.schema import onboarding_items, onboarding_steps
from enrollment_pipeline.workflows.calling import UNANSWERED, UNANSWERED_STATUSES
from enrollment_pipeline.workflows.execution import Checkpoint, Position, StepStatus


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One row of `onboarding_steps`, but for its output; `finished_at` is None before its end."""

    round: int
    step_id: str
    visit: int
    status: StepStatus
    attempt: int
    calls: int
    cost: Decimal
    error: dict[str, Any] | None
    started_at: datetime
    finished_at: datetime | None


def checkpoints(connection: Connection, item: ItemRecord) -> dict[tuple[str, int], Checkpoint]:
    """Return what the steps of the item's present round have come to, by step and visit."""
    column = onboarding_steps.c
    rows = connection.execute(
        select(column.step_id, column.visit, column.status, column.output, column.error).where(
            column.item_id == item.id, column.round == item.round
        )
    )
    return {
        (row.step_id, row.visit): Checkpoint(StepStatus(row.status), row.output, row.error)
        for row in rows
    }


def begin(connection: Connection, item: ItemRecord, at: Position, *, now: datetime) -> int:
    """Write down that a step is at work, and return the number of its idempotency key.

    What it brought in earlier attempts stays.
    """
    row = insert(onboarding_steps).values(
        **_key(item, at),
        account_id=item.account_id,
        status=StepStatus.BEGUN,
        attempt=item.attempt,
        started_at=now,
    )
    begun = row.on_conflict_do_update(
        constraint="onboarding_steps_pkey",
        set_={"status": StepStatus.BEGUN, "attempt": item.attempt, "finished_at": None},
    )
    number = connection.execute(begun.returning(onboarding_steps.c.key_number)).scalar_one()
    return int(number)


def count_call(connection: Connection, item: ItemRecord, at: Position) -> None:
    """Count that a service is asked, before it is."""
    column = onboarding_steps.c
    connection.execute(
        update(onboarding_steps).where(*_is(item, at)).values(calls=column.calls + 1)
    )


def write(
    connection: Connection,
    item: ItemRecord,
    at: Position,
    status: StepStatus,
    *,
    output: Any = None,
    cost: Decimal = Decimal(0),
    error: dict[str, Any] | None = None,
    now: datetime,
) -> None:
    """Write down what a step has come to."""
    waits = status is StepStatus.WAITING
    row = insert(onboarding_steps).values(
        **_key(item, at),
        account_id=item.account_id,
        status=status,
        attempt=item.attempt,
        output=output,
        cost=cost,
        error=error,
        started_at=now,
        finished_at=None if waits else now,
    )
    connection.execute(
        row.on_conflict_do_update(
            constraint="onboarding_steps_pkey",
            set_={
                "status": status,
                "attempt": item.attempt,
                "output": row.excluded.output,
                "cost": row.excluded.cost,
                "error": row.excluded.error,
                "finished_at": row.excluded.finished_at,
            },
        )
    )


def open_again(connection: Connection, item_ids: Collection[UUID]) -> None:
    """Let the failed steps of these items be unfinished, as far as they are of the present round.

    Among them those whose failure has only degraded their item. A service that has answered is
    asked under another key, as it may repeat its answer to the same one; where nobody knows what it
    has done, the key stays.
    """
    step, item = onboarding_steps.c, onboarding_items.c
    unknown = or_(
        step.error["code"].astext.in_(UNANSWERED),
        step.error["status"].astext.in_([str(status) for status in UNANSWERED_STATUSES]),
    )
    connection.execute(
        update(onboarding_steps)
        .where(
            step.item_id.in_(item_ids),
            step.status == StepStatus.FAILED,
            item.id == step.item_id,
            item.round == step.round,
        )
        .values(
            status=StepStatus.BEGUN,
            finished_at=None,
            key_number=step.key_number + case((unknown, 0), else_=1),
        )
    )


def of_item(connection: Connection, item_id: UUID) -> list[StepRecord]:
    """Return the steps of an item in the order in which they were begun."""
    column = onboarding_steps.c
    # Without their outputs, which may be large and are nobody's business here.
    wanted = [column[name] for name in StepRecord.__dataclass_fields__]
    rows = connection.execute(
        select(*wanted)
        .where(column.item_id == item_id)
        .order_by(column.round, column.started_at, column.step_id, column.visit)
    )
    return [
        StepRecord(
            status=StepStatus(row.status),
            **{
                name: row._mapping[name]
                for name in StepRecord.__dataclass_fields__
                if name != "status"
            },
        )
        for row in rows
    ]


def _key(item: ItemRecord, at: Position) -> dict[str, Any]:
    return {
        "item_id": item.id,
        "round": item.round,
        "step_id": at.step.id,
        "visit": at.visit,
    }


def _is(item: ItemRecord, at: Position) -> list[Any]:
    return [onboarding_steps.c[name] == value for name, value in _key(item, at).items()]
