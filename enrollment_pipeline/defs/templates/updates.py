"""Telling accounts, daily, of newer versions of the templates that they have cloned.

Whoever updates a template tells of it at once; this finds what was cut off there, and the updates
that came with a new version of the product.
"""

import dagster as dg

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.defs.enrollment.job import CONSOLE
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.templates import service as templates


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Writes a message for each clone whose template has a newer version, once a "
    "version, to the channels of its account.",
)
def tell_of_updates(context: dg.OpExecutionContext, product: dg.ResourceParam[Product]) -> None:
    """Tell every account; how many messages that made is in the output's metadata."""
    messages = 0
    with explained(), product.database() as database:
        for entry in accounts.list_accounts(database):
            account = accounts.find(database, entry.name)
            messages += templates.tell_updates(database, account)
    context.add_output_metadata({"messages": messages})


@dg.job(
    description="Tells of newer versions of cloned templates.",
    executor_def=dg.in_process_executor,
    config=CONSOLE,
)
def tell_template_updates() -> None:
    """One op: tell."""
    tell_of_updates()


daily_template_updates = dg.ScheduleDefinition(
    name="daily_template_updates",
    job=tell_template_updates,
    cron_schedule="15 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Tells of newer versions of cloned templates once a day.",
)
