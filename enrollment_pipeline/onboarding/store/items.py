"""Rows of `onboarding_items`: queued, begun, moved on, ended, queued again.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, literal, select, text, update

from enrollment_pipeline.errors import OnboardingItemNotFoundError
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.records import Account, AccountSettings
from enrollment_pipeline.storage.schema import onboarding_batches, onboarding_items
from enrollment_pipeline.work.announcing import announce


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """One row of `onboarding_items`, with what its batch says of all its items."""

    id: UUID
    account_id: UUID
    batch_id: UUID
    position: int
    role_name: str
    role_key: str
    reference_name: str | None
    attributes: dict[str, Any]
    documents: list[Any]
    workflow_id: UUID
    status: ItemStatus
    attempt: int
    run_number: int
    round: int
    step: str | None
    error: dict[str, Any] | None
    dashboard_url: str | None
    created_at: datetime
    due_at: datetime
    started_at: datetime | None
    resumed_at: datetime | None
    completed_at: datetime | None
    company: str
    skip_enhancement: bool


def account_of(connection: Connection, item_id: UUID) -> Account:
    """Return the account an item belongs to; for callers that know nothing but its id.

    Raises:
        OnboardingItemNotFoundError: there is no such item.
    """
    row = connection.execute(
        text("select id, name, settings from enrollment.account_of_onboarding_item(:item)"),
        {"item": item_id},
    ).one_or_none()
    if row is None:
        raise OnboardingItemNotFoundError(f"There is no item {item_id}.")
    return Account(row.id, row.name, AccountSettings.model_validate(row.settings))


def hold(connection: Connection, item_id: UUID) -> bool:
    """Return whether this transaction is now the only one at work on an item, until it ends.

    It may do nothing for as long as the work takes, and must not be ended for that.
    """
    connection.execute(text("set local idle_in_transaction_session_timeout = 0"))
    held = connection.execute(
        text("select pg_try_advisory_xact_lock(hashtextextended('onboarding ' || :item, 0))"),
        {"item": str(item_id)},
    ).scalar_one()
    return bool(held)


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert items."""
    connection.execute(insert(onboarding_items), list(rows))


def known_roles(
    connection: Connection, company_key: str, roles: Collection[tuple[str, UUID]]
) -> Iterable[tuple[str, UUID, ItemStatus, UUID]]:
    """Return which of these roles of a company are ready or open, each with its newest batch.

    A role is its key and the workflow it goes through.
    """
    item, batch = onboarding_items.c, onboarding_batches.c
    rows = connection.execute(
        select(item.role_key, item.workflow_id, item.status, item.batch_id)
        .join(onboarding_batches, batch.id == item.batch_id)
        .where(
            batch.company_key == company_key,
            item.role_key.in_({key for key, _ in roles}),
            item.status.in_((ItemStatus.READY, ItemStatus.QUEUED, ItemStatus.IN_PROGRESS)),
        )
        .order_by(item.created_at, item.id)
    )
    return [
        (row.role_key, row.workflow_id, ItemStatus(row.status), row.batch_id)
        for row in rows
        if (row.role_key, row.workflow_id) in roles
    ]


def load(connection: Connection, item_id: UUID, *, lock: bool = False) -> ItemRecord:
    """Return an item; with `lock`, nobody else moves it until the transaction ends.

    Raises:
        OnboardingItemNotFoundError: the account has no such item.
    """
    statement = _SELECT.where(onboarding_items.c.id == item_id)
    if lock:
        statement = statement.with_for_update(of=onboarding_items, key_share=True)
    row = connection.execute(statement).one_or_none()
    if row is None:
        raise OnboardingItemNotFoundError(f"There is no item {item_id} in this account.")
    return _record(row)


def of_batch(
    connection: Connection,
    batch_id: UUID,
    *,
    statuses: Collection[ItemStatus] | None = None,
    lock: bool = False,
) -> list[ItemRecord]:
    """Return the items of a batch in their order, of all statuses or of some."""
    statement = _SELECT.where(onboarding_items.c.batch_id == batch_id)
    if statuses is not None:
        statement = statement.where(onboarding_items.c.status.in_(statuses))
    statement = statement.order_by(onboarding_items.c.position)
    if lock:
        statement = statement.with_for_update(of=onboarding_items, key_share=True)
    return [_record(row) for row in connection.execute(statement)]


