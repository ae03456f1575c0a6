"""Looking at batches and their items, and following a batch as its items change."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from enrollment_pipeline.onboarding.store import batches, items, steps
from enrollment_pipeline.onboarding.store.batches import BatchFilter
from enrollment_pipeline.onboarding.view import batch_document, item_document, step_document
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.paging import offset_of
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work import following


def describe(database: Database, account: Account, batch_id: UUID) -> dict[str, Any]:
    """Return a batch as it is now, counted from its items.

    Raises:
        OnboardingBatchNotFoundError: the account has no such batch.
    """
    with database.account(account.id) as connection:
        return batch_document(batches.load(connection, batch_id))


def describe_items(database: Database, account: Account, batch_id: UUID) -> dict[str, Any]:
    """Return a batch with its items and what was refused.

    Raises:
        OnboardingBatchNotFoundError: the account has no such batch.
    """
    with database.account(account.id) as connection:
        batch = batches.load(connection, batch_id)
        found = items.of_batch(connection, batch_id)
    return {
        **batch_document(batch),
        "items": [item_document(item) for item in found],
        "refused_items": batch.refused,
    }


def describe_item(database: Database, account: Account, item_id: UUID) -> dict[str, Any]:
    """Return an item with its steps.

    Raises:
        OnboardingItemNotFoundError: the account has no such item.
    """
    with database.account(account.id) as connection:
        item = items.load(connection, item_id)
        found = steps.of_item(connection, item_id)
    return {
        **item_document(item),
        "batch_id": str(item.batch_id),
        "company": item.company,
        "cost": float(sum(step.cost for step in found)),
        "steps": [step_document(step) for step in found],
    }


def list_batches(
    database: Database, account: Account, wanted: BatchFilter, *, limit: int = 20, page: int = 1
) -> dict[str, Any]:
    """Return one page of the account's batches, newest first, and how many there are in all.

    Raises:
        InvalidRequestError: there is no such page.
    """
    offset = offset_of(limit, page)
    with database.account(account.id) as connection:
        found, total = batches.page(connection, wanted, limit=limit, offset=offset)
    return {"batches": [batch_document(batch) for batch in found], "total": total, "page": page}


def follow(database: Database, account: Account, batch_id: UUID) -> Iterator[dict[str, Any]]:
    """Yield the batch's document now, after each change, and last when all items have ended.

    Raises:
        OnboardingBatchNotFoundError: the account has no such batch.
        DatabaseUnavailableError: the database stays away.
    """
    return following.follow(database, batch_id, lambda: describe(database, account, batch_id))
