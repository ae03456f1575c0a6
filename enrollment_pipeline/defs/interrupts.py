"""Stopping between two transactions instead of in the middle of one.

Dagster terminates a run by SIGINT, which by default raises in the middle of whatever an op does.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class StopFlag:
    """Within the block, SIGINT and SIGTERM set the event instead of raising.

    Outside of the main thread signals cannot be caught; the event is then never set.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> threading.Event:
        if threading.current_thread() is threading.main_thread():
            for name in (signal.SIGINT, signal.SIGTERM):
                self._former[name] = signal.signal(name, self._set)
        return self._event

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name, handler in self._former.items():
            signal.signal(name, handler)

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()
