"""Whose work is next, and what becomes of work whose run has died; pure rules.

Work is an enrollment job or an operation: whatever has a row, an attempt and runs of its own.


Does not belong here: how a run is started or looked up, which is Dagster's business.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

# Dagster's own retry of a run whose worker was killed comes within some seconds, and goes first.
RETRY_GRACE = timedelta(seconds=30)
# Where Dagster has said that it will retry the run, it gets longer: its daemon may be busy.
ANNOUNCED_RETRY_GRACE = timedelta(minutes=5)
# A job whose runs die this often in a row without any progress will not get on by itself.
MAX_RESTARTS = 5


# A run that is said to be at work, of a job without any sign of life for so long, is given up where
# its machine cannot be asked. Should it live after all, it shares the work and doubles nothing.
LOST_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class QueuedWork:
    """Open work that the queue has to see to its end.

    `kind` is what it is, such as "job"; `cancelling` that somebody has begun to end it.
    """

    kind: str
    account_id: UUID
    account_name: str
    work_id: UUID
    attempt: int
    cancelling: bool
    due_at: datetime
    alive_at: datetime


@dataclass(frozen=True, slots=True)
class SeenRun:
    """What is known of a run of a job: its run key, when it began to work and when it ended.

    `terminated`: somebody ended it on purpose. `retried`: Dagster has said that it will retry it.
    """

    run_key: str | None
    begun_at: datetime | None
    ended_at: datetime | None
    terminated: bool = False
    retried: bool = False


class Turn(StrEnum):
    """What the queue does with a job now."""

    START = "start"
    RESTART = "restart"
    WAIT = "wait"
    FINISH_CANCELLING = "finish_cancelling"


def run_key(work: QueuedWork) -> str:
    """Return the key under which an attempt of a job gets one run and no second."""
    return f"{work.work_id}:{work.attempt}"


def turn_of(work: QueuedWork, runs: Sequence[SeenRun], now: datetime) -> Turn:
    """Return what a job needs that is due, by the runs it has had."""
    if any(run.ended_at is None for run in runs):
        return Turn.WAIT
    if work.cancelling:
        return Turn.FINISH_CANCELLING
    if run_key(work) not in {run.run_key for run in runs}:
        return Turn.START
    last = max(runs, key=lambda run: run.ended_at or run.begun_at or now)
    if last.terminated:
        return Turn.FINISH_CANCELLING
    grace = ANNOUNCED_RETRY_GRACE if last.retried else RETRY_GRACE
    if last.ended_at is not None and now - last.ended_at < grace:
        return Turn.WAIT
    return Turn.RESTART


def is_lost(work: QueuedWork, run: SeenRun, now: datetime) -> bool:
    """Return whether a run is said to be at work, and nothing has been seen of it for too long."""
    if run.ended_at is not None or run.begun_at is None:
        return False
    return now - max(run.begun_at, work.alive_at) > LOST_AFTER


def fair_order(
    waiting: Iterable[QueuedWork], at_work: Mapping[UUID, int], places: int
) -> list[QueuedWork]:
    """Return what to start, up to `places`: always work of the account that has the fewest runs.

    `at_work` counts the runs of each account that live. Among accounts with equally many, the one
    whose job has waited longest is next; the jobs of an account keep their order.
    """
    lines: dict[UUID, list[QueuedWork]] = {}
    for work in sorted(waiting, key=lambda work: (work.due_at, work.work_id)):
        lines.setdefault(work.account_id, []).append(work)
    have = Counter(at_work)
    chosen: list[QueuedWork] = []
    while lines and len(chosen) < places:
        account = min(lines, key=lambda one: (have[one], lines[one][0].due_at, one))
        chosen.append(lines[account].pop(0))
        have[account] += 1
        if not lines[account]:
            del lines[account]
    return chosen
