"""Which integrations an account has connected: said by its people, asked by its workflows.

Belongs here: what must be given, and who may. Does not belong here: which integrations there are
(`integrations`). What is kept holds links and names, no secrets.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import Operation, operation
from enrollment_pipeline.errors import IntegrationMissingError, InvalidRequestError
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import store
from enrollment_pipeline.workflows.integrations import INTEGRATIONS, Integration
from enrollment_pipeline.workflows.store import Connected

_LONGEST = 500


def connect(
    database: Database, account: Account, name: str, details: Mapping[str, str], *, actor: str
) -> Connected:
    """Say that an account has an integration; one that is connected gets these details besides.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidRequestError: there is no such integration, or a detail is missing or cannot be used;
            every such one is listed.
    """
    integration = _known(name)
    with _operation(database, account, actor, "integration.connect", name) as doing:
        present = store.connected(doing.connection).get(name)
        wanted = {**({} if present is None else present.details), **details}
        _check(integration, wanted)
        if present is not None and present.details == wanted:
            doing.silent = True
            return present
        store.connect(doing.connection, account.id, name, wanted, actor=actor)
        doing.details = {"details": sorted(wanted)}
        return store.connected(doing.connection)[name]


def disconnect(database: Database, account: Account, name: str, *, actor: str) -> None:
    """Say that an account has an integration no longer; active workflows stay active.

    Raises:
        ForbiddenError: whoever asks may not.
        IntegrationMissingError: the account has not connected it.
        InvalidRequestError: there is no such integration.
    """
    _known(name)
    with _operation(database, account, actor, "integration.disconnect", name) as doing:
        if not store.disconnect(doing.connection, name):
            raise IntegrationMissingError(f"The integration {name} is not connected.")


def list_integrations(
    database: Database, account: Account
) -> list[tuple[Integration, Connected | None]]:
    """Return every integration there is, with what the account has connected of it."""
    with database.account(account.id) as connection:
        connected = store.connected(connection)
    return [(one, connected.get(one.name)) for one in INTEGRATIONS.values()]


def _known(name: str) -> Integration:
    found = INTEGRATIONS.get(name)
    if found is None:
        raise InvalidRequestError(
            f"There is no integration {name!r}.", remedy=f"Use one of: {', '.join(INTEGRATIONS)}."
        )
    return found


def _check(integration: Integration, details: Mapping[str, str]) -> None:
    problems = [
        f"{name} is nothing that {integration.name} has"
        for name in details
        if not integration.knows(name)
    ]
    for known in integration.details:
        fault = _fault(known.name, details.get(known.name, ""), required=known.required)
        if fault:
            problems.append(f"{known.name} ({known.says}) {fault}")
    if problems:
        example = " ".join(f"{name}=..." for name in integration.required)
        raise InvalidRequestError(
            f"The integration {integration.name} cannot be connected: {'; '.join(problems)}.",
            remedy=f"For example: enrollment integrations connect {integration.name} {example}",
            details={"problems": problems},
        )


def details_of_integrations(connection: Connection) -> dict[str, dict[str, str]]:
    """Return the details of the account's integrations, by name, as placeholders name them."""
    return {name: one.details for name, one in store.connected(connection).items()}


def _fault(name: str, value: str, *, required: bool) -> str | None:
    if not value.strip():
        return "is missing" if required else None
    if len(value) > _LONGEST or not value.isprintable():
        return f"must be one line of at most {_LONGEST} characters"
    if name in ("link", "url") or name.endswith("_link"):
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            parts = urlsplit("")
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or " " in value
            or "{{" in value
        ):
            return "must be an address that begins with https:// or http://"
        if name == "url" and ("@" in parts.netloc or "#" in value):
            # No request could be made of it, and what is kept is no secret.
            return "must be an address without a user name, a password and #"
    return None


def _operation(
    database: Database, account: Account, actor: str, action: str, name: str
) -> AbstractContextManager[Operation]:
    return operation(
        database,
        account.id,
        actor=actor,
        action=action,
        needs=Permission.WORKFLOW_MANAGE,
        subject=name,
    )
