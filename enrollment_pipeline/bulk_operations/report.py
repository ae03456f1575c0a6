"""The files that tell which rows of an operation did not simply go through, and why.

Belongs here: which file there is, and where. The rows come from the store, a file an outcome; an
outcome that no row has gets none.
"""

from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.store import rows
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.settings import Settings


def folder_of(settings: Settings, account_id: UUID, operation_id: UUID) -> Path:
    """Return the folder of an operation's files; named by ids, never by time."""
    return settings.reports / str(account_id) / "operations" / str(operation_id)


def write_files(connection: Connection, operation: OperationRecord, folder: Path) -> dict[str, str]:
    """Write the files of an operation into `folder`; return their paths by outcome.

    Raises:
        OSError: they cannot be written.
    """
    written = {}
    for outcome in rows.outcomes_of(connection, operation.id):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{outcome}.csv"
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            for block in rows.as_csv(connection, operation.id, outcome):
                file.write(block)
        partial.replace(path)
        written[str(outcome)] = str(path)
    return written
