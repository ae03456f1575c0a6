"""What HighLevel's webhooks make: who, when, how much, and which of them are one event."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.triggers.events import MAX_BYTES, Event, read_event
from enrollment_pipeline.triggers.highlevel import Refusal, from_highlevel
from enrollment_pipeline_tests.triggers.highlevel_webhooks import (
    DEEP,
    EARLIER,
    LATER,
    NOW,
    Json,
    appointment,
    call,
    contact,
    deal,
    email,
    invoice,
    made,
    message,
    order,
)

# Who, when and how much


def test_without_an_address_the_contact_is_named_by_the_id_of_the_crm() -> None:
    for nothing in (None, "", "none", 5):
        document = made(contact(email=nothing))
        assert "email" not in document
        assert document["external_id"] == "c-1"
    assert made(invoice(contactDetails={"id": "c-1"}))["external_id"] == "c-1"
    assert made(order(contactSnapshot={"id": None}))["external_id"] == "c-1"


def test_the_time_of_the_webhook_counts_before_any_other() -> None:
    assert made(contact("ContactUpdate", timestamp=LATER))["occurred_at"] == LATER
    assert made(contact("ContactUpdate", dateUpdated=LATER))["occurred_at"] == LATER
    assert made(contact(timestamp=LATER))["occurred_at"] == LATER
    assert made(contact(timestamp="yesterday"))["occurred_at"] == EARLIER


@pytest.mark.parametrize("seconds", [None, "1798797600", True, 1798797600_000, 10**400, -(10**20)])
def test_a_time_that_is_not_in_seconds_is_not_guessed(seconds: object) -> None:
    assert "occurred_at" not in made(email(timestamp=seconds))


@pytest.mark.parametrize("seconds", [1798797600.5, Decimal("1798797600.5")])
def test_seconds_may_have_a_fraction(seconds: object) -> None:
    assert made(email(timestamp=seconds))["occurred_at"] == "2027-01-01T10:00:00.500000+00:00"


def test_a_value_that_does_not_fit_its_field_stays_under_its_own_name() -> None:
    data = made(deal("OpportunityCreate", monetaryValue="40"))["data"]
    assert "amount" not in data
    assert data["custom"]["monetaryValue"] == "40"
    data = made(appointment(startTime="tomorrow"))["data"]
    assert "starts_at" not in data
    assert data["custom"]["startTime"] == "tomorrow"


def test_what_the_payload_leaves_empty_is_left_out() -> None:
    data = made(contact(source="", city="", state=None, website=0))["data"]
    assert "source" not in data
    assert {"source", "city", "state"}.isdisjoint(data["custom"])
    assert data["custom"]["website"] == 0


def test_amounts_are_kept_exactly() -> None:
    assert made(order(amount=Decimal("150.10")))["data"]["amount"] == Decimal("150.10")


@pytest.mark.parametrize("campaigns", [[], ["a", "b"], [7.5, "a"], "a", None])
def test_of_several_campaigns_or_products_none_is_chosen(campaigns: object) -> None:
    assert "campaign_id" not in made(email(campaigns=campaigns))["data"]
    assert "product_id" not in made(invoice(invoiceItems=campaigns))["data"]


# One thing told twice is one event


def test_the_id_of_the_webhook_is_the_id_of_the_event() -> None:
    assert made(contact(webhookId="w-1"))["event_id"] == "w-1"
    assert "webhookId" not in made(contact(webhookId="w-1"))["data"]["custom"]


@pytest.mark.parametrize("unusable", [None, "", 5, "w\n1", "w" * 201, ["w"]])
def test_without_one_it_is_made_of_the_content(unusable: object) -> None:
    event_id = made(contact(webhookId=unusable))["event_id"]
    assert event_id.startswith("highlevel:")
    shuffled = dict(reversed(contact(webhookId=unusable).items()))
    assert made(shuffled)["event_id"] == event_id
    assert made(contact(webhookId=unusable, city="Bonn"))["event_id"] != event_id


def same(*payloads: Json) -> bool:
    return len({made(one)["event_id"] for one in payloads}) == 1


def test_a_payment_is_one_event_however_many_webhooks_tell_of_it() -> None:
    told = [
        order("OrderCreate", webhookId="w-1"),
        order("OrderStatusUpdate", webhookId="w-2", status="paid", updatedAt=EARLIER),
    ]
    assert same(*told)
    assert same(invoice(webhookId="w-1"), invoice(webhookId="w-2", title="Corrected"))
    assert not same(order(), order(_id="o-2"))
    assert not same(order(_id="1"), invoice(_id="1"))


def test_an_appointment_is_booked_and_ended_once_however_often_it_is_edited() -> None:
    assert same(appointment(), appointment(notes="Bring a map", startTime="2027-03-02T14:00:00Z"))
    missed = {"appointmentStatus": "noshow"}
    assert same(
        appointment("AppointmentUpdate", **missed),
        appointment("AppointmentUpdate", **missed, notes="Called twice"),
    )
    assert not same(appointment(), appointment(id="a-2"))
    assert not same(appointment(), appointment(**missed))


def test_an_appointment_that_was_put_off_can_be_missed_again() -> None:
    missed = {"appointmentStatus": "noshow"}
    assert not same(
        appointment(**missed), appointment(**missed, startTime="2027-03-02T14:00:00+01:00")
    )


def test_an_appointment_without_an_id_is_told_apart_by_its_webhook() -> None:
    first, second = appointment(id=None), appointment(id=None, notes="x")
    assert made(first)["event_id"] != made(second)["event_id"]
    assert made({**first, "webhookId": "w-1"})["event_id"] == "w-1"


def test_a_start_that_is_no_time_does_not_break_the_id() -> None:
    assert made(appointment(appointmentStatus="noshow", startTime=DEEP))["event_id"] == (
        "highlevel:appointment:a-1:appointment_no_show"
    )


# What cannot be read

MALFORMED: list[tuple[object, str]] = [
    (None, "is a JSON object"),
    ([contact()], "is a JSON object"),
    ("ContactCreate", "is a JSON object"),
    ({}, 'has no "type" and is no invoice'),
    ({"type": None, "id": "c-1"}, 'has no "type"'),
    ({"type": ["ContactCreate"]}, 'has no "type"'),
    (contact(email=None, id=None), "names no contact"),
    (contact(email=["ada@example.com"], id=5), "names no contact"),
    (contact(email="", id=" "), "names no contact"),
    (deal("OpportunityCreate", contactId=None), "names no contact"),
    (appointment(contactId={}), "names no contact"),
    ({"type": "AppointmentCreate", "appointment": ["a-1"]}, "names no contact"),
    ({"type": "AppointmentCreate"}, "names no contact"),
    (message(contactId=None), "names no contact"),
    (email(recipient=None), "names no contact"),
    (invoice(contactDetails="ada@example.com"), "names no contact"),
    ({"type": "LCEmailStats", "webhookPayload": "opened"}, "this one is unknown"),
    (deal("OpportunityStageUpdate", pipelineStageId=None), 'no usable "pipelineStageId"'),
    (deal("OpportunityStageUpdate", pipelineStageId=7), 'no usable "pipelineStageId"'),
    (invoice(amountPaid="999"), 'no usable "amountPaid"'),
    (invoice(amountPaid=True), 'no usable "amountPaid"'),
    (invoice(amountPaid=float("nan")), 'no usable "amountPaid"'),
    (order(amount=None), 'no usable "amount"'),
    (invoice(_id=None), 'has no "_id"'),
    (order(_id=17), 'has no "_id"'),
    (invoice(_id="i" * 200), "event_id: must be"),
    (message(body="x" * MAX_BYTES), "is larger than"),
    (message(body="\0"), "NUL character"),
    (message(body="\ud800"), "half a character"),
    (message(contactId="c" * 500), "external_id: must be"),
    (message(body=DEEP), "cannot be read as JSON to its end"),
    (contact(tags=DEEP), "cannot be read as JSON to its end"),
    ({"type": "X" * 100_000}, "is no event that triggers know"),
    ({"type": "\x1b[31m"}, "is no event that triggers know"),
]


@pytest.mark.parametrize(("payload", "said"), MALFORMED)
def test_a_malformed_payload_is_refused_in_few_words(payload: object, said: str) -> None:
    refusal = from_highlevel(payload)
    assert isinstance(refusal, Refusal)
    assert said in refusal.reason
    assert refusal.reason.isprintable()
    assert len(refusal.reason) < 600


@pytest.mark.parametrize("type_", ["", "X" * 201, "\x1b[31m", 5, None])
def test_a_type_that_cannot_be_kept_is_called_unknown(type_: object) -> None:
    refusal = from_highlevel({"type": type_})
    assert isinstance(refusal, Refusal)
    assert refusal.type == "unknown"


# Whatever else comes

WEBHOOKS = [
    contact(),
    contact("ContactUpdate"),
    deal("OpportunityCreate"),
    deal("OpportunityStageUpdate"),
    deal("OpportunityStatusUpdate", status="won"),
    deal("OpportunityStatusUpdate", status="lost"),
    appointment(),
    appointment("AppointmentUpdate", appointmentStatus="noshow"),
    message(),
    call(),
    email(),
    email("clicked"),
    invoice(),
    order(),
]
TYPES = sorted({payload.get("type", "InvoicePaid") for payload in WEBHOOKS})
STATUSES = ["won", "lost", "showed", "paid", "completed", "opened", "SMS", "CALL", "inbound"]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.characters(),
    st.sampled_from([*TYPES, *STATUSES, "ada@example.com", LATER]),
)
NAMES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(sorted({"webhookId", *(name for payload in WEBHOOKS for name in payload)})),
)
JUNK = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)


def is_event_or_refusal(payload: object) -> None:
    found = from_highlevel(payload)
    if isinstance(found, Refusal):
        assert found.reason
        return
    assert isinstance(read_event(found, now=NOW), Event)
    assert json.loads(json.dumps(found)) == found


@given(payload=JUNK)
def test_junk_makes_an_event_or_is_refused(payload: object) -> None:
    is_event_or_refusal(payload)


@given(payload=st.sampled_from(WEBHOOKS), data=st.data())
def test_a_payload_of_which_parts_are_junk_makes_an_event_or_is_refused(
    payload: Json, data: st.DataObject
) -> None:
    changed = {
        **payload,
        **data.draw(st.dictionaries(st.sampled_from(sorted(payload)), JUNK, max_size=3)),
    }
    for part in ("appointment", "webhookPayload", "contactDetails"):
        if isinstance(payload.get(part), dict) and part in changed:
            names = st.sampled_from(sorted(payload[part]))
            inner = data.draw(st.dictionaries(names, JUNK, max_size=3))
            changed[part] = {**payload[part], **inner}
    is_event_or_refusal(changed)
