"""Sending what is due in the outbox: at least once, and by one sender at a time.

A message is claimed in a transaction of its own, which counts the attempt and says when another
sender may follow; it is sent outside of any transaction; then the attempt is written into the log.
So a sender that dies in between is followed by another, and the message may then arrive twice under
the same id.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from enrollment_pipeline.notifications import email, store, webhook
from enrollment_pipeline.notifications.attempts import (
    MOST_ATTEMPTS,
    Attempt,
    no_answer,
    wait_after,
)
from enrollment_pipeline.notifications.channels import new_secret
from enrollment_pipeline.notifications.message import Channel, Event, document_of
from enrollment_pipeline.notifications.store import Message
from enrollment_pipeline.notifications.texts import body_of, subject_of
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

Clock = Callable[[], datetime]

_MAIL_SERVER = "mail server"


class _End(StrEnum):
    DELIVERED = "delivered"
    POSTPONED = "postponed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """What became of the messages that were tried."""

    delivered: int = 0
    postponed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Claim:
    """A message that this sender has for a while, with this attempt counted in it."""

    message: Message
    attempts: int
    secret: str


def deliver_due(
    database: Database,
    settings: Settings,
    *,
    now: Clock,
    most: int,
    account_id: UUID | None = None,
    subject_id: UUID | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> DeliveryCounts:
    """Try to send up to `most` messages that are due, oldest first; return what became of them.

    Those of all accounts, or of one, or only those about one subject of it. `go_on` is asked before
    each message. A recipient that does not answer is asked once: the others for it are postponed
    with the same error.
    """
    sender = _Sender(settings, now)
    ends: Counter[_End] = Counter()
    for owner, message_id in _due(database, now(), most, account_id, subject_id):
        if not go_on():
            break
        claim = _claim(database, owner, message_id, now)
        if claim is not None:
            ends[_deliver(database, sender, claim, now)] += 1
    return DeliveryCounts(ends[_End.DELIVERED], ends[_End.POSTPONED], ends[_End.FAILED])


def is_anything_due(database: Database, now: datetime) -> bool:
    """Return whether any account has a message whose time has come."""
    with database.across_accounts() as connection:
        return bool(store.due_everywhere(connection, now, most=1))


def _due(
    database: Database,
    at: datetime,
    most: int,
    account_id: UUID | None,
    subject_id: UUID | None,
) -> list[tuple[UUID, UUID]]:
    if account_id is None:
        if subject_id is not None:
            raise ValueError("a subject is looked for in an account")
        with database.across_accounts() as connection:
            return store.due_everywhere(connection, at, most=most)
    with database.account(account_id) as connection:
        return store.due(connection, at, most=most, subject_id=subject_id)


def _claim(database: Database, account_id: UUID, message_id: UUID, now: Clock) -> _Claim | None:
    """Take a message, or None where another sender has it, or it has had all its attempts."""
    with database.account(account_id) as connection:
        at = now()
        message = store.lock_due(connection, message_id, at)
        if message is None:
            return None
        attempts = message.attempts + 1
        if attempts <= MOST_ATTEMPTS:
            store.begin_attempt(connection, message_id, again_at=at + wait_after(attempts))
        secret = ""
        if message.channel is Channel.WEBHOOK:
            secret = store.secret_of(connection, account_id, new_secret())
    return _Claim(message, attempts, secret)


def _deliver(database: Database, sender: "_Sender", claim: _Claim, now: Clock) -> _End:
    message, attempts = claim.message, claim.attempts
    begun = time.monotonic()
    if attempts > MOST_ATTEMPTS:
        # Its last sender has died, and who knows whether of this message.
        attempts = message.attempts
        attempt = Attempt(delivered=False, error="The last attempt ended without a result.")
    else:
        attempt = sender.send(claim)
    with database.account(message.account_id) as connection:
        at = now()
        store.write_delivery(connection, message, attempt, seconds=time.monotonic() - begun, at=at)
        if attempt.delivered:
            store.close_delivered(connection, message.id, at)
            return _End.DELIVERED
        if not attempt.retryable or attempts >= MOST_ATTEMPTS:
            store.close_failed(connection, message.id, attempts=attempts, at=at)
            return _End.FAILED
        if attempt.retry_after is not None:
            until = at + attempt.retry_after
            store.postpone(connection, message.id, attempts=attempts, until=until)
    return _End.POSTPONED


class _Sender:
    """Sends message after message, and remembers who did not answer."""

    def __init__(self, settings: Settings, now: Clock) -> None:
        self._settings = settings
        self._now = now
        self._silent: dict[str, Attempt] = {}

    def send(self, claim: _Claim) -> Attempt:
        """Send a message, unless its way was closed a moment ago."""
        message = claim.message
        way = _MAIL_SERVER if message.channel is Channel.EMAIL else message.recipient
        if way in self._silent:
            return self._silent[way]
        try:
            attempt = self._send(claim)
        except Exception as error:
            # One message that cannot be made must not keep the others from being sent. Only the
            # name of the error: its text may hold what the message holds.
            return no_answer(f"The message could not be made or sent ({type(error).__name__}).")
        if attempt.unreachable:
            self._silent[way] = attempt
        return attempt

    def _send(self, claim: _Claim) -> Attempt:
        message, now = claim.message, self._now()
        event = Event(message.event)
        if message.channel is Channel.EMAIL:
            return email.send(
                self._settings,
                message.recipient,
                message_id=message.id,
                subject=subject_of(event, message.payload),
                body=body_of(event, message.payload),
                now=now,
            )
        return webhook.post(
            message.recipient,
            document_of(event, message.payload, message.created_at),
            message_id=message.id,
            secret=claim.secret,
            now=now,
            allow_private=self._settings.webhook_allow_private,
        )
