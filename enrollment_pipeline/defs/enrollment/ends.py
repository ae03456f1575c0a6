"""What the end of a run means for its job, where the run could not say it itself."""

from uuid import UUID

import dagster as dg

from enrollment_pipeline.defs.enrollment.job import bulk_enrollment
from enrollment_pipeline.defs.product import TERMINATED_BY, Product, explained
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.runs.history import was_terminated


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
    with explained(), product.database() as database:
        phases = Phases(database, product.settings(), UUID(context.partition_key))
        if not phases.job().status.closed:
            phases.cancel(actor=TERMINATED_BY)


@dg.run_failure_sensor(
    monitored_jobs=[bulk_enrollment],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells that a run has failed and nobody goes on with its job.",
)
def enrollment_run_failed(
    context: dg.RunFailureSensorContext, product: dg.ResourceParam[Product]
) -> None:
    """Leave a message, unless Dagster or the queue starts another run by itself."""
    if context.dagster_run.tags.get("dagster/will_retry") == "true":
        return
    with explained(), product.database() as database:
        phases = Phases(database, product.settings(), UUID(context.partition_key))
        phases.tell_of_failed_run(context.dagster_run.run_id, context.failure_event.message or "")
