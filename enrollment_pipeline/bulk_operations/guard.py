"""The guard: nothing is changed where more contacts would change than the request allows.

Belongs here: the share, and finding it out by doing everything and undoing it, so that the guard
and the work cannot disagree. Twice the work; only for requests that set a guard.
"""

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import Executor, Surroundings
from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store import checks
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.bulk_operations.trying import try_all
from enrollment_pipeline.errors import TooManyChangesError


def require_few_changes(
    connection: Connection, operation: OperationRecord, around: Surroundings, executor: Executor
) -> None:
    """Do nothing where the operation may change as many contacts as it would.

    Contacts that it would create do not count: nothing that is there would change.

    Raises:
        TooManyChangesError: it may not; the details tell both numbers.
    """
    share = operation.request.get("max_change_share", 1.0)
    if share >= 1:
        return
    contacts = checks.count_contacts(connection)
    with connection.begin_nested() as savepoint:
        counts = try_all(connection, operation, around, executor)
        savepoint.rollback()
    changed = counts.get(RowOutcome.UPDATED, 0) + counts.get(RowOutcome.DELETED, 0)
    if changed > share * contacts:
        raise TooManyChangesError(
            f"{changed:,} of the account's {contacts:,} contacts would change, which is more than "
            f"{share * 100:g} %. Nothing was changed.",
            details={"changed": changed, "contacts": contacts, "share": share},
        )
