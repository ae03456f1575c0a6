"""The tables and views of schema `enrollment`, as SQLAlchemy Core sees them.

Belongs here: columns, keys and indexes, and the reason for each that is not obvious. How they come
about (functions, policies, grants) is in `migrations/`; a test holds the two to each other. What
statements do with them is in each capability's store.

Every table but `accounts` carries `account_id`, and row-level security compares it with the account
that `tenancy` has set. Unique keys on values that people choose begin with `account_id`, so that a
conflict cannot tell one account what another has.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA = "enrollment"
METADATA = MetaData(schema=SCHEMA)
VIEWS = MetaData(schema=SCHEMA)


def _instant(name: str, *, required: bool = False) -> Column[object]:
    default = func.now() if required else None
    return Column(name, DateTime(timezone=True), nullable=not required, server_default=default)


def _new_id() -> Column[object]:
    # Version 7: neighbours in time are neighbours in every index, which keeps bulk inserts local.
    return Column("id", Uuid, server_default=text("enrollment.uuidv7()"))


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} in ({listed})", name=f"{column}_known")


accounts = Table(
    "accounts",
    METADATA,
    _new_id(),
    Column("name", Text, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    _instant("created_at", required=True),
    PrimaryKeyConstraint("id", name="accounts_pkey"),
    Index("accounts_name_key", text("lower(name)"), unique=True),
)

contacts = Table(
    "contacts",
    METADATA,
    _new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("email", Text),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("phone", Text),
    Column("status", Text, nullable=False, server_default="active"),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("custom_fields", JSONB, nullable=False, server_default=text("'{}'")),
    Column("birthday", Date),
    Column("timezone", Text),
    Column("source", Text),
    _instant("created_at", required=True),
    _instant("updated_at", required=True),
    _instant("deleted_at"),
    PrimaryKeyConstraint("id", name="contacts_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="contacts_account"),
    _one_of("status", "active", "unsubscribed", "blocked", "bounced"),
    # A deleted contact must not block the same address from being imported again.
    Index(
        "contacts_email_key",
        "account_id",
        text("lower(email)"),
        unique=True,
        postgresql_where=text("deleted_at is null"),
    ),
)

workflows = Table(
    "workflows",
    METADATA,
    _new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="draft"),
    Column("config", JSONB, nullable=False, server_default=text("'{}'")),
    _instant("created_at", required=True),
    _instant("updated_at", required=True),
    PrimaryKeyConstraint("id", name="workflows_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="workflows_account"),
    _one_of("status", "draft", "active", "paused", "archived"),
    Index("workflows_name_key", "account_id", text("lower(name)"), unique=True),
)

enrollments = Table(
    "enrollments",
    METADATA,
    Column("id", BigInteger, Identity(always=True)),
    Column("account_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("contact_id", Uuid, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),
    Column("current_step", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Uuid, nullable=False),
    _instant("enrolled_at", required=True),
    _instant("ended_at"),
    PrimaryKeyConstraint("id", name="enrollments_pkey"),
    _one_of("status", "active", "completed", "exited", "withdrawn"),
    CheckConstraint("(status = 'active') = (ended_at is null)", name="ended_unless_active"),
    # No two rows without an end: at most one active enrollment of a contact in a workflow. The
    # same index answers "was this contact ever in this workflow". There are no foreign keys to
    # contacts and workflows: their check is over half of the cost of a bulk insert, the enrolling
    # statement joins contacts anyway, and neither is ever deleted physically.
    UniqueConstraint(
        "account_id",
        "workflow_id",
        "contact_id",
        "ended_at",
        name="enrollments_one_active",
        postgresql_nulls_not_distinct=True,
    ),
    Index("enrollments_source", "source_id"),
)

enrollment_jobs = Table(
    "enrollment_jobs",
    METADATA,
    _new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("workflow_id", Uuid, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("request_id", Text),
    Column("selection_type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("status", Text, nullable=False),
    # Who starts the run: the queue sensor, or the process that submitted the job.
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
    Column("error", JSONB),
    Column("report", JSONB),
    _instant("scheduled_at"),
    _instant("created_at", required=True),
    _instant("started_at"),
    # A phase whose instant is set is never repeated: the mark is written with the phase's work.
    _instant("selected_at"),
    _instant("validated_at"),
    _instant("batched_at"),
    _instant("completed_at"),
    _instant("heartbeat_at"),
    PrimaryKeyConstraint("id", name="enrollment_jobs_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="jobs_account"),
    ForeignKeyConstraint(["workflow_id"], ["enrollment.workflows.id"], name="jobs_workflow"),
    UniqueConstraint("account_id", "request_id", name="enrollment_jobs_request_key"),
    _one_of("runner", "queue", "caller"),
    _one_of("selection_type", "manual", "filter", "csv"),
    _one_of(
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

# The file of a csv selection, in pieces, so that any worker on any machine can resolve it; deleted
# in the transaction that has resolved it.
job_inputs = Table(
    "job_inputs",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("job_id", "chunk", name="job_inputs_pkey"),
    ForeignKeyConstraint(
        ["job_id"], ["enrollment.enrollment_jobs.id"], name="job_inputs_job", ondelete="CASCADE"
    ),
)

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
    _instant("next_attempt_at"),
    Column("error", JSONB),
    _instant("completed_at"),
    PrimaryKeyConstraint("job_id", "number", name="enrollment_batches_pkey"),
    _one_of("status", "queued", "processing", "completed", "failed", "cancelled"),
    Index(
        "enrollment_batches_queue",
        "job_id",
        "number",
        postgresql_where=text("status = 'queued'"),
    ),
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
    _instant("created_at", required=True),
    PrimaryKeyConstraint("id", name="enrollment_failures_pkey"),
    UniqueConstraint("job_id", "contact_id", name="enrollment_failures_one_per_contact"),
)

# What happened to a contact that has no row of its own elsewhere; enrollments have, so the view
# contact_activity adds them and nothing is written twice.
contact_changes = Table(
    "contact_changes",
    METADATA,
    Column("id", BigInteger, Identity(always=True)),
    Column("account_id", Uuid, nullable=False),
    Column("contact_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Column("source", Text, nullable=False),
    Column("source_id", Uuid),
    _instant("occurred_at", required=True),
    PrimaryKeyConstraint("id", name="contact_changes_pkey"),
    Index("contact_changes_contact", "contact_id", "occurred_at"),
)

contact_activity = Table(
    "contact_activity",
    VIEWS,
    Column("account_id", Uuid),
    Column("contact_id", Uuid),
    Column("kind", Text),
    Column("details", JSONB),
    Column("source", Text),
    Column("source_id", Uuid),
    Column("occurred_at", DateTime(timezone=True)),
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
