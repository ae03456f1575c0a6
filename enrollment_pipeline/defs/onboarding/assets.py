"""The asset of items: one partition an item, done from wherever it is."""

from contextlib import suppress
from functools import partial
from typing import Any

import dagster as dg

from enrollment_pipeline.defs.interrupts import StopFlag
from enrollment_pipeline.defs.onboarding.partitions import GROUP, ONBOARDING_ITEMS
from enrollment_pipeline.defs.product import TERMINATED_BY, Product, is_terminated
from enrollment_pipeline.onboarding.engine import ItemWork, Left
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.onboarding.store.items import ItemRecord
from enrollment_pipeline.onboarding.store.steps import StepRecord
from enrollment_pipeline.workflows.execution import StepStatus

_COLUMNS = [
    dg.TableColumn("step", "string"),
    dg.TableColumn("status", "string"),
    dg.TableColumn("calls", "int"),
    dg.TableColumn("seconds", "float"),
    dg.TableColumn("cost", "float"),
    dg.TableColumn("error", "string"),
]


@dg.asset(
    name="onboarding_items",
    partitions_def=ONBOARDING_ITEMS,
    group_name=GROUP,
    kinds={"postgres"},
    description="What has become of an item: its steps, what they cost, and where to look at it.",
)
def onboarding_items(
    context: dg.AssetExecutionContext, product: dg.ResourceParam[Product]
) -> dg.MaterializeResult[None]:
    """Take the item through the steps that are left; what they came to is metadata.

    A run that was started again in the UI gives an item that failed another attempt.
    """
    # Old items lose their partition, without which Dagster stores nothing of a repeated run.
    context.instance.add_dynamic_partitions(str(ONBOARDING_ITEMS.name), [context.partition_key])
    if _is_asked_for_again(context):
        product.work(context, ItemWork, lambda one: one.try_again(actor=TERMINATED_BY))
    with StopFlag() as stop:
        left: Left = product.work(
            context, ItemWork, lambda one: one.run(stop, partial(_observe, context))
        )
    if left.stopped:
        _leave(context, product)
        raise dg.DagsterExecutionInterruptedError
    metadata = _metadata(left.item, product.work(context, ItemWork, ItemWork.steps))
    if left.item.status is ItemStatus.FAILED:
        error = left.item.error or {}
        raise dg.Failure(
            description=f"{error.get('code')}: {error.get('message')} {error.get('remedy', '')}",
            metadata=metadata,
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=metadata)


def _observe(context: dg.AssetExecutionContext, step: str, status: StepStatus) -> None:
    # One that cannot be recorded is left out: the work must not be ended by the telling.
    with suppress(Exception):
        context.log_event(
            dg.AssetObservation(
                asset_key="onboarding_items",
                partition=context.partition_key,
                metadata={"step": step, "status": str(status)},
            )
        )


def _is_asked_for_again(context: dg.AssetExecutionContext) -> bool:
    """Return whether a person re-executed a run; Dagster's own retries say their number."""
    run = context.run
    return run.parent_run_id is not None and "dagster/retry_number" not in run.tags


def _leave(context: dg.AssetExecutionContext, product: Product) -> None:
    # A run of which only the process is stopped may fail: another goes on.
    if is_terminated(context):
        product.work(context, ItemWork, lambda one: one.end(actor=TERMINATED_BY))


def _metadata(item: ItemRecord, steps: list[StepRecord]) -> dict[str, Any]:
    cost = float(sum(step.cost for step in steps))
    seconds = (
        (item.completed_at - item.started_at).total_seconds()
        if item.completed_at is not None and item.started_at is not None
        else 0.0
    )
    table = dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "step": step.step_id,
                    "status": str(step.status),
                    "calls": step.calls,
                    "seconds": _seconds_of(step),
                    "cost": float(step.cost),
                    "error": (step.error or {}).get("message", ""),
                }
            )
            for step in steps
            if step.round == item.round
        ],
        schema=dg.TableSchema(_COLUMNS),
    )
    url = item.dashboard_url
    return {
        "company": dg.MetadataValue.text(item.company),
        "role_name": dg.MetadataValue.text(item.role_name),
        "status": dg.MetadataValue.text(str(item.status)),
        "batch": dg.MetadataValue.text(str(item.batch_id)),
        "attempt": item.attempt,
        "duration_seconds": seconds,
        "cost": cost,
        "steps": table,
        **({} if url is None else {"dashboard": dg.MetadataValue.url(url)}),
    }


def _seconds_of(step: StepRecord) -> float:
    if step.finished_at is None:
        return 0.0
    return round((step.finished_at - step.started_at).total_seconds(), 3)
