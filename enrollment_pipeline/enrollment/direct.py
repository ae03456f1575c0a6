"""Small jobs of triggers, run one after the other by the evaluation that has opened them.

Belongs here: running such a job through all its phases in this process, and what becomes of one
that does not get through. A run of its own would cost more than all of its work.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.store import handover
from enrollment_pipeline.errors import RefusedError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

# A job that waits longer, for its budget or a lane, is left to the queue.
PATIENCE_SECONDS = 5.0

SECONDS_AT_ONCE = 10.0
"""How long jobs of one account are run in a row; one that has begun is finished."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SmallJobs:
    """How many small jobs were worked on, and how many were left, of which others may have some."""

    worked: int
    left: int


def run_small_jobs(
    database: Database,
    settings: Settings,
    account: Account,
    *,
    go_on: Callable[[], bool] = lambda: True,
    clock: Callable[[], float] = time.monotonic,
) -> SmallJobs:
    """Run open jobs of the account that evaluations have kept for themselves, oldest first.

    Also those that an earlier evaluation left behind, at whatever phase it died; not those that
    another has in hand. What cannot be done at once is handed to the queue. After
    `SECONDS_AT_ONCE` no other is begun, so that other accounts have their turn.
    """
    worked = looked_at = 0
    until = clock() + SECONDS_AT_ONCE
    with database.account(account.id) as connection:
        waiting = handover.kept_by_triggers(connection)
    for job_id in waiting:
        if clock() >= until or not go_on():
            break
        looked_at += 1
        # The lock ends with the transaction, so no crash leaves it behind.
        with database.account(account.id) as holding:
            if not handover.take_in_hand(holding, job_id):
                continue
            worked += 1
            if not _run(database, settings, job_id):
                handover.leave_to_queue(holding, job_id)
    return SmallJobs(worked, len(waiting) - looked_at)


def _run(database: Database, settings: Settings, job_id: UUID) -> bool:
    """Run all phases; return False where the queue has to go on with the job."""
    phases = Phases(database, settings, job_id)
    stop = threading.Event()
    alarm = threading.Timer(PATIENCE_SECONDS, stop.set)
    alarm.daemon = True
    alarm.start()
    try:
        phases.select()
        phases.validate()
        phases.partition()
        if phases.open_lanes() and phases.lane(stop).drain() is LaneEnd.STOPPED:
            return False
        phases.close_lanes()
        if all(check.passed for check in phases.check()):
            # There may be one for every event, and the log of triggers says what became of it.
            phases.close()
    except RefusedError:
        # The job itself says so: it has failed, or somebody paused or cancelled it.
        return True
    # The queue tries again by its own rules, and gives up with a reason where nothing helps.
    except Exception:
        _log.debug("A small job was left to the queue.", exc_info=True)
        return False
    finally:
        alarm.cancel()
    return True
