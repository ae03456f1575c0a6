"""The guide against the program: events, the document, and the way to verify a signature."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.notifications import service
from enrollment_pipeline.notifications.channels import new_secret
from enrollment_pipeline.notifications.message import Event
from enrollment_pipeline.records import Outcome
from enrollment_pipeline_tests.notifications.conftest import Outbox, Receiver
from enrollment_pipeline_tests.test_docs import blocks, rows

GUIDE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")


@pytest.fixture
def verified() -> Callable[[str, dict[str, str], bytes], Any]:
    """The function that the guide shows."""
    (code,) = blocks(GUIDE, "python")
    names: dict[str, Any] = {}
    exec(code, names)
    return names["verified"]  # type: ignore[no-any-return]


def test_the_python_of_the_guide_verifies_a_message_and_nothing_else(
    outbox: Outbox, receiver: Receiver, verified: Callable[..., Any]
) -> None:
    outbox.tell(webhooks=(receiver.url,))
    outbox.deliver()
    secret = service.webhook_secret(outbox.database, outbox.account, actor="test")
    (request,) = receiver.received

    message = verified(secret, request.headers, request.body)

    assert message["data"]["input_rows"] == 1000
    old = {**request.headers, "webhook-timestamp": "1700000000"}
    for wrong in (
        (new_secret(), request.headers, request.body),
        (secret, request.headers, request.body + b" "),
        (secret, {**request.headers, "webhook-id": "another"}, request.body),
        (secret, old, request.body),
    ):
        with pytest.raises(ValueError, match="the message is"):
            verified(*wrong)


def test_every_event_is_explained() -> None:
    assert set(rows(GUIDE, "Notifications")) == set(Event)


def test_the_document_of_the_guide_is_the_one_that_is_sent(
    outbox: Outbox, receiver: Receiver
) -> None:
    outbox.tell(webhooks=(receiver.url,))
    outbox.deliver()
    (block,) = blocks(GUIDE, "json")
    told, sent = json.loads(block), json.loads(receiver.received[0].body)

    assert set(told) == set(sent)
    assert set(told["data"]) == set(sent["data"])
    assert set(told["data"]["links"]) == set(sent["data"]["links"])
    outcomes = told["data"]["outcomes"]
    assert list(outcomes) == list(Outcome)
    assert sum(outcomes.values()) == told["data"]["input_rows"]


def test_the_headers_of_the_guide_are_the_ones_that_are_sent(
    outbox: Outbox, receiver: Receiver
) -> None:
    outbox.tell(webhooks=(receiver.url,))
    outbox.deliver()

    told = set(re.findall(r"^\| `(webhook-[a-z]+)`", GUIDE, re.MULTILINE))
    sent = {name for name in receiver.received[0].headers if name.startswith("webhook-")}
    assert told == sent
