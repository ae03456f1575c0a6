"""Requests to enroll: their batches, failures, outcomes and budgets; selections of any work."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from enrollment_pipeline.storage.schema.base import METADATA, VIEWS, instant, new_id, one_of

enrollment_jobs = Table(
    "enrollment_jobs",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("request_id", Text),
    Column("selection_type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("status", Text, nullable=False),
    # Who works on it: a run that the queue sensor starts, the process that submitted the job, or
    # the evaluation of triggers that has made it.
    Column("runner", Text, nullable=False),
    # Part of the run key, so that a resumed job gets a new run.
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("retry_of", Uuid),
    Column("input_rows", Integer, nullable=False, server_default="0"),
    Column("total_contacts", Integer, nullable=False, server_default="0"),
    Column("total_batches", Integer, nullable=False, server_default="0"),
    Column("current_batch", Integer, nullable=False, server_default="0"),
    Column("enrolled", Integer, nullable=False, server_default="0"),
    Column("already_enrolled", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("duplicate", Integer, nullable=False, server_default="0"),
    Column("unmatched", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("cancelled", Integer, nullable=False, server_default="0"),
    Column("exclusions", JSONB, nullable=False, server_default=text("'{}'")),
    Column("error", JSONB(none_as_null=True)),
    Column("report", JSONB(none_as_null=True)),
    instant("scheduled_at"),
    instant("created_at", required=True),
    instant("started_at"),
    # A phase whose instant is set is never repeated: the mark is written with the phase's work.
    instant("selected_at"),
    instant("validated_at"),
    instant("batched_at"),
    instant("completed_at"),
    instant("heartbeat_at"),
    # What was asked under the request id, so that the same id cannot stand for something else.
    Column("request_hash", Text),
    # Counters at the last resume: the brake looks at what came after.
    Column("brake_enrolled", Integer, nullable=False, server_default="0"),
    Column("brake_failed", Integer, nullable=False, server_default="0"),
    # Times in a row that the queue started the job again without any progress in between, and how
    # many contacts had their outcome when it did.
    Column("restarts", Integer, nullable=False, server_default="0"),
    Column("restart_mark", Integer, nullable=False, server_default="0"),
    # Since when and until when the lanes wait for budget, and for which.
    instant("waiting_since"),
    instant("waiting_until"),
    Column("waiting_for", Text),
    # When details of the job were removed, because they were old.
    instant("pruned_at"),
    PrimaryKeyConstraint("id", name="enrollment_jobs_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="jobs_account"),
    ForeignKeyConstraint(["workflow_id"], ["enrollment.workflows.id"], name="jobs_workflow"),
    UniqueConstraint("account_id", "request_id", name="enrollment_jobs_request_key"),
    one_of("runner", "queue", "caller", "trigger"),
    one_of("selection_type", "manual", "filter", "csv"),
    one_of(
        "status",
        "scheduled",
        "pending",
        "validating",
        "queued",
        "processing",
        "paused",
        "cancelling",
        "completed",
        "completed_with_errors",
        "failed",
        "cancelled",
    ),
    Index("enrollment_jobs_newest", "account_id", text("created_at desc"), text("id desc")),
    Index(
        "enrollment_jobs_open",
        "account_id",
        postgresql_where=text("completed_at is null"),
    ),
)

# What a selection has named: of a job, or of an operation, whose id is then the `job_id`.
selected_contacts = Table(
    "selected_contacts",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("line", Integer),
    Column("identifier", Text, nullable=False),
    Column("contact_id", Uuid),
    Column("exclusion", Text),
    Column("message", Text),
    PrimaryKeyConstraint("job_id", "position", name="selected_contacts_pkey"),
)

enrollment_batches = Table(
    "enrollment_batches",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("contact_ids", ARRAY(Uuid), nullable=False),
    Column("status", Text, nullable=False, server_default="queued"),
    # How many contacts, in order, have their outcome; the rest is what a lane goes on with.
    Column("processed", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    instant("next_attempt_at"),
    Column("error", JSONB(none_as_null=True)),
    instant("completed_at"),
    PrimaryKeyConstraint("job_id", "number", name="enrollment_batches_pkey"),
    one_of("status", "queued", "processing", "completed", "failed", "cancelled"),
    Index(
        "enrollment_batches_queue",
        "job_id",
        "number",
        postgresql_where=text("status = 'queued'"),
    ),
    # Empty in most jobs, so that a lane can ask for them at each claim.
    Index("enrollment_batches_failed", "job_id", postgresql_where=text("status = 'failed'")),
)

enrollment_failures = Table(
    "enrollment_failures",
    METADATA,
    Column("id", BigInteger, Identity(always=True)),
    Column("account_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("batch_number", Integer, nullable=False),
    Column("contact_id", Uuid, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("details", JSONB),
    instant("created_at", required=True),
    PrimaryKeyConstraint("id", name="enrollment_failures_pkey"),
    UniqueConstraint("job_id", "contact_id", name="enrollment_failures_one_per_contact"),
)

enrollment_outcomes = Table(
    "enrollment_outcomes",
    VIEWS,
    Column("account_id", Uuid),
    Column("job_id", Uuid),
    Column("position", Integer),
    Column("line", Integer),
    Column("identifier", Text),
    Column("contact_id", Uuid),
    Column("outcome", Text),
    Column("code", Text),
    Column("message", Text),
    Column("batch_number", Integer),
)

# One budget: how much of it is used in the window that began then. The budget that all accounts
# share has an account of zeros, which no transaction can set, and is reached by `reserve()` alone.
rate_buckets = Table(
    "rate_buckets",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    instant("window_started_at", required=True),
    Column("used", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("account_id", "name", name="rate_buckets_pkey"),
    one_of("name", "minute", "second", "global_minute"),
)
