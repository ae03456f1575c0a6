"""The only wiring: everything Dagster knows of the product, listed."""

import dagster as dg

from enrollment_pipeline.defs.enrollment import assets, inbox, lanes, requests
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
        jobs=[requests.bulk_enrollment, requests.submit_enrollment],
        sensors=[requests.enrollment_queue, inbox.csv_inbox],
        resources={"product": Product()},
    )


defs = build_definitions()
