"""The outbox: messages written with what they tell of, their log, and their end."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.notifications import store
from enrollment_pipeline.notifications.message import Notice, Recipients, shown
from enrollment_pipeline.notifications.store import Delivery, Message
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.paging import offset_of
from enrollment_pipeline.storage.tenancy import Database


def enqueue(
    connection: Connection, account_id: UUID, notice: Notice, recipients: Recipients
) -> int:
    """Write the messages that a notice makes, in the transaction of what it tells of.

    One for each recipient of the request and for each channel of the account that wants the event.
    Returns how many are new: what was told to somebody before is not told again.
    """
    return store.enqueue(connection, account_id, notice, recipients)


def list_deliveries(
    database: Database,
    account: Account,
    *,
    subject_id: UUID | None = None,
    limit: int = 20,
    page: int = 1,
) -> dict[str, Any]:
    """Return one page of the account's messages with their attempts, newest first.

    With `subject_id`, only those about this job, operation or workflow.

    Raises:
        InvalidRequestError: there is no such page.
    """
    offset = offset_of(limit, page)
    with database.account(account.id) as connection:
        found, total = store.page(connection, subject_id=subject_id, limit=limit, offset=offset)
        deliveries = store.deliveries_of(connection, [message.id for message in found])
    return {
        "notifications": [
            _document(message, [one for one in deliveries if one.notification_id == message.id])
            for message in found
        ],
        "total": total,
        "page": page,
    }


def prune(connection: Connection, *, before: datetime) -> int:
    """Delete the account's messages that were closed before then; return how many.

    What is still to be sent stays, however old.
    """
    return store.prune(connection, before)


def _document(message: Message, deliveries: list[Delivery]) -> dict[str, Any]:
    return {
        "notification_id": str(message.id),
        "event": message.event,
        **_subject(message),
        "channel": str(message.channel),
        "recipient": shown(message.channel, message.recipient),
        "status": message.status,
        "attempts": message.attempts,
        "next_attempt_at": None if message.closed_at else _iso(message.next_attempt_at),
        "created_at": _iso(message.created_at),
        "closed_at": _iso(message.closed_at),
        "deliveries": [
            {
                "delivered": delivery.delivered,
                "answer_code": delivery.answer_code,
                "error": delivery.error,
                "seconds": round(delivery.seconds, 3),
                "attempted_at": _iso(delivery.attempted_at),
            }
            for delivery in deliveries
        ],
    }


def _subject(message: Message) -> dict[str, str | None]:
    """Return what a message is about: one of these, and the others are None."""
    return {
        name: str(message.subject_id) if name in message.payload else None
        for name in ("job_id", "operation_id", "workflow_id", "batch_id", "item_id")
    }


def _iso(instant: datetime | None) -> str | None:
    return instant.astimezone(UTC).isoformat() if instant else None
