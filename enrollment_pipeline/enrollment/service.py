"""Bulk enrollment as the rest of the product asks for it.

Belongs here: nothing but the names. Accepting requests is in `submission`, the dry run in
`rehearsal`, looking at jobs in `history`, taking hold of them in `control`.
"""

from enrollment_pipeline.enrollment.control import cancel, pause, reschedule, resume, retry
from enrollment_pipeline.enrollment.direct import run_small_jobs
from enrollment_pipeline.enrollment.handover import open_trigger_jobs, rules_of
from enrollment_pipeline.enrollment.history import (
    describe,
    follow,
    is_left_to_caller,
    list_failures,
    list_jobs,
    state_of,
    write_report,
)
from enrollment_pipeline.enrollment.rehearsal import preview
from enrollment_pipeline.enrollment.submission import submit

__all__ = [
    "cancel",
    "describe",
    "follow",
    "is_left_to_caller",
    "list_failures",
    "list_jobs",
    "open_trigger_jobs",
    "pause",
    "preview",
    "reschedule",
    "resume",
    "retry",
    "rules_of",
    "run_small_jobs",
    "state_of",
    "submit",
    "write_report",
]
