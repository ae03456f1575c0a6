"""Runs executed inside the current process, in the real history.

Such a run has no code location behind it: no status sensor sees it, and if its process is killed it
stays STARTED. So it carries host and process in tags, and the next command repairs what died.
"""

import socket
from pathlib import Path

import dagster as dg
import psutil

HOST = "enrollment/host"
PROCESS = "enrollment/process"
# The event log is written all the same; only the console stays silent.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# A start is reckoned from the clock, which may be set in between.
_CLOCK_STEP_SECONDS = 5.0
_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    *,
    partitions: str,
    key: str,
    tags: dict[str, str],
) -> bool:
    """Run one partition of a job here and now; return whether it succeeded.

    A SIGINT or SIGTERM ends it as the job's ops say.
    """
    instance.add_dynamic_partitions(partitions, [key])
    result = job.execute_in_process(
        instance=instance,
        partition_key=key,
        run_config=_QUIET,
        tags={**tags, HOST: _machine(), PROCESS: _identity(psutil.Process())},
        raise_on_error=False,
    )
    return result.success


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
