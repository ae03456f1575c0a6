"""Riding out an outage of the database: a restart of the server, a cut connection, a deadlock."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from enrollment_pipeline.errors import DatabaseUnavailableError
from enrollment_pipeline.storage.failures import first_line, transient_reason

T = TypeVar("T")

# Seconds between the looks at a database that does not answer; a minute in all, which outlasts the
# restart of a server.
OUTAGE_WAITS = (0.2, 0.5, 1, 2, 4, 8, 15, 30)
# What a server that goes away is heard as, by SQLAlchemy and by the driver alone.
OUTAGES = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)


def patiently(
    work: Callable[[], T],
    *,
    waits: Sequence[float] = OUTAGE_WAITS,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Do work that may be repeated, again and again while the database is away.

    Raises:
        DatabaseUnavailableError: it stays away.
    """
    for seconds in waits:
        try:
            return work()
        except DatabaseUnavailableError:
            sleep(seconds)
        except DBAPIError as error:
            if transient_reason(error) is None:
                raise
            sleep(seconds)
    try:
        return work()
    except DBAPIError as error:
        if transient_reason(error) is None:
            raise
        raise DatabaseUnavailableError(first_line(error)) from error
