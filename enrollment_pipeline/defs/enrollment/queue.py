"""The queue in Dagster: a run for every job that is due, and another for one whose run has died."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from enrollment_pipeline.defs.enrollment.job import JOB_NAME, bulk_enrollment
from enrollment_pipeline.defs.enrollment.partitions import ENROLLMENT_JOBS
from enrollment_pipeline.defs.product import TERMINATED_BY, Product, explained
from enrollment_pipeline.enrollment import queue
from enrollment_pipeline.enrollment.queueing import (
    QueuedJob,
    SeenRun,
    Turn,
    fair_order,
    is_lost,
    run_key,
    turn_of,
)
from enrollment_pipeline.runs.history import (
    RUN_KEY,
    WILL_RETRY,
    free_places,
    runs_by_partition,
    was_terminated,
)
from enrollment_pipeline.runs.liveness import give_up_lost_run, repair_dead_runs
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

_UNSUCCESSFUL = (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE)
# Runs handed over in one tick where Dagster itself has no limit.
MOST_AT_ONCE = 50


@dg.sensor(
    job=bulk_enrollment,
    name="enrollment_queue",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for every job that is due, in turn between the accounts, and again "
    "for one whose run has died.",
)
def enrollment_queue(
    context: dg.SensorEvaluationContext, product: dg.ResourceParam[Product]
) -> dg.SensorResult:
    """Ask for as many runs as can begin to work.

    The rest waits here and not in Dagster's own queue, where whoever came first would be served
    first, with all his jobs. The run key holds the job and its attempt, so that an attempt gets one
    run however often it is asked for.
    """
    settings = product.settings()
    repair_dead_runs(context.instance)
    with explained(), product.database() as database:
        turns = _turns(context.instance, queue.open_jobs(database))
        waiting = [job for job, turn in turns if turn is Turn.START]
        waiting += _restarted(database, settings, turns)
        ended = _ended(context, database, settings, turns)
    at_work = Counter(job.account_id for job, turn in turns if turn is Turn.WAIT)
    places = free_places(context.instance, MOST_AT_ONCE)
    chosen = fair_order(waiting, at_work, places)
    if len(chosen) < len(waiting):
        context.log.info(f"{len(waiting) - len(chosen)} jobs wait for a free place.")
    keys = [str(job.job_id) for job in (*chosen, *ended)]
    return dg.SensorResult(
        run_requests=[
            *(_run_request(job, run_key(job)) for job in chosen),
            *(_run_request(job, f"{run_key(job)}:report") for job in ended),
        ],
        dynamic_partitions_requests=[ENROLLMENT_JOBS.build_add_request(keys)] if keys else [],
    )


def _turns(instance: dg.DagsterInstance, jobs: list[QueuedJob]) -> list[tuple[QueuedJob, Turn]]:
    # The jobs are read before the runs: one that ends in between looks as if its run had died just
    # now, and that is waited for.
    now = datetime.now(UTC)
    found = runs_by_partition(instance, JOB_NAME, [str(job.job_id) for job in jobs])
    turns = []
    for job in jobs:
        records = found[str(job.job_id)]
        runs = [_seen(instance, record) for record in records]
        lost = [
            record.dagster_run
            for record, run in zip(records, runs, strict=True)
            if is_lost(job, run, now)
        ]
        for run in lost:
            give_up_lost_run(instance, run)
        # What has just been given up is seen as ended by the next look, and goes by its rules.
        turns.append((job, Turn.WAIT if lost else turn_of(job, runs, now)))
    return turns


def _ended(
    context: dg.SensorEvaluationContext,
    database: Database,
    settings: Settings,
    turns: list[tuple[QueuedJob, Turn]],
) -> list[QueuedJob]:
    """Close the jobs that are to end, and return those that were; a run writes their reports."""
    closed = []
    for job, turn in turns:
        if turn is Turn.FINISH_CANCELLING:
            # The trouble of one job must not hold up those of all accounts.
            try:
                queue.finish_cancelling(database, settings, job, actor=TERMINATED_BY)
                closed.append(job)
            except Exception as error:
                context.log.warning(f"Job {job.job_id} cannot be ended yet: {type(error).__name__}")
    return closed


def _restarted(
    database: Database, settings: Settings, turns: list[tuple[QueuedJob, Turn]]
) -> list[QueuedJob]:
    return [
        replace(job, attempt=job.attempt + 1)
        for job, turn in turns
        if turn is Turn.RESTART and queue.restart(database, settings, job)
    ]


def _seen(instance: dg.DagsterInstance, record: dg.RunRecord) -> SeenRun:
    run = record.dagster_run
    return SeenRun(
        run_key=run.tags.get(RUN_KEY),
        begun_at=_instant(record.start_time),
        ended_at=_instant(record.end_time) if run.is_finished else None,
        terminated=run.status in _UNSUCCESSFUL and was_terminated(instance, run.run_id),
        # One inside a command has nobody who could launch it again.
        retried=run.tags.get(WILL_RETRY) == "true" and run.remote_job_origin is not None,
    )


def _instant(stamp: float | None) -> datetime | None:
    return None if stamp is None else datetime.fromtimestamp(stamp, UTC)


def _run_request(job: QueuedJob, key: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=key,
        partition_key=str(job.job_id),
        tags={"enrollment/account": job.account_name, "enrollment/job": str(job.job_id)},
    )