def change(connection: Connection, item: ItemRecord, **values: Any) -> None:
    """Set columns of an item and tell the listeners of its batch."""
    connection.execute(
        update(onboarding_items).where(onboarding_items.c.id == item.id).values(**values)
    )
    announce(connection, item.batch_id)


def resume(connection: Connection, item: ItemRecord, now: datetime) -> None:
    """Let the time at work of an item count from now on."""
    connection.execute(
        update(onboarding_items).where(onboarding_items.c.id == item.id).values(resumed_at=now)
    )


def pause(connection: Connection, item: ItemRecord, now: datetime) -> None:
    """Add up the time for which an item was at work, which ends now."""
    connection.execute(
        update(onboarding_items)
        .where(onboarding_items.c.id == item.id)
        .values(**_worked_until(now))
    )


def show_life(connection: Connection, item_id: UUID, now: datetime) -> bool:
    """Write down that somebody is at work on an item; return False where nobody should be."""
    column = onboarding_items.c
    found = connection.execute(
        update(onboarding_items)
        .where(column.id == item_id, column.status == ItemStatus.IN_PROGRESS)
        .values(heartbeat_at=now)
        .returning(column.id)
    ).one_or_none()
    return found is not None


def _worked_until(now: datetime) -> dict[str, Any]:
    column = onboarding_items.c
    since = func.coalesce(func.extract("epoch", literal(now) - column.resumed_at), 0)
    return {"worked_seconds": column.worked_seconds + since, "resumed_at": None}


def queue_again(
    connection: Connection, item_ids: Collection[UUID], *, now: datetime, anew: bool
) -> None:
    """Let ended items have another attempt; `anew`: from their first step."""
    column = onboarding_items.c
    connection.execute(
        update(onboarding_items)
        .where(column.id.in_(item_ids))
        .values(
            status=ItemStatus.QUEUED,
            attempt=column.attempt + 1,
            run_number=column.run_number + 1,
            round=column.round + (1 if anew else 0),
            restarts=0,
            restart_mark=0,
            dashboard_url=None if anew else column.dashboard_url,
            error=None,
            step=None,
            due_at=now,
            started_at=None,
            completed_at=None,
            heartbeat_at=None,
        )
    )


def cancel(
    connection: Connection, batch_id: UUID, statuses: Collection[ItemStatus], *, now: datetime
) -> int:
    """End the items of a batch that are in one of these states; return how many."""
    # Locked in the order in which whoever tries items again locks them.
    wanted = [item.id for item in of_batch(connection, batch_id, statuses=statuses, lock=True)]
    connection.execute(
        update(onboarding_items)
        .where(onboarding_items.c.id.in_(wanted))
        .values(status=ItemStatus.CANCELLED, completed_at=now, **_worked_until(now))
    )
    return len(wanted)


# One statement: two looks of the queue at once must not count twice.
_RESTART = text(
    """
    update enrollment.onboarding_items i
    set run_number = run_number + 1,
      restarts = case when seen.finished > i.restart_mark then 1 else i.restarts + 1 end,
      restart_mark = seen.finished
    from (
      select count(*)::integer as finished from enrollment.onboarding_steps
      where item_id = :item and finished_at is not null
    ) seen
    where i.id = :item and i.run_number = :run_number and i.completed_at is null
    returning i.restarts
    """
)


def restart(connection: Connection, item_id: UUID, run_number: int) -> int | None:
    """Let an item have its next run; return how many in a row brought no progress.

    Progress is a step that was finished, or another attempt. Return None where the item is no
    longer at that run, or has ended.
    """
    values = {"item": item_id, "run_number": run_number}
    restarts = connection.execute(_RESTART, values).scalar()
    return None if restarts is None else int(restarts)


_SELECT = select(
    onboarding_items,
    onboarding_batches.c.company,
    onboarding_batches.c.options,
).join(onboarding_batches, onboarding_batches.c.id == onboarding_items.c.batch_id)


def _record(row: Row[Any]) -> ItemRecord:
    fields = row._mapping
    return ItemRecord(
        status=ItemStatus(fields["status"]),
        skip_enhancement=bool(fields["options"].get("skip_enhancement", False)),
        **{
            name: fields[name]
            for name in ItemRecord.__dataclass_fields__
            if name not in ("status", "skip_enhancement")
        },
    )
