"""One attempt of an `http_request` step: JSON out, JSON in, and what went wrong as a value.

Belongs here: which hosts and headers a step may use, the token that a host is sent, and what an
answer means for the step. Does not belong here: how a request reaches its host (`web`), further
attempts (`retrying`), and placeholders, which are filled in by whoever calls.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpcore
from pydantic import JsonValue

from enrollment_pipeline.bulk_operations.reading.json_values import trouble_in
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.web.answers import one_line, retry_after
from enrollment_pipeline.web.exchange import Answer, Cut, Patience, Request, exchange
from enrollment_pipeline.web.hosts import covered, read_hosts, read_tokens, token_for
from enrollment_pipeline.web.network import AddressNotAllowedError, Resolve, resolve
from enrollment_pipeline.web.urls import Url, read_url
from enrollment_pipeline.workflows.retrying import is_transient
from enrollment_pipeline.workflows.step_errors import StepError
from enrollment_pipeline.workflows.steps import HEADER_NAME

MOST_BYTES = 1_000_000
"""The longest answer that is read."""

UNANSWERED = (StepError.HTTP_TIMEOUT, StepError.HTTP_UNREACHABLE)
UNANSWERED_STATUSES = (408, 502, 504)
"""After these nobody knows whether the service has done what it was asked for; those with which a
gateway tells that it had no answer are among them."""

# So that the next address of a host has its turn where the first one swallows everything.
_CONNECT_SECONDS = 10.0
# They say where a request goes and how long it is, or belong to the connection and not to a step.
_RESERVED = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "te", "trailer", "expect"),
        *("connection", "keep-alive", "upgrade", "accept-encoding"),
        *("proxy-authorization", "proxy-connection", "idempotency-key"),
    }
)
# Headers whose values are no secret. Of others, long words are not repeated.
_TELLING = frozenset({"accept", "accept-language", "content-type", "idempotency-key", "user-agent"})
_SECRET_FROM = 6


@dataclass(frozen=True, slots=True)
class Call:
    """What a step sends, with its placeholders filled in.

    `timeout` is in seconds, for all of it. `key` is the same for every attempt of one step for one
    item. A body of None sends none.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: JsonValue = field(repr=False)
    timeout: float
    key: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The service did it; `document` is its answer, None where that is empty."""

    status: int
    document: JsonValue


@dataclass(frozen=True, slots=True)
class CallError:
    """The attempt failed.

    `status` is None where there was no answer; `retry_after` are the seconds for which the service
    asked to be left alone.
    """

    code: StepError
    message: str
    transient: bool
    status: int | None = None
    retry_after: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return `{"code", "message", "remedy"}` and, where there was an answer, its `status`."""
        told = self.code.as_dict(self.message)
        return told if self.status is None else {**told, "status": self.status}


def send(
    call: Call, *, settings: Settings, now: datetime, resolve: Resolve = resolve
) -> Answered | CallError:
    """Make the request once, and return what came of it; redirects are not followed."""
    try:
        url = read_url(call.url)
    except ValueError as error:
        return _failed(StepError.HTTP_BAD_REQUEST, f"The URL {error}.")
    if settings.http_hosts is not None and not covered(url, read_hosts(settings.http_hosts)):
        return _failed(
            StepError.HTTP_HOST_NOT_ALLOWED,
            f"{url.netloc} is not among the hosts that ENROLLMENT_HTTP_HOSTS allows.",
        )
    try:
        headers, body = _headers(call, url, settings), _body(call.body)
    except ValueError as error:
        return _failed(StepError.HTTP_BAD_REQUEST, f"{error}.")
    try:
        answer = exchange(
            Request(call.method, url, headers, body),
            allow_private=settings.http_allow_private,
            patience=Patience(min(call.timeout, _CONNECT_SECONDS), call.timeout, call.timeout),
            most_bytes=MOST_BYTES,
            resolve=resolve,
        )
    except AddressNotAllowedError:
        return _failed(
            StepError.HTTP_HOST_NOT_ALLOWED,
            f"{url.netloc} leads to an address that is not on the public internet; "
            "ENROLLMENT_HTTP_ALLOW_PRIVATE=true allows that.",
        )
    except httpcore.TimeoutException:
        return _too_late(url, call)
    except httpcore.LocalProtocolError:
        # Its message repeats what it refuses.
        return _failed(StepError.HTTP_BAD_REQUEST, "The request is not one of HTTP.")
    except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
        told = one_line(_without_secrets(str(error), headers)) or type(error).__name__
        return _failed(StepError.HTTP_UNREACHABLE, f"{url.netloc} could not be reached: {told}")
    return _meaning(answer, url, call, headers, _token(url, settings), now)


