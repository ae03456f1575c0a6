"""Runs executed inside the current process, in the real history.

Such a run has no code location behind it: no status sensor sees it, and if its process is killed it
stays STARTED until somebody looks (`liveness`).
"""

import dagster as dg

from enrollment_pipeline.runs.liveness import own_tags

# The event log is written all the same; only the console stays silent.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


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
        tags={**tags, **own_tags()},
        raise_on_error=False,
    )
    return result.success
