"""Which templates are shared with whom, and who is whose sub-account."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from enrollment_pipeline.storage.schema import template_shares

# The table of accounts shows a transaction its own row only; these functions show the family.
_SUB_ACCOUNTS = text("select id, name from enrollment.sub_accounts()")
_AGENCY = text("select id, name from enrollment.agency_of()")


def sub_accounts(connection: Connection) -> dict[UUID, str]:
    """Return the names of the account's sub-accounts, by id."""
    return {row.id: row.name for row in connection.execute(_SUB_ACCOUNTS)}


def agency_name(connection: Connection) -> str | None:
    """Return the name of the account's agency, None where it has none."""
    row: Row[Any] | None = connection.execute(_AGENCY).first()
    return None if row is None else str(row.name)


def share(
    connection: Connection, account_id: UUID, template_id: UUID, with_account: UUID, *, actor: str
) -> bool:
    """Share a template; return False where it is shared already."""
    statement = (
        insert(template_shares)
        .values(
            account_id=account_id,
            template_id=template_id,
            shared_with=with_account,
            shared_by=actor,
        )
        .on_conflict_do_nothing()
        .returning(template_shares.c.template_id)
    )
    return connection.execute(statement).first() is not None


def unshare(connection: Connection, template_id: UUID, with_account: UUID) -> bool:
    """Share a template no longer; return False where it was not."""
    column = template_shares.c
    statement = delete(template_shares).where(
        column.template_id == template_id, column.shared_with == with_account
    )
    return connection.execute(statement.returning(column.template_id)).first() is not None


def shared_with(connection: Connection, template_id: UUID) -> Sequence[UUID]:
    """Return the accounts that a template is shared with, as far as the account may know."""
    column = template_shares.c
    return connection.scalars(
        select(column.shared_with)
        .where(column.template_id == template_id)
        .order_by(column.shared_at)
    ).all()
