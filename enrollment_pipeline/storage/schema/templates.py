"""The library of templates: what an account has made, shared and used; and its integrations.

Shipped templates are files of the package, and have no row here but where one was used.
"""

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from enrollment_pipeline.storage.schema.base import METADATA, instant, new_id

# What an account has connected, and the links and names that come with it. No secrets.
integrations = Table(
    "integrations",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Column("connected_by", Text, nullable=False),
    instant("connected_at", required=True),
    PrimaryKeyConstraint("account_id", "name", name="integrations_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="integrations_account"),
)

# `version` is that of the newest row of template_versions. Accounts it is shared with see it, too.
templates = Table(
    "templates",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("category", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # For search, which would otherwise read all documents.
    Column("step_types", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("source_workflow_id", Uuid),
    Column("created_by", Text, nullable=False),
    instant("created_at", required=True),
    instant("updated_at", required=True),
    instant("deleted_at"),
    PrimaryKeyConstraint("id", name="templates_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="templates_account"),
    Index(
        "templates_name_key",
        "account_id",
        text("lower(name)"),
        unique=True,
        postgresql_where=text("deleted_at is null"),
    ),
)

# The versions of an account's own templates, and copies of those versions of shipped and shared
# ones that it has cloned: what a clone began with is there whatever becomes of the template.
template_versions = Table(
    "template_versions",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("template_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("created_by", Text, nullable=False),
    instant("created_at", required=True),
    PrimaryKeyConstraint("account_id", "template_id", "version", name="template_versions_pkey"),
    ForeignKeyConstraint(
        ["account_id"], ["enrollment.accounts.id"], name="template_versions_account"
    ),
    # By id alone, for who sees a template because it was shared.
    Index("template_versions_template", "template_id", "version"),
)

template_shares = Table(
    "template_shares",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("template_id", Uuid, nullable=False),
    Column("shared_with", Uuid, nullable=False),
    Column("shared_by", Text, nullable=False),
    instant("shared_at", required=True),
    PrimaryKeyConstraint("template_id", "shared_with", name="template_shares_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="shares_account"),
    ForeignKeyConstraint(["shared_with"], ["enrollment.accounts.id"], name="shares_shared_with"),
    ForeignKeyConstraint(["template_id"], ["enrollment.templates.id"], name="shares_template"),
    Index("template_shares_shared_with", "shared_with"),
)

# One row a clone. `template_account_id` is the account that the template belongs to, null for a
# shipped one; it sees the rows of those that it has shared with.
template_usage = Table(
    "template_usage",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("template_id", Uuid, nullable=False),
    Column("template_version", Integer, nullable=False),
    Column("template_account_id", Uuid),
    Column("workflow_id", Uuid, nullable=False),
    Column("used_by", Text, nullable=False),
    instant("used_at", required=True),
    # Whoever asks for one clone twice, such as a run that is repeated, gets it once.
    Column("request_id", Text),
    PrimaryKeyConstraint("id", name="template_usage_pkey"),
    ForeignKeyConstraint(["account_id"], ["enrollment.accounts.id"], name="usage_account"),
    ForeignKeyConstraint(["workflow_id"], ["enrollment.workflows.id"], name="usage_workflow"),
    Index("template_usage_account", "account_id", "template_id"),
    Index(
        "template_usage_request",
        "account_id",
        "request_id",
        unique=True,
        postgresql_where=text("request_id is not null"),
    ),
    Index("template_usage_owner", "template_account_id", "template_id"),
)
