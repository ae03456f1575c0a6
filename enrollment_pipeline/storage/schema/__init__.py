"""The tables and views of schema `enrollment`, as SQLAlchemy Core sees them.

Belongs here: columns, keys and indexes, and the reason for each that is not obvious. How they come
about (functions, policies, grants) is in `migrations/`; a test holds the two to each other. What
statements do with them is in each capability's store.

Every table but `accounts` carries `account_id`, and row-level security compares it with the account
that `tenancy` has set. Unique keys on values that people choose begin with `account_id`, so that a
conflict cannot tell one account what another has.
"""

from enrollment_pipeline.storage.schema.accounts import accounts, audit_log, members
from enrollment_pipeline.storage.schema.base import METADATA, SCHEMA, VIEWS
from enrollment_pipeline.storage.schema.contacts import (
    contact_activity,
    contact_changes,
    contacts,
    enrollments,
    workflows,
)
from enrollment_pipeline.storage.schema.jobs import (
    enrollment_batches,
    enrollment_failures,
    enrollment_jobs,
    enrollment_outcomes,
    rate_buckets,
    selected_contacts,
)
from enrollment_pipeline.storage.schema.notifications import (
    notification_channels,
    notification_deliveries,
    notifications,
    webhook_secrets,
)
from enrollment_pipeline.storage.schema.onboarding import (
    onboarding_batches,
    onboarding_items,
    onboarding_steps,
)
from enrollment_pipeline.storage.schema.operations import (
    bulk_operation_changes,
    bulk_operation_rows,
    bulk_operations,
    bulk_schedules,
    import_rows,
    kept_inputs,
)
from enrollment_pipeline.storage.schema.templates import (
    integrations,
    template_shares,
    template_usage,
    template_versions,
    templates,
)
from enrollment_pipeline.storage.schema.triggers import (
    events,
    trigger_evaluations,
    trigger_log,
    trigger_watermarks,
    triggers,
)

__all__ = [
    "METADATA",
    "SCHEMA",
    "VIEWS",
    "accounts",
    "audit_log",
    "bulk_operation_changes",
    "bulk_operation_rows",
    "bulk_operations",
    "bulk_schedules",
    "contact_activity",
    "contact_changes",
    "contacts",
    "enrollment_batches",
    "enrollment_failures",
    "enrollment_jobs",
    "enrollment_outcomes",
    "enrollments",
    "events",
    "import_rows",
    "integrations",
    "kept_inputs",
    "members",
    "notification_channels",
    "notification_deliveries",
    "notifications",
    "onboarding_batches",
    "onboarding_items",
    "onboarding_steps",
    "rate_buckets",
    "selected_contacts",
    "template_shares",
    "template_usage",
    "template_versions",
    "templates",
    "trigger_evaluations",
    "trigger_log",
    "trigger_watermarks",
    "triggers",
    "webhook_secrets",
    "workflows",
]
