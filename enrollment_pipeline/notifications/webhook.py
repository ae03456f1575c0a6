"""Sending a message to a webhook: one signed POST, by the scheme of Standard Webhooks.

Belongs here: the request and what its answer means. Which addresses it may go to is in `addresses`
and `network`.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpcore
from standardwebhooks import Webhook

from enrollment_pipeline.notifications.attempts import (
    Attempt,
    is_retryable_http,
    no_answer,
    one_line,
    retry_after,
)
from enrollment_pipeline.notifications.network import (
    AddressNotAllowedError,
    CheckedBackend,
    Resolve,
    resolve,
)

_PORTS = {"http": 80, "https": 443}
_READ_AT_MOST = 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a receiver is waited for, in seconds; shorter than the first wait of a retry."""

    connect: float = 5.0
    read: float = 5.0
    overall: float = 15.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str
    beginning: str


def post(
    url: str,
    document: dict[str, Any],
    *,
    message_id: UUID,
    secret: str,
    now: datetime,
    allow_private: bool,
    patience: Patience = Patience(),
    resolve: Resolve = resolve,
) -> Attempt:
    """Send a document, and return what came of it.

    `message_id` is the same for every attempt, so that a receiver can tell a repetition. Redirects
    are not followed.
    """
    body = json.dumps(document, separators=(",", ":"))
    backend = CheckedBackend(allow_private=allow_private, seconds=patience.overall, resolve=resolve)
    try:
        answer = _exchange(
            url, _headers(url, body, message_id, secret, now), body, backend, patience
        )
    except AddressNotAllowedError:
        return Attempt(
            delivered=False,
            error="The host leads to an address that is not on the public internet; "
            "ENROLLMENT_WEBHOOK_ALLOW_PRIVATE=true allows that.",
        )
    except httpcore.TimeoutException as error:
        return no_answer(f"The receiver did not answer in time ({type(error).__name__}).")
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        return no_answer(
            f"The receiver could not be reached: {one_line(str(error)) or type(error).__name__}"
        )
    return _meaning(answer, now)


def _headers(
    url: str, body: str, message_id: UUID, secret: str, now: datetime
) -> list[tuple[str, str]]:
    at = now.astimezone(UTC)
    return [
        ("host", urlsplit(url).netloc),
        ("user-agent", "enrollment-pipeline"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("webhook-id", str(message_id)),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", Webhook(secret).sign(str(message_id), at, body)),
    ]


def _exchange(
    url: str,
    headers: list[tuple[str, str]],
    body: str,
    backend: CheckedBackend,
    patience: Patience,
) -> _Answer:
    parts = urlsplit(url)
    target = httpcore.URL(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        target=parts.path + (f"?{parts.query}" if parts.query else ""),
    )
    timeouts = {
        "connect": patience.connect,
        "read": patience.read,
        "write": patience.read,
        "pool": patience.connect,
    }
    with (
        httpcore.ConnectionPool(network_backend=backend) as pool,
        pool.stream(
            "POST",
            target,
            headers=headers,
            content=body.encode("ascii"),
            extensions={"timeout": timeouts},
        ) as response,
    ):
        given = {name.lower(): value for name, value in response.headers}
        return _Answer(
            status=response.status,
            retry_after=given.get(b"retry-after", b"").decode("latin-1"),
            beginning=_beginning(response),
        )


def _beginning(response: httpcore.Response) -> str:
    """Return the first bytes of the answer; the status is known, so trouble here is none."""
    read = b""
    try:
        for piece in response.iter_stream():
            read += piece
            if len(read) >= _READ_AT_MOST:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return one_line(read[:_READ_AT_MOST].decode("utf-8", "replace"))


def _meaning(answer: _Answer, now: datetime) -> Attempt:
    status = answer.status
    if 200 <= status <= 299:
        return Attempt(delivered=True, answer_code=status)
    sentence = f"The receiver answered {status}."
    if 300 <= status <= 399:
        sentence = f"The receiver answered {status}; redirects are not followed."
    return Attempt(
        delivered=False,
        answer_code=status,
        error=f"{sentence} {answer.beginning}".strip(),
        retryable=is_retryable_http(status),
        retry_after=retry_after(answer.retry_after, now),
    )
