"""Telling people and programs what became of a job."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
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

from enrollment_pipeline.storage.schema.base import METADATA, instant, new_id, one_of

# Where an account wants to be told, and of what.
notification_channels = Table(
    "notification_channels",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("created_by", Text, nullable=False),
    instant("created_at", required=True),
    PrimaryKeyConstraint("id", name="notification_channels_pkey"),
    UniqueConstraint("account_id", "channel", "recipient", name="notification_channels_key"),
    one_of("channel", "email", "webhook"),
)

# The key that an account's webhooks are signed with.
webhook_secrets = Table(
    "webhook_secrets",
    METADATA,
    Column("account_id", Uuid, nullable=False),
    Column("secret", Text, nullable=False),
    instant("created_at", required=True),
    PrimaryKeyConstraint("account_id", name="webhook_secrets_pkey"),
)

# The outbox: a message to one recipient, written with what it tells of and sent afterwards.
notifications = Table(
    "notifications",
    METADATA,
    new_id(),
    Column("account_id", Uuid, nullable=False),
    Column("event", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
    # Tells apart what may happen to a subject more than once, such as a pause.
    Column("occasion", Text, nullable=False, server_default=""),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("status", Text, nullable=False, server_default="queued"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    instant("next_attempt_at", required=True),
    instant("created_at", required=True),
    instant("closed_at"),
    PrimaryKeyConstraint("id", name="notifications_pkey"),
    UniqueConstraint(
        "account_id",
        "event",
        "subject_id",
        "occasion",
        "channel",
        "recipient",
        name="notifications_once",
    ),
    one_of("channel", "email", "webhook"),
    one_of("status", "queued", "delivered", "failed"),
    Index("notifications_due", "next_attempt_at", postgresql_where=text("status = 'queued'")),
)

# The delivery log: one attempt to send a message.
notification_deliveries = Table(
    "notification_deliveries",
    METADATA,
    Column("id", BigInteger, Identity(always=True)),
    Column("account_id", Uuid, nullable=False),
    Column("notification_id", Uuid, nullable=False),
    Column("delivered", Boolean, nullable=False),
    # The answer of the other side: an HTTP status or an SMTP reply code.
    Column("answer_code", Integer),
    Column("error", Text),
    Column("seconds", Double, nullable=False),
    instant("attempted_at", required=True),
    PrimaryKeyConstraint("id", name="notification_deliveries_pkey"),
    ForeignKeyConstraint(
        ["notification_id"],
        ["enrollment.notifications.id"],
        name="notification_deliveries_notification",
        ondelete="CASCADE",
    ),
    Index("notification_deliveries_notification_id", "notification_id"),
)
