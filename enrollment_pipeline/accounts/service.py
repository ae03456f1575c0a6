"""Creating, finding and setting up accounts.

Belongs here: what an account may be called and who learns of it. Does not belong here: what the
settings mean (`records.AccountSettings`) and who may see an account's rows (`storage.tenancy`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from pydantic import ValidationError

from enrollment_pipeline.accounts import store
from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.clocks.business_hours import BusinessHours
from enrollment_pipeline.errors import (
    AccountExistsError,
    AccountNotFoundError,
    InvalidRequestError,
    InvalidStateError,
)
from enrollment_pipeline.records import Account, AccountSettings, Permission
from enrollment_pipeline.storage.tenancy import Database

# The name is also the name of the account's inbox folder, so nothing that a path could climb with.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# Beside the accounts' folders, the inbox has folders of these names for what is done with.
_RESERVED = frozenset({"processed", "rejected"})


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One line of the list of accounts."""

    id: UUID
    name: str
    created_at: datetime


def create(
    database: Database,
    name: str,
    *,
    agency: bool = False,
    parent: Account | None = None,
    actor: str,
) -> Account:
    """Create an account with default settings: an agency, or a sub-account of one, or neither.

    Raises:
        AccountExistsError: the name is taken.
        ForbiddenError: whoever asks may not give the parent a sub-account.
        InvalidStateError: the parent is no agency.
        InvalidRequestError: the name cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"{name!r} cannot name an account.",
            remedy="Use 1 to 63 lower-case letters, digits, '-', '_' and '.', "
            "with a letter or digit first.",
        )
    if name in _RESERVED:
        raise InvalidRequestError(
            f"{name!r} cannot name an account: the inbox has a folder of that name.",
            remedy="Choose another name.",
        )
    if parent is None:
        return _add(database, name, agency=agency, parent_id=None, actor=actor)
    if agency:
        raise InvalidRequestError(
            "A sub-account is no agency.", remedy="Leave out --agency or --parent."
        )
    with operation(
        database,
        parent.id,
        actor=actor,
        action="account.add_sub_account",
        needs=Permission.ACCOUNT_ADMIN,
        subject=name,
    ) as doing:
        if not store.is_agency(doing.connection, parent.id):
            raise InvalidStateError(
                f"The account {parent.name!r} is no agency and has no sub-accounts.",
                remedy="Create an agency with: enrollment accounts create NAME --agency",
            )
        # In a transaction of its own, which sees the new account and no other.
        return _add(database, name, agency=False, parent_id=parent.id, actor=actor)


def _add(
    database: Database, name: str, *, agency: bool, parent_id: UUID | None, actor: str
) -> Account:
    account_id = uuid4()
    with operation(
        database, account_id, actor=actor, action="account.create", needs=None, subject=name
    ) as doing:
        if not store.add(doing.connection, account_id, name, agency=agency, parent_id=parent_id):
            raise AccountExistsError(f"The account {name!r} exists already.")
    return Account(account_id, name, AccountSettings())


def find(database: Database, name: str) -> Account:
    """Return the account of that name, in any letter case.

    Raises:
        AccountNotFoundError: there is none; no other account's name is given away.
    """
    with database.across_accounts() as connection:
        row = store.named(connection, name)
    if row is None:
        raise AccountNotFoundError(f"There is no account {name!r}.")
    return Account(row.id, row.name, AccountSettings.model_validate(row.settings))


def with_id(database: Database, account_id: UUID) -> Account:
    """Return the account of that id.

    Raises:
        AccountNotFoundError: there is none.
    """
    with database.account(account_id) as connection:
        row = store.own(connection, account_id)
    if row is None:
        raise AccountNotFoundError(f"There is no account {account_id}.")
    return Account(row.id, row.name, AccountSettings.model_validate(row.settings))


def list_accounts(database: Database) -> list[AccountEntry]:
    """Return all accounts, by name."""
    with database.across_accounts() as connection:
        return [AccountEntry(row.id, row.name, row.created_at) for row in store.every(connection)]


def change_settings(
    database: Database, account: Account, changes: Mapping[str, str], *, actor: str
) -> Account:
    """Change the named settings and return the account as it is now; others stay as they are.

    Raises:
        AccountNotFoundError: the account is gone.
        InvalidRequestError: a name is unknown or a value cannot be used; every such one is listed.
    """
    with operation(
        database,
        account.id,
        actor=actor,
        action="account.settings",
        needs=Permission.ACCOUNT_ADMIN,
        subject=account.name,
    ) as doing:
        stored = store.locked_settings(doing.connection, account.id)
        if stored is None:
            raise AccountNotFoundError(f"There is no account {account.name!r}.")
        settings = _validated(stored, changes)
        # A default is not stored, so that an account follows when the default changes.
        doing.details = dict(changes)
        store.save_settings(
            doing.connection, account.id, settings.model_dump(exclude_defaults=True)
        )
    return Account(account.id, account.name, settings)


def _validated(stored: Mapping[str, object], changes: Mapping[str, str]) -> AccountSettings:
    known = AccountSettings.model_fields
    found = [
        f"{name} is not a setting (there are: {', '.join(known)})"
        for name in changes
        if name not in known
    ]
    usable = {name: value for name, value in changes.items() if name in known}
    try:
        settings = AccountSettings.model_validate({**stored, **usable})
    except ValidationError as error:
        found += [
            f"{problem['loc'][0]}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
    else:
        try:
            BusinessHours.parse(
                settings.business_days,
                settings.business_hours,
                settings.timezone,
                settings.holidays,
            )
        except ValueError as error:
            found.append(str(error).removesuffix("."))
    if found:
        raise InvalidRequestError(
            f"The settings cannot be changed: {'; '.join(found)}.",
            remedy="Correct what is named and try again; nothing was changed.",
            details={"problems": found},
        )
    return settings
