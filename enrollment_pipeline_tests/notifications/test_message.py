"""Recipients that can be used, and the words of a message."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.notifications.message import (
    LONGEST_URL,
    Channel,
    Event,
    body_of,
    document_of,
    email_address,
    shown,
    subject_of,
    webhook_url,
)
from enrollment_pipeline_tests.notifications.conftest import payload_of


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


OF_JOBS = [event for event in Event if event is not Event.TEMPLATE_UPDATED]


@pytest.mark.parametrize("event", OF_JOBS)
def test_every_event_has_a_subject_and_a_text_that_name_workflow_and_job(event: Event) -> None:
    job_id = uuid4()
    payload = payload_of(job_id)

    assert "Welcome" in subject_of(event, payload)
    text = body_of(event, payload)
    assert str(job_id) in text
    assert "{" not in subject_of(event, payload) + text


def test_an_email_of_an_update_tells_versions_and_how_to_take_it_over() -> None:
    payload = {
        "workflow_id": "w-1",
        "workflow_name": "Wel\ncome",
        "template_id": "t-1",
        "template_name": "Series",
        "version": 3,
        "cloned_version": 1,
        "changes": 2,
    }

    assert subject_of(Event.TEMPLATE_UPDATED, payload) == "An update for Wel come: version 3"
    text = body_of(Event.TEMPLATE_UPDATED, payload)
    assert "Workflow:     Wel come\n" in text
    assert "Version:      3, the workflow has 1\n" in text
    assert "Changes:      2\n" in text
    assert "enrollment templates diff --workflow w-1" in text
    assert "enrollment templates merge w-1 --all-unchanged" in text


def test_an_email_tells_counts_reason_duration_and_where_to_look() -> None:
    payload = payload_of(
        uuid4(),
        reason="Too many contacts failed.",
        links={"ui": "http://ui.example.com/runs", "report": "/reports/report.html"},
    )

    assert subject_of(Event.JOB_COMPLETED_WITH_ERRORS, payload) == (
        "Enrolled into Welcome: 780 of 1,000 rows, 20 not because of errors"
    )
    lines = [line.split() for line in body_of(Event.JOB_PAUSED, payload).splitlines()]
    for line in (
        "Reason: Too many contacts failed.",
        "Requested by: ann",
        "Duration: 0:00:05",
        "In the UI: http://ui.example.com/runs",
        "Report: /reports/report.html",
        "input rows 1,000",
        "enrolled 780",
        "failed 20",
        "skipped 200",
    ):
        assert line.split() in lines
    assert ["duplicate", "0"] not in lines


def test_what_is_not_known_is_left_out() -> None:
    text = body_of(Event.JOB_CANCELLED, payload_of(uuid4(), duration_seconds=None))

    assert "None" not in text
    assert "Duration" not in text
    assert "Report" not in text


def test_a_subject_is_one_line_whatever_the_workflow_is_called() -> None:
    payload = payload_of(uuid4(), workflow_name="Welcome\r\nBcc: bob@example.com\0" + "x" * 500)

    subject = subject_of(Event.JOB_COMPLETED, payload)

    assert subject.isprintable()
    assert len(subject) == 200
    assert "\nBcc" not in body_of(Event.JOB_COMPLETED, payload)


def test_a_webhook_is_told_type_time_and_data() -> None:
    payload = payload_of(uuid4())
    at = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

    assert document_of(Event.JOB_FAILED, payload, at) == {
        "type": "job_failed",
        "timestamp": "2026-05-04T03:02:01+00:00",
        "data": payload,
    }
