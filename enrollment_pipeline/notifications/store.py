"""Statements on channels, webhook secrets, the outbox and its delivery log.

Every function works in the caller's transaction, which has its account set, but for
`due_everywhere`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy import Text as TextType
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from enrollment_pipeline.notifications.attempts import Attempt
from enrollment_pipeline.notifications.message import Channel, Notice, Recipients
from enrollment_pipeline.storage.schema import (
    notification_channels,
    notification_deliveries,
    notifications,
    webhook_secrets,
)

# The constraint also makes one message of a recipient that is named twice. In one order, so that
# two transactions that tell the same cannot wait for each other in a circle. now() is the begin of
# the transaction.
_ENQUEUE = text(
    """
    insert into enrollment.notifications
      (account_id, event, subject_id, occasion, channel, recipient, payload)
    select :account_id, :event, :subject_id, coalesce(:occasion, extract(epoch from now())::text),
      told.channel, told.recipient, :payload
    from (
      select 'email' as channel, unnest(:emails) as recipient
      union all
      select 'webhook', unnest(:webhooks)
      union all
      select channel, recipient from enrollment.notification_channels where events && :asked_for_as
    ) as told
    order by told.channel, told.recipient
    on conflict on constraint notifications_once do nothing
    """
).bindparams(
    bindparam("emails", type_=ARRAY(TextType)),
    bindparam("webhooks", type_=ARRAY(TextType)),
    bindparam("asked_for_as", type_=ARRAY(TextType)),
    bindparam("event", type_=TextType),
    bindparam("occasion", type_=TextType),
    bindparam("payload", type_=JSONB),
)
_DUE_EVERYWHERE = text(
    "select account_id, notification_id from enrollment.due_notifications(:at, :most)"
)
_QUEUED = "queued"


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """Where an account wants to be told, and of which events."""

    id: UUID
    channel: Channel
    recipient: str
    events: tuple[str, ...]
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the outbox."""

    id: UUID
    account_id: UUID
    event: str
    subject_id: UUID
    channel: Channel
    recipient: str
    payload: dict[str, Any]
    status: str
    attempts: int
    next_attempt_at: datetime
    created_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the delivery log."""

    notification_id: UUID
    delivered: bool
    answer_code: int | None
    error: str | None
    seconds: float
    attempted_at: datetime


def enqueue(
    connection: Connection, account_id: UUID, notice: Notice, recipients: Recipients
) -> int:
    """Write a message to each recipient and each channel that wants it; return how many are new."""
    return connection.execute(
        _ENQUEUE,
        {
            "account_id": account_id,
            "event": str(notice.event),
            "asked_for_as": notice.asked_for_as,
            "subject_id": notice.subject_id,
            "occasion": notice.occasion,
            "payload": dict(notice.payload),
            "emails": list(recipients.emails),
            "webhooks": list(recipients.webhooks),
        },
    ).rowcount


def due_everywhere(connection: Connection, at: datetime, *, most: int) -> list[tuple[UUID, UUID]]:
    """Return account and id of the messages of all accounts that are due, oldest first."""
    rows = connection.execute(_DUE_EVERYWHERE, {"at": at, "most": most})
    return [(row.account_id, row.notification_id) for row in rows]


def due(
    connection: Connection, at: datetime, *, most: int, subject_id: UUID | None
) -> list[tuple[UUID, UUID]]:
    """Return the same for the messages of one account, or only those about one subject."""
    column = notifications.c
    statement = (
        select(column.account_id, column.id)
        .where(*_is_due(at))
        .order_by(column.next_attempt_at, column.id)
        .limit(most)
    )
    if subject_id is not None:
        statement = statement.where(column.subject_id == subject_id)
    return [(row[0], row[1]) for row in connection.execute(statement)]


def lock_due(connection: Connection, message_id: UUID, at: datetime) -> Message | None:
    """Return a message that is due, and keep others from it until the commit.

    None where another sender has it, or it is no longer due.
    """
    row = connection.execute(
        select(notifications)
        .where(notifications.c.id == message_id, *_is_due(at))
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return None if row is None else _message(row)


def begin_attempt(connection: Connection, message_id: UUID, *, again_at: datetime) -> None:
    """Count an attempt, and let another sender follow at that time."""
    connection.execute(
        update(notifications)
        .where(notifications.c.id == message_id)
        .values(attempts=notifications.c.attempts + 1, next_attempt_at=again_at)
    )


def write_delivery(
    connection: Connection, message: Message, attempt: Attempt, *, seconds: float, at: datetime
) -> None:
    """Add an attempt to the log."""
    connection.execute(
        insert(notification_deliveries).values(
            account_id=message.account_id,
            notification_id=message.id,
            delivered=attempt.delivered,
            answer_code=attempt.answer_code,
            error=attempt.error,
            seconds=seconds,
            attempted_at=at,
        )
    )


def close_delivered(connection: Connection, message_id: UUID, at: datetime) -> None:
    """End a message that arrived, whatever another sender thought of it meanwhile."""
    connection.execute(
        update(notifications)
        .where(notifications.c.id == message_id, notifications.c.status != "delivered")
        .values(status="delivered", closed_at=at)
    )


def close_failed(connection: Connection, message_id: UUID, *, attempts: int, at: datetime) -> None:
    """Give a message up, unless another sender has begun an attempt since."""
    connection.execute(
        update(notifications)
        .where(*_is_at(message_id, attempts))
        .values(status="failed", closed_at=at)
    )


def postpone(connection: Connection, message_id: UUID, *, attempts: int, until: datetime) -> None:
    """Leave a message alone until then, unless another sender has begun an attempt since."""
    column = notifications.c
    connection.execute(
        update(notifications)
        .where(*_is_at(message_id, attempts))
        .values(next_attempt_at=func.greatest(column.next_attempt_at, until))
    )


def page(
    connection: Connection, *, subject_id: UUID | None, limit: int, offset: int
) -> tuple[list[Message], int]:
    """Return one page of messages, newest first, and how many there are in all."""
    column = notifications.c
    conditions = [] if subject_id is None else [column.subject_id == subject_id]
    total = connection.execute(
        select(func.count()).select_from(notifications).where(*conditions)
    ).scalar_one()
    statement = (
        select(notifications)
        .where(*conditions)
        .order_by(column.created_at.desc(), column.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_message(row) for row in connection.execute(statement)], total


def deliveries_of(connection: Connection, message_ids: Collection[UUID]) -> list[Delivery]:
    """Return the attempts to send these messages, in the order in which they ended."""
    column = notification_deliveries.c
    rows = connection.execute(
        select(*(column[name] for name in Delivery.__dataclass_fields__))
        .where(column.notification_id.in_(message_ids))
        .order_by(column.id)
    )
    return [Delivery(**row._mapping) for row in rows]


def prune(connection: Connection, before: datetime) -> int:
    """Delete the messages that were closed before then, with their attempts; return how many."""
    return connection.execute(
        delete(notifications).where(notifications.c.closed_at < before)
    ).rowcount


def save_channel(
    connection: Connection,
    account_id: UUID,
    channel: Channel,
    recipient: str,
    events: Sequence[str],
    created_by: str,
) -> ChannelEntry:
    """Insert a channel, or give the one of this recipient other events."""
    statement = insert(notification_channels).values(
        account_id=account_id,
        channel=channel,
        recipient=recipient,
        events=list(events),
        created_by=created_by,
    )
    statement = statement.on_conflict_do_update(
        constraint="notification_channels_key", set_={"events": statement.excluded.events}
    )
    row = connection.execute(statement.returning(*_CHANNEL_COLUMNS)).one()
    return _channel(row)


def delete_channel(connection: Connection, references: Collection[str]) -> ChannelEntry | None:
    """Delete the channel with this id or recipient; None where there is none."""
    column = notification_channels.c
    statement = (
        delete(notification_channels)
        .where(or_(cast(column.id, TextType).in_(references), column.recipient.in_(references)))
        .returning(*_CHANNEL_COLUMNS)
    )
    row = connection.execute(statement).first()
    return None if row is None else _channel(row)


def channels(connection: Connection) -> list[ChannelEntry]:
    """Return all channels of the account, by kind and recipient."""
    column = notification_channels.c
    rows = connection.execute(select(*_CHANNEL_COLUMNS).order_by(column.channel, column.recipient))
    return [_channel(row) for row in rows]


def secret_of(connection: Connection, account_id: UUID, otherwise: str) -> str:
    """Return the account's webhook secret; the first to ask for it writes `otherwise` as it."""
    connection.execute(
        insert(webhook_secrets)
        .values(account_id=account_id, secret=otherwise)
        .on_conflict_do_nothing()
    )
    return str(connection.execute(select(webhook_secrets.c.secret)).scalar_one())


def replace_secret(connection: Connection, account_id: UUID, secret: str) -> None:
    """Let the account's webhooks be signed with another secret from now on."""
    statement = insert(webhook_secrets).values(account_id=account_id, secret=secret)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id"],
            set_={"secret": statement.excluded.secret, "created_at": func.now()},
        )
    )


_CHANNEL_COLUMNS = tuple(
    notification_channels.c[name] for name in ChannelEntry.__dataclass_fields__
)


def _is_due(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (notifications.c.status == _QUEUED, notifications.c.next_attempt_at <= at)


def _is_at(message_id: UUID, attempts: int) -> tuple[ColumnElement[bool], ...]:
    column = notifications.c
    return (column.id == message_id, column.status == _QUEUED, column.attempts == attempts)


def _message(row: Row[Any]) -> Message:
    fields = {name: row._mapping[name] for name in Message.__dataclass_fields__}
    return Message(**{**fields, "channel": Channel(fields["channel"])})


def _channel(row: Row[Any]) -> ChannelEntry:
    fields = dict(row._mapping)
    return ChannelEntry(
        **{
            **fields,
            "channel": Channel(fields["channel"]),
            "events": tuple(fields["events"]),
        }
    )
