"""The daily removal of what accounts no longer keep of their closed work."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import dagster as dg

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.bulk_operations import service as operations
from enrollment_pipeline.defs.enrollment.partitions import ENROLLMENT_JOBS
from enrollment_pipeline.defs.onboarding.partitions import ONBOARDING_ITEMS
from enrollment_pipeline.defs.operations.partitions import BULK_OPERATIONS
from enrollment_pipeline.defs.product import Product, explained
from enrollment_pipeline.enrollment import retention
from enrollment_pipeline.enrollment.retention import Pruned
from enrollment_pipeline.onboarding import service as onboarding
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers import service as triggers

ACTOR = "retention"


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Removes old details of closed jobs, account by account, and tells how many.",
)
def prune_accounts(context: dg.OpExecutionContext, product: dg.ResourceParam[Product]) -> None:
    """Prune every account; a job of which only the counts are left loses its partition too.

    The partitions are what the UI lists and draws. All are asked for, so that none stays that a
    command has pruned, or a run that died.
    """
    now = datetime.now(UTC)
    settings = product.settings()
    name = str(ENROLLMENT_JOBS.name)
    partitions = _ids(context.instance.get_dynamic_partitions(name))
    pruned: dict[str, Pruned] = {}
    rows: Counter[str] = Counter()
    forgotten = 0
    with explained(), product.database() as database:
        for entry in accounts.list_accounts(database):
            account = accounts.find(database, entry.name)
            pruned[account.name] = retention.prune(database, account, now=now, actor=ACTOR)
            rows.update(triggers.prune(database, account, now=now))
            for job_id in retention.past_history(database, account, partitions, now=now):
                context.instance.delete_dynamic_partition(name, str(job_id))
                forgotten += 1
            rows.update(operations.prune(database, settings, account, now=now, actor=ACTOR))
            rows.update(onboarding.prune(database, account, now=now, actor=ACTOR))
        for kind, gone in ((BULK_OPERATIONS, operations.gone), (ONBOARDING_ITEMS, onboarding.gone)):
            forgotten += _forget(context.instance, database, kind, gone)
    context.add_output_metadata({**_metadata(pruned, rows), "partitions": forgotten})


@dg.job(
    description="Removes details of closed jobs, operations and batches that are older than their "
    "account keeps them; the counts of jobs and the files of their reports stay.",
    executor_def=dg.in_process_executor,
)
def prune_history() -> None:
    """One op: prune all accounts."""
    prune_accounts()


daily_retention = dg.ScheduleDefinition(
    name="daily_retention",
    job=prune_history,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Prunes the history of all accounts once a day.",
)


def _forget(
    instance: dg.DagsterInstance,
    database: Database,
    kind: dg.DynamicPartitionsDefinition,
    gone: Callable[[Database, Collection[UUID]], list[UUID]],
) -> int:
    """Delete the partitions of work that is gone, as `gone` tells; return how many."""
    name = str(kind.name)
    keys = gone(database, _ids(instance.get_dynamic_partitions(name)))
    for key in keys:
        instance.delete_dynamic_partition(name, str(key))
    return len(keys)


def _ids(keys: Iterable[str]) -> list[UUID]:
    found = []
    for key in keys:
        # Anybody can add a partition in the UI; one that is no id is left alone.
        with suppress(ValueError):
            found.append(UUID(key))
    return found


def _metadata(pruned: dict[str, Pruned], rows: Counter[str]) -> dict[str, dg.MetadataValue | int]:
    for one in pruned.values():
        rows.update(one.rows)
    records = [
        dg.TableRecord({"account": name, "jobs": one.jobs, "rows": sum(one.rows.values())})
        for name, one in pruned.items()
        if one.jobs
    ]
    columns = [
        dg.TableColumn("account", "string"),
        dg.TableColumn("jobs", "int"),
        dg.TableColumn("rows", "int"),
    ]
    return {
        "jobs": sum(one.jobs for one in pruned.values()),
        **dict(rows),
        "accounts": dg.MetadataValue.table(records, schema=dg.TableSchema(columns)),
    }
