"""Budgets and lane slots as the engine asks for them."""

from datetime import datetime
from uuid import UUID

from enrollment_pipeline.limits import store
from enrollment_pipeline.limits.budget import Budget, Reservation
from enrollment_pipeline.limits.store import take_lane
from enrollment_pipeline.records import AccountSettings
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

__all__ = ["budget_of", "give_back", "reserve", "take_lane"]


def budget_of(account: AccountSettings, settings: Settings) -> Budget:
    """Return the budget of an account; a total for all accounts is a setting of the environment."""
    return Budget(
        per_minute=account.enrollments_per_minute,
        per_second=account.burst_per_second,
        global_per_minute=settings.global_per_minute,
    )


def reserve(
    database: Database,
    account_id: UUID,
    wanted: int,
    budget: Budget,
    *,
    at: datetime | None = None,
) -> Reservation:
    """Take up to `wanted` enrollments out of a budget, in a transaction of its own.

    Of its own, because its rows are locked until it ends, and every lane of the account needs them.
    """
    with database.account(account_id) as connection:
        return store.reserve(connection, account_id, wanted, budget, at=at)


def give_back(
    database: Database, account_id: UUID, unused: int, budget: Budget, *, at: datetime
) -> None:
    """Give back what was reserved at that time and not used."""
    with database.account(account_id) as connection:
        store.give_back(connection, account_id, unused, budget, at=at)
