"""A real service of roles on loopback, which does for each role what is planned for it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Plan = list[int | float | str]
"""What the service does at one call after the other, the last one for ever: answers with a status,
takes so many seconds (float), hangs (``hang``), or hangs up (``drop``)."""

HANGS_SECONDS = 30.0


@dataclass(frozen=True)
class Call:
    """One call: the last part of the path, the role, and what else there was to see."""

    path: str
    role: str
    key: str
    body: dict[str, Any]
    headers: dict[str, str]


class RoleService:
    """Serves until its ``with`` block ends."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.plans: dict[tuple[str, str], Plan] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.at_call: Callable[[Call], None] = lambda _: None
        self.ended = threading.Event()
        self._lock = threading.Lock()

    def plan(self, role: str, path: str, *what: int | float | str) -> None:
        """Say what is done at the calls for a role at a path such as ``assess``."""
        self.plans[role, path] = list(what)

    def paths_of(self, role: str) -> list[str]:
        """Return the paths that were called for a role, in order."""
        with self._lock:
            return [call.path for call in self.calls if call.role == role]

    def meet(self, handler: BaseHTTPRequestHandler) -> None:
        """Do with a request what is planned."""
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        path = handler.path.rsplit("/", 1)[-1]
        headers = {name.lower(): value for name, value in handler.headers.items()}
        call = Call(path, body["name"], headers["idempotency-key"], body, headers)
        with self._lock:
            self.calls.append(call)
            plan = self.plans.get((call.role, path), [200])
            what = plan.pop(0) if len(plan) > 1 else plan[0]
        self.at_call(call)
        if what == "hang":
            self.ended.wait(HANGS_SECONDS)
            return
        if what == "drop":
            return
        if isinstance(what, float):
            time.sleep(what)
        status = what if isinstance(what, int) else 200
        answer = {"role": call.role, "did": path, **self.answers.get(path, {})}
        content = json.dumps(answer if status < 300 else {"message": f"{status} for you"}).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def serving() -> Iterator[tuple[RoleService, str]]:
    """Serve on a free port; yield the service and its address."""
    service = RoleService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            service.meet(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that hangs up is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service, f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        service.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
