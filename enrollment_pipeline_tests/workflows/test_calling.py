"""One attempt of an http_request step, against a real web server."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from enrollment_pipeline.settings import Settings
from enrollment_pipeline.workflows.calling import (
    MOST_BYTES,
    Answered,
    Call,
    CallError,
    _read,
    send,
)
from enrollment_pipeline_tests.web.server import Service, serving

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
TOKEN = "s3cret-t0ken"


@pytest.fixture
def service() -> Iterator[Service]:
    """A service on loopback."""
    with serving() as made:
        yield made


def settings_of(**changes: Any) -> Settings:
    """Settings under which loopback may be reached."""
    return Settings(**{"http_allow_private": True, **changes})


def tokens(**by_host: str) -> SecretStr:
    """The setting that holds these tokens."""
    return SecretStr(json.dumps(by_host))


def call(
    url: str, *, resolve: Any = None, settings: Settings | None = None, **changes: Any
) -> Answered | CallError:
    """Make a call to a URL."""
    made = Call(
        **{
            "method": "POST",
            "url": url,
            "headers": {},
            "body": {"name": "Bäcker"},
            "timeout": 5.0,
            "key": "item-1:assess:1",
            **changes,
        }
    )
    more = {} if resolve is None else {"resolve": resolve}
    return send(made, settings=settings or settings_of(), now=NOW, **more)


def failed(answer: Answered | CallError) -> CallError:
    """The error that the call must have come to."""
    assert isinstance(answer, CallError)
    assert answer.message[-1] in ".*" or answer.code in ("HTTP_STATUS", "HTTP_UNREACHABLE")
    assert answer.message.isprintable()
    return answer


def kind(answer: Answered | CallError) -> tuple[str, bool, int | None]:
    """What an error is, without its words."""
    error = failed(answer)
    return str(error.code), error.transient, error.status


def test_json_goes_out_and_comes_back(service: Service) -> None:
    service.answer(201, '{"score": 0.5, "tags": ["ä", null]}'.encode())

    answer = call(f"{service.url}?a=b%20c")

    assert answer == Answered(201, {"score": 0.5, "tags": ["ä", None]})
    request = service.only()
    assert (request.method, request.path) == ("POST", "/assess?a=b%20c")
    assert json.loads(request.body) == {"name": "Bäcker"}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"


def test_a_call_without_a_body_sends_none(service: Service) -> None:
    call(service.url, method="GET", body=None)

    request = service.only()
    assert (request.method, request.body) == ("GET", b"")
    assert "content-type" not in request.headers


@pytest.mark.parametrize("body", [False, 0, "", [], {}])
def test_a_body_that_is_empty_is_one(service: Service, body: Any) -> None:
    call(service.url, body=body)

    assert json.loads(service.only().body) == body


def test_the_headers_of_the_step_are_sent_and_go_before_ours(service: Service) -> None:
    headers = {"Content-Type": "application/vnd.api+json", "X-Kind": " new ", "Accept": "*/*"}

    call(service.url, headers=headers)

    sent = service.only().headers
    assert sent["content-type"] == "application/vnd.api+json"
    assert (sent["x-kind"], sent["accept"]) == ("new", "*/*")


def test_every_attempt_has_the_key_by_which_a_service_knows_a_repetition(service: Service) -> None:
    service.answer(500)

    call(service.url)
    call(service.url)
    call(service.url, key="item-2:assess:1")

    keys = [request.headers["idempotency-key"] for request in service.received]
    assert keys == ["item-1:assess:1", "item-1:assess:1", "item-2:assess:1"]


@pytest.mark.parametrize("body", [b"", b" \r\n"])
@pytest.mark.parametrize("status", [200, 202])
def test_an_empty_answer_is_none(service: Service, status: int, body: bytes) -> None:
    service.answer(status, body)

    assert call(service.url) == Answered(status, None)


def test_an_answer_without_content_is_none(service: Service) -> None:
    service.answer(204)

    assert call(service.url) == Answered(204, None)


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"null", None),
        (b"false", False),
        (b'"text"', "text"),
        (b"[1, 2.5, -0]", [1, 2.5, 0]),
        (b"\xef\xbb\xbf{}", {}),
        (b'"' + b"x" * (MOST_BYTES - 2) + b'"', "x" * (MOST_BYTES - 2)),
    ],
)
def test_any_json_is_an_answer(service: Service, body: bytes, document: Any) -> None:
    service.answer(200, body)

    assert call(service.url) == Answered(200, document)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>no</html>", "is not JSON"),
        (b"OK", "is not JSON"),
        (b'{"a": 1', "is not JSON"),
        (b"{} {}", "is not JSON"),
        (b"\xff\xfe{\0}\0", "is not UTF-8"),
        (b'"\xed\xa0\x80"', "is not UTF-8"),
        (b'{"a": [NaN]}', "infinite or none"),
        (b"[-Infinity]", "infinite or none"),
        (b"1e400", "infinite or none"),
        (b'{"a": "x\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'["\\ud800"]', "half a character"),
        (b"[" * 100_000 + b"]" * 100_000, "deep"),
        (b"[" * 60 + b"]" * 60, "deep"),
        (b"9" * 2_000, "digits"),
        (b"9" * 5_000, "is not JSON"),
        (b'"' + b"x" * MOST_BYTES + b'"', "longer than 1,000,000 bytes"),
        (b"\x1f\x8b\x08\x00", "is not UTF-8"),
    ],
)
def test_an_answer_that_cannot_be_kept_is_final(service: Service, body: bytes, told: str) -> None:
    service.answer(200, body)

    answer = call(service.url)

    assert kind(answer) == ("HTTP_BAD_ANSWER", False, 200)
    assert told in failed(answer).message


@given(st.binary(max_size=50) | st.text(max_size=50).map(str.encode))
def test_whatever_is_answered_is_a_document_or_no_json(body: bytes) -> None:
    try:
        document = _read(body, None)
    except ValueError as error:
        told = str(error)
    else:
        told = json.dumps(document, allow_nan=False)
    assert told.isprintable()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_an_answer_that_asks_for_patience_is_transient(service: Service, status: int) -> None:
    service.answer(status, b"please\r\nwait", retry_after="90")

    error = failed(call(service.url))

    assert kind(error) == ("HTTP_STATUS", True, status)
    assert error.retry_after == 90
    assert error.message == f"{service.netloc} answered {status}. please wait"


def test_the_wait_may_be_asked_for_as_a_date(service: Service) -> None:
    service.answer(503, retry_after=format_datetime(NOW + timedelta(minutes=2), usegmt=True))

    assert failed(call(service.url)).retry_after == 120


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_an_answer_that_says_no_is_final(service: Service, status: int) -> None:
    service.answer(status, b"no\0such role " + b"x" * 10_000)

    error = failed(call(service.url))

    assert kind(error) == ("HTTP_STATUS", False, status)
    assert error.message.startswith(f"{service.netloc} answered {status}. no such role xxx")
    assert len(error.message) < 260


def test_an_error_is_kept_with_its_remedy_and_status(service: Service) -> None:
    service.answer(404)

    assert failed(call(service.url)).as_dict() == {
        "code": "HTTP_STATUS",
        "message": f"{service.netloc} answered 404.",
        "remedy": "Do what the service says, or correct what the step sends.",
        "status": 404,
    }


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(service: Service, status: int) -> None:
    with serving("127.0.0.2") as elsewhere:
        service.answer(status, location=elsewhere.url)

        answer = call(service.url)

        assert elsewhere.received == []
    assert kind(answer) == ("HTTP_STATUS", False, status)
    assert "redirects are not followed" in failed(answer).message


def test_a_service_that_does_not_answer_is_left_when_the_time_is_over(service: Service) -> None:
    service.behave = lambda handler: service.ended.wait(10)
    begun = time.monotonic()

    answer = call(service.url, timeout=0.25)

    assert kind(answer) == ("HTTP_TIMEOUT", True, None)
    assert failed(answer).message == f"{service.netloc} did not answer within 0.25 seconds."
    assert time.monotonic() - begun < 2


def test_a_service_that_hangs_in_the_middle_of_its_answer_is_left(service: Service) -> None:
    def hang(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")
        service.ended.wait(10)

    service.behave = hang
    begun = time.monotonic()

    answer = call(service.url, timeout=0.25)

    assert kind(answer) == ("HTTP_TIMEOUT", True, None)
    assert time.monotonic() - begun < 2


def test_the_timeout_is_for_all_of_it_and_not_for_each_byte(service: Service) -> None:
    def trickle(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
        while not service.ended.wait(0.05):
            handler.wfile.write(b" ")

    service.behave = trickle
    begun = time.monotonic()

    assert kind(call(service.url, timeout=0.3)) == ("HTTP_TIMEOUT", True, None)
    assert time.monotonic() - begun < 2


def test_a_service_that_hangs_up_may_answer_another_time(service: Service) -> None:
    service.answer(200, b'{"a"', content_length="1000")

    answer = call(service.url)

    assert kind(answer) == ("HTTP_UNREACHABLE", True, None)
    assert "hung up" in failed(answer).message


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n"])
def test_what_is_no_answer_of_http_may_be_one_another_time(service: Service, said: bytes) -> None:
    service.behave = lambda handler: handler.wfile.write(said)

    assert kind(call(service.url)) == ("HTTP_UNREACHABLE", True, None)


def test_nobody_at_the_port_may_be_there_another_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert kind(call(f"http://127.0.0.1:{port}/")) == ("HTTP_UNREACHABLE", True, None)


def test_a_host_that_cannot_be_resolved_may_be_there_another_time() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    answer = call("http://service.example/", resolve=nobody)

    assert kind(answer) == ("HTTP_UNREACHABLE", True, None)
    assert "cannot be resolved" in failed(answer).message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])
def test_this_machine_is_not_reached_whatever_it_is_called(service: Service, host: str) -> None:
    answer = call(f"http://{host}:{service.port}/", settings=settings_of(http_allow_private=False))

    assert kind(answer) == ("HTTP_HOST_NOT_ALLOWED", False, None)
    assert "ENROLLMENT_HTTP_ALLOW_PRIVATE" in failed(answer).message
    assert service.received == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.0.0.1"], ["8.8.8.8", "169.254.169.254"], ["::1"]]
)
def test_a_name_that_leads_to_a_private_address_is_refused(
    service: Service, addresses: list[str]
) -> None:
    answer = call(
        f"http://service.example:{service.port}/",
        # Being in the list does not make an address public.
        settings=settings_of(
            http_allow_private=False, http_hosts=f"service.example:{service.port}"
        ),
        resolve=lambda host, port: addresses,
    )

    assert kind(answer) == ("HTTP_HOST_NOT_ALLOWED", False, None)
    assert service.received == []


@pytest.mark.parametrize("hosts", ["{netloc}", "other.example, {netloc}"])
def test_a_host_of_the_list_is_reached(service: Service, hosts: str) -> None:
    allowed = settings_of(http_hosts=hosts.format(netloc=service.netloc))

    assert call(service.url, settings=allowed) == Answered(200, {})


@pytest.mark.parametrize("hosts", ["other.example", "127.0.0.1", "*.example", "127.0.0.2:{port}"])
def test_a_host_that_is_not_in_the_list_is_not_even_looked_up(service: Service, hosts: str) -> None:
    asked: list[str] = []

    answer = call(
        service.url,
        settings=settings_of(http_hosts=hosts.format(port=service.port)),
        resolve=lambda host, port: asked.append(host) or ["127.0.0.1"],
    )

    assert kind(answer) == ("HTTP_HOST_NOT_ALLOWED", False, None)
    assert failed(answer).message == (
        f"{service.netloc} is not among the hosts that ENROLLMENT_HTTP_HOSTS allows."
    )
    assert (asked, service.received) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        *("", "service.example/assess", "ftp://service.example/", "http://"),
        *("http://user:s3cret@service.example/", "http://service.example/a b?s3cret"),
        *("http://service.example:99999/", "http://service.example\r\nx: y/", "http://a/\ud800"),
    ],
)
def test_a_url_that_cannot_be_sent_is_final_and_not_repeated(url: str) -> None:
    answer = call(url)

    assert kind(answer) == ("HTTP_BAD_REQUEST", False, None)
    assert failed(answer).message.startswith("The URL ")
    assert "s3cret" not in failed(answer).message


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Key": "s3cret\r\nX-Other: 1"},
        {"X-Key": "s3crét"},
        {"X-Key": "s3cret\0"},
        {"X Key": "s3cret"},
        {"": "s3cret"},
        {"X-Key": "s3cret", "x-key": "other"},
        {"Host": "evil.example"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "keep-alive"},
        {"Accept-Encoding": "gzip"},
        {"Idempotency-Key": "always the same"},
    ],
)
def test_a_header_that_cannot_be_sent_is_final_and_not_repeated(
    service: Service, headers: dict[str, str]
) -> None:
    answer = call(service.url, headers=headers)

    assert kind(answer) == ("HTTP_BAD_REQUEST", False, None)
    assert "s3cr" not in failed(answer).message
    assert service.received == []


@pytest.mark.parametrize("body", [float("nan"), [float("inf")]])
def test_a_body_that_json_has_no_form_for_is_final(service: Service, body: Any) -> None:
    assert kind(call(service.url, body=body)) == ("HTTP_BAD_REQUEST", False, None)
    assert service.received == []


def test_a_token_that_a_service_repeats_is_in_no_answer(service: Service) -> None:
    with_token = settings_of(http_tokens=tokens(**{service.netloc: TOKEN}))
    service.answer(200, json.dumps({"you": f"Bearer {TOKEN}", "n": 1}).encode())

    found = call(service.url, settings=with_token)

    assert isinstance(found, Answered)
    assert found.document == {"you": "Bearer ***", "n": 1}


def test_a_token_is_sent_to_its_host(service: Service) -> None:
    with_token = settings_of(http_tokens=tokens(**{service.netloc: TOKEN}))

    call(service.url, settings=with_token)

    assert service.only().headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:{port}", "127.0.0.2:{port}"])
def test_a_token_is_sent_to_no_other_host_or_port(service: Service, host: str) -> None:
    with_token = settings_of(http_tokens=tokens(**{host.format(port=service.port): TOKEN}))

    call(service.url, settings=with_token)

    assert "authorization" not in service.only().headers


def test_a_token_does_not_go_over_http_where_private_addresses_are_not_allowed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing public can be reached here, so loopback counts as such.
    monkeypatch.setattr("enrollment_pipeline.web.network.is_public", lambda address: True)
    with_token = settings_of(
        http_allow_private=False, http_tokens=tokens(**{service.netloc: TOKEN})
    )

    call(service.url, settings=with_token)

    assert "authorization" not in service.only().headers


def test_the_authorization_of_the_step_is_sent_instead_of_the_token(service: Service) -> None:
    with_token = settings_of(http_tokens=tokens(**{service.netloc: TOKEN}))

    call(service.url, settings=with_token, headers={"AUTHORIZATION": "Basic YTpi"})

    assert service.only().headers["authorization"] == "Basic YTpi"


@pytest.mark.parametrize("said", [f"Bearer {TOKEN} is wrong", "x" * 195 + TOKEN, TOKEN * 3])
def test_a_service_that_repeats_the_token_does_not_bring_it_into_the_error(
    service: Service, said: str
) -> None:
    service.answer(401, said.encode())
    with_token = settings_of(http_tokens=tokens(**{service.netloc: TOKEN}))

    error = failed(call(service.url, settings=with_token))

    assert "***" in error.message
    assert TOKEN[:3] not in f"{error} {error!r} {error.as_dict()}"


def test_a_service_that_repeats_a_key_of_the_step_does_not_either(service: Service) -> None:
    service.answer(403, b"application/json: no such key k3y-of-ours")

    error = failed(call(service.url, headers={"X-Api-Key": "k3y-of-ours"}))

    assert error.message == f"{service.netloc} answered 403. application/json: no such key ***"


def test_a_call_does_not_show_what_it_sends() -> None:
    made = Call("POST", "https://a/?k=s3cret", {"X-Key": "s3cret"}, {"a": "s3cret"}, 1.0, "key")

    assert "s3cret" not in repr(made)


def test_a_proxy_of_the_environment_is_not_asked(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would resolve the host itself, past the check.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert call(service.url) == Answered(200, {})
