"""Statements on accounts, their members and the audit log.

What may be written, and why, is in the modules beside this one.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from enrollment_pipeline.storage.schema import accounts, audit_log, members

# The table itself shows a transaction its own account only; these two functions cross accounts.
_NAMED = text("select id, name, settings from enrollment.account_named(:name)")
_ALL = text("select id, name, created_at from enrollment.all_accounts()")


def add(connection: Connection, account_id: UUID, name: str) -> bool:
    """Insert an account, in a transaction of that account; return False where the name is taken."""
    statement = insert(accounts).values(id=account_id, name=name).on_conflict_do_nothing()
    return connection.execute(statement.returning(accounts.c.id)).first() is not None


def named(connection: Connection, name: str) -> Row[UUID, str, dict[str, Any]] | None:
    """Return id, name and settings of the account of that name in any letter case."""
    return connection.execute(_NAMED, {"name": name}).first()


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


def permissions(connection: Connection) -> dict[str, frozenset[str]]:
    """Return the permissions of every member, by name in lower case."""
    rows = connection.execute(select(func.lower(members.c.name), members.c.permissions))
    return {row[0]: frozenset(row[1]) for row in rows}


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
