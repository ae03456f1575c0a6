"""A web server on loopback that answers as it is told, and remembers what it was asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request as the server met it; names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Service:
    """Answers every request with the same answer, or as `behave` does with the handler."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.received: list[Received] = []
        self.behave: Callable[[Any], None] | None = None
        self.reads = True
        self.ended = threading.Event()
        self._answer: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
        service = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                self.close_connection = True
                if self.raw_requestline and self.parse_request():
                    service._serve(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                """A client that hangs up is what some tests are about."""

        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        self.netloc = f"{host}:{self.port}"
        self.url = f"http://{self.netloc}/assess"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Give this answer from now on."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answer = (status, named, body)

    def only(self) -> Received:
        """The one request there was."""
        (request,) = self.received
        return request

    def close(self) -> None:
        """Stop, and let go whoever waits for `ended`."""
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        length = int(headers.get("content-length", "0")) if self.reads else 0
        body = handler.rfile.read(length)
        self.received.append(Received(handler.command, handler.path, headers, body))
        if self.behave is not None:
            self.behave(handler)
            return
        status, more, content = self._answer
        handler.send_response(status)
        for name, value in {"content-length": str(len(content)), **more}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Service]:
    """Run a server for as long as the block."""
    service = Service(host)
    try:
        yield service
    finally:
        service.close()
