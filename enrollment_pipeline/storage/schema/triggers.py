"""Triggers, the events they wait for, and what came of each event for each trigger."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
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
from sqlalchemy.dialects.postgresql import JSONB

from enrollment_pipeline.storage.schema.base import METADATA, VIEWS, instant, new_id, one_of

triggers = Table(
    "triggers",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("event", Text, nullable=False),
    # The value of the event's key that the trigger waits for, such as the tag; null: any event.
    Column("match_key", Text),
    Column("parameters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("filters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    # Goes up with every change, by which a process knows that what it has compiled is old.
    Column("version", Integer, nullable=False, server_default="1"),
    # Times that came before it are nobody's: a new trigger does not fire for the past.
    instant("active_since", required=True),
    Column("created_by", Text, nullable=False),
    instant("created_at", required=True),
    instant("updated_at", required=True),
    instant("deleted_at"),
    PrimaryKeyConstraint("id", name="triggers_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="triggers_account"),
    ForeignKeyConstraint(["workflow_id"], ["enrollment.workflows.id"], name="triggers_workflow"),
    Index(
        "triggers_one_per_workflow",
        "account_id",
        "workflow_id",
        unique=True,
        postgresql_where=text("deleted_at is null"),
    ),
    Index(
        "triggers_waiting",
        "account_id",
        "event",
        "match_key",
        postgresql_where=text("active and deleted_at is null"),
    ),
)

# `event_id` is the sender's; `number` is ours. An event is pending until `processed_at` is set; one
# with a `rejection` could not be understood.
events = Table(
    "events",
    METADATA,
    Column("number", BigInteger, Identity(always=True)),
    Column("account_id", Uuid, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("contact_id", Uuid),
    Column("email", Text),
    Column("external_id", Text),
    instant("occurred_at", required=True),
    Column("data", JSONB, nullable=False, server_default=text("'{}'")),
    Column("previous_state", JSONB(none_as_null=True)),
    Column("source", Text, nullable=False, server_default="table"),
    instant("received_at", required=True),
    instant("processed_at"),
    Column("rejection", Text),
    # In the order of the list of an account.
    PrimaryKeyConstraint("account_id", "number", name="events_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="events_account"),
    UniqueConstraint("account_id", "event_id", name="events_once"),
    Index(
        "events_pending",
        "account_id",
        "number",
        postgresql_where=text("processed_at is null"),
    ),
    Index("events_time", "received_at", postgresql_using="brin"),
)

# One row for an event and a trigger that considered it, or for an occurrence of a time trigger.
trigger_evaluations = Table(
    "trigger_evaluations",
    METADATA,
    Column("number", BigInteger, Identity(always=True)),
    Column("account_id", Uuid, nullable=False),
    Column("trigger_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("event_number", BigInteger),
    Column("occurrence", Text),
    Column("contact_id", Uuid),
    Column("result", Text, nullable=False),
    Column("reason", Text),
    # When a time trigger was due, and when one that waits for the business hours fires.
    instant("due_at"),
    instant("fire_at"),
    Column("job_id", Uuid),
    instant("evaluated_at", required=True),
    # In the order of the log of an account.
    PrimaryKeyConstraint("account_id", "number", name="trigger_evaluations_pkey"),
    one_of(
        "result",
        "fired",
        "queued",
        "filters",
        "workflow_inactive",
        "trigger_inactive",
        "contact_unknown",
        "contact_deleted",
        "repeated",
        "loop",
        "late",
        "trigger_unreadable",
    ),
    # However often an event is evaluated or a window run, it is once for each trigger.
    Index(
        "trigger_evaluations_event",
        "event_number",
        "trigger_id",
        unique=True,
        postgresql_where=text("event_number is not null"),
    ),
    Index(
        "trigger_evaluations_occurrence",
        "trigger_id",
        "contact_id",
        "occurrence",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("occurrence is not null"),
    ),
    Index("trigger_evaluations_trigger", "trigger_id", text("number desc")),
    Index("trigger_evaluations_contact", "contact_id", text("number desc")),
    # Rows come in the order of time, so this costs next to nothing.
    Index("trigger_evaluations_time", "evaluated_at", postgresql_using="brin"),
    Index(
        "trigger_evaluations_queued",
        "account_id",
        "fire_at",
        postgresql_where=text("result = 'queued'"),
    ),
)

# Up to when the time triggers of an account have been looked at.
trigger_watermarks = Table(
    "trigger_watermarks",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    instant("evaluated_until", required=True),
    PrimaryKeyConstraint("account_id", name="trigger_watermarks_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="watermarks_account"),
)

trigger_log = Table(
    "trigger_log",
    VIEWS,
    Column("number", BigInteger),
    Column("account_id", Uuid),
    Column("trigger_id", Uuid),
    Column("workflow_id", Uuid),
    Column("event_number", BigInteger),
    Column("occurrence", Text),
    Column("contact_id", Uuid),
    Column("result", Text),
    Column("matched", Boolean),
    Column("enrolled", Boolean),
    Column("reason", Text),
    Column("due_at", DateTime(timezone=True)),
    Column("fire_at", DateTime(timezone=True)),
    Column("job_id", Uuid),
    Column("evaluated_at", DateTime(timezone=True)),
)
