"""What batches took and cost, for the asset that the UI plots."""

from typing import Any

from enrollment_pipeline.onboarding.store import batches
from enrollment_pipeline.onboarding.store.batches import BatchFilter
from enrollment_pipeline.onboarding.view import batch_document
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database

MOST = 500
"""Batches of one account that are added up: the newest."""


def costs(database: Database, account: Account) -> list[dict[str, Any]]:
    """Return the account's newest batches, each as `view.batch_document` has it."""
    with database.account(account.id) as connection:
        found, _ = batches.page(connection, BatchFilter(), limit=MOST, offset=0)
    return [batch_document(batch) for batch in found]
