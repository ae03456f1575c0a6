"""Messages by webhook, sent to a real web server."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from enrollment_pipeline.notifications.attempts import Attempt
from enrollment_pipeline.notifications.channels import new_secret
from enrollment_pipeline.notifications.webhook import Patience, post
from enrollment_pipeline_tests.notifications.conftest import Outbox, Receiver, key_of

DOCUMENT = {"type": "job_completed", "data": {"workflow_name": "Frühling"}}
SECRET = new_secret()
NOW = datetime.now(UTC)


def send(url: str, **changes: Any) -> Attempt:
    """Send the document to a URL, which may be a private one."""
    given = {
        "message_id": uuid4(),
        "secret": SECRET,
        "now": datetime.now(UTC),
        "allow_private": True,
        **changes,
    }
    return post(url, DOCUMENT, **given)


def test_a_message_arrives_as_json_under_its_id(receiver: Receiver) -> None:
    message_id = uuid4()

    attempt = send(f"{receiver.url}?a=b%20c", message_id=message_id, now=NOW)

    assert attempt == Attempt(delivered=True, answer_code=200)
    (request,) = receiver.received
    assert request.path == "/hook?a=b%20c"
    assert json.loads(request.body) == DOCUMENT
    assert request.headers["webhook-id"] == str(message_id)
    assert request.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_the_signature_is_the_one_of_standard_webhooks(receiver: Receiver) -> None:
    send(receiver.url)

    (request,) = receiver.received
    assert Webhook(SECRET).verify(request.body, request.headers) == DOCUMENT
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body.replace(b"Fr", b"fr"), request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(request.body, request.headers)


def test_the_signature_is_hmac_sha256_over_id_time_and_body(receiver: Receiver) -> None:
    send(receiver.url)

    (request,) = receiver.received
    signed = b".".join(
        [
            request.headers["webhook-id"].encode(),
            request.headers["webhook-timestamp"].encode(),
            request.body,
        ]
    )
    key = key_of(SECRET)
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert len(key) == 32
    assert request.headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize("code", [200, 201, 202, 204])
def test_any_answer_of_success_is_one(receiver: Receiver, code: int) -> None:
    receiver.answer(code)

    assert send(receiver.url) == Attempt(delivered=True, answer_code=code)


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_an_answer_that_asks_for_patience_is_tried_again(receiver: Receiver, code: int) -> None:
    receiver.answer(code, b"busy", retry_after="90")

    attempt = send(receiver.url)

    assert attempt == Attempt(
        delivered=False,
        answer_code=code,
        error=f"The receiver answered {code}. busy",
        retryable=True,
        retry_after=timedelta(seconds=90),
    )
    assert not attempt.unreachable


@pytest.mark.parametrize("code", [400, 401, 404, 410])
def test_an_answer_that_says_no_ends_it(receiver: Receiver, code: int) -> None:
    receiver.answer(code, b"no\r\nsuch\0hook")

    attempt = send(receiver.url)

    assert (attempt.answer_code, attempt.retryable) == (code, False)
    assert attempt.error == f"The receiver answered {code}. no such hook"


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answer(302, location=receiver.url)

    attempt = send(receiver.url)

    assert (attempt.answer_code, attempt.retryable) == (302, False)
    assert "redirects are not followed" in str(attempt.error)
    assert len(receiver.received) == 1


def test_of_a_long_answer_only_the_beginning_is_read(receiver: Receiver) -> None:
    told: list[float] = []
    receiver.answer(500, b"x" * 100_000_000)
    begun = time.monotonic()

    attempt = send(receiver.url)

    told.append(time.monotonic() - begun)
    assert attempt.error == f"The receiver answered 500. {'x' * 200}"
    assert told[0] < 1


def test_an_answer_whose_body_does_not_end_is_one_all_the_same(receiver: Receiver) -> None:
    receiver.answer(200, b"half", content_length="1000")

    attempt = send(receiver.url, patience=Patience(read=0.2))

    assert attempt == Attempt(delivered=True, answer_code=200)


@pytest.mark.parametrize("patience", [Patience(read=0.2), Patience(overall=0.2)])
def test_a_receiver_that_does_not_answer_is_left_after_a_while(
    receiver: Receiver, patience: Patience
) -> None:
    ended = threading.Event()
    receiver.on_request = lambda handler: ended.wait(5)
    begun = time.monotonic()
    try:
        attempt = send(receiver.url, patience=patience)
    finally:
        ended.set()

    assert attempt.unreachable
    assert "did not answer in time" in str(attempt.error)
    assert time.monotonic() - begun < 2


def test_a_receiver_that_sends_a_byte_now_and_then_is_left_too(receiver: Receiver) -> None:
    def trickle(handler: Any) -> None:
        for _ in range(50):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n"[:1])
            time.sleep(0.05)

    receiver.on_request = trickle
    begun = time.monotonic()

    attempt = send(receiver.url, patience=Patience(read=5, overall=0.3))

    assert attempt.unreachable
    assert time.monotonic() - begun < 1.5


def test_nobody_at_the_port_is_a_trouble_that_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    attempt = send(f"http://127.0.0.1:{port}/")

    assert attempt.unreachable
    assert "could not be reached" in str(attempt.error)


def test_what_is_no_http_is_a_trouble_that_may_pass(receiver: Receiver) -> None:
    receiver.on_request = lambda handler: handler.wfile.write(b"nonsense\r\n\r\n")

    assert send(receiver.url).unreachable


def test_a_host_that_cannot_be_resolved_is_a_trouble_that_may_pass() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    attempt = send("http://receiver.example/", resolve=nobody)

    assert attempt.unreachable
    assert "cannot be resolved" in str(attempt.error)


def test_a_server_with_a_certificate_that_nobody_vouches_for_is_told_nothing(
    certificate: Any, receiver: Receiver
) -> None:
    receiver._server.socket = certificate[1].wrap_socket(receiver._server.socket, server_side=True)

    attempt = send(receiver.url.replace("http:", "https:"))

    assert attempt.unreachable
    assert "certificate" in str(attempt.error)
    assert receiver.received == []


def test_a_receiver_is_reached_over_tls(
    certificate: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    receiver._server.socket = certificate[1].wrap_socket(receiver._server.socket, server_side=True)

    assert send(receiver.url.replace("http:", "https:")).delivered


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])
def test_this_machine_is_not_reached_whatever_it_is_called(receiver: Receiver, host: str) -> None:
    attempt = send(f"http://{host}:{receiver.port}/", allow_private=False)

    assert not attempt.retryable
    assert "ENROLLMENT_WEBHOOK_ALLOW_PRIVATE" in str(attempt.error)
    assert receiver.received == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(receiver: Receiver) -> None:
    attempt = send(
        f"http://receiver.example:{receiver.port}/",
        allow_private=False,
        resolve=lambda host, port: ["8.8.8.8", "127.0.0.1"],
    )

    assert "not on the public internet" in str(attempt.error)
    assert receiver.received == []


def test_the_address_that_was_checked_is_the_one_that_is_reached(receiver: Receiver) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        # The first answer is what is checked; whoever asked again would be led elsewhere.
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    elsewhere = Receiver("127.0.0.2", receiver.port)
    try:
        attempt = send(f"http://receiver.example:{receiver.port}/", resolve=rebinding)
    finally:
        elsewhere.close()

    assert attempt.delivered
    assert asked == ["receiver.example"]
    assert [request.headers["host"] for request in receiver.received] == [
        f"receiver.example:{receiver.port}"
    ]
    assert elsewhere.received == []


def test_a_host_may_be_an_ipv6_address(receiver: Receiver) -> None:
    attempt = send(
        f"http://[2606:4700::1111]:{receiver.port}/",
        resolve=lambda host, port: [{"2606:4700::1111": "127.0.0.1"}[host]],
    )

    assert attempt.delivered
    assert receiver.received[0].headers["host"] == f"[2606:4700::1111]:{receiver.port}"


def test_where_one_address_does_not_answer_the_next_is_tried(receiver: Receiver) -> None:
    attempt = send(
        f"http://receiver.example:{receiver.port}/",
        resolve=lambda host, port: ["127.0.0.2", "127.0.0.1"],
    )

    assert attempt.delivered


def test_a_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would resolve the host itself, past the check.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert send(receiver.url).delivered


def test_every_attempt_sends_the_same_body_under_the_same_id(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.answers = [(500, {}, b""), (200, {}, b"")]
    outbox.tell(webhooks=(receiver.url,))

    outbox.deliver()
    outbox.clock.move(timedelta(seconds=31))
    outbox.deliver()

    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert outbox.only()["status"] == "delivered"
