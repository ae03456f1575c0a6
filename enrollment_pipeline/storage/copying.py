"""COPY, which SQLAlchemy has no words for, in the transaction of a SQLAlchemy connection."""

from typing import Any

import psycopg
from sqlalchemy import Connection


def driver_cursor(connection: Connection) -> psycopg.Cursor[Any]:
    """Return a cursor of the driver that works in the connection's transaction."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("COPY needs a checked-out psycopg connection")
    return driver.cursor()
