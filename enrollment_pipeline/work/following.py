"""Following a piece of work as it changes, by the announcements that are committed with it."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from enrollment_pipeline.errors import DatabaseUnavailableError
from enrollment_pipeline.storage.patience import OUTAGE_WAITS, OUTAGES
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.announcing import CHANNEL

# Looked at this often without any announcement, so that "nobody is working on this" shows.
SILENCE_SECONDS = 5.0


def follow(
    database: Database,
    work_id: UUID,
    describe: Callable[[], dict[str, Any]],
    *,
    every: float = SILENCE_SECONDS,
) -> Iterator[dict[str, Any]]:
    """Yield the work's document now, after each of its changes, and last when it is closed.

    `describe` returns the document, in which `completed_at` says when the work was closed. Changes
    that follow each other faster than they are read are yielded as one. After `every` seconds of
    silence the document is read again, and yielded if it differs.

    A database that goes away is waited for, as the work itself does.

    Raises:
        DatabaseUnavailableError: the database stays away.
    """
    last: dict[str, Any] | None = None
    waits = iter(OUTAGE_WAITS)
    while True:
        try:
            for payload in database.listen(CHANNEL, every=every):
                if payload not in (None, str(work_id)):
                    continue
                document = describe()
                waits = iter(OUTAGE_WAITS)
                if document != last:
                    yield document
                if document["completed_at"] is not None:
                    return
                last = document
        except OUTAGES as error:
            seconds = next(waits, None)
            if seconds is None:
                raise DatabaseUnavailableError from error
            time.sleep(seconds)
            with suppress(DatabaseUnavailableError):
                database.revive()
