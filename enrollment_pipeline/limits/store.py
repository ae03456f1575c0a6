"""The statements on budgets and lane slots; the functions they call are in the migrations.

Every function works in the caller's transaction, which has its account set.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, text
from sqlalchemy import DateTime as Instant

from enrollment_pipeline.limits.budget import Budget, Reservation

_AT = bindparam("at", type_=Instant(timezone=True))
_RESERVE = text(
    """
    select granted, opens_at, held_by, at
    from (select coalesce(:at, clock_timestamp()) as at) clock,
      enrollment.reserve(
        :account_id, :wanted, :per_minute, :per_second, :global_per_minute, at)
    """
).bindparams(_AT)
_GIVE_BACK = text(
    """
    select enrollment.give_back(
      :account_id, :unused, :per_minute, :per_second, :global_per_minute, :at)
    """
).bindparams(_AT)
_TAKE_LANE = text("select enrollment.take_lane(:account_id, :lanes)")


def reserve(
    connection: Connection, account_id: UUID, wanted: int, budget: Budget, *, at: datetime | None
) -> Reservation:
    """Take up to `wanted` enrollments out of a budget, at the database's own time without `at`."""
    row = connection.execute(
        _RESERVE, {"account_id": account_id, "wanted": wanted, "at": at, **budget.as_dict()}
    ).one()
    return Reservation(row.granted, row.at, row.opens_at, row.held_by)


def give_back(
    connection: Connection, account_id: UUID, unused: int, budget: Budget, *, at: datetime
) -> None:
    """Give back what was reserved at that time and not used."""
    connection.execute(
        _GIVE_BACK, {"account_id": account_id, "unused": unused, "at": at, **budget.as_dict()}
    )


def take_lane(connection: Connection, account_id: UUID, lanes: int) -> bool:
    """Take one of the account's lane slots until the transaction ends; return whether one was free.

    Waits for up to half a second.
    """
    return bool(
        connection.execute(_TAKE_LANE, {"account_id": account_id, "lanes": lanes}).scalar_one()
    )
