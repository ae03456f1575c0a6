"""The Dagster job whose runs do the work of a bulk operation."""

import dagster as dg

from enrollment_pipeline.defs.enrollment.job import CONSOLE, JOB_TAGS

JOB_NAME = "bulk_operation"

bulk_operation = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.assets("bulk_operations"),
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    tags=JOB_TAGS,
    description="Runs one import, export, update, delete or rollback, which the partition names. "
    "Running it again goes on with what is left.",
)
