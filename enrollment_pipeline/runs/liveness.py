"""Which runs are at work, and which only look as if they were.

A run carries the machine and the process that work on it in tags. Where that process has gone, and
nobody has noticed, the run is reported as failed: of runs inside a command nobody else would do it,
and of others only the code server that started them, if it still lives.
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import dagster as dg
import psutil

HOST = "enrollment/host"
BOOT = "enrollment/boot"
PROCESS = "enrollment/process"
# Whose tags these are: a run that is started again begins with those of the one before.
RUN = "enrollment/run"
# A start is reckoned from the clock, which may be set in between.
_CLOCK_STEP_SECONDS = 5.0
_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_GONE = "The process that executed this run has gone."
_LOST = "Nothing has been seen of this run for too long; another one goes on."


def own_tags() -> dict[str, str]:
    """Return the tags that name this machine, its present boot and this process."""
    return {HOST: socket.gethostname(), BOOT: _boot(), PROCESS: _identity(psutil.Process())}


def sign_on(instance: dg.DagsterInstance, run_id: str) -> None:
    """Put this process's tags on a run, once."""
    _sign_on(instance, run_id)


# A few runs at most pass through one process.
@lru_cache(maxsize=16)
def _sign_on(instance: dg.DagsterInstance, run_id: str) -> None:
    # Without the tags the work is the same; only a later death would be noticed later.
    with suppress(Exception):
        instance.add_run_tags(run_id, {**own_tags(), RUN: run_id})


def repair_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark the runs of this machine whose process has gone as failed; return their ids.

    Those of an earlier boot are dead; those of this boot in another container cannot be told.
    Machines that share a database must have names of their own.
    """
    here = dg.RunsFilter(statuses=_ALIVE, tags={HOST: socket.gethostname()})
    dead = [
        run.run_id
        for run in instance.get_runs(here)
        if run.tags.get(RUN, run.run_id) == run.run_id and _is_dead(run.tags)
    ]
    return [run_id for run_id in dead if _report_ended(instance, run_id, _GONE)]


def give_up_lost_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Mark a run as failed that shows no life on a machine that cannot be asked.

    Otherwise it would keep a place among the runs at work for good. Return False for one whose
    process lives here: it may be slow, and is not lost.
    """
    own = own_tags()
    here = all(run.tags.get(name) == own[name] for name in (HOST, BOOT))
    if here and _lives(run.tags.get(PROCESS, "")):
        return False
    return _report_ended(instance, run.run_id, _LOST)


def _report_ended(instance: dg.DagsterInstance, run_id: str, message: str) -> bool:
    # It may have ended by itself meanwhile, and must not be turned into a failure.
    run = instance.get_run_by_id(run_id)
    if run is None or run.status not in _ALIVE:
        return False
    if run.status is dg.DagsterRunStatus.CANCELING:
        # As somebody wanted; a failure would be tried again.
        instance.report_run_canceled(run, message=message)
    else:
        instance.report_run_failed(run, message=message)
    return True


def _is_dead(tags: Mapping[str, str]) -> bool:
    boot, _, space = tags.get(BOOT, "").partition("/")
    own_boot, _, own_space = _boot().partition("/")
    if boot != own_boot:
        return True
    return space == own_space and not _lives(tags.get(PROCESS, ""))


def _identity(process: psutil.Process) -> str:
    # The number alone may be given to another process later.
    return f"{process.pid}@{process.create_time():.0f}"


def _lives(identity: str) -> bool:
    number, _, begun = identity.partition("@")
    try:
        process = psutil.Process(int(number))
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - float(begun)) <= _CLOCK_STEP_SECONDS
    except (psutil.Error, ValueError):
        return False


def _boot() -> str:
    """Return the number that the kernel drew at its start, and the space its process ids are in."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    drawn = boot.read_text(encoding="ascii").strip() if boot.is_file() else ""
    return f"{drawn}/{space.readlink() if space.exists() else ''}"
