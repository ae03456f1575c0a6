"""Triggers as the rest of the product asks for them.

Belongs here: nothing but the names. Keeping triggers is in `keeping` and, together with their
workflows, in `attached`, events coming in in `intake`,
evaluating in `running` and `occurrences`, what came of it in `history`, looking before leaping in
`looking`.
"""

from enrollment_pipeline.triggers.attached import (
    lock_changes,
    loop_of,
    put_trigger,
    trigger_of,
)
from enrollment_pipeline.triggers.due import Span
from enrollment_pipeline.triggers.history import analytics, list_events, list_log
from enrollment_pipeline.triggers.intake import FORMATS, Intake, raise_for_changes, receive_lines
from enrollment_pipeline.triggers.keeping import (
    activate,
    create,
    deactivate,
    delete,
    document_of,
    find,
    list_triggers,
    update,
)
from enrollment_pipeline.triggers.looking import preview, replay, test
from enrollment_pipeline.triggers.occurrences import QUARTER, catch_up, evaluate_window
from enrollment_pipeline.triggers.retention import prune
from enrollment_pipeline.triggers.running import Totals, runs_wanted, work_off

__all__ = [
    "FORMATS",
    "QUARTER",
    "Intake",
    "Span",
    "Totals",
    "activate",
    "analytics",
    "catch_up",
    "create",
    "deactivate",
    "delete",
    "document_of",
    "evaluate_window",
    "find",
    "list_events",
    "list_log",
    "list_triggers",
    "lock_changes",
    "loop_of",
    "preview",
    "prune",
    "put_trigger",
    "raise_for_changes",
    "receive_lines",
    "replay",
    "runs_wanted",
    "test",
    "trigger_of",
    "update",
    "work_off",
]
