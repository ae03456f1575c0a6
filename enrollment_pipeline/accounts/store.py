"""Statements on the table of accounts. What may be written, and why, is in `service`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, text, update
from sqlalchemy.dialects.postgresql import insert

from enrollment_pipeline.storage.schema import accounts

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
