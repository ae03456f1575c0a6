"""Waiting for a service or for a time, with an eye on whether anybody still wants it.

Belongs here: the small pieces in which a run waits, and the signs of life that it shows meanwhile.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from enrollment_pipeline.onboarding.store import items
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.patience import OUTAGES
from enrollment_pipeline.storage.tenancy import Database

BEAT_SECONDS = 2.0
"""Between two signs of life, which also notice that the item was cancelled."""

_POLL_SECONDS = 0.25


class Watch:
    """Waits in small pieces, and shows life meanwhile, until the item is no longer wanted."""

    def __init__(
        self, database: Database, account: Account, item_id: UUID, stop: threading.Event
    ) -> None:
        self._database = database
        self._account = account
        self._id = item_id
        self._stop = stop
        self._beat = time.monotonic()
        self._gone = False

    def over(self) -> bool:
        """Return whether the run was told to end, or its item has ended by somebody else."""
        if self._stop.is_set() or self._gone:
            return True
        if time.monotonic() - self._beat >= BEAT_SECONDS:
            self._beat = time.monotonic()
            # A service that has been asked is not asked again because the database is away.
            with suppress(*OUTAGES), self._database.account(self._account.id) as connection:
                self._gone = not items.show_life(connection, self._id, datetime.now(UTC))
        return self._gone

    def pause(self, seconds: float) -> bool:
        """Wait; return True at once where nobody should wait any longer."""
        end = time.monotonic() + seconds
        while not self.over():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._stop.wait(min(left, _POLL_SECONDS))
        return True

    def during(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns; None where nobody should wait for it any longer.

        It is made in a thread, because nothing else can be done about a service that hangs. A call
        that is given up ends by its own time-out, and nobody reads its answer.
        """
        answer: list[Any] = []
        failure: list[BaseException] = []
        ended = threading.Event()

        def make() -> None:
            try:
                answer.append(call())
            except BaseException as error:
                failure.append(error)
            finally:
                ended.set()

        threading.Thread(target=make, daemon=True).start()
        while not ended.wait(_POLL_SECONDS):
            if self.over():
                return None
        if failure:
            raise failure[0]
        return answer[0]
