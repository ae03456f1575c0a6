"""What the end of a run means for its job, where the run could not say it itself."""

from collections.abc import Callable
from uuid import UUID

import dagster as dg

from enrollment_pipeline.defs.enrollment.job import bulk_enrollment
from enrollment_pipeline.defs.product import TERMINATED_BY, Product, explained
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.runs.history import WILL_RETRY, was_terminated
from enrollment_pipeline.storage.patience import patiently

# Seconds; a sensor has a minute in all.
WAITS = (0.5, 1, 2, 4, 8, 15)
_LOCK_SECONDS = 5


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    monitored_jobs=[bulk_enrollment],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends the job of a run that was terminated before it began, or by force.",
)
def enrollment_run_canceled(
    context: dg.RunStatusSensorContext, product: dg.ResourceParam[Product]
) -> None:
    """Cancel the job, unless only the run's process was stopped: then the queue goes on with it."""
    if not was_terminated(context.instance, context.dagster_run.run_id):
        return
    _patiently(product, context.partition_key, _cancel)


@dg.run_failure_sensor(
    monitored_jobs=[bulk_enrollment],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells that a run has failed and nobody goes on with its job.",
)
def enrollment_run_failed(
    context: dg.RunFailureSensorContext, product: dg.ResourceParam[Product]
) -> None:
    """Leave a message, unless Dagster or the queue starts another run by itself.

    A run that somebody terminated ends its job, even where its worker died on the way.
    """
    if was_terminated(context.instance, context.dagster_run.run_id):
        # Its worker died before it could obey.
        _patiently(product, context.partition_key, _cancel)
        return
    if context.dagster_run.tags.get(WILL_RETRY) == "true":
        return
    reason = context.failure_event.message or ""
    run_id = context.dagster_run.run_id
    _patiently(product, context.partition_key, lambda one: one.tell_of_failed_run(run_id, reason))


def _cancel(phases: Phases) -> None:
    phases.cancel(actor=TERMINATED_BY, lock_seconds=_LOCK_SECONDS)
    if phases.job().report is None:
        phases.report()


def _patiently(product: Product, partition_key: str | None, work: Callable[[Phases], None]) -> None:
    # Dagster shows a sensor the end of a run once, whether the sensor managed or not.
    try:
        job_id = UUID(partition_key or "")
    except ValueError:
        return

    def once() -> None:
        with product.database() as database:
            work(Phases(database, product.settings(), job_id))

    with explained():
        patiently(once, waits=WAITS)