def _headers(call: Call, url: Url, settings: Settings) -> dict[str, str]:
    """Return the headers in lower case; raise ValueError with a sentence where one cannot be."""
    given: dict[str, str] = {}
    for written, value in call.headers.items():
        name = written.lower()
        if not HEADER_NAME.fullmatch(written):
            raise ValueError("A header has a name that no header can have")
        if name in _RESERVED:
            raise ValueError(f"The header {written} is not for a step to set")
        if name in given:
            raise ValueError(f"The header {written} is there twice")
        if not (value.isascii() and value.isprintable()):
            raise ValueError(
                f"The header {written} holds a character other than letters, digits and signs of "
                "ASCII"
            )
        given[name] = value.strip()
    own = {"accept": "application/json"}
    if call.body is not None:
        own["content-type"] = "application/json"
    token = _token(url, settings)
    if token is not None:
        own["authorization"] = f"Bearer {token}"
    return {**own, **given, "idempotency-key": call.key}


def _token(url: Url, settings: Settings) -> str | None:
    if settings.http_tokens is None or not (url.scheme == "https" or settings.http_allow_private):
        return None
    return token_for(url, read_tokens(settings.http_tokens.get_secret_value()))


def _body(document: JsonValue) -> bytes:
    if document is None:
        return b""
    try:
        return json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        raise ValueError("The body holds what JSON has no form for") from None


def _meaning(
    answer: Answer,
    url: Url,
    call: Call,
    headers: Mapping[str, str],
    token: str | None,
    now: datetime,
) -> Answered | CallError:
    status = answer.status
    if not 200 <= status <= 299:
        redirected = "; redirects are not followed" if 300 <= status <= 399 else ""
        said = one_line(_without_secrets(answer.body.decode("utf-8", "replace"), headers))
        wait = retry_after(answer.headers.get("retry-after", ""), now)
        return CallError(
            StepError.HTTP_STATUS,
            f"{url.netloc} answered {status}{redirected}. {said}".rstrip(),
            transient=is_transient(StepError.HTTP_STATUS, status),
            status=status,
            retry_after=None if wait is None else wait.total_seconds(),
        )
    if answer.cut is Cut.LATE:
        return _too_late(url, call)
    if answer.cut is Cut.BROKEN:
        return _failed(
            StepError.HTTP_UNREACHABLE, f"{url.netloc} hung up in the middle of its answer."
        )
    if answer.cut is Cut.LONG:
        return _bad(url, status, f"is longer than {MOST_BYTES:,} bytes")
    try:
        return Answered(status, _read(answer.body, token))
    except ValueError as error:
        return _bad(url, status, str(error))


def _read(body: bytes, token: str | None) -> JsonValue:
    """Return the JSON that the database can keep; raise ValueError with what is wrong with it.

    A service that repeats the token must not lead it to where everybody of the account sees it.
    """
    try:
        text = body.decode("utf-8-sig")
        if token is not None:
            text = text.replace(token, "***")
        found: JsonValue = json.loads(text) if text.strip() else None
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    except RecursionError:
        raise ValueError("holds lists and objects nested too deep") from None
    except ValueError:
        raise ValueError("is not JSON") from None
    trouble = trouble_in(found)
    if trouble:
        raise ValueError(trouble)
    return found


def _too_late(url: Url, call: Call) -> CallError:
    return _failed(
        StepError.HTTP_TIMEOUT, f"{url.netloc} did not answer within {call.timeout:g} seconds."
    )


def _bad(url: Url, status: int, trouble: str) -> CallError:
    return _failed(
        StepError.HTTP_BAD_ANSWER, f"The answer of {url.netloc} {trouble}.", status=status
    )


def _failed(code: StepError, message: str, *, status: int | None = None) -> CallError:
    return CallError(code, message, transient=is_transient(code), status=status)


def _without_secrets(text: str, headers: Mapping[str, str]) -> str:
    """Return what the other side said without the tokens and keys that it was sent."""
    secrets = {
        word
        for name, value in headers.items()
        if name not in _TELLING
        for word in value.split()
        if len(word) >= _SECRET_FROM
    }
    # A part of one may be another one.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
