"""Bulk operations on contacts as the rest of the product asks for them.

Belongs here: nothing but the names. Accepting requests is in `submission`, the dry run in
`preview`, looking at operations in `history`, taking hold of them in `control`, forgetting them in
`retention`.
"""

from enrollment_pipeline.bulk_operations.control import cancel, reschedule, resume
from enrollment_pipeline.bulk_operations.history import (
    describe,
    follow,
    is_left_to_caller,
    list_operations,
    list_rows,
)
from enrollment_pipeline.bulk_operations.preview import preview
from enrollment_pipeline.bulk_operations.queue import (
    finish_terminated,
    gone,
    open_operations,
    restart,
)
from enrollment_pipeline.bulk_operations.retention import plan, prune
from enrollment_pipeline.bulk_operations.submission import submit

__all__ = [
    "cancel",
    "describe",
    "finish_terminated",
    "follow",
    "gone",
    "is_left_to_caller",
    "list_operations",
    "list_rows",
    "open_operations",
    "plan",
    "preview",
    "prune",
    "reschedule",
    "restart",
    "resume",
    "submit",
]
