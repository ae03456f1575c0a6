"""The runs of the product's jobs, as Dagster's history tells them."""

from collections.abc import Iterable
from datetime import datetime

import dagster as dg

PARTITION = "dagster/partition"
RUN_KEY = "dagster/run_key"
WILL_RETRY = "dagster/will_retry"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def free_places(instance: dg.DagsterInstance, otherwise: int) -> int:
    """Return how many more runs Dagster would start; `otherwise` where it knows no limit."""
    queue = instance.get_concurrency_config().run_queue_config
    limit = queue.max_concurrent_runs if queue is not None else -1
    if limit < 0:
        return otherwise
    return max(0, limit - instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)))


def on_their_way(instance: dg.DagsterInstance, job_name: str, *, since: datetime) -> int:
    """Return how many runs of a job that were created since then are not finished."""
    wanted = dg.RunsFilter(job_name=job_name, statuses=UNFINISHED, created_after=since)
    return instance.get_runs_count(wanted)


def runs_by_partition(
    instance: dg.DagsterInstance, job_name: str, partitions: Iterable[str]
) -> dict[str, list[dg.RunRecord]]:
    """Return the runs of each partition, the newest first; none for one without."""
    found: dict[str, list[dg.RunRecord]] = {key: [] for key in partitions}
    if found:
        wanted = dg.RunsFilter(job_name=job_name, tags={PARTITION: list(found)})
        for record in instance.get_run_records(wanted):
            found[record.dagster_run.tags[PARTITION]].append(record)
    return found


def was_terminated(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Return whether somebody ended a run on purpose, rather than its process or its machine."""
    asked = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_CANCELING)
    ended = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_CANCELED)
    return bool(asked) or any("forcibly" in (entry.message or "") for entry in ended)
