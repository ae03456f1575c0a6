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
