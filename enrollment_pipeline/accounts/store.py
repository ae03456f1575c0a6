"""Statements on accounts, their members and the audit log.

What may be written, and why, is in the modules beside this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from enrollment_pipeline.accounts.permissions import name_key
from enrollment_pipeline.storage.schema import accounts, audit_log
from enrollment_pipeline.storage.schema import members as member_rows

# The table itself shows a transaction its own account only; these two functions cross accounts.
_NAMED = text("select id, name, settings from enrollment.account_named(:name)")
_ALL = text("select id, name, created_at from enrollment.all_accounts()")


def add(
    connection: Connection, account_id: UUID, name: str, *, agency: bool, parent_id: UUID | None
) -> bool:
    """Insert an account, in a transaction of that account; return False where the name is taken."""
    values = {"id": account_id, "name": name, "agency": agency, "parent_id": parent_id}
    statement = insert(accounts).values(values).on_conflict_do_nothing()
    return connection.execute(statement.returning(accounts.c.id)).first() is not None


def named(connection: Connection, name: str) -> Row[UUID, str, dict[str, Any]] | None:
    """Return id, name and settings of the account of that name in any letter case."""
    return connection.execute(_NAMED, {"name": name}).first()


def own(connection: Connection, account_id: UUID) -> Row[UUID, str, dict[str, Any]] | None:
    """Return id, name and settings, in a transaction of that account."""
    statement = select(accounts.c.id, accounts.c.name, accounts.c.settings)
    return connection.execute(statement.where(accounts.c.id == account_id)).first()


def is_agency(connection: Connection, account_id: UUID) -> bool:
    """Return whether an account is an agency, in a transaction of that account."""
    return bool(connection.scalar(select(accounts.c.agency).where(accounts.c.id == account_id)))


def every(connection: Connection) -> Sequence[Row[UUID, str, datetime]]:
    """Return id, name and creation of all accounts, by name."""
    return connection.execute(_ALL).all()


def locked_settings(connection: Connection, account_id: UUID) -> dict[str, Any] | None:
    """Return what is stored as settings and keep others from changing it until the commit."""
    statement = select(accounts.c.settings).where(accounts.c.id == account_id).with_for_update()
    return connection.scalar(statement)


def save_settings(connection: Connection, account_id: UUID, settings: dict[str, Any]) -> None:
    """Replace what is stored as settings."""
    connection.execute(
        update(accounts).where(accounts.c.id == account_id).values(settings=settings)
    )


def lock(connection: Connection, account_id: UUID) -> None:
    """Let one change of the account's members at a time pass."""
    # Key share: rows that refer to the account may be written meanwhile.
    connection.execute(
        select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)
    )


@dataclass(frozen=True, slots=True)
class Member:
    """A person or program that works in an account, and what it may do."""

    name: str
    permissions: tuple[str, ...]
    created_at: datetime


def members(connection: Connection) -> list[Member]:
    """Return the members of the account, by name."""
    column = member_rows.c
    rows = connection.execute(
        select(column.name, column.permissions, column.created_at).order_by(
            func.lower(column.name), column.name
        )
    )
    return [Member(row.name, tuple(row.permissions), row.created_at) for row in rows]


def permissions(connection: Connection) -> dict[str, frozenset[str]]:
    """Return the permissions of every member, by the key of the name."""
    return {name_key(one.name): frozenset(one.permissions) for one in members(connection)}


def put_member(
    connection: Connection, account_id: UUID, name: str, granted: Sequence[str]
) -> Member:
    """Insert a member, or replace the one of that name in any letter case."""
    values = {"name": name, "permissions": list(granted)}
    statement = (
        insert(member_rows)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(
            index_elements=[member_rows.c.account_id, func.lower(member_rows.c.name)], set_=values
        )
        .returning(member_rows.c.name, member_rows.c.permissions, member_rows.c.created_at)
    )
    row = connection.execute(statement).one()
    return Member(row.name, tuple(row.permissions), row.created_at)


def drop_member(connection: Connection, name: str) -> None:
    """Delete the member that is spelled like this."""
    connection.execute(delete(member_rows).where(member_rows.c.name == name))


def write_audit(
    connection: Connection,
    account_id: UUID,
    actor: str,
    action: str,
    result: str,
    subject: str | None,
    details: dict[str, Any],
) -> None:
    """Add a row to the audit log."""
    connection.execute(
        insert(audit_log).values(
            account_id=account_id,
            actor=actor,
            action=action,
            result=result,
            subject=subject,
            details=details,
        )
    )


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows of the audit log to list; every field that is None lets all pass."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None


def audit_page(
    connection: Connection, wanted: AuditFilter, *, limit: int, offset: int
) -> tuple[Sequence[Row[Any]], int]:
    """Return one page of the audit log, newest first, and how many rows there are in all."""
    column = audit_log.c
    conditions = [
        condition
        for value, condition in (
            (wanted.actor, func.lower(column.actor) == func.lower(wanted.actor)),
            (wanted.action, column.action == wanted.action),
            (wanted.subject, column.subject == wanted.subject),
        )
        if value is not None
    ]
    total = connection.execute(
        select(func.count()).select_from(audit_log).where(*conditions)
    ).scalar_one()
    statement = (
        select(audit_log).where(*conditions).order_by(column.id.desc()).limit(limit).offset(offset)
    )
    return connection.execute(statement).all(), total
