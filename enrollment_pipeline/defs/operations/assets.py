"""The asset of bulk operations: one partition an operation, done from wherever it is."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import dagster as dg

from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.recording import Ended
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.bulk_operations.view import duration_of
from enrollment_pipeline.defs.interrupts import StopFlag
from enrollment_pipeline.defs.operations.partitions import BULK_OPERATIONS, GROUP
from enrollment_pipeline.defs.product import TERMINATED_BY, Product, is_terminated
from enrollment_pipeline.work.progress import percent_of

# An event costs about 20 ms, so a run reports at most so often (seconds).
OBSERVATION_INTERVAL = 1.0
ASSET = "bulk_operations"
# Changes whose fields are counted for the metadata.
LOOKED_AT = 10_000
CHECKS = {
    "outcomes_add_up": "Every row of the operation has exactly one outcome.",
    "changes_have_images": "Every change has its image, and every row left out its reason.",
}


@dg.asset(
    name=ASSET,
    partitions_def=BULK_OPERATIONS,
    group_name=GROUP,
    kinds={"postgres"},
    description="What an import, export, update, delete or rollback has done to contacts.",
)
def bulk_operations(
    context: dg.AssetExecutionContext, product: dg.ResourceParam[Product]
) -> dg.MaterializeResult[None]:
    """Do all that is left of the operation; its outcomes and files are metadata."""
    product.work(context, OperationWork, OperationWork.operation)
    # Old operations lose their partition, without which Dagster stores nothing of a repeated run.
    context.instance.add_dynamic_partitions(str(BULK_OPERATIONS.name), [context.partition_key])
    with StopFlag() as stop:
        observed = _Observed(context)

        def work(one: OperationWork) -> Ended | None:
            observed.begin(one)
            try:
                return one.run(stop.is_set, observed.count)
            finally:
                observed.end()

        ended = product.work(context, OperationWork, work)
    if ended is None:
        _leave(context, product)
        raise dg.DagsterExecutionInterruptedError
    fields = product.work(context, OperationWork, lambda one: one.changed_fields(LOOKED_AT))
    return dg.MaterializeResult(metadata={**_metadata(ended), "changed_fields": _table(fields)})


def _leave(context: dg.AssetExecutionContext, product: Product) -> None:
    if is_terminated(context):
        product.work(context, OperationWork, lambda one: one.end(actor=TERMINATED_BY))
    elif context.run.remote_job_origin is None:
        # Unannounced, the run would end as FAILURE: one inside a command, which nobody else
        # announces. A run of which only the process is stopped may fail: another goes on.
        context.instance.report_run_canceling(context.run)


def _metadata(ended: Ended) -> dict[str, Any]:
    operation = ended.operation
    outcomes = operation.outcomes
    return {
        "type": dg.MetadataValue.text(str(operation.type)),
        "status": dg.MetadataValue.text(str(operation.status)),
        "requested_by": dg.MetadataValue.text(operation.requested_by),
        "rows": operation.total,
        **{str(outcome): number for outcome, number in outcomes.items()},
        "duration_seconds": duration_of(operation, operation.completed_at or operation.created_at)
        or 0.0,
        "outcomes": dg.MetadataValue.table(
            [
                dg.TableRecord({"outcome": str(outcome), "rows": number})
                for outcome, number in outcomes.items()
            ],
            schema=dg.TableSchema(
                [dg.TableColumn("outcome", "string"), dg.TableColumn("rows", "int")]
            ),
        ),
        **{f"file/{name}": dg.MetadataValue.path(path) for name, path in ended.files.items()},
    }


def _table(fields: list[dict[str, Any]]) -> dg.TableMetadataValue:
    columns = [
        dg.TableColumn("field", "string"),
        dg.TableColumn("contacts", "int"),
        dg.TableColumn("of_them_new", "int"),
    ]
    records = [dg.TableRecord(field) for field in fields]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _check_specs() -> list[dg.AssetCheckSpec]:
    # Dagster calls partitions of checks a preview; without them a result belongs to no operation.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                name,
                asset=ASSET,
                description=description,
                blocking=True,
                partitions_def=BULK_OPERATIONS,
            )
            for name, description in CHECKS.items()
        ]


@dg.multi_asset_check(name="bulk_operation_checks", specs=_check_specs())
def bulk_operation_checks(
    context: dg.AssetCheckExecutionContext, product: dg.ResourceParam[Product]
) -> Iterator[dg.AssetCheckResult]:
    """Hold the operation against what the product promises; it was not closed without."""
    for check in product.work(context, OperationWork, OperationWork.check):
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=ASSET,
            passed=check.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata=dict(check.figures),
        )


class _Observed:
    """Tells Dagster how far an operation is, at most once a second, from a thread of its own."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._rows = self._told = 0

    def begin(self, work: OperationWork) -> None:
        """Begin to tell, until `end`."""
        self._ended.clear()
        self._thread = threading.Thread(target=self._tell, args=(work,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Tell nothing more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def count(self, rows: int) -> None:
        """Add the rows of a piece."""
        self._rows += rows

    def _tell(self, work: OperationWork) -> None:
        while not self._ended.wait(OBSERVATION_INTERVAL):
            if self._rows == self._told:
                continue
            self._told = self._rows
            # One that cannot be recorded is left out: the work must not be ended by the telling.
            with suppress(Exception):
                self._record(work.operation())

    def _record(self, operation: OperationRecord) -> None:
        done = sum(operation.counts.values())
        self._context.log_event(
            dg.AssetObservation(
                asset_key=ASSET,
                partition=self._context.partition_key,
                metadata={
                    "processed": done,
                    "total": operation.total,
                    "percent": percent_of(done, operation.total),
                    **{str(outcome): number for outcome, number in operation.counts.items()},
                },
            )
        )
