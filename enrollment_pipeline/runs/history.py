"""The runs of the product's jobs, as Dagster's history tells them."""

from collections.abc import Iterable
from datetime import datetime

import dagster as dg

from enrollment_pipeline.runs.concurrency import MOST_AT_ONCE, tag_limits
from enrollment_pipeline.work.queueing import Room

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


def free_places(instance: dg.DagsterInstance) -> tuple[int, Room]:
    """Return how many more runs Dagster would start, and the room that its limits of tags leave.

    The number is `MOST_AT_ONCE` where Dagster knows no limit.
    """
    queue = instance.get_concurrency_config().run_queue_config
    most = -1 if queue is None else queue.max_concurrent_runs
    limits = [] if queue is None else tag_limits(queue.tag_concurrency_limits)
    if most < 0 and not limits:
        return MOST_AT_ONCE, Room()
    wanted = dg.RunsFilter(statuses=UNFINISHED)
    # Where that many are found, no place is left, and the tags of others do not matter.
    unfinished = instance.get_runs(wanted, limit=most if most > 0 else None)
    places = MOST_AT_ONCE if most < 0 else max(0, most - len(unfinished))
    return places, Room(limits, (run.tags for run in unfinished))


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
