"""Reading events: what is one, and every reason why something is none."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.triggers.events import (
    MAX_BYTES,
    MAX_LEVELS,
    Event,
    RejectedEvent,
    fits,
    payload_faults,
    read_event,
    told,
    type_fault,
)
from enrollment_pipeline.triggers.registry import EVENT_TYPES, Kind

NOW = datetime(2027, 1, 5, 9, tzinfo=UTC)
SOMEBODY = UUID(int=7)


def document(**changes: Any) -> dict[str, Any]:
    return {"event_id": "e-1", "type": "sms_received", "email": "ada@example.com", **changes}


def accepted(**changes: Any) -> Event:
    event = read_event(document(**changes), now=NOW)
    assert isinstance(event, Event), event
    return event


def refused(given_document: object) -> RejectedEvent:
    found = read_event(given_document, now=NOW)
    assert isinstance(found, RejectedEvent), found
    return found


def nested(levels: int, inner: object = None) -> object:
    for _ in range(levels):
        inner = [inner]
    return inner


# What is an event


@pytest.mark.parametrize("name", [name for name, kind in EVENT_TYPES.items() if not kind.timed])
def test_the_sample_of_every_type_that_can_be_sent_is_accepted(name: str) -> None:
    sample = EVENT_TYPES[name].sample
    event = accepted(type=name, data=sample, occurred_at="2027-01-04T10:00:00+01:00")
    assert event == Event(
        event_id="e-1",
        type=name,
        occurred_at=datetime(2027, 1, 4, 10, tzinfo=timezone(timedelta(hours=1))),
        email="ada@example.com",
        data=dict(sample or {}),
    )


def test_the_contact_is_named_in_one_of_three_ways() -> None:
    assert accepted(email=" ada@example.com ").email == "ada@example.com"
    assert accepted(email=None, external_id=" c-1 ").external_id == "c-1"
    by_id = accepted(email="", contact_id=str(SOMEBODY))
    assert (by_id.contact_id, by_id.email, by_id.external_id) == (SOMEBODY, None, None)


def test_without_a_time_it_happened_now() -> None:
    assert accepted().occurred_at == NOW
    assert accepted(occurred_at=None).occurred_at == NOW


@pytest.mark.parametrize("nothing", [None, {}])
def test_an_event_may_tell_nothing_else(nothing: object) -> None:
    event = accepted(data=nothing, previous_state=nothing)
    assert event.data == {}
    assert event.previous_state == ({} if nothing == {} else None)


def test_the_state_before_is_kept() -> None:
    event = accepted(type="contact_updated", previous_state={"status": "active"})
    assert event.previous_state == {"status": "active"}


@pytest.mark.parametrize(
    "body",
    [
        "😀 yes please",
        "日本語",
        r"C:\udata and \u0000, written out",
        "\\" * 7,
        "tab\tand\nline",
        "\ufeff\u200b\u00ad",
    ],
)
def test_a_text_may_hold_whatever_the_database_can(body: str) -> None:
    assert accepted(data={"body": body}).data == {"body": body}


def test_the_size_is_counted_in_bytes_of_the_event_as_it_is_sent() -> None:
    for letter in ("x", "ä", "漢", "😀"):
        around = len(json.dumps(document(data={"body": ""})))
        most = (MAX_BYTES - around) // len(letter.encode())
        assert accepted(data={"body": letter * most})
        assert (
            "is larger than 100,000 bytes"
            in refused(document(data={"body": letter * (most + 1)})).reason
        )


def test_an_event_may_be_nested_as_deep_as_is_said() -> None:
    # The event, its data and what is its own are three of the levels.
    assert accepted(data={"custom": {"x": nested(MAX_LEVELS - 3)}})
    reason = refused(document(data={"custom": {"x": nested(MAX_LEVELS - 2)}})).reason
    assert reason == "is nested more than 100 levels deep"
    wide = [[] for _ in range(3 * MAX_LEVELS)]
    assert accepted(data={"custom": {"x": wide}})


# Each fault, in its words

NO_JSON = "holds what JSON does not have, or a number of more than 1,000 digits"
UNUSABLE = "holds a NUL character or half a character, which no text in the database can"
ID = "event_id: must be a text of 1 to 200 printable characters, the sender's own"
ONE = "exactly one of contact_id, email and external_id names the contact"
WHO = "must be a text of 1 to 320 printable characters"
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"event_id": None}, ID),
    ({"event_id": ""}, ID),
    ({"event_id": 7}, ID),
    ({"event_id": "x" * 201}, ID),
    ({"event_id": "a\nb"}, ID),
    ({"type": None}, "type: there is no event type null"),
    ({"type": ["sms_received"]}, 'type: there is no event type ["sms_received"]'),
    ({"type": "party"}, 'type: there is no event type "party"'),
    (
        {"type": "sms_recieved"},
        'type: there is no event type "sms_recieved"; did you mean "sms_received"?',
    ),
    ({"type": "birthday"}, "type: birthday is raised by the clock and cannot be sent"),
    ({"email": None}, ONE),
    ({"external_id": "c-1"}, ONE),
    ({"contact_id": str(SOMEBODY)}, ONE),
    ({"email": None, "contact_id": "c-1"}, 'contact_id: "c-1" is not the id of a contact (a UUID)'),
    ({"email": None, "contact_id": 7}, "contact_id: 7 is not the id of a contact (a UUID)"),
    (
        {"email": None, "contact_id": int("1" * 32)},
        f"contact_id: {int('1' * 32)} is not the id of a contact (a UUID)",
    ),
    ({"email": 7}, f"email: {WHO}"),
    ({"email": "  "}, f"email: {WHO}"),
    ({"email": "x" * 321}, f"email: {WHO}"),
    ({"email": None, "external_id": 7}, f"external_id: {WHO}"),
    ({"email": None, "external_id": "c\t1"}, f"external_id: {WHO}"),
    (
        {"occurred_at": "yesterday"},
        'occurred_at: must be an ISO time such as 2027-01-05T09:00:00Z, not "yesterday"',
    ),
    (
        {"occurred_at": 1798797600},
        "occurred_at: must be an ISO time such as 2027-01-05T09:00:00Z, not 1798797600",
    ),
    ({"data": ["x"]}, "data: must be an object"),
    ({"data": "x"}, "data: must be an object"),
    ({"previous_state": 1}, "previous_state: must be an object"),
    (
        {"amount": 5},
        '"amount" is no part of an event; whatever else is told belongs into data.custom',
    ),
    ({"data": {"body": 5}}, "data.body: must be a text, not 5"),
    ({"data": {"body": "\0"}}, UNUSABLE),
    ({"data": {"\0": "x"}}, UNUSABLE),
    ({"data": {"body": "\ud83d"}}, UNUSABLE),
    ({"data": {"body": "\\\0"}}, UNUSABLE),
    ({"data": {"custom": {"x": float("nan")}}}, NO_JSON),
    ({"data": {"custom": {"x": [float("inf")]}}}, NO_JSON),
    ({"data": {"custom": {"x": Decimal("NaN")}}}, NO_JSON),
    ({"data": {"custom": {"x": Decimal("1E+999999999")}}}, NO_JSON),
    ({"data": {"custom": {"x": 10**5_000}}}, NO_JSON),
    ({"data": {"custom": {"x": NOW}}}, NO_JSON),
    ({"data": {"custom": {"x": nested(100_000)}}}, "is nested more than 100 levels deep"),
]


@pytest.mark.parametrize(("changes", "said"), FAULTS)
def test_a_fault_is_told_in_a_sentence(changes: dict[str, Any], said: str) -> None:
    assert refused(document(**changes)).reason == said


@pytest.mark.parametrize("thing", [None, 5, True, "sms_received", [], [document()]])
def test_what_is_no_object_is_no_event(thing: object) -> None:
    assert refused(thing).reason == "an event is a JSON object"


def test_all_faults_are_told_at_once() -> None:
    reason = refused(
        {
            "type": "payment_received",
            "contact_id": "c-1",
            "email": "ada@example.com",
            "occurred_at": "soon",
            "note": "x",
            "data": {"currency": 5, "payment_id": "\0"},
            "previous_state": [1],
        }
    ).reason
    for fault in (
        '"note" is no part of an event',
        UNUSABLE,
        ID,
        ONE,
        "contact_id:",
        "occurred_at:",
        "previous_state: must be an object",
        "data.amount: is missing",
        "data.currency: must be a text, not 5",
    ):
        assert fault in reason


def test_of_many_faults_the_first_ones_are_told_and_the_others_counted() -> None:
    assert told([str(number) for number in range(10)]) == "0; 1; 2; 3; 4; 5; 6; 7; 8; 9"
    assert told([str(number) for number in range(13)]) == (
        "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 3 more"
    )
    many = {str(number): number for number in range(10_000)}
    assert len(refused(many).reason) < 2_000


def test_a_reason_shows_no_address_and_no_control_character() -> None:
    reason = refused({"type": "ada@example.com\x1b", "contact_id": "ada@example.com"}).reason
    assert "ada@" not in reason
    assert "a***@example.com" in reason
    assert reason.isprintable()


@pytest.mark.parametrize(
    "name", ["scheduled_date", "recurring_schedule", "birthday", "anniversary"]
)
def test_what_the_clock_raises_cannot_be_sent(name: str) -> None:
    assert type_fault(name) == f"type: {name} is raised by the clock and cannot be sent"
    assert refused(document(type=name)).type == name


# Payloads


@pytest.mark.parametrize(
    ("kind", "fitting", "others"),
    [
        (Kind.TEXT, ["x", ""], [5, True, None, ["x"], {}]),
        (Kind.NUMBER, [5, -1.5, Decimal("1.50"), 0], ["5", True, float("nan"), Decimal("sNaN")]),
        (Kind.INSTANT, ["2027-01-05", "2027-01-05T09:00:00+01:00"], ["soon", 5, None, ""]),
        (Kind.TEXTS, [[], ["x", "y"]], ["x", ["x", 5], {"x": "y"}]),
        (Kind.ANY, [None, 5, "x", [], {}], []),
        (Kind.OBJECT, [{}, {"x": 5}], [[], "x", 5]),
    ],
)
def test_a_field_takes_values_of_its_kind(
    kind: Kind, fitting: list[object], others: list[object]
) -> None:
    assert all(fits(kind, value) for value in fitting)
    assert not any(fits(kind, value) for value in others)


def test_a_payload_tells_everything_that_is_wrong_with_it() -> None:
    sent = {"amount": "120", "currency": 5, "custom": 7, "other": None}
    assert payload_faults(EVENT_TYPES["payment_received"], sent) == [
        'data.amount: must be a number, not "120"',
        "data.currency: must be a text, not 5",
        "data.custom: must be an object",
    ]
    assert payload_faults(EVENT_TYPES["appointment_booked"], {"starts_at": "soon"}) == [
        'data.starts_at: must be an ISO time, not "soon"'
    ]
    assert payload_faults(EVENT_TYPES["contact_updated"], {"changed_fields": "tags"}) == [
        'data.changed_fields: must be a list of texts, not "tags"'
    ]
    assert payload_faults(
        EVENT_TYPES["form_submitted"], {"form_id": "newsletter", "answers": [1]}
    ) == ["data.answers: must be an object, not [1]"]
