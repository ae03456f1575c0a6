"""What a database error means for the work that met it."""

import psycopg
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.errors import Reason

# SQLSTATE classes that say nothing about the data: connection, resources, operator, system.
_TRANSIENT_CLASSES = ("08", "53", "57", "58")
_TRANSIENT = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    # A standby that is about to take over.
    errors.ReadOnlySqlTransaction,
)
# Values that a column, an index or a constraint refuses, and what a trigger raises about a row.
_DATA_CLASSES = ("22", "23", "54", "P0")


def transient_reason(error: DBAPIError) -> Reason | None:
    """Return the code of an error that a later attempt may not meet, None for one that it will."""
    cause = error.orig
    if isinstance(cause, errors.QueryCanceled):
        return Reason.TIMEOUT_ERROR
    if isinstance(cause, _TRANSIENT) or error.connection_invalidated:
        return Reason.DATABASE_ERROR
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    if state is None:
        # psycopg gives no SQLSTATE where the server could not answer at all.
        return Reason.DATABASE_ERROR if isinstance(cause, psycopg.OperationalError) else None
    return Reason.DATABASE_ERROR if state.startswith(_TRANSIENT_CLASSES) else None


def was_rolled_back(error: DBAPIError) -> bool:
    """Return whether the transaction surely came to nothing.

    Where the connection was lost, a commit may have gone through and only its answer not.
    """
    cause = error.orig
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return (
        state is not None
        and not state.startswith(("08", "57"))
        and not (error.connection_invalidated)
    )


def is_bad_data(error: DBAPIError) -> bool:
    """Return whether one of the rows is to blame, and not the statement or the server."""
    cause = error.orig
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return state is not None and state.startswith(_DATA_CLASSES)


def first_line(error: DBAPIError) -> str:
    """Return the server's sentence, without statement and parameters."""
    cause = error.orig
    if isinstance(cause, psycopg.Error) and cause.diag.message_primary:
        return cause.diag.message_primary
    text = str(cause).strip()
    return text.splitlines()[0] if text else type(cause).__name__
