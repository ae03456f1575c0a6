"""Events in Dagster: a sensor that sees that some are pending, and the job that evaluates them."""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from enrollment_pipeline.defs.enrollment.job import CONSOLE
from enrollment_pipeline.defs.interrupts import StopFlag
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.runs.history import on_their_way
from enrollment_pipeline.runs.liveness import sign_on
from enrollment_pipeline.triggers import service
from enrollment_pipeline.triggers.service import Totals

JOB_NAME = "evaluate_triggers"
# A run takes one of the places that enrollments need, so it ends; the next tick goes on.
MOST_SECONDS = 600.0
# Starting a run takes some ten seconds, so one that has nothing to do waits a while for more.
LINGER_SECONDS = 20.0
_POLL_SECONDS = 0.5
# A run that is unfinished for longer has died, or cannot get a place, and must not keep events
# from being evaluated for ever.
_RUN_IS_LOST_AFTER = timedelta(minutes=15)


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Evaluates the pending events of all accounts, and enrolls whom they start.",
)
def evaluate_events(context: dg.OpExecutionContext, product: dg.ResourceParam[Product]) -> None:
    """Evaluate until nothing is pending for a while; a stop waits for the batch in progress."""
    sign_on(context.instance, context.run.run_id)
    end = time.monotonic() + MOST_SECONDS
    totals = Totals()
    with explained(), product.database() as database, StopFlag() as stop:

        def go_on() -> bool:
            return not stop.is_set() and time.monotonic() < end

        idle_since = time.monotonic()
        while go_on() and time.monotonic() - idle_since < LINGER_SECONDS:
            found = service.work_off(database, product.settings(), go_on=go_on)
            if found.anything:
                totals.add(found)
                idle_since = time.monotonic()
                context.log.info(found.sentence)
            stop.wait(_POLL_SECONDS)
    context.add_output_metadata(totals_metadata(totals))
    if stop.is_set():
        raise dg.DagsterExecutionInterruptedError


@dg.job(
    name=JOB_NAME,
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    # A run that died is not repeated: what is left is in the database, and the sensor sees it.
    tags={"dagster/max_retries": "0"},
    description="Holds events against the triggers that wait for them. What a run leaves is done "
    "by the next.",
)
def evaluate_triggers() -> None:
    """One op: evaluate."""
    evaluate_events()


@dg.sensor(
    # By name, as in notifications.
    job_name=JOB_NAME,
    name="pending_events",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run when events are pending, or firings are due, and none is on its "
    "way; a second one for a backlog.",
)
def pending_events(
    context: dg.SensorEvaluationContext, product: dg.ResourceParam[Product]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for as many runs as are worth it, or say why none is needed."""
    now = datetime.now(UTC)
    with explained(), product.database() as database:
        wanted = service.runs_wanted(database, now)
    if not wanted:
        return dg.SkipReason("No event is pending and nothing is due.")
    at_work = on_their_way(context.instance, JOB_NAME, since=now - _RUN_IS_LOST_AFTER)
    if at_work >= wanted:
        return dg.SkipReason("A run that evaluates events is on its way.")
    return [dg.RunRequest() for _ in range(wanted - at_work)]


def totals_metadata(totals: Totals) -> dict[str, int | dg.TableMetadataValue]:
    """Return what a run has done, as numbers that the UI can plot and a table of results."""
    return {
        "events": totals.events,
        "rejected": totals.rejected,
        "released": totals.released,
        "jobs": totals.jobs,
        "results": results_table({str(one): number for one, number in totals.results.items()}),
    }


def results_table(results: dict[str, int]) -> dg.TableMetadataValue:
    """Return numbers by result, the largest first."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"result": result, "number": number})
            for result, number in sorted(results.items(), key=lambda one: -one[1])
        ],
        schema=dg.TableSchema(
            [dg.TableColumn("result", "string"), dg.TableColumn("number", "int")]
        ),
    )
