"""The Dagster job whose runs do the work of an enrollment job."""

import dagster as dg

JOB_NAME = "bulk_enrollment"
# The event log holds every step; the console of a run worker only what went wrong.
CONSOLE = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}
JOB_TAGS = {
    # The default goes on with the steps that had begun and loses lanes that had not.
    "dagster/retry_strategy": "FROM_ASSET_FAILURE",
    # A worker that was killed is followed by another. What an op fails for would come again: a
    # refusal, a pause, a database that stays away; those are for people, or for the queue.
    "dagster/retry_on_asset_or_op_failure": "false",
}

bulk_enrollment = dg.define_asset_job(
    JOB_NAME,
    selection=dg.AssetSelection.assets(
        "contact_selection",
        "contact_eligibility",
        "enrollment_batches",
        "enrollments",
        "enrollment_report",
    ),
    executor_def=dg.in_process_executor,
    config=CONSOLE,
    tags=JOB_TAGS,
    description="Runs one enrollment job, which the partition names. Running it again goes on "
    "with what is left.",
)
