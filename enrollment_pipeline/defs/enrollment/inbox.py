"""The sensor that turns files dropped into the inbox into enrollment jobs."""

import time

import dagster as dg

from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.enrollment import inbox
from enrollment_pipeline.enrollment.inbox_rules import Memory


@dg.sensor(
    name="csv_inbox",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes CSV files dropped into ACCOUNT/WORKFLOW of the inbox as enrollment jobs, "
    "which the queue then starts.",
)
def csv_inbox(
    context: dg.SensorEvaluationContext, product: dg.ResourceParam[Product]
) -> dg.SensorResult:
    """Look at the inbox once; the cursor is what one look leaves to the next.

    A trouble that lasts is logged once and not at every tick: each tick with a log is a file.
    """
    memory = Memory.from_cursor(context.cursor)
    with explained():
        tick = inbox.look(product.settings(), memory, product.database, now=time.time())
    for sentence in tick.taken:
        context.log.info(sentence)
    for sentence in (*tick.rejected, *(one for one in tick.left if one not in memory.told)):
        context.log.warning(sentence)
    return dg.SensorResult(skip_reason=tick.summary(), cursor=tick.memory.as_cursor())
