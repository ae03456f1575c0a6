"""People, the automations they are put into, and what happened to them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from enrollment_pipeline.storage.schema.base import METADATA, VIEWS, instant, new_id, one_of

contacts = Table(
    "contacts",
    METADATA,
    new_id(),
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
    instant("created_at", required=True),
    instant("updated_at", required=True),
    instant("deleted_at"),
    # What is looked up by, as columns: under row-level security no index serves an expression whose
    # functions may leak, such as lower() or extract().
    Column("email_key", Text, Computed("lower(email)", persisted=True)),
    Column(
        "birthday_key",
        SmallInteger,
        Computed(
            "(extract(month from birthday) * 100 + extract(day from birthday))::smallint",
            persisted=True,
        ),
    ),
    Column("external_id", Text, Computed("custom_fields ->> 'external_id'", persisted=True)),
    PrimaryKeyConstraint("id", name="contacts_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="contacts_account"),
    one_of("status", "active", "unsubscribed", "blocked", "bounced"),
    # A deleted contact must not block the same address from being imported again.
    Index(
        "contacts_email_key",
        "account_id",
        "email_key",
        unique=True,
        postgresql_where=text("deleted_at is null"),
    ),
    # For events about somebody who was deleted, which say so.
    Index(
        "contacts_deleted_email",
        "account_id",
        "email_key",
        postgresql_where=text("deleted_at is not null"),
    ),
    Index(
        "contacts_birthday",
        "account_id",
        "birthday_key",
        postgresql_where=text("birthday_key is not null and deleted_at is null"),
    ),
    Index(
        "contacts_external_id",
        "account_id",
        "external_id",
        postgresql_where=text("external_id is not null"),
    ),
)

workflows = Table(
    "workflows",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="draft"),
    Column("config", JSONB, nullable=False, server_default=text("'{}'")),
    instant("created_at", required=True),
    instant("updated_at", required=True),
    # Goes up with every change of the document, so that two people do not overwrite each other.
    Column("version", Integer, nullable=False, server_default="1"),
    # The template that it was cloned from, as it was then.
    Column("template_id", Uuid),
    Column("template_version", Integer),
    Column("template_category", Text),
    instant("cloned_at"),
    PrimaryKeyConstraint("id", name="workflows_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="workflows_account"),
    one_of("status", "draft", "active", "paused", "archived"),
    Index("workflows_name_key", "account_id", text("lower(name)"), unique=True),
    Index(
        "workflows_template",
        "account_id",
        "template_id",
        postgresql_where=text("template_id is not null"),
    ),
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
    instant("enrolled_at", required=True),
    instant("ended_at"),
    PrimaryKeyConstraint("id", name="enrollments_pkey"),
    one_of("status", "active", "completed", "exited", "withdrawn"),
    CheckConstraint("(status = 'active') = (ended_at is null)", name="ended_unless_active"),
    # No two rows without an end: at most one active enrollment of a contact in a workflow. The
    # same index answers "was this contact ever in this workflow". There are no foreign keys to
    # contacts and workflows: their check is over half of the cost of a bulk insert, the enrolling
    # statement joins contacts anyway, no workflow is ever deleted physically, and who removes a
    # contact waits for those who enroll (`storage.contact_presence`).
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
    instant("occurred_at", required=True),
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
