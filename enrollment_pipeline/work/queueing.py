"""Whose work is next, and what becomes of work whose run has died; pure rules.

Work is an enrollment job, an operation or an item of a batch: whatever has a row, an attempt and
runs of its own.

Does not belong here: how a run is started or looked up, which is Dagster's business.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

    `kind` is what it is, such as "job"; `cancelling` that somebody has begun to end it. `tags` are
    put on its run, beside those that every run has; of an account's work, the one with the higher
    `priority` is first.
    """

    kind: str
    account_id: UUID
    account_name: str
    work_id: UUID
    attempt: int
    cancelling: bool
    due_at: datetime
    alive_at: datetime
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    priority: int = 0


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


@dataclass(frozen=True, slots=True)
class TagLimit:
    """How many runs with a tag may be at work at the same time.

    Without a `value`, all runs with the key are counted together; `per_value` counts those of each
    value apart.
    """

    key: str
    value: str | None
    limit: int
    per_value: bool = False

    def applies_to(self, tags: Mapping[str, str]) -> bool:
        """Return whether a run with these tags is counted."""
        return self.key in tags and self.value in (None, tags[self.key])


class Room:
    """What limits of tags leave free, counted as Dagster counts it.

    Runs that still wait for Dagster are counted with those at work: what it has been given, it will
    start.
    """

    def __init__(
        self, limits: Iterable[TagLimit] = (), unfinished: Iterable[Mapping[str, str]] = ()
    ) -> None:
        """`unfinished` holds the tags of each run that has not ended."""
        self._limits = tuple(limits)
        self._taken: Counter[tuple[TagLimit, str | None]] = Counter()
        for tags in unfinished:
            self.take(tags)

    def fits(self, tags: Mapping[str, str]) -> bool:
        """Return whether one more run with these tags could begin to work."""
        return all(self._taken[place] < place[0].limit for place in self._places(tags))

    def take(self, tags: Mapping[str, str]) -> None:
        """Count one more run with these tags, whether it fits or not."""
        self._taken.update(self._places(tags))

    def _places(self, tags: Mapping[str, str]) -> list[tuple[TagLimit, str | None]]:
        return [
            (limit, tags[limit.key] if limit.per_value else None)
            for limit in self._limits
            if limit.applies_to(tags)
        ]


def run_tags(work: QueuedWork) -> dict[str, str]:
    """Return the tags that a run of this work is given, which are those that limits count."""
    tags = {
        **work.tags,
        "enrollment/account": work.account_name,
        f"enrollment/{work.kind}": str(work.work_id),
    }
    if work.priority:
        tags["dagster/priority"] = str(work.priority)
    return tags


def fair_order(
    waiting: Iterable[QueuedWork], at_work: Mapping[UUID, int], places: int, room: Room
) -> list[QueuedWork]:
    """Return what to start, up to `places`: always work of the account that has the fewest runs.

    `at_work` counts the runs of each account that live. Among accounts with equally many, the one
    whose next work has waited longest is served; so a priority, which orders the work of one
    account, takes nothing from others. Work that finds no `room` is passed over; what is chosen
    takes it.
    """
    lines: dict[UUID, deque[QueuedWork]] = {}
    for work in sorted(waiting, key=lambda work: (-work.priority, work.due_at, work.work_id)):
        lines.setdefault(work.account_id, deque()).append(work)
    have = Counter(at_work)
    chosen: list[QueuedWork] = []
    while len(chosen) < places:
        lines = {account: line for account, line in lines.items() if _drop_unfit(line, room)}
        if not lines:
            break
        account = min(lines, key=lambda one: (have[one], lines[one][0].due_at, one))
        work = lines[account].popleft()
        room.take(run_tags(work))
        chosen.append(work)
        have[account] += 1
    return chosen


def _drop_unfit(line: deque[QueuedWork], room: Room) -> bool:
    """Drop what is first and finds no room; return whether anything is left.

    Room only gets less while work is chosen, so what does not fit now will not fit later.
    """
    while line and not room.fits(run_tags(line[0])):
        line.popleft()
    return bool(line)
