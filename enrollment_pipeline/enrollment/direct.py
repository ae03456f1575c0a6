"""Small jobs of triggers, run one after the other by the evaluation that has opened them.

Belongs here: running such a job through all its phases in this process, and what becomes of one
that does not get through. A run of its own would cost more than all of its work.
"""

import logging
import threading
from collections.abc import Callable
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

_log = logging.getLogger(__name__)


def run_small_jobs(
    database: Database,
    settings: Settings,
    account: Account,
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> int:
    """Run the account's open jobs that evaluations have kept for themselves, oldest first.

    Also those that an earlier evaluation left behind, at whatever phase it died. What cannot be
    done at once is handed to the queue. Returns how many were worked on.
    """
    worked = 0
    tried: set[UUID] = set()
    while go_on():
        with database.account(account.id) as connection:
            waiting = [one for one in handover.kept_by_triggers(connection) if one not in tried]
        if not waiting:
            break
        for job_id in waiting:
            if not go_on():
                break
            tried.add(job_id)
            worked += 1
            if not _run(database, settings, job_id):
                with database.account(account.id) as connection:
                    handover.leave_to_queue(connection, job_id)
    return worked


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
