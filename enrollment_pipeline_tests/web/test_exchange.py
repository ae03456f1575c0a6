"""One request to a real web server: bounded in time and length, whatever the other side does."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpcore
import pytest

from enrollment_pipeline.web.exchange import Answer, Cut, Patience, Request, exchange
from enrollment_pipeline.web.network import AddressNotAllowedError
from enrollment_pipeline.web.urls import read_url
from enrollment_pipeline_tests.web.server import Service, serving


@pytest.fixture
def service() -> Iterator[Service]:
    """A web server on loopback."""
    with serving() as made:
        yield made


def ask(url: str, method: str = "GET", **changes: Any) -> Answer:
    """Make a request that may lead to loopback."""
    request = Request(method, read_url(url), changes.pop("headers", {}), changes.pop("body", b""))
    given = {"allow_private": True, "patience": Patience(), "most_bytes": 100, **changes}
    return exchange(request, **given)


def test_an_answer_has_status_headers_and_body(service: Service) -> None:
    service.answer(201, b"made", X_Kind="New")

    answer = ask(service.url)

    assert (answer.status, answer.body, answer.cut) == (201, b"made", None)
    assert answer.headers["x-kind"] == "New"


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        *[("POST", b"", "0"), ("PUT", b"", "0"), ("PATCH", b"", "0"), ("POST", b"{}", "2")],
        *[("GET", b"", None), ("DELETE", b"", None), ("DELETE", b"abc", "3")],
    ],
)
def test_a_request_says_how_long_its_body_is(
    service: Service, method: str, body: bytes, length: str | None
) -> None:
    ask(service.url, method, body=body)

    request = service.only()
    assert (request.method, request.body) == (method, body)
    assert request.headers.get("content-length") == length


def test_what_says_where_a_request_goes_is_not_to_be_replaced(service: Service) -> None:
    ask(
        service.url,
        headers={"Host": "evil.example", "Accept-Encoding": "gzip", "User-Agent": "me", "X-A": "1"},
    )

    headers = service.only().headers
    assert (headers["host"], headers["accept-encoding"]) == (service.netloc, "identity")
    assert (headers["user-agent"], headers["x-a"]) == ("me", "1")
    assert headers["connection"] == "close"


@pytest.mark.parametrize(("length", "cut"), [(99, None), (100, None), (101, Cut.LONG)])
def test_a_body_is_read_up_to_a_length(service: Service, length: int, cut: Cut | None) -> None:
    service.answer(200, b"x" * length)

    answer = ask(service.url)

    assert (answer.body, answer.cut) == (b"x" * min(length, 100), cut)


def test_a_body_that_breaks_off_is_cut(service: Service) -> None:
    service.answer(200, b"half", content_length="1000")

    answer = ask(service.url)

    assert (answer.status, answer.body, answer.cut) == (200, b"half", Cut.BROKEN)


def test_a_body_that_trickles_is_cut_when_the_time_is_over(service: Service) -> None:
    def trickle(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n")
        while not service.ended.wait(0.05):
            handler.wfile.write(b"x")

    service.behave = trickle
    begun = time.monotonic()

    answer = ask(service.url, patience=Patience(overall=0.3))

    assert (answer.status, answer.cut) == (200, Cut.LATE)
    assert answer.body.startswith(b"xx")
    assert time.monotonic() - begun < 2


def test_who_reads_slowly_is_left_when_the_time_is_over(service: Service) -> None:
    def sip(handler: Any) -> None:
        while not service.ended.wait(0.02):
            handler.rfile.read1(100_000)

    # Small enough for the window to open again within the time-out of a write, and again.
    service.server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 200_000)
    service.reads = False
    service.behave = sip
    begun = time.monotonic()

    with pytest.raises(httpcore.WriteTimeout):
        ask(service.url, "POST", body=b"x" * 40_000_000, patience=Patience(overall=0.4))

    assert time.monotonic() - begun < 2


def test_a_name_server_that_takes_its_time_is_left(service: Service) -> None:
    def think(host: str, port: int) -> list[str]:
        service.ended.wait(10)
        return ["127.0.0.1"]

    begun = time.monotonic()

    with pytest.raises(httpcore.ConnectTimeout, match="not resolved in time"):
        ask("http://slow.example/", patience=Patience(overall=0.2), resolve=think)

    assert time.monotonic() - begun < 2


def test_a_private_address_is_not_reached_unless_that_is_allowed(service: Service) -> None:
    with pytest.raises(AddressNotAllowedError):
        ask(service.url, allow_private=False)

    assert service.received == []


def test_what_cannot_be_a_header_is_not_sent(service: Service) -> None:
    with pytest.raises(httpcore.LocalProtocolError):
        ask(service.url, headers={"x-a": "one\r\nx-b: two"})

    assert service.received == []
