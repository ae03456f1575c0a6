"""What the end of a run means for its work, where the run could not say it itself."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import dagster as dg

from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.defs.enrollment.job import bulk_enrollment
from enrollment_pipeline.defs.onboarding.job import onboard_item
from enrollment_pipeline.defs.operations.job import bulk_operation
from enrollment_pipeline.defs.product import TERMINATED_BY, Product, Work, explained
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.onboarding.engine import ItemWork
from enrollment_pipeline.runs.history import WILL_RETRY, was_terminated
from enrollment_pipeline.storage.patience import patiently

# Seconds; a sensor has a minute in all.
WAITS = (0.5, 1, 2, 4, 8, 15)
_LOCK_SECONDS = 5


class Told(Work, Protocol):
    """Work that can also be told that a run of it has failed."""

    def tell_of_failed_run(self, run_id: str, reason: str) -> None:
        """Leave a message, where neither the queue nor a person has the work in hand."""


_KINDS: dict[str, Callable[..., Told]] = {
    str(bulk_enrollment.name): Phases,
    str(bulk_operation.name): OperationWork,
    str(onboard_item.name): ItemWork,
}


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    monitored_jobs=[bulk_enrollment, bulk_operation, onboard_item],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends the work of a run that was terminated before it began, or by force.",
)
def enrollment_run_canceled(
    context: dg.RunStatusSensorContext, product: dg.ResourceParam[Product]
) -> None:
    """End the work, unless only the run's process was stopped: then the queue goes on with it."""
    if not was_terminated(context.instance, context.dagster_run.run_id):
        return
    _patiently(product, context, _end)


@dg.run_failure_sensor(
    monitored_jobs=[bulk_enrollment, bulk_operation, onboard_item],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells that a run has failed and nobody goes on with its work.",
)
def enrollment_run_failed(
    context: dg.RunFailureSensorContext, product: dg.ResourceParam[Product]
) -> None:
    """Leave a message, unless Dagster or the queue starts another run by itself.

    A run that somebody terminated ends its work, even where its worker died on the way.
    """
    if was_terminated(context.instance, context.dagster_run.run_id):
        # Its worker died before it could obey.
        _patiently(product, context, _end)
        return
    if context.dagster_run.tags.get(WILL_RETRY) == "true":
        return
    reason = context.failure_event.message or ""
    run_id = context.dagster_run.run_id
    _patiently(product, context, lambda one: one.tell_of_failed_run(run_id, reason))


def _end(work: Told) -> None:
    work.end(actor=TERMINATED_BY, lock_seconds=_LOCK_SECONDS)


def _patiently(
    product: Product, context: dg.RunStatusSensorContext, do: Callable[[Told], None]
) -> None:
    # Dagster shows a sensor the end of a run once, whether the sensor managed or not.
    try:
        work_id = UUID(context.partition_key or "")
    except ValueError:
        return
    kind = _KINDS[context.dagster_run.job_name]

    def once() -> None:
        with product.database() as database:
            do(kind(database, product.settings(), work_id))

    with explained():
        patiently(once, waits=WAITS)
