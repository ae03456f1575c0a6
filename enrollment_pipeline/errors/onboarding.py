"""Batches and their items."""

from enrollment_pipeline.errors.base import RefusedError


class OnboardingBatchNotFoundError(RefusedError):
    """There is no such batch in this account."""

    code = "ONBOARDING_BATCH_NOT_FOUND"
    remedy = "List the batches with: enrollment onboarding list"


class OnboardingItemNotFoundError(RefusedError):
    """There is no such item in this account."""

    code = "ONBOARDING_ITEM_NOT_FOUND"
    remedy = "List the items with: enrollment onboarding status BATCH --items"


class NothingAcceptedError(RefusedError):
    """No item was accepted, so there is no batch."""

    code = "NOTHING_ACCEPTED"
    remedy = "Correct the items as their reasons say, and submit them again."


class ItemBusyError(RefusedError):
    """Another run is at work on the item."""

    code = "ITEM_BUSY"
    remedy = "Let that run end; terminate it in the Dagster UI if it hangs."
