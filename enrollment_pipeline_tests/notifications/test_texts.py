"""The words of an e-mail."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.notifications.message import OF_OPERATIONS, OPERATION_TYPES, Event
from enrollment_pipeline.notifications.texts import body_of, subject_of
from enrollment_pipeline_tests.notifications.conftest import operation_payload_of, payload_of

OF_JOBS = [event for event in Event if event.startswith(("job_", "run_"))]


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


OF_AN_OPERATION = (*OF_OPERATIONS, Event.RUN_FAILED)


def fields_of(body: str) -> dict[str, str]:
    """What stands behind each name in the body of an e-mail."""
    pairs = (line.split(":", 1) for line in body.splitlines() if ":" in line)
    return {name.strip(): told.strip() for name, told in pairs}


@pytest.mark.parametrize("event", OF_AN_OPERATION)
@pytest.mark.parametrize("type_", OPERATION_TYPES)
def test_every_event_of_an_operation_has_a_subject_and_a_text(event: Event, type_: str) -> None:
    operation_id = uuid4()
    payload = operation_payload_of(operation_id, type=type_)

    subject, body = subject_of(event, payload), body_of(event, payload)

    noun = "deletion" if type_ == "delete" else type_
    assert noun in subject.lower()
    assert f"the {noun}" in body.lower()
    assert fields_of(body)["Operation"] == str(operation_id)
    assert "{" not in subject + body
    assert "None" not in body


@pytest.mark.parametrize(
    ("event", "changes", "subject"),
    [
        (
            Event.OPERATION_COMPLETED,
            {"counts": {"updated": 30, "created": 1200, "unchanged": 4}},
            "Import completed: 1,200 created, 30 updated, 4 unchanged",
        ),
        (
            Event.OPERATION_COMPLETED_WITH_ERRORS,
            {},
            "Import completed with errors: 1,200 created, 30 updated, 4 rejected",
        ),
        (
            Event.OPERATION_COMPLETED,
            {"type": "rollback", "counts": {"kept": 2, "reversed": 98, "errored": 0}},
            "Rollback completed: 98 reversed, 2 kept",
        ),
        (Event.OPERATION_COMPLETED, {"type": "delete", "counts": {}}, "Deletion completed"),
        (Event.OPERATION_FAILED, {"type": "export", "counts": {}}, "Export failed"),
        (
            Event.OPERATION_CANCELLED,
            {"type": "update", "counts": {"unprocessed": 1500, "updated": 1500}},
            "Update was cancelled: 1,500 unprocessed, 1,500 updated",
        ),
        (Event.OPERATION_SCHEDULED, {}, "Import is scheduled: 2027-01-05 09:00+01:00"),
        (
            Event.OPERATION_SCHEDULED,
            {"scheduled_at": None, "after_id": "op-1"},
            "Import is scheduled: after operation op-1",
        ),
        (Event.RUN_FAILED, {}, "The run of an operation failed: import"),
    ],
)
def test_the_subject_of_an_operation_tells_what_became_of_the_rows_or_when_it_starts(
    event: Event, changes: dict[str, Any], subject: str
) -> None:
    assert subject_of(event, operation_payload_of(uuid4(), **changes)) == subject


def test_the_text_of_an_operation_tells_counts_reason_duration_and_where_to_look() -> None:
    payload = operation_payload_of(
        uuid4(),
        reason="Some rows\ncannot be read.",
        links={
            "ui": "http://ui.example.com/assets",
            "report": "/reports/op-1",
            "files": {"rejected": "/reports/op-1/rejected.csv", "contacts": "s3://exports/a.csv"},
        },
    )

    body = body_of(Event.OPERATION_COMPLETED_WITH_ERRORS, payload)

    told = fields_of(body)
    assert told["Reason"] == "Some rows cannot be read."
    assert told["Requested by"] == "ann"
    assert told["Duration"] == "0:00:12"
    assert told["In the UI"] == "http://ui.example.com/assets"
    assert told["Report"] == "/reports/op-1"
    assert told["contacts"] == "s3://exports/a.csv"
    assert told["rejected"] == "/reports/op-1/rejected.csv"
    lines = [line.split() for line in body.splitlines()]
    first = lines.index(["rows", "1,234"])
    assert lines[first + 1 : first + 4] == [
        ["created", "1,200"],
        ["updated", "30"],
        ["rejected", "4"],
    ]


def test_a_confirmation_tells_when_how_to_move_and_how_to_cancel() -> None:
    payload = operation_payload_of(
        uuid4(), counts={}, total=0, duration_seconds=None, recurring=True
    )

    body = body_of(Event.OPERATION_SCHEDULED, payload)

    assert fields_of(body)["Starts"] == "2027-01-05 09:00+01:00"
    assert fields_of(body)["Comes again"] == "yes"
    for command in ("reschedule", "cancel"):
        assert f"enrollment operations {command} {payload['operation_id']}" in body
    for unknown in ("Duration", "Report", "Files", "rows", "rollback", "Takes back"):
        assert unknown not in body


def test_what_a_rollback_and_a_withdrawal_take_back_is_told() -> None:
    rollback = operation_payload_of(uuid4(), type="rollback", reverses_id="op-1")
    withdrawal = operation_payload_of(uuid4(), type="withdrawal", withdraws_job_id="job-1")

    told = fields_of(body_of(Event.OPERATION_COMPLETED, rollback))
    assert told["Takes back"] == "operation op-1"
    told = fields_of(body_of(Event.OPERATION_COMPLETED, withdrawal))
    assert told["Withdraws"] == "what was enrolled by job job-1"


@pytest.mark.parametrize(
    ("event", "changes", "offered"),
    [
        (Event.OPERATION_COMPLETED, {}, True),
        (Event.OPERATION_COMPLETED, {"type": "delete"}, True),
        (Event.OPERATION_CANCELLED, {"type": "update"}, True),
        (Event.OPERATION_CANCELLED, {"total": 0, "counts": {}}, False),
        (Event.OPERATION_COMPLETED, {"type": "export"}, False),
        (Event.OPERATION_COMPLETED, {"type": "rollback"}, False),
        (Event.OPERATION_COMPLETED, {"type": "withdrawal"}, False),
        (Event.OPERATION_SCHEDULED, {}, False),
        (Event.RUN_FAILED, {}, False),
    ],
)
def test_a_rollback_is_offered_after_the_end_of_what_can_be_taken_back(
    event: Event, changes: dict[str, Any], offered: bool
) -> None:
    body = body_of(event, operation_payload_of(uuid4(), **changes))

    assert ("enrollment operations rollback" in body) is offered


@given(
    text=st.text(max_size=300),
    event=st.sampled_from(OF_AN_OPERATION),
    counts=st.dictionaries(st.sampled_from(["created", "rejected"]), st.integers(0, 10**9)),
)
def test_no_text_can_add_a_line_to_an_email_of_an_operation(
    text: str, event: Event, counts: dict[str, int]
) -> None:
    links = {"ui": text, "report": text, "files": {"rejected": text}}
    changes = {"reason": text, "requested_by": text, "links": links, "counts": counts}
    plain = {"reason": "", "requested_by": "", "counts": counts}
    plain_links = {"ui": "", "report": "", "files": {"rejected": ""}}

    payload = operation_payload_of(uuid4(), **changes)
    harmless = operation_payload_of(uuid4(), **plain, links=plain_links)

    assert subject_of(event, payload).isprintable()
    assert len(subject_of(event, payload)) <= 200
    told, expected = body_of(event, payload), body_of(event, harmless)
    assert len(told.splitlines()) == len(expected.splitlines())
