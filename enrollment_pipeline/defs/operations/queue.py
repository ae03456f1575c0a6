"""Bulk operations as work of the queue."""

from functools import partial

from enrollment_pipeline.bulk_operations import service
from enrollment_pipeline.bulk_operations.store.operations import KIND
from enrollment_pipeline.defs.operations.job import bulk_operation
from enrollment_pipeline.defs.operations.partitions import BULK_OPERATIONS
from enrollment_pipeline.defs.product import TERMINATED_BY
from enrollment_pipeline.defs.queue import WorkKind

OPERATIONS = WorkKind(
    name=KIND,
    job=bulk_operation,
    partitions=BULK_OPERATIONS,
    open_work=service.open_operations,
    restart=service.restart,
    finish=partial(service.finish_terminated, actor=TERMINATED_BY),
)
