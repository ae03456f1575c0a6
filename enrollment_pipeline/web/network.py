"""How a request reaches its receiver: at an address that was checked, and within a time.

The host is resolved once and the connection goes to the very address that was checked, so a name
that means something else a moment later leads nowhere else.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any

import httpcore

from enrollment_pipeline.web.addresses import is_public

Resolve = Callable[[str, int], list[str]]

_WRITTEN_AT_ONCE = 16_384


class AddressNotAllowedError(httpcore.ConnectError):
    """A host leads to an address that is not on the public internet."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to public addresses only, unless told otherwise, and for so many seconds in all.

    httpcore's own time-outs hold for one read each; a receiver that sends a byte now and then would
    never meet them.
    """

    def __init__(self, *, allow_private: bool, seconds: float, resolve: Resolve = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._deadline = _Deadline(seconds)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that answers.

        Raises:
            AddressNotAllowedError: one of its addresses is not public.
            httpcore.ConnectError: it has no address, or none answers.
            httpcore.ConnectTimeout: the time is over.
        """
        options = list(socket_options or ())
        trouble: Exception = httpcore.ConnectError("The host has no address.")
        for address in self._checked(host, port, timeout):
            left = self._deadline.left(timeout, httpcore.ConnectTimeout)
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    address, port, left, local_address, options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
            else:
                return _Stream(stream, self._deadline)
        raise trouble

    def _checked(self, host: str, port: int, timeout: float | None) -> list[str]:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        try:
            addresses = _within(left, lambda: self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"The host cannot be resolved: {error}") from None
        # One of several is enough to refuse: the choice among them is not the receiver's.
        if not self._allow_private and not all(map(is_public, addresses)):
            raise AddressNotAllowedError("The host leads to an address that is not public.")
        return addresses


def _within(seconds: float, ask: Callable[[], list[str]]) -> list[str]:
    """Return what `ask` returns, unless it takes longer: name servers can keep one waiting."""
    answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except Exception as error:
            answers.put(error)

    # Left behind where it takes longer, since nothing interrupts it.
    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise httpcore.ConnectTimeout("The host was not resolved in time.") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, timeout: float | None, over: type[Exception]) -> float:
        """Return the shorter of a time-out and what is left; raise `over` where nothing is."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise over("The time for all of it is over.")
        return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    """A connection that ends with its deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Who reads slowly meets no time-out of one write, however many bytes that has.
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            left = self._deadline.left(timeout, httpcore.WriteTimeout)
            self._stream.write(buffer[start : start + _WRITTEN_AT_ONCE], left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
