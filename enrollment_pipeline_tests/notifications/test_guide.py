"""The guide against the program: events, the document, and the way to verify a signature."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.notifications import service
from enrollment_pipeline.notifications.channels import new_secret
from enrollment_pipeline.notifications.message import CHOICES, OPERATION_TYPES, Event
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


def test_every_type_that_an_event_can_be_narrowed_to_is_named() -> None:
    (told,) = re.findall(r"narrowed to one type of them: (.*?)\.", GUIDE, re.DOTALL)

    assert re.findall(r"`([a-z]+)`", told) == list(OPERATION_TYPES)
    (example,) = [block for block in blocks(GUIDE, "") if ":import" in block]
    assert set(re.findall(r"--event (\S+)", example)) <= set(CHOICES)


def test_the_documents_of_the_guide_are_those_that_are_sent(
    outbox: Outbox, receiver: Receiver
) -> None:
    outbox.tell(webhooks=(receiver.url,))
    outbox.tell_of_operation(webhooks=(receiver.url,))
    outbox.deliver()
    told = [json.loads(block) for block in blocks(GUIDE, "json")]
    sent = sorted((json.loads(one.body) for one in receiver.received), key=lambda one: one["type"])

    assert [one["type"] for one in told] == [one["type"] for one in sent]
    for shown, real in zip(told, sent, strict=True):
        assert set(shown) == set(real)
        assert set(shown["data"]) == set(real["data"])
        assert set(shown["data"]["links"]) == set(real["data"]["links"])


def test_the_counts_of_the_guide_add_up() -> None:
    job, operation = (json.loads(block)["data"] for block in blocks(GUIDE, "json"))

    assert list(job["outcomes"]) == list(Outcome)
    assert sum(job["outcomes"].values()) == job["input_rows"]
    assert sum(operation["counts"].values()) == operation["total"]


def test_the_headers_of_the_guide_are_the_ones_that_are_sent(
    outbox: Outbox, receiver: Receiver
) -> None:
    outbox.tell(webhooks=(receiver.url,))
    outbox.deliver()

    told = set(re.findall(r"^\| `(webhook-[a-z]+)`", GUIDE, re.MULTILINE))
    sent = {name for name in receiver.received[0].headers if name.startswith("webhook-")}
    assert told == sent
