"""Batch onboarding: batches, their items, and the steps that items have gone through."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from enrollment_pipeline.storage.schema.base import METADATA, instant, new_id, one_of

# A batch has no state of its own: it is what its items are.
onboarding_batches = Table(
    "onboarding_batches",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("company", Text, nullable=False),
    # The company without letter case and spare blanks: how many runs it may have is counted by it.
    Column("company_key", Text, nullable=False),
    Column("options", JSONB, nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("request_id", Text),
    # What was asked under the request id, so that the same id cannot stand for something else.
    Column("request_hash", Text),
    Column("source", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    # Whom the request names as its author, which may be another than who handed it in.
    Column("created_by", Text, nullable=False),
    # Items that were not accepted, each with its reason: an answer that is lost can be read again.
    Column("refused", JSONB, nullable=False),
    instant("created_at", required=True),
    instant("cancelled_at"),
    PrimaryKeyConstraint("id", name="onboarding_batches_pkey"),
    ForeignKeyConstraint(
        ["account_id"], ["enrollment.accounts.id"], name="onboarding_batches_account"
    ),
    UniqueConstraint("account_id", "request_id", name="onboarding_batches_request_key"),
    Index("onboarding_batches_newest", "account_id", text("created_at desc"), text("id desc")),
)

onboarding_items = Table(
    "onboarding_items",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    # The place in what was submitted, from 1; refused ones leave gaps.
    Column("position", Integer, nullable=False),
    Column("role_name", Text, nullable=False),
    Column("role_key", Text, nullable=False),
    Column("reference_name", Text),
    Column("attributes", JSONB, nullable=False),
    Column("documents", JSONB, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    # Counted by people: the first, and one more with each retry.
    Column("attempt", Integer, nullable=False, server_default="1"),
    # Part of the run key: one more with each run that is wanted, also after a death or a wait.
    Column("run_number", Integer, nullable=False, server_default="1"),
    # Steps of an earlier round are kept for their cost, and are not gone on with.
    Column("round", Integer, nullable=False, server_default="1"),
    Column("restarts", Integer, nullable=False, server_default="0"),
    Column("restart_mark", Integer, nullable=False, server_default="0"),
    # The step it is at, or was at when it ended.
    Column("step", Text),
    Column("error", JSONB(none_as_null=True)),
    Column("dashboard_url", Text),
    instant("created_at", required=True),
    # When it may go on: at once, or at the end of a wait.
    instant("due_at", required=True),
    instant("started_at"),
    # Since when it is at work, and how long it was before: over all attempts, without long waits.
    instant("resumed_at"),
    Column("worked_seconds", Double, nullable=False, server_default=text("0")),
    instant("completed_at"),
    instant("heartbeat_at"),
    PrimaryKeyConstraint("id", name="onboarding_items_pkey"),
    ForeignKeyConstraint(
        ["batch_id"],
        ["enrollment.onboarding_batches.id"],
        name="onboarding_items_batch",
        ondelete="CASCADE",
    ),
    UniqueConstraint("batch_id", "position", name="onboarding_items_position"),
    one_of("status", "queued", "in_progress", "ready", "degraded", "failed", "cancelled"),
    # What is open has no end, and what has ended has one.
    CheckConstraint(
        "(completed_at is null) = (status in ('queued', 'in_progress'))", name="ended_or_open"
    ),
    Index("onboarding_items_role", "account_id", "role_key"),
    Index(
        "onboarding_items_open",
        "batch_id",
        "due_at",
        "position",
        postgresql_where=text("completed_at is null"),
    ),
    Index(
        "onboarding_items_done",
        "account_id",
        "workflow_id",
        text("completed_at desc"),
        postgresql_where=text("status in ('ready', 'degraded')"),
    ),
)

# A checkpoint: what a step has come to. One that is come to again, in a cycle, has another visit.
onboarding_steps = Table(
    "onboarding_steps",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("item_id", Uuid, nullable=False),
    Column("round", Integer, nullable=False),
    Column("step_id", Text, nullable=False),
    Column("visit", Integer, nullable=False),
    Column("status", Text, nullable=False),
    # The item's attempt in which the step was last at work.
    Column("attempt", Integer, nullable=False),
    # How often a service was asked, over all attempts.
    Column("calls", Integer, nullable=False, server_default="0"),
    # Part of the idempotency key: another one where a retry asks anew, and not for the same again.
    Column("key_number", Integer, nullable=False, server_default="1"),
    # What it has brought: the answer of a service, a value, the end of a wait.
    Column("output", JSONB(none_as_null=True)),
    Column("cost", Numeric, nullable=False, server_default=text("0")),
    Column("error", JSONB(none_as_null=True)),
    instant("started_at", required=True),
    instant("finished_at"),
    PrimaryKeyConstraint("item_id", "round", "step_id", "visit", name="onboarding_steps_pkey"),
    ForeignKeyConstraint(
        ["item_id"],
        ["enrollment.onboarding_items.id"],
        name="onboarding_steps_item",
        ondelete="CASCADE",
    ),
    one_of("status", "begun", "waiting", "done", "skipped", "failed"),
)
