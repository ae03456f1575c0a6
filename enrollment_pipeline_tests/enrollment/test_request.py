"""What may be asked for, and how everything that is wrong is told at once."""

from typing import Any

import pytest

from enrollment_pipeline.enrollment.request import BulkEnrollmentRequest, parse_request
from enrollment_pipeline.errors import InvalidRequestError

IDS = {"type": "manual", "contact_ids": ["0198f0c4-0000-7000-8000-000000000001"]}


def document(**changes: Any) -> dict[str, Any]:
    return {"workflow": "Welcome", "selection": IDS, **changes}


def options(**changes: Any) -> dict[str, Any]:
    return document(options=changes)


def errors(request: object) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as refusal:
        parse_request(request)  # type: ignore[arg-type]
    assert refusal.value.code == "INVALID_REQUEST"
    found = refusal.value.details["errors"]
    assert all(problem["message"] in refusal.value.message for problem in found[:10])
    return {problem["path"]: problem["message"] for problem in found}


def test_the_defaults() -> None:
    request = parse_request(document())
    assert request.options.batch_size == 100
    assert request.options.lanes is None
    assert request.options.skip_unsubscribed is True
    assert request.options.skip_duplicates is True
    assert request.options.add_tags == ()
    assert request.scheduled_at is request.timezone is request.request_id is None


@pytest.mark.parametrize(
    "accepted",
    [
        options(batch_size=10),
        options(batch_size=500),
        options(lanes=1),
        options(lanes=5),
        options(add_tags=["x" * 100] + [f"tag {number}" for number in range(49)]),
        document(workflow="w" * 200),
        document(requested_by="r" * 200, request_id="i" * 200),
        document(scheduled_at="2030-01-01T09:00", timezone="Europe/Berlin"),
        document(selection={"type": "manual", "contact_ids": []}),
        document(selection={"type": "manual", "contact_ids": ["not an id"]}),
        document(selection={"type": "filter", "filter": {}}),
        document(selection={"type": "csv", "path": "people.csv"}),
        document(selection={"type": "csv", "path": "p.csv", "identifier_column": "contact_id"}),
    ],
)
def test_what_is_within_the_limits_is_accepted(accepted: dict[str, Any]) -> None:
    assert isinstance(parse_request(accepted), BulkEnrollmentRequest)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (options(batch_size=9), "options.batch_size"),
        (options(batch_size=501), "options.batch_size"),
        (options(batch_size="many"), "options.batch_size"),
        (options(batch_size=None), "options.batch_size"),
        (options(lanes=0), "options.lanes"),
        (options(lanes=6), "options.lanes"),
        (options(skip_unsubscribed="perhaps"), "options.skip_unsubscribed"),
        (options(skip_duplicates="perhaps"), "options.skip_duplicates"),
        (options(add_tags=[f"tag {number}" for number in range(51)]), "options.add_tags"),
        (options(add_tags=["fine", "x" * 101]), "options.add_tags[1]"),
        (options(add_tags=[" "]), "options.add_tags[0]"),
        (options(add_tags=["a\0b"]), "options.add_tags[0]"),
        (options(add_tags=["a\nb"]), "options.add_tags[0]"),
        (options(add_tags=["\ud800"]), "options.add_tags[0]"),
        (options(colour="red"), "options.colour"),
        (document(colour="red"), "colour"),
        (document(workflow=""), "workflow"),
        (document(workflow="  "), "workflow"),
        (document(workflow="w" * 201), "workflow"),
        (document(workflow="Wel\0come"), "workflow"),
        (document(workflow=None), "workflow"),
        (document(requested_by=""), "requested_by"),
        (document(requested_by="r" * 201), "requested_by"),
        (document(requested_by="a\0b"), "requested_by"),
        (document(request_id=""), "request_id"),
        (document(request_id="i" * 201), "request_id"),
        (document(request_id="a\0b"), "request_id"),
        (document(scheduled_at="tomorrow"), "scheduled_at"),
        (document(timezone="Mars/Base"), "timezone"),
        (document(selection=None), "selection"),
        (document(selection={"contact_ids": []}), "selection"),
        (document(selection={"type": "sql"}), "selection"),
        (document(selection={"type": "manual"}), "selection.contact_ids"),
        (
            document(selection={"type": "manual", "contact_ids": ["a", 3]}),
            "selection.contact_ids[1]",
        ),
        (
            document(selection={"type": "manual", "contact_ids": ["x" * 321]}),
            "selection.contact_ids[0]",
        ),
        (document(selection={"type": "filter"}), "selection.filter"),
        (document(selection={"type": "filter", "filter": []}), "selection.filter"),
        (document(selection={"type": "csv"}), "selection.path"),
        (
            document(selection={"type": "csv", "path": "p.csv", "identifier_column": "phone"}),
            "selection.identifier_column",
        ),
        (
            document(selection={"type": "csv", "path": "p.csv", "contact_ids": []}),
            "selection.contact_ids",
        ),
        ({}, "workflow"),
        (None, "request"),
        ([], "request"),
    ],
)
def test_what_is_not_is_refused_with_its_path(request_: object, path: str) -> None:
    assert path in errors(request_)


def test_every_error_is_told_at_once() -> None:
    found = errors(
        {
            "selection": {"type": "csv", "identifier_column": "phone"},
            "options": {"batch_size": 5, "lanes": 9, "colour": "red"},
            "timezone": "Mars/Base",
        }
    )
    assert set(found) == {
        "workflow",
        "selection.path",
        "selection.identifier_column",
        "options.batch_size",
        "options.lanes",
        "options.colour",
        "timezone",
    }
    assert found["timezone"] == "'Mars/Base' is not a time zone such as Europe/Berlin"


def test_a_message_stays_readable_however_much_is_wrong() -> None:
    ids = {"type": "manual", "contact_ids": list(range(5000))}
    with pytest.raises(InvalidRequestError) as refusal:
        parse_request(document(selection=ids))
    assert len(refusal.value.details["errors"]) == 5000
    assert refusal.value.message.endswith("; and 4990 more.")
    assert len(refusal.value.message) < 1000


def test_tags_are_trimmed_and_named_once() -> None:
    request = parse_request(options(add_tags=[" vip ", "lead", "vip", "VIP"]))
    assert request.options.add_tags == ("vip", "lead", "VIP")


def test_a_request_cannot_be_changed() -> None:
    request = parse_request(document())
    with pytest.raises(ValueError, match="frozen"):
        request.workflow = "Other"  # type: ignore[misc]
