"""Where an account wants to be told, and the secret that its webhooks are signed with."""

import base64
import secrets
from collections.abc import Iterable
from contextlib import suppress

from enrollment_pipeline.accounts.operations import check, operation
from enrollment_pipeline.errors import ChannelNotFoundError, InvalidRequestError
from enrollment_pipeline.notifications import store
from enrollment_pipeline.notifications.message import (
    CHOICES,
    OPERATION_TYPES,
    Channel,
    Event,
    email_address,
    of_type,
    shown,
    webhook_url,
)
from enrollment_pipeline.notifications.store import ChannelEntry
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database

_KEPT_FORM = {Channel.EMAIL: email_address, Channel.WEBHOOK: webhook_url}
_SECRET_BYTES = 32


def add_channel(
    database: Database,
    account: Account,
    channel: Channel,
    recipient: str,
    *,
    events: Iterable[str] = (),
    actor: str,
) -> ChannelEntry:
    """Let a recipient be told of these events, of all where none is named.

    An event of operations on contacts may be narrowed to one type of them, as in
    `operation_failed:import`. A recipient that is there already is told of these events instead of
    the former ones.

    Raises:
        ForbiddenError: the actor may not.
        InvalidRequestError: the recipient cannot be used, or there is no such event.
    """
    kept = _KEPT_FORM[channel](recipient)
    wanted = _known_events(events)
    with operation(
        database,
        account.id,
        actor=actor,
        action="channel.add",
        needs=Permission.ACCOUNT_ADMIN,
    ) as doing:
        entry = store.save_channel(doing.connection, account.id, channel, kept, wanted, actor)
        doing.subject = str(entry.id)
        doing.details = {**_told(entry), "events": list(entry.events)}
    return entry


def remove_channel(
    database: Database, account: Account, reference: str, *, actor: str
) -> ChannelEntry:
    """Tell a recipient nothing more; the channel is named by its id or its recipient.

    What is in the outbox for it is still sent.

    Raises:
        ChannelNotFoundError: the account has no such channel.
        ForbiddenError: the actor may not.
    """
    references = {reference, reference.lower()}
    for kept_form in _KEPT_FORM.values():
        with suppress(InvalidRequestError):
            references.add(kept_form(reference))
    with operation(
        database,
        account.id,
        actor=actor,
        action="channel.remove",
        needs=Permission.ACCOUNT_ADMIN,
    ) as doing:
        entry = store.delete_channel(doing.connection, references)
        if entry is None:
            raise ChannelNotFoundError
        doing.subject = str(entry.id)
        doing.details = _told(entry)
    return entry


def list_channels(database: Database, account: Account, *, actor: str) -> list[ChannelEntry]:
    """Return the account's channels; the URL of a webhook is often a secret.

    Raises:
        ForbiddenError: the actor may not.
    """
    with database.account(account.id) as connection:
        check(connection, actor, Permission.ACCOUNT_ADMIN)
        return store.channels(connection)


def webhook_secret(database: Database, account: Account, *, actor: str) -> str:
    """Return what the account's webhooks are signed with; made when it is first asked for.

    Raises:
        ForbiddenError: the actor may not.
    """
    with operation(
        database,
        account.id,
        actor=actor,
        action="webhook_secret.show",
        needs=Permission.ACCOUNT_ADMIN,
    ) as doing:
        return store.secret_of(doing.connection, account.id, new_secret())


def rotate_secret(database: Database, account: Account, *, actor: str) -> str:
    """Sign with a new secret from now on, and return it; the former one is gone.

    Raises:
        ForbiddenError: the actor may not.
    """
    secret = new_secret()
    with operation(
        database,
        account.id,
        actor=actor,
        action="webhook_secret.rotate",
        needs=Permission.ACCOUNT_ADMIN,
    ) as doing:
        store.replace_secret(doing.connection, account.id, secret)
    return secret


def new_secret() -> str:
    """Return a secret in the form that Standard Webhooks gives it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def _known_events(names: Iterable[str]) -> list[str]:
    wanted = set(names)
    unknown = sorted(wanted - set(CHOICES))
    if unknown:
        raise InvalidRequestError(
            f"There is no event {', '.join(map(repr, unknown))}.",
            remedy=f"Use one of: {', '.join(Event)}. One of operations may be narrowed to a type "
            f"({', '.join(OPERATION_TYPES)}), as in {of_type(Event.OPERATION_FAILED, 'import')}.",
        )
    return [name for name in CHOICES if name in wanted] or list(map(str, Event))


def _told(entry: ChannelEntry) -> dict[str, object]:
    return {
        "channel": str(entry.channel),
        "recipient": shown(entry.channel, entry.recipient),
    }
