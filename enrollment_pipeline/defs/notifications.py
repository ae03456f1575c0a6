"""The outbox in Dagster: a sensor that sees what is due, and the job that sends it."""

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import dagster as dg

from enrollment_pipeline.defs.enrollment.job import CONSOLE
from enrollment_pipeline.defs.interrupts import StopFlag
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.notifications import delivery
from enrollment_pipeline.runs.history import on_their_way

JOB_NAME = "deliver_notifications"
# A run takes one of the slots that enrollments need, so it ends soon; the next tick goes on.
MOST_MESSAGES = 200
MOST_SECONDS = 60.0
# A run that is unfinished for longer has died, or cannot get a slot, and must not keep messages
# from being sent for ever.
_RUN_IS_LOST_AFTER = timedelta(minutes=15)


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Sends the e-mails and webhooks whose time has come, of all accounts.",
)
def send_notifications(context: dg.OpExecutionContext, product: dg.ResourceParam[Product]) -> None:
    """Send until nothing is due or the time is over; a stop waits for the message in progress."""
    end = time.monotonic() + MOST_SECONDS
    with explained(), product.database() as database, StopFlag() as stop:
        counts = delivery.deliver_due(
            database,
            product.settings(),
            now=lambda: datetime.now(UTC),
            most=MOST_MESSAGES,
            go_on=lambda: not stop.is_set() and time.monotonic() < end,
        )
    context.add_output_metadata(asdict(counts))
    if stop.is_set():
        raise dg.DagsterExecutionInterruptedError


@dg.job(
    name=JOB_NAME,
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    # A run that died is not repeated: what is left is in the outbox, and the sensor sees it.
    tags={"dagster/max_retries": "0"},
    description="Sends what the outbox holds. A message that cannot be sent is tried again later.",
)
def deliver_notifications() -> None:
    """One op: send."""
    send_notifications()


@dg.sensor(
    # By name: a sensor that holds a job of ops is made anew by Dagster, which then warns of a
    # parameter of its own that is in beta.
    job_name=JOB_NAME,
    name="notification_outbox",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run when a message is due and no such run is on its way.",
)
def notification_outbox(
    context: dg.SensorEvaluationContext, product: dg.ResourceParam[Product]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run, or say why none is needed."""
    now = datetime.now(UTC)
    with explained(), product.database() as database:
        if not delivery.is_anything_due(database, now):
            return dg.SkipReason("No message is due.")
    if on_their_way(context.instance, JOB_NAME, since=now - _RUN_IS_LOST_AFTER):
        return dg.SkipReason("A run that sends messages is on its way.")
    return dg.RunRequest()
