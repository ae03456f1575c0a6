"""What happens without anybody: a file is dropped, a job is done, and a program hears of it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import Channel
from enrollment_pipeline_tests.end_to_end.test_ui import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


class Receiver(ThreadingHTTPServer):
    """A program that takes webhooks and keeps them."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_dropped_file_becomes_a_job_and_its_end_a_signed_webhook(
    ui: Any, home: Any, database: Any, account: Any, add_contacts: Any, add_workflow: Any,
    receiver: Receiver,
) -> None:  # fmt: skip
    add_contacts(account, 20)
    add_workflow(account)
    url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
    notifications.add_channel(database, account, Channel.WEBHOOK, url, actor="ann")
    secret = notifications.webhook_secret(database, account, actor="ann")
    folder = home / "data" / "inbox" / account.name / "Welcome"
    folder.mkdir(parents=True)
    rows = [f"contact-{number:05}@example.com" for number in range(1, 21)]
    (folder / "march.csv").write_text("\n".join(["email", *rows, "nobody@example.com", ""]))
    (folder / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))

    headers, body = wait_for(lambda: receiver.requests and receiver.requests[0], seconds=180)

    (job,) = service.list_jobs(database, account)["jobs"]
    assert (job["status"], job["source"], job["requested_by"]) == ("completed", "inbox", "inbox")
    assert (job["outcomes"]["enrolled"], job["outcomes"]["unmatched"]) == (20, 1)
    assert [path.name for path in (folder / "processed").iterdir()] == [
        f"march.{job['job_id']}.csv"
    ]
    (reason,) = (folder / "rejected").glob("picture*.reason.txt")
    assert "INVALID_FILE" in reason.read_text()
    told = Webhook(secret).verify(body, headers)
    assert told == json.loads(body)
    assert told["type"] == "job_completed"
    assert told["data"]["job_id"] == job["job_id"]
    assert told["data"]["outcomes"] == job["outcomes"]
    (delivery,) = wait_for(
        lambda: [
            one
            for one in notifications.list_deliveries(database, account)["notifications"]
            if one["status"] == "delivered"
        ]
    )
    assert headers["webhook-id"] == delivery["notification_id"]
    assert len(receiver.requests) == 1
