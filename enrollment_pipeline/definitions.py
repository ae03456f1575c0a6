"""The only wiring: everything Dagster knows of the product, listed."""

import dagster as dg

from enrollment_pipeline.defs import notifications
from enrollment_pipeline.defs.enrollment import (
    assets,
    ends,
    inbox,
    job,
    lanes,
    queue,
    requests,
    retention,
)
from enrollment_pipeline.defs.product import Product


def build_definitions() -> dg.Definitions:
    """Return a fresh set of definitions; nothing is connected until a step runs."""
    return dg.Definitions(
        assets=[
            assets.contact_selection,
            assets.contact_eligibility,
            assets.enrollment_batches,
            lanes.enrollments,
            assets.enrollment_report,
        ],
        asset_checks=[lanes.enrollment_checks],
        jobs=[
            job.bulk_enrollment,
            requests.submit_enrollment,
            retention.prune_history,
            notifications.deliver_notifications,
        ],
        schedules=[retention.daily_retention],
        sensors=[
            queue.enrollment_queue,
            inbox.csv_inbox,
            ends.enrollment_run_canceled,
            ends.enrollment_run_failed,
            notifications.notification_outbox,
        ],
        resources={"product": Product()},
    )


defs = build_definitions()
