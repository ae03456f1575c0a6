"""Hearing what other transactions announce with NOTIFY."""

from collections.abc import Iterator

import psycopg
from sqlalchemy import Engine


def listen(engine: Engine, channel: str, *, every: float) -> Iterator[str | None]:
    """Yield the payload of each notification on a channel, and None after `every` silent seconds.

    The first None comes at once, when the listener is in place: whatever is read from then on and
    announced later is not missed. The connection is in autocommit, because a listener in an open
    transaction hears nothing until that ends.
    """
    raw = engine.raw_connection()
    try:
        driver = raw.driver_connection
        if not isinstance(driver, psycopg.Connection):
            raise TypeError("listening needs a psycopg connection")
        driver.autocommit = True
        driver.execute(psycopg.sql.SQL("listen {}").format(psycopg.sql.Identifier(channel)))
        yield None
        while True:
            heard = False
            for notice in driver.notifies(timeout=every):
                heard = True
                yield notice.payload
            if not heard:
                yield None
    finally:
        # Never given back to the pool with a subscription on it, nor put in order for that.
        raw.invalidate()
