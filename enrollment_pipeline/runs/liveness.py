"""Which runs are at work, and which only look as if they were.

A run carries the machine and the process that work on it in tags. Where that process has gone, and
nobody has noticed, the run is reported as failed: of runs inside a command nobody else would do it,
and of others only the code server that started them, if it still lives.
"""

import socket
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import dagster as dg
import psutil

HOST = "enrollment/host"
PROCESS = "enrollment/process"
# A start is reckoned from the clock, which may be set in between.
_CLOCK_STEP_SECONDS = 5.0
_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def own_tags() -> dict[str, str]:
    """Return the tags that name this machine and this process."""
    return {HOST: _machine(), PROCESS: _identity(psutil.Process())}


def sign_on(instance: dg.DagsterInstance, run_id: str) -> None:
    """Put this process's tags on a run, once."""
    _sign_on(instance, run_id)


# A few runs at most pass through one process.
@lru_cache(maxsize=16)
def _sign_on(instance: dg.DagsterInstance, run_id: str) -> None:
    # Without the tags the work is the same; only a later death would be noticed later.
    with suppress(Exception):
        instance.add_run_tags(run_id, own_tags())


def repair_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark the runs of this machine whose process has gone as failed; return their ids."""
    here = dg.RunsFilter(statuses=_ALIVE, tags={HOST: _machine()})
    dead = [run for run in instance.get_runs(here) if not _lives(run.tags.get(PROCESS, ""))]
    for run in dead:
        instance.report_run_failed(run, message="The process that executed this run has gone.")
    return [run.run_id for run in dead]


def _identity(process: psutil.Process) -> str:
    # The number alone may be given to another process later.
    return f"{process.pid}@{process.create_time():.0f}"


def _lives(identity: str) -> bool:
    number, _, begun = identity.partition("@")
    try:
        process = psutil.Process(int(number))
        return abs(process.create_time() - float(begun)) <= _CLOCK_STEP_SECONDS
    except (psutil.Error, ValueError):
        return False


def _machine() -> str:
    # Names are given twice; the number that the kernel draws at each start is not.
    boot = Path("/proc/sys/kernel/random/boot_id")
    name = socket.gethostname()
    return f"{name}@{boot.read_text(encoding='ascii').strip()}" if boot.is_file() else name
