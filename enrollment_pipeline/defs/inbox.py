"""The sensor that gives files dropped into the inbox to whoever makes something of them."""

import time

import dagster as dg

from enrollment_pipeline.bulk_operations.inbox import ContactsRoute
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.enrollment.inbox import CsvRoute
from enrollment_pipeline.inbox.look import look
from enrollment_pipeline.inbox.route import Route
from enrollment_pipeline.inbox.rules import Memory
from enrollment_pipeline.triggers.inbox import EventsRoute

ROUTES: tuple[Route, ...] = (CsvRoute(), EventsRoute(), ContactsRoute())


@dg.sensor(
    name="file_inbox",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes files dropped into the inbox: a CSV file in ACCOUNT/WORKFLOW becomes an "
    "enrollment job, and a file in ACCOUNT/contacts an import, which the queue then starts; JSON "
    "lines in ACCOUNT/events are events, which triggers then consider.",
)
def file_inbox(
    context: dg.SensorEvaluationContext, product: dg.ResourceParam[Product]
) -> dg.SensorResult:
    """Look at the inbox once; the cursor is what one look leaves to the next.

    A trouble that lasts is logged once and not at every tick: each tick with a log is a file.
    """
    memory = Memory.from_cursor(context.cursor)
    with explained():
        tick = look(product.settings(), memory, product.database, routes=ROUTES, now=time.time())
    for sentence in tick.taken:
        context.log.info(sentence)
    for sentence in (*tick.rejected, *(one for one in tick.left if one not in memory.told)):
        context.log.warning(sentence)
    return dg.SensorResult(skip_reason=tick.summary(), cursor=tick.memory.as_cursor())
