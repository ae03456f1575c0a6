"""The only wiring: everything Dagster knows of the product, listed."""

import dagster as dg

from enrollment_pipeline.defs import ends, inbox, notifications, queue
from enrollment_pipeline.defs.enrollment import assets, job, lanes, requests, retention
from enrollment_pipeline.defs.enrollment.queue import JOBS
from enrollment_pipeline.defs.onboarding import assets as onboarding_assets
from enrollment_pipeline.defs.onboarding import batches as onboarding_batches
from enrollment_pipeline.defs.onboarding.forms import submit_onboarding
from enrollment_pipeline.defs.onboarding.job import onboard_item
from enrollment_pipeline.defs.onboarding.queue import ITEMS
from enrollment_pipeline.defs.operations import assets as operation_assets
from enrollment_pipeline.defs.operations import forms
from enrollment_pipeline.defs.operations.job import bulk_operation
from enrollment_pipeline.defs.operations.queue import OPERATIONS
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.defs.templates import cloning, library, updates
from enrollment_pipeline.defs.triggers import analytics, events, times


def build_definitions() -> dg.Definitions:
    """Return a fresh set of definitions; nothing is connected until a step runs."""
    return dg.Definitions(
        assets=[
            assets.contact_selection,
            assets.contact_eligibility,
            assets.enrollment_batches,
            lanes.enrollments,
            assets.enrollment_report,
            times.trigger_occurrences,
            analytics.trigger_analytics,
            library.template_library,
            operation_assets.bulk_operations,
            onboarding_assets.onboarding_items,
            onboarding_batches.onboarding_batches,
        ],
        asset_checks=[lanes.enrollment_checks, operation_assets.bulk_operation_checks],
        jobs=[
            job.bulk_enrollment,
            requests.submit_enrollment,
            retention.prune_history,
            notifications.deliver_notifications,
            events.evaluate_triggers,
            times.fire_time_triggers,
            analytics.count_triggers,
            cloning.clone_template,
            library.count_templates,
            updates.tell_template_updates,
            bulk_operation,
            *forms.JOBS,
            submit_onboarding,
            onboard_item,
            onboarding_batches.count_onboarding,
        ],
        schedules=[
            retention.daily_retention,
            times.quarter_hours,
            analytics.daily_trigger_analytics,
            library.daily_template_library,
            updates.daily_template_updates,
            onboarding_batches.daily_onboarding_batches,
        ],
        sensors=[
            queue.build_queue((JOBS, OPERATIONS, ITEMS)),
            inbox.file_inbox,
            ends.enrollment_run_canceled,
            ends.enrollment_run_failed,
            notifications.notification_outbox,
            events.pending_events,
        ],
        resources={"product": Product()},
    )


defs = build_definitions()
