"""Looking at operations: one, a page of them, its rows, and following it to its end."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.store import operations, rows, schedules
from enrollment_pipeline.bulk_operations.store.operations import OperationFilter, OperationRecord
from enrollment_pipeline.bulk_operations.view import describe_operation
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.paging import offset_of
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work import following


def describe(database: Database, account: Account, operation_id: UUID) -> dict[str, Any]:
    """Return everything about an operation, in the form that all commands answer with.

    Raises:
        OperationNotFoundError: the account has no such operation.
    """
    with database.account(account.id) as connection:
        return _document(connection, account, operations.load(connection, operation_id))


def list_operations(
    database: Database,
    account: Account,
    wanted: OperationFilter | None = None,
    *,
    page: int = 1,
    limit: int = 20,
) -> dict[str, Any]:
    """Return one page of operations, newest first, and how many there are.

    Raises:
        InvalidRequestError: there can be no such page.
    """
    offset = offset_of(limit, page)
    with database.account(account.id) as connection:
        found, total = operations.page(
            connection, wanted or OperationFilter(), limit=limit, offset=offset
        )
        return {
            "operations": [_document(connection, account, one) for one in found],
            "page": page,
            "limit": limit,
            "total": total,
        }


def list_rows(
    database: Database, account: Account, operation_id: UUID, *, page: int = 1, limit: int = 20
) -> dict[str, Any]:
    """Return one page of the rows that did not simply go through, with their reasons.

    Raises:
        OperationNotFoundError: the account has no such operation.
        InvalidRequestError: there can be no such page.
    """
    offset = offset_of(limit, page)
    with database.account(account.id) as connection:
        operations.load(connection, operation_id)
        found, total = rows.page(connection, operation_id, limit=limit, offset=offset)
    return {"rows": found, "page": page, "limit": limit, "total": total}


def follow(
    database: Database,
    account: Account,
    operation_id: UUID,
    *,
    every: float = following.SILENCE_SECONDS,
) -> Iterator[dict[str, Any]]:
    """Yield an operation's document now and after each of its changes; see `following.follow`.

    Raises:
        OperationNotFoundError: the account has no such operation.
        DatabaseUnavailableError: the database stays away.
    """

    def document() -> dict[str, Any]:
        return describe(database, account, operation_id)

    return following.follow(database, operation_id, document, every=every)


def is_left_to_caller(database: Database, account: Account, operation_id: UUID) -> bool:
    """Return whether an open operation waits for the process that submitted it."""
    with database.account(account.id) as connection:
        operation = operations.load(connection, operation_id)
    return operation.completed_at is None and operation.runner == "caller"


def _document(
    connection: Connection, account: Account, operation: OperationRecord
) -> dict[str, Any]:
    schedule = operation.schedule_id and schedules.load(connection, operation.schedule_id)
    return describe_operation(operation, schedule or None, account, now=datetime.now(UTC))
