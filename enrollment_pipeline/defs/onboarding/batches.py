"""What batches took and cost, over all accounts, as an asset that the UI plots."""

from collections import Counter
from statistics import median
from typing import Any

import dagster as dg

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.defs.enrollment.job import CONSOLE
from enrollment_pipeline.defs.onboarding.partitions import GROUP
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.onboarding import service

_SHOWN = 100
_COLUMNS = {
    "account": "string",
    "company": "string",
    "batch": "string",
    "created_at": "string",
    "state": "string",
    "items": "int",
    "percent": "float",
    "success_rate": "float",
    "seconds": "float",
    "cost": "float",
}


@dg.asset(
    group_name=GROUP,
    kinds={"postgres"},
    description="Batches with their state, the time that their items took, and what services have "
    "reported as cost.",
)
def onboarding_batches(product: dg.ResourceParam[Product]) -> dg.MaterializeResult[None]:
    """Add up the batches that are kept; the newest are listed."""
    rows: list[dict[str, Any]] = []
    with explained(), product.database() as database:
        for entry in accounts.list_accounts(database):
            account = accounts.find(database, entry.name)
            rows += [{"account": account.name, **one} for one in service.costs(database, account)]
    rows.sort(key=lambda row: row["created_at"], reverse=True)
    return dg.MaterializeResult(metadata=_metadata(rows))


count_onboarding = dg.define_asset_job(
    "count_onboarding",
    selection=dg.AssetSelection.assets("onboarding_batches"),
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    description="Adds up what batches took and cost.",
)

daily_onboarding_batches = dg.ScheduleDefinition(
    name="daily_onboarding_batches",
    job=count_onboarding,
    cron_schedule="15 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Adds up onboarding once a day.",
)


def _metadata(rows: list[dict[str, Any]]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts.update({name: row[name] for name in ("total", "completed", "failed", "cancelled")})
    ended = [row["seconds"] / row["total"] for row in rows if row["completed_at"] is not None]
    tried = counts["completed"] + counts["failed"]
    return {
        "batches": len(rows),
        "items": counts["total"],
        "items_completed": counts["completed"],
        "items_failed": counts["failed"],
        "items_cancelled": counts["cancelled"],
        "cost": sum(row["cost"] for row in rows),
        "seconds": sum(row["seconds"] for row in rows),
        **({"success_rate": round(100 * counts["completed"] / tried, 1)} if tried else {}),
        **({"median_seconds_per_item": round(median(ended), 1)} if ended else {}),
        "newest": dg.MetadataValue.table(
            [dg.TableRecord(_record(row)) for row in rows[:_SHOWN]],
            schema=dg.TableSchema([dg.TableColumn(name, kind) for name, kind in _COLUMNS.items()]),
        ),
    }


def _record(row: dict[str, Any]) -> dict[str, Any]:
    named = {**row, "batch": row["batch_id"], "items": row["total"]}
    return {name: named[name] for name in _COLUMNS}
