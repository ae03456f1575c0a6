"""The queue in Dagster: a run for all work that is due, and another where a run has died.

Belongs here: what is the same for every kind of work. What a kind is, and what is done with work of
its own, is in a `WorkKind` of each capability.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from enrollment_pipeline.defs.product import Product, explained
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
from enrollment_pipeline.work.queueing import (
    QueuedWork,
    SeenRun,
    Turn,
    fair_order,
    is_lost,
    run_key,
    run_tags,
    turn_of,
)

_UNSUCCESSFUL = (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE)


@dataclass(frozen=True, slots=True)
class WorkKind:
    """A kind of work, such as enrollment jobs: its Dagster job, and how the queue handles it.

    `name` is what `QueuedWork.kind` says, and the tag of a run that holds the id. `restart` returns
    whether work whose run has died may begin its next attempt; `finish` ends work that somebody
    began to cancel, or whose run was terminated, and returns whether a run is wanted
    that writes its report.
    """

    name: str
    # An asset job; Dagster exports no name of its type.
    job: Any
    partitions: dg.DynamicPartitionsDefinition
    open_work: Callable[[Database], list[QueuedWork]]
    restart: Callable[[Database, Settings, QueuedWork], bool]
    finish: Callable[[Database, Settings, QueuedWork], bool]


def build_queue(kinds: Sequence[WorkKind]) -> dg.SensorDefinition:
    """Return the one sensor that serves all kinds, in turn between the accounts."""
    by_name = {kind.name: kind for kind in kinds}

    @dg.sensor(
        jobs=[kind.job for kind in kinds],
        name="enrollment_queue",
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run for every job, operation and item that is due, in turn between "
        "the accounts, and again for one whose run has died.",
    )
    def enrollment_queue(
        context: dg.SensorEvaluationContext, product: dg.ResourceParam[Product]
    ) -> dg.SensorResult:
        """Ask for as many runs as can begin to work.

        The rest waits here and not in Dagster's own queue, where whoever came first would be served
        first, with all his work, and where a run that a limit of its tags holds back would keep a
        place from others. The run key holds the work and its attempt, so that an attempt
        gets one run however often it is asked for.
        """
        settings = product.settings()
        repair_dead_runs(context.instance)
        with explained(), product.database() as database:
            turns = [
                turn
                for kind in kinds
                for turn in _turns(context.instance, kind, kind.open_work(database))
            ]
            waiting = [work for work, turn in turns if turn is Turn.START]
            waiting += [
                replace(work, attempt=work.attempt + 1)
                for work, turn in turns
                if turn is Turn.RESTART
                and _managed(context, work, by_name[work.kind].restart, database, settings)
            ]
            ended = [
                work
                for work, turn in turns
                if turn is Turn.FINISH_CANCELLING
                and _managed(context, work, by_name[work.kind].finish, database, settings)
            ]
        at_work = Counter(work.account_id for work, turn in turns if turn is Turn.WAIT)
        places, room = free_places(context.instance)
        for work in ended:
            # Its report is asked for in any case: nobody would come back to work that is closed.
            room.take(run_tags(work))
        chosen = fair_order(waiting, at_work, places, room)
        if len(chosen) < len(waiting):
            context.log.info(f"{len(waiting) - len(chosen)} pieces of work wait for a free place.")
        asked = [(work, run_key(work)) for work in chosen]
        asked += [(work, f"{run_key(work)}:report") for work in ended]
        return dg.SensorResult(
            run_requests=[_run_request(by_name[work.kind], work, key) for work, key in asked],
            dynamic_partitions_requests=[
                kind.partitions.build_add_request(keys)
                for kind in kinds
                if (keys := [str(work.work_id) for work, _ in asked if work.kind == kind.name])
            ],
        )

    return enrollment_queue


def _turns(
    instance: dg.DagsterInstance, kind: WorkKind, open_work: list[QueuedWork]
) -> list[tuple[QueuedWork, Turn]]:
    # The work is read before the runs: what ends in between looks as if its run had died just now,
    # and that is waited for.
    now = datetime.now(UTC)
    found = runs_by_partition(instance, kind.job.name, [str(work.work_id) for work in open_work])
    turns = []
    for work in open_work:
        records = found[str(work.work_id)]
        runs = [_seen(instance, record) for record in records]
        lost = [
            record.dagster_run
            for record, run in zip(records, runs, strict=True)
            if is_lost(work, run, now)
        ]
        for run in lost:
            give_up_lost_run(instance, run)
        # What has just been given up is seen as ended by the next look, and goes by its rules.
        turns.append((work, Turn.WAIT if lost else turn_of(work, runs, now)))
    return turns


def _managed(
    context: dg.SensorEvaluationContext,
    work: QueuedWork,
    manage: Callable[[Database, Settings, QueuedWork], bool],
    database: Database,
    settings: Settings,
) -> bool:
    """Return what `manage` does; False where it cannot now.

    The trouble of one job must not hold up those of all accounts.
    """
    try:
        return manage(database, settings, work)
    except Exception as error:
        context.log.warning(
            f"{work.kind} {work.work_id} cannot be seen to yet: {type(error).__name__}"
        )
        return False


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


def _run_request(kind: WorkKind, work: QueuedWork, key: str) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=key,
        job_name=kind.job.name,
        partition_key=str(work.work_id),
        tags=run_tags(work),
    )
