"""Sending a message to a webhook: one signed POST, by the scheme of Standard Webhooks.

Belongs here: what is sent and what the answer means. How a request is made, and which addresses it
may go to, is in `web`.
"""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpcore
from standardwebhooks import Webhook

from enrollment_pipeline.notifications.attempts import Attempt, no_answer, retry_after
from enrollment_pipeline.web.answers import asks_for_patience, one_line
from enrollment_pipeline.web.exchange import Answer, Patience, Request, exchange
from enrollment_pipeline.web.network import AddressNotAllowedError, Resolve, resolve
from enrollment_pipeline.web.urls import read_url

# Shorter than the first wait of a retry.
_PATIENCE = Patience()
_READ_AT_MOST = 1024


def post(
    url: str,
    document: dict[str, Any],
    *,
    message_id: UUID,
    secret: str,
    now: datetime,
    allow_private: bool,
    patience: Patience = _PATIENCE,
    resolve: Resolve = resolve,
) -> Attempt:
    """Send a document, and return what came of it.

    `message_id` is the same for every attempt, so that a receiver can tell a repetition. Redirects
    are not followed.
    """
    body = json.dumps(document, separators=(",", ":"))
    headers = _headers(body, message_id, secret, now)
    try:
        answer = exchange(
            Request("POST", read_url(url), headers, body.encode("ascii")),
            allow_private=allow_private,
            patience=patience,
            most_bytes=_READ_AT_MOST,
            resolve=resolve,
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


def _headers(body: str, message_id: UUID, secret: str, now: datetime) -> dict[str, str]:
    at = now.astimezone(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": str(message_id),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(str(message_id), at, body),
    }


def _meaning(answer: Answer, now: datetime) -> Attempt:
    status = answer.status
    if 200 <= status <= 299:
        return Attempt(delivered=True, answer_code=status)
    sentence = f"The receiver answered {status}."
    if 300 <= status <= 399:
        sentence = f"The receiver answered {status}; redirects are not followed."
    return Attempt(
        delivered=False,
        answer_code=status,
        error=f"{sentence} {one_line(answer.body.decode('utf-8', 'replace'))}".strip(),
        retryable=asks_for_patience(status),
        retry_after=retry_after(answer.headers.get("retry-after", ""), now),
    )
