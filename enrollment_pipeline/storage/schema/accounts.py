"""Tenants, the people in them, and what they did."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from enrollment_pipeline.storage.schema.base import METADATA, instant, new_id, one_of

accounts = Table(
    "accounts",
    METADATA,
    new_id(),
    Column("name", Text, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    instant("created_at", required=True),
    # An agency has sub-accounts, which have it as their parent, and shares templates with them.
    Column("agency", Boolean, nullable=False, server_default=text("false")),
    Column("parent_id", Uuid),
    PrimaryKeyConstraint("id", name="accounts_pkey"),
    ForeignKeyConstraint(["parent_id"], ["enrollment.accounts.id"], name="accounts_parent"),
    Index("accounts_parent_id", "parent_id", postgresql_where=text("parent_id is not null")),
    Index("accounts_name_key", text("lower(name)"), unique=True),
)

# A person or program that works in an account. An account without members is open to whoever
# reaches the database.
members = Table(
    "members",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    instant("created_at", required=True),
    PrimaryKeyConstraint("id", name="members_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="members_account"),
    Index("members_name_key", "account_id", text("lower(name)"), unique=True),
)

# Who did what, or was not allowed to. The app role may read it and add to it, and nothing else.
audit_log = Table(
    "audit_log",
    METADATA,
    Column("id", BigInteger, Identity(always=True)),
    Column("account_id", Uuid, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("subject", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    instant("occurred_at", required=True),
    PrimaryKeyConstraint("id", name="audit_log_pkey"),
    one_of("result", "done", "denied"),
    Index("audit_log_newest", "account_id", text("id desc")),
)
