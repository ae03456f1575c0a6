"""The one way to change something on somebody's behalf: allowed, done and written down together.

Belongs here: the check of the permission and the row of the audit log, both in the transaction of
the change. Does not belong here: which permission an operation needs, which its service says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts import store
from enrollment_pipeline.accounts.permissions import require
from enrollment_pipeline.errors import ForbiddenError
from enrollment_pipeline.records import Permission
from enrollment_pipeline.storage.tenancy import Database


@dataclass(slots=True)
class Operation:
    """A change in progress: its transaction, and what the audit log will say of it.

    With `silent` set, nothing is written: it turned out that there was nothing to do.
    """

    connection: Connection
    subject: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    silent: bool = False


@contextmanager
def operation(
    database: Database,
    account_id: UUID,
    *,
    actor: str,
    action: str,
    needs: Permission | None,
    subject: object = None,
) -> Iterator[Operation]:
    """Begin a transaction in which `actor` does something, and write it into the audit log.

    `action` is a noun and a verb, such as `job.cancel`; `subject` is what it is done to. `needs` is
    None for what the product does by itself, such as noticing that a run was terminated. A refused
    attempt for want of a permission is written down too; one that fails otherwise is not.

    Raises:
        ForbiddenError: the actor may not.
    """
    told = None if subject is None else str(subject)
    try:
        with database.account(account_id) as connection:
            if needs is not None:
                require(store.permissions(connection), actor, needs)
            begun = Operation(connection, told)
            yield begun
            if not begun.silent:
                store.write_audit(
                    connection, account_id, actor, action, "done", begun.subject, begun.details
                )
    except ForbiddenError as error:
        with database.account(account_id) as connection:
            store.write_audit(
                connection, account_id, actor, action, "denied", told, {"message": error.message}
            )
        raise


def check(connection: Connection, actor: str, needs: Permission) -> None:
    """Do nothing where the actor may; for what changes nothing, such as a dry run.

    Raises:
        ForbiddenError: the actor may not.
    """
    require(store.permissions(connection), actor, needs)
