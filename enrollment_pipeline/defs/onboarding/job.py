"""The Dagster job whose runs each onboard one item."""

import dagster as dg

from enrollment_pipeline.defs.enrollment.job import CONSOLE, JOB_TAGS
from enrollment_pipeline.onboarding import service

JOB_NAME = "onboard_item"

onboard_item = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.assets("onboarding_items"),
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    # How many of them may be at work at once is said in dagster.yaml, by this tag.
    tags={**JOB_TAGS, service.WORK_TAG: service.WORK},
    description="Takes one item, which the partition names, through the steps of its workflow. "
    "Running it again goes on with the first step that is not finished.",
)
