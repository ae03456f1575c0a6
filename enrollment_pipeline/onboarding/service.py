"""Batch onboarding as the rest of the product asks for it.

Belongs here: nothing but the names.
"""

from enrollment_pipeline.onboarding.control import Chosen, cancel, retry
from enrollment_pipeline.onboarding.costs import costs
from enrollment_pipeline.onboarding.history import (
    describe,
    describe_item,
    describe_items,
    follow,
    list_batches,
)
from enrollment_pipeline.onboarding.queue import finish_terminated, gone, open_items, restart
from enrollment_pipeline.onboarding.reading import read_file, read_submission
from enrollment_pipeline.onboarding.request import batch_options
from enrollment_pipeline.onboarding.retention import plan, prune
from enrollment_pipeline.onboarding.store.batches import BatchFilter
from enrollment_pipeline.onboarding.store.queue import WORK, WORK_TAG, tags_of
from enrollment_pipeline.onboarding.submission import SubmittedBatch, submit

__all__ = [
    "WORK",
    "WORK_TAG",
    "BatchFilter",
    "Chosen",
    "SubmittedBatch",
    "batch_options",
    "cancel",
    "costs",
    "describe",
    "describe_item",
    "describe_items",
    "finish_terminated",
    "follow",
    "gone",
    "list_batches",
    "open_items",
    "plan",
    "prune",
    "read_file",
    "read_submission",
    "restart",
    "retry",
    "submit",
    "tags_of",
]
