"""What triggers came to, day by day, as an asset whose numbers the UI plots."""

from collections import Counter
from datetime import UTC, date, timedelta
from typing import Any

import dagster as dg

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.defs.enrollment.job import CONSOLE
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.defs.triggers.events import results_table
from enrollment_pipeline.defs.triggers.times import GROUP
from enrollment_pipeline.triggers import service

# The day that has not ended yet is offered, too.
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_offset=1)


@dg.asset(
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"postgres"},
    description="How many events and occurrences triggers considered on a day, matched and "
    "enrolled, and why not: of all accounts, each by its own clock.",
)
def trigger_analytics(
    context: dg.AssetExecutionContext, product: dg.ResourceParam[Product]
) -> dg.MaterializeResult[None]:
    """Add up the log of a day; running it again counts anew."""
    day = date.fromisoformat(context.partition_key)
    rows: list[dict[str, Any]] = []
    refused: Counter[str] = Counter()
    with explained(), product.database() as database:
        for entry in accounts.list_accounts(database):
            account = accounts.find(database, entry.name)
            [found] = service.analytics(database, account, first=day, last=day)
            refused.update(found["refused"])
            if found["evaluated"]:
                rows.append({"account": entry.name, **found})
    return dg.MaterializeResult(
        metadata={
            **{name: sum(row[name] for row in rows) for name in _NUMBERS},
            "refused": refused.total(),
            "reasons": results_table(dict(refused)),
            "accounts": _table(rows),
        }
    )


_NUMBERS = ("evaluated", "matched", "enrolled")

count_triggers = dg.define_asset_job(
    "count_triggers",
    selection=dg.AssetSelection.assets("trigger_analytics"),
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    description="Adds up what triggers came to on a day.",
)


@dg.schedule(
    job=count_triggers,
    # A day has ended everywhere 12 hours after it has at Greenwich.
    cron_schedule="30 12 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Adds up the day before, once it has ended in every time zone.",
)
def daily_trigger_analytics(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the run of the day before."""
    ended = context.scheduled_execution_time.astimezone(UTC) - timedelta(days=1)
    key = ended.strftime("%Y-%m-%d")
    return dg.RunRequest(run_key=key, partition_key=key)


def _table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    columns = [dg.TableColumn("account", "string")]
    columns += [dg.TableColumn(name, "int") for name in _NUMBERS]
    records = [
        dg.TableRecord({"account": row["account"], **{name: row[name] for name in _NUMBERS}})
        for row in rows
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))
