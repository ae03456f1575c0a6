"""What an operation keeps of its input while it is open: the file, its rows, its selection.

Every function works in the caller's transaction, which has its account set.
"""

from uuid import UUID

from sqlalchemy import Connection, delete

from enrollment_pipeline.storage.schema import import_rows, selected_contacts
from enrollment_pipeline.work.inputs import drop_input


def drop(connection: Connection, operation_id: UUID) -> None:
    """Forget the input of an operation that is closed."""
    drop_input(connection, operation_id)
    connection.execute(delete(import_rows).where(import_rows.c.operation_id == operation_id))
    connection.execute(delete(selected_contacts).where(selected_contacts.c.job_id == operation_id))
