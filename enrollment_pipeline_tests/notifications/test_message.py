"""Recipients that can be used, what a channel can ask for, and what a webhook is sent."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.notifications.message import (
    CHOICES,
    LONGEST_URL,
    OF_OPERATIONS,
    OPERATION_TYPES,
    Channel,
    Event,
    Notice,
    document_of,
    email_address,
    shown,
    webhook_url,
)
from enrollment_pipeline_tests.notifications.conftest import operation_payload_of, payload_of


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.B+jobs@Example.COM", "ann.b+jobs@example.com"),
        ("  ann@example.com ", "ann@example.com"),
        ("ann@bücher.example.com", "ann@xn--bcher-kva.example.com"),
    ],
)
def test_an_address_is_kept_in_one_form(given: str, kept: str) -> None:
    assert email_address(given) == kept
    assert email_address(kept) == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ann",
        "ann@",
        "ann@localhost",
        "Ann <ann@example.com>",
        "ann@example.com, bob@example.com",
        "ann@example.com\nbcc: bob@example.com",
        "ann\r\n@example.com",
        "ann@example.com\r\n",
        "ann@example.com\0",
        '"ann\r\nbcc: b@example.com"@example.com',
        "ann@[127.0.0.1]",
        "ä@example.com",
        f"{'a' * 65}@example.com",
    ],
)
def test_what_is_no_plain_address_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be used as an e-mail address") as refusal:
        email_address(given)
    assert refusal.value.message.isprintable()


@given(text=st.text(max_size=40).map(lambda text: f"a{text}@example.com"))
def test_no_address_that_is_accepted_can_hold_a_header(text: str) -> None:
    try:
        kept = email_address(text)
    except InvalidRequestError:
        return
    assert kept.isascii()
    assert kept.isprintable()
    assert kept.count("@") == 1
    assert not set(kept) & set(' ,;<>:\\"')


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:8443/Hook?Token=A", "https://example.com:8443/Hook?Token=A"),
        ("http://example.com?a=b", "http://example.com/?a=b"),
        ("http://example.com/a@b", "http://example.com/a@b"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]:80/"),
        ("http://10.0.0.1/", "http://10.0.0.1/"),
        (" https://my_host.internal. ", "https://my_host.internal./"),
    ],
)
def test_a_url_is_kept_in_one_form(given: str, kept: str) -> None:
    assert webhook_url(given) == kept
    assert webhook_url(kept) == kept


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", "holds blanks"),
        ("example.com/hook", "does not begin with https"),
        ("ftp://example.com/", "does not begin with https"),
        ("file:///etc/passwd", "does not begin with https"),
        ("https://user:hunter2@example.com/", "holds a user name or password"),
        ("http://@example.com/", "holds a user name or password"),
        ("https://hunter2@example.com", "holds a user name or password"),
        ("https://example.com/#part", "holds a fragment"),
        ("https://", "has no host"),
        ("https:///path", "has no host"),
        ("https://example.com:99999/", "has no host"),
        ("https://example.com:0/", "has no host"),
        ("https://example.com:http/", "has no host"),
        ("https://exa$mple.com/", "has no host"),
        ("https://-example.com/", "has no host"),
        (f"https://{'a' * 254}/", "has no host"),
        ("https://[::1/", "has no host"),
        ("https://[fe80::1%25eth0]/", "has no host"),
        ("https://[nonsense]/", "has no host"),
        ("https://example.com\\@10.0.0.1/", "holds blanks, backslashes"),
        ("https://example.com/a b", "holds blanks"),
        ("https://example.com/\r\nhost: other", "holds blanks"),
        ("https://exämple.com/", "beyond ASCII"),
        (f"https://example.com/{'a' * LONGEST_URL}", "is longer than 2000"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(
    given: str, problem: str
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        webhook_url(given)

    assert problem in refusal.value.message
    assert "hunter2" not in json.dumps(refusal.value.as_dict())


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://hooks.example.com/T0/secret", "https://hooks.example.com/..."),
        ("https://hooks.example.com/?token=secret", "https://hooks.example.com/..."),
        ("https://hooks.example.com:8443/", "https://hooks.example.com:8443/"),
    ],
)
def test_what_a_url_holds_beside_its_host_is_not_shown(url: str, told: str) -> None:
    assert shown(Channel.WEBHOOK, url) == told


def test_an_address_is_shown_as_it_is() -> None:
    assert shown(Channel.EMAIL, "ann@example.com") == "ann@example.com"


def test_a_webhook_is_told_type_time_and_data() -> None:
    payload = payload_of(uuid4())
    at = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

    assert document_of(Event.JOB_FAILED, payload, at) == {
        "type": "job_failed",
        "timestamp": "2026-05-04T03:02:01+00:00",
        "data": payload,
    }


def test_what_is_told_of_an_operation_can_be_asked_for_by_its_type_too() -> None:
    for event in OF_OPERATIONS:
        for one in OPERATION_TYPES:
            subject = uuid4()
            notice = Notice(event, subject, "", operation_payload_of(subject, type=one))

            assert notice.asked_for_as == [str(event), f"{event}:{one}"]
            assert set(notice.asked_for_as) <= set(CHOICES)


@pytest.mark.parametrize("event", [event for event in Event if event not in OF_OPERATIONS])
def test_what_is_told_of_anything_else_has_one_name(event: Event) -> None:
    assert Notice(event, uuid4(), "", payload_of(uuid4())).asked_for_as == [str(event)]
    assert str(event) in CHOICES
