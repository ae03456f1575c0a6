"""Time triggers in Dagster: windows of 15 minutes as partitions, a schedule, and its catching up.

Dagster itself does not catch up the missed ticks of an asset job. So the run of the newest window
goes back to where the account was last looked at, and old windows can be backfilled at any time:
no occurrence fires twice.
"""

import time
import warnings
from collections import Counter
from datetime import UTC, datetime

import dagster as dg

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.defs.enrollment.job import CONSOLE
from enrollment_pipeline.defs.interrupts import StopFlag
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.defs.triggers.events import results_table
from enrollment_pipeline.triggers import service
from enrollment_pipeline.triggers.service import QUARTER, Span

GROUP = "triggers"
JOB_NAME = "fire_time_triggers"
_KEY = "%Y-%m-%d-%H:%M"
WINDOWS = dg.TimeWindowPartitionsDefinition(
    cron_schedule="*/15 * * * *", start="2026-01-01-00:00", fmt=_KEY
)
# Whom a window starts is enrolled by its run as far as this goes, and by the next one of events.
MOST_SECONDS = 300.0

with warnings.catch_warnings():
    # Many windows in one run is a parameter that Dagster calls a beta one.
    warnings.simplefilter("ignore", dg.BetaWarning)

    @dg.asset(
        partitions_def=WINDOWS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"postgres"},
        description="The birthdays, anniversaries, dates and recurring times that were due within "
        "a window, each fired at most once.",
    )
    def trigger_occurrences(
        context: dg.AssetExecutionContext, product: dg.ResourceParam[Product]
    ) -> dg.MaterializeResult[None]:
        """Fire what was due in the windows of the run, and for the newest in all missed ones."""
        window = context.partition_time_window
        span = Span(window.start.astimezone(UTC), window.end.astimezone(UTC))
        end = time.monotonic() + MOST_SECONDS
        with explained(), product.database() as database, StopFlag() as stop:
            found: Counter[str] = Counter()
            troubles: list[str] = []
            now = datetime.now(UTC)
            for entry in accounts.list_accounts(database):
                if stop.is_set():
                    raise dg.DagsterExecutionInterruptedError
                account = accounts.find(database, entry.name)
                try:
                    results = service.evaluate_window(database, account, span, now=now)
                # The trouble of one account must not hold up all others.
                except Exception as error:
                    troubles.append(f"{entry.name}: {type(error).__name__}")
                    context.log.exception(f"The time triggers of {entry.name} were not evaluated.")
                else:
                    found.update({str(one): number for one, number in results.items()})
            service.work_off(
                database,
                product.settings(),
                go_on=lambda: not stop.is_set() and time.monotonic() < end,
            )
        if troubles:
            raise dg.Failure(
                "Accounts whose time triggers were not evaluated, and will be by the next run: "
                f"{'; '.join(troubles)}."
            )
        return dg.MaterializeResult(
            metadata={
                "occurrences": found.total(),
                "fired": found["fired"],
                "late": found["late"],
                "results": results_table(dict(found)),
            }
        )


fire_time_triggers = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.assets("trigger_occurrences"),
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    # One that failed is made good by the next, a quarter of an hour later.
    tags={"dagster/retry_on_asset_or_op_failure": "false"},
    description="Fires time triggers for a window of 15 minutes; any old one may be run again.",
)


@dg.schedule(
    job=fire_time_triggers,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fires what is due every 15 minutes, and what was missed.",
)
def quarter_hours(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the run of the window that has just closed."""
    closed = context.scheduled_execution_time.astimezone(UTC) - QUARTER
    key = closed.strftime(_KEY)
    return dg.RunRequest(run_key=key, partition_key=key)
