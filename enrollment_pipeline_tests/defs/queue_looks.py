"""What tests of the queue sensor share: an empty queue, runs in the history, and one look."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import dagster as dg
from sqlalchemy import Engine, text

from enrollment_pipeline.defs.enrollment.job import JOB_NAME
from enrollment_pipeline.defs.product import Product


@contextmanager
def empty_queue(owner: Engine, instance: dg.DagsterInstance) -> Iterator[None]:
    """Take all jobs, operations and runs of other tests out of the way, and those of this one."""
    clear_queue(owner)
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        instance.report_run_failed(run)
    yield
    clear_queue(owner)


def clear_queue(owner: Engine) -> None:
    """Take all jobs, operations and items out of the queue."""
    with owner.begin() as connection:
        connection.execute(text("update enrollment.enrollment_jobs set runner = 'caller'"))
        connection.execute(
            text(
                "update enrollment.bulk_operations set status = 'cancelled', completed_at = now() "
                "where completed_at is null"
            )
        )
        connection.execute(
            text(
                "update enrollment.enrollment_jobs set status = 'cancelled', completed_at = now() "
                "where status = 'cancelling'"
            )
        )
        connection.execute(
            text(
                "update enrollment.onboarding_items set status = 'cancelled', completed_at = now() "
                "where completed_at is null"
            )
        )


def asked_for(sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """Evaluate the sensor once; return the runs that it asks for."""
    context = dg.build_sensor_context(instance=instance, resources={"product": Product()})
    result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or [])


@contextmanager
def adding_runs(instance: dg.DagsterInstance) -> Iterator[Callable[..., dg.DagsterRun]]:
    """Give a function that puts a run into the history; take the runs out again at the end."""
    made: list[dg.DagsterRun] = []

    def add(
        job_id: UUID,
        status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
        attempt: int = 1,
        **tags: str,
    ) -> dg.DagsterRun:
        run = dg.DagsterRun(
            job_name=JOB_NAME,
            run_id=str(uuid4()),
            status=status,
            tags={
                "dagster/partition": str(job_id),
                "dagster/run_key": f"{job_id}:{attempt}",
                **tags,
            },
        )
        made.append(instance.add_run(run))
        return run

    yield add
    for run in made:
        instance.delete_run(run.run_id)


def keys(requests: list[dg.RunRequest]) -> list[str | None]:
    return [request.run_key for request in requests]
