"""Who works in an account: adding members, changing what they may do, removing them.

Belongs here: names, and the order in which changes are made. What a set of members must hold, and
what a permission allows, is in `permissions`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from enrollment_pipeline.accounts import store
from enrollment_pipeline.accounts.operations import Operation, check, operation
from enrollment_pipeline.accounts.permissions import name_key, require_administrator
from enrollment_pipeline.accounts.store import Member
from enrollment_pipeline.errors import InvalidRequestError, MemberNotFoundError
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Removal:
    """A member that is gone; `account_open`: it was the last, so everybody may do everything."""

    member: Member
    account_open: bool


def add(
    database: Database, account: Account, name: str, permissions: Iterable[str], *, actor: str
) -> Member:
    """Add a member; one of that name, in any letter case, is replaced.

    Raises:
        ForbiddenError: the actor may not.
        InvalidRequestError: the name or a permission cannot be used, or no member would hold
            account:admin.
    """
    name, granted = _name(name), _known(permissions)
    with operation(
        database,
        account.id,
        actor=actor,
        action="member.add",
        needs=Permission.ACCOUNT_ADMIN,
        subject=name,
    ) as doing:
        _take_turn(doing, account, actor)
        for former in _named(doing, name):
            if former.name != name:
                # The database tells a few letters apart that are one name here, as a sigma at the
                # end, and would keep both.
                store.drop_member(doing.connection, former.name)
        added = store.put_member(doing.connection, account.id, name, granted)
        require_administrator(store.permissions(doing.connection))
        doing.details = {"permissions": list(added.permissions)}
    return added


def remove(database: Database, account: Account, name: str, *, actor: str) -> Removal:
    """Remove the member of that name, in any letter case.

    Raises:
        ForbiddenError: the actor may not.
        InvalidRequestError: members would be left of whom none holds account:admin.
        MemberNotFoundError: the account has no such member.
    """
    name = _name(name)
    with operation(
        database,
        account.id,
        actor=actor,
        action="member.remove",
        needs=Permission.ACCOUNT_ADMIN,
        subject=name,
    ) as doing:
        _take_turn(doing, account, actor)
        found = _named(doing, name)
        if not found:
            raise MemberNotFoundError(f"The account has no member {name!r}.")
        store.drop_member(doing.connection, found[0].name)
        left = store.permissions(doing.connection)
        require_administrator(left)
        doing.subject = found[0].name
        doing.details = {"permissions": list(found[0].permissions)}
    return Removal(found[0], account_open=not left)


def list_members(database: Database, account: Account) -> list[Member]:
    """Return the account's members, by name."""
    with database.account(account.id) as connection:
        return store.members(connection)


def _named(doing: Operation, name: str) -> list[Member]:
    wanted = name_key(name)
    return [one for one in store.members(doing.connection) if name_key(one.name) == wanted]


def _take_turn(doing: Operation, account: Account, actor: str) -> None:
    store.lock(doing.connection, account.id)
    # Whoever was before may have taken the permission, or closed an account that was open.
    check(doing.connection, actor, Permission.ACCOUNT_ADMIN)


def _name(given: str) -> str:
    name = given.strip()
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidRequestError(
            f"{name[:_LONGEST_NAME]!r} cannot name a member.",
            remedy=f"Use one line of 1 to {_LONGEST_NAME} characters.",
        )
    return name


def _known(permissions: Iterable[str]) -> list[Permission]:
    given = list(permissions)
    unknown = [one for one in given if one not in list(Permission)]
    if unknown or not given:
        what = f"There is no permission {unknown[0]!r}." if unknown else "A permission is missing."
        raise InvalidRequestError(what, remedy=f"Use one or more of: {', '.join(Permission)}.")
    return [one for one in Permission if one in given]
