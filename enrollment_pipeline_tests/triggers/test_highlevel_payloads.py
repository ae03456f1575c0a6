"""HighLevel's webhooks, type by type: which event each makes, and why others make none."""

from collections.abc import Callable

import pytest

from enrollment_pipeline.triggers.highlevel import Refusal, from_highlevel
from enrollment_pipeline_tests.triggers.highlevel_webhooks import (
    EARLIER,
    LATER,
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

# What each makes: type, who, when, and the payload

DEAL = {"deal_id": "d-1", "name": "Spring offer", "pipeline_id": "p-1", "amount": 40}
DEAL_REST = {"locationId": "loc-1", "assignedTo": "u-1", "dateAdded": EARLIER}
APPOINTMENT = {
    "appointment_id": "a-1",
    "calendar_id": "cal-1",
    "title": "First talk",
    "assigned_to": "u-1",
    "starts_at": "2027-03-01T14:00:00+01:00",
}
BY_EMAIL = {"email": "ada@example.com"}
BY_ID = {"external_id": "c-1"}


def of_appointment(status: str) -> Json:
    rest = {"appointmentStatus": status, "dateAdded": EARLIER, "dateUpdated": LATER}
    return {**APPOINTMENT, "custom": {"locationId": "loc-1", **rest}}


def of_message(**more: str) -> Json:
    return {"locationId": "loc-1", "direction": "inbound", "dateAdded": LATER, **more}


EMAIL_REST = {"locationId": "loc-1", "recipient-domain": "example.com"}
MAPPED: dict[str, tuple[Json, str, Json, str | None, Json]] = {
    "ContactCreate": (
        contact(),
        "contact_created",
        BY_EMAIL,
        EARLIER,
        {
            "source": "landing page",
            "custom": {
                "locationId": "loc-1",
                "city": "Berlin",
                "dnd": False,
                "dateAdded": EARLIER,
            },
        },
    ),
    "ContactUpdate": (
        contact("ContactUpdate"),
        "contact_updated",
        BY_EMAIL,
        None,
        {
            "custom": {
                "locationId": "loc-1",
                "city": "Berlin",
                "dnd": False,
                "source": "landing page",
                "dateAdded": EARLIER,
            }
        },
    ),
    "OpportunityCreate": (
        deal("OpportunityCreate"),
        "deal_created",
        BY_ID,
        EARLIER,
        {**DEAL, "stage_id": "s-1", "custom": {**DEAL_REST, "status": "open"}},
    ),
    "OpportunityStageUpdate": (
        deal("OpportunityStageUpdate"),
        "stage_changed",
        BY_ID,
        None,
        {**DEAL, "stage_id": "s-1", "custom": {**DEAL_REST, "status": "open"}},
    ),
    "OpportunityStatusUpdate won": (
        deal("OpportunityStatusUpdate", status="won"),
        "deal_won",
        BY_ID,
        None,
        {**DEAL, "custom": {**DEAL_REST, "status": "won", "pipelineStageId": "s-1"}},
    ),
    "OpportunityStatusUpdate lost": (
        deal("OpportunityStatusUpdate", status="lost", lostReasonId="r-1"),
        "deal_lost",
        BY_ID,
        None,
        {
            **DEAL,
            "custom": {
                **DEAL_REST,
                "status": "lost",
                "pipelineStageId": "s-1",
                "lostReasonId": "r-1",
            },
        },
    ),
    "AppointmentCreate": (
        appointment(),
        "appointment_booked",
        BY_ID,
        EARLIER,
        of_appointment("confirmed"),
    ),
    "AppointmentUpdate cancelled": (
        appointment("AppointmentUpdate", appointmentStatus="cancelled"),
        "appointment_cancelled",
        BY_ID,
        LATER,
        of_appointment("cancelled"),
    ),
    "AppointmentUpdate showed": (
        appointment("AppointmentUpdate", appointmentStatus="showed"),
        "appointment_completed",
        BY_ID,
        LATER,
        of_appointment("showed"),
    ),
    "AppointmentUpdate noshow": (
        appointment("AppointmentUpdate", appointmentStatus="noshow"),
        "appointment_no_show",
        BY_ID,
        LATER,
        of_appointment("noshow"),
    ),
    "InboundMessage SMS": (
        message(),
        "sms_received",
        BY_ID,
        LATER,
        {"body": "Yes please", "message_id": "m-1", "custom": of_message(messageType="SMS")},
    ),
    "InboundMessage CALL": (
        call(),
        "call_completed",
        BY_ID,
        LATER,
        {
            "direction": "inbound",
            "duration_seconds": 120,
            "result": "completed",
            "call_id": "m-1",
            "custom": of_message(messageType="CALL", status="completed"),
        },
    ),
    "LCEmailStats opened": (
        email(),
        "email_opened",
        BY_EMAIL,
        "2027-01-01T10:00:00+00:00",
        {
            "message_id": "m-1",
            "campaign_id": "spring",
            "subject": "It is spring",
            "custom": {**EMAIL_REST, "event": "opened"},
        },
    ),
    "LCEmailStats clicked": (
        email("clicked", url="https://example.com/offer"),
        "email_clicked",
        BY_EMAIL,
        "2027-01-01T10:00:00+00:00",
        {
            "message_id": "m-1",
            "campaign_id": "spring",
            "subject": "It is spring",
            "url": "https://example.com/offer",
            "custom": {**EMAIL_REST, "event": "clicked"},
        },
    ),
    "InvoicePaid": (
        invoice(),
        "payment_received",
        BY_EMAIL,
        LATER,
        {
            "amount": 999,
            "currency": "USD",
            "product_id": "course",
            "custom": {
                "_id": "i-1",
                "status": "paid",
                "invoiceNumber": "19",
                "liveMode": True,
                "updatedAt": LATER,
            },
        },
    ),
    "OrderStatusUpdate": (
        order(),
        "payment_received",
        BY_EMAIL,
        LATER,
        {
            "amount": 150.1,
            "currency": "USD",
            "custom": {"_id": "o-1", "status": "completed", "updatedAt": LATER},
        },
    ),
}


@pytest.mark.parametrize("name", MAPPED)
def test_a_webhook_makes_the_event_that_it_tells_of(name: str) -> None:
    payload, type_, who, when, data = MAPPED[name]
    document = made(payload)
    assert document.pop("event_id").startswith("highlevel:")
    happened = {} if when is None else {"occurred_at": when}
    assert document == {"type": type_, **who, **happened, "data": data}


# What is refused, and why

REFUSED: list[tuple[Json, str]] = [
    (contact("ContactTagUpdate"), "which one was added or removed cannot be told. Let a workflow"),
    (contact("ContactDndUpdate"), "A change of consent enrolls nobody. Import the contact"),
    (contact("ContactDelete"), "must never enroll it. Import it with the status blocked"),
    (deal("OpportunityStatusUpdate"), 'won or lost makes an event; this one is "open"'),
    (deal("OpportunityStatusUpdate", status="abandoned"), 'this one is "abandoned"'),
    (deal("OpportunityStatusUpdate", status=None), "this one is unknown"),
    (deal("OpportunityUpdate"), '"OpportunityUpdate" is no event that triggers know'),
    (appointment("AppointmentUpdate"), 'cancelled, kept or missed; this one is "confirmed"'),
    (appointment("AppointmentUpdate", appointmentStatus=None), "this one is unknown"),
    (appointment(appointmentStatus="invalid"), 'this one is "invalid"'),
    (appointment("AppointmentDelete"), '"AppointmentDelete" is no event that triggers know'),
    (message(messageType="Email"), 'only SMS and completed calls make events; this is "Email"'),
    (message(messageType="WhatsApp"), 'this is "WhatsApp"'),
    (message(messageType=None), "this is unknown"),
    (call(callStatus="no-answer"), 'Only a completed call makes an event; this one is "no-answer"'),
    (call(callStatus=None, status="busy"), 'this one is "busy"'),
    (message("OutboundMessage", direction="outbound"), "What is sent to a contact is no event"),
    (message("OutboundMessage", direction=None), "What is sent to a contact is no event"),
    (message(direction="outbound"), "What is sent to a contact is no event"),
    (call("OutboundMessage", direction="outbound"), "What is sent to a contact is no event"),
    (email("delivered"), 'opened or clicked makes an event; this one is "delivered"'),
    (email(None), "this one is unknown"),
    (invoice(status="partially_paid", amountPaid=899), "how much was paid now cannot be told"),
    (invoice(type="InvoicePartiallyPaid", status="partially_paid"), "Wait for the payload"),
    (invoice(status="draft"), 'Only a paid invoice makes an event; this one is "draft"'),
    (order("OrderCreate", status="pending"), "not paid yet. Wait for OrderStatusUpdate"),
    (order(status="refunded"), 'paid or completed makes an event; this one is "refunded"'),
    (invoice(type="InvoiceUpdate"), '"InvoiceUpdate" is no event that triggers know'),
    ({"type": "TaskComplete", "contactId": "c-1"}, '"TaskComplete" is no event that triggers know'),
    ({"type": "tag_added", "contactId": "c-1"}, '"tag_added" is no event that triggers know'),
]


@pytest.mark.parametrize(("payload", "said"), REFUSED)
def test_a_webhook_that_is_no_event_is_refused_with_the_reason(payload: Json, said: str) -> None:
    refusal = from_highlevel(payload)
    assert isinstance(refusal, Refusal)
    assert refusal.type == payload.get("type", "unknown")
    assert said in refusal.reason
    assert refusal.reason.isprintable()
    assert refusal.reason.endswith(".")


# What the CRM's examples and its real payloads do not agree on


@pytest.mark.parametrize(
    ("status", "type_"),
    [
        ("cancelled", "appointment_cancelled"),
        ("canceled", "appointment_cancelled"),
        ("showed", "appointment_completed"),
        ("noshow", "appointment_no_show"),
        ("No Show", "appointment_no_show"),
    ],
)
@pytest.mark.parametrize("named", ["AppointmentCreate", "AppointmentUpdate"])
def test_an_appointment_that_is_over_goes_by_its_status(
    status: str, type_: str, named: str
) -> None:
    assert made(appointment(named, appointmentStatus=status))["type"] == type_


@pytest.mark.parametrize("status", ["new", "confirmed", "rescheduled", None])
def test_a_new_appointment_is_booked_whatever_else_is_said_of_it(status: str | None) -> None:
    assert made(appointment(appointmentStatus=status))["type"] == "appointment_booked"


@pytest.mark.parametrize("build", [message, call])
def test_a_message_goes_by_its_direction(build: Callable[..., Json]) -> None:
    incoming, outgoing = made(build()), made(build("OutboundMessage"))
    assert {**incoming, "event_id": ""} == {**outgoing, "event_id": ""}
    assert made(build(direction=None))["type"] == incoming["type"]


def test_a_call_without_a_call_status_goes_by_its_status() -> None:
    data = made(call(callStatus=None))["data"]
    assert data["result"] == "completed"
    assert "status" not in data["custom"]


def test_an_invoice_may_have_a_type() -> None:
    assert made(invoice(type="InvoicePaid")) == made(invoice())
