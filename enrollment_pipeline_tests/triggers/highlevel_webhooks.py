"""Webhooks in the shape in which HighLevel sends them, with contents of our own."""

from datetime import UTC, datetime
from typing import Any

from enrollment_pipeline.triggers.events import Event, read_event
from enrollment_pipeline.triggers.highlevel import from_highlevel

Json = dict[str, Any]

NOW = datetime(2027, 1, 5, 9, tzinfo=UTC)
LATER = "2027-01-04T10:00:00.000Z"
EARLIER = "2026-12-01T10:00:00.000Z"


def contact(type_: str = "ContactCreate", **changes: Any) -> Json:
    return {
        "type": type_,
        "locationId": "loc-1",
        "id": "c-1",
        "email": "ada@example.com",
        "firstName": "Ada",
        "phone": "+4930123456",
        "city": "Berlin",
        "dnd": False,
        "source": "landing page",
        "tags": ["lead"],
        "customFields": [{"id": "f-1", "value": "x"}],
        "dateAdded": EARLIER,
        **changes,
    }


def deal(type_: str, **changes: Any) -> Json:
    return {
        "type": type_,
        "locationId": "loc-1",
        "id": "d-1",
        "contactId": "c-1",
        "monetaryValue": 40,
        "name": "Spring offer",
        "pipelineId": "p-1",
        "pipelineStageId": "s-1",
        "assignedTo": "u-1",
        "status": "open",
        "dateAdded": EARLIER,
        **changes,
    }


def appointment(type_: str = "AppointmentCreate", **changes: Any) -> Json:
    return {
        "type": type_,
        "locationId": "loc-1",
        "appointment": {
            "id": "a-1",
            "calendarId": "cal-1",
            "contactId": "c-1",
            "title": "First talk",
            "appointmentStatus": "confirmed",
            "assignedUserId": "u-1",
            "users": ["u-1"],
            "startTime": "2027-03-01T14:00:00+01:00",
            "dateAdded": EARLIER,
            "dateUpdated": LATER,
            **changes,
        },
    }


def message(type_: str = "InboundMessage", **changes: Any) -> Json:
    return {
        "type": type_,
        "locationId": "loc-1",
        "contactId": "c-1",
        "body": "Yes please",
        "direction": "inbound",
        "messageType": "SMS",
        "messageId": "m-1",
        "dateAdded": LATER,
        **changes,
    }


def call(type_: str = "InboundMessage", **changes: Any) -> Json:
    told = {"messageType": "CALL", "callDuration": 120, "callStatus": "completed", "body": None}
    return message(type_, **{"status": "completed", **told, **changes})


def email(event: object = "opened", **changes: Any) -> Json:
    return {
        "type": "LCEmailStats",
        "locationId": "loc-1",
        "webhookPayload": {
            "event": event,
            "timestamp": 1798797600,
            "recipient": "ada@example.com",
            "recipient-domain": "example.com",
            "message": {"headers": {"message-id": "m-1", "subject": "It is spring"}},
            "campaigns": ["spring"],
            "flags": {"is-test-mode": False},
            **changes,
        },
    }


def invoice(**changes: Any) -> Json:
    return {
        "_id": "i-1",
        "status": "paid",
        "amountPaid": 999,
        "currency": "USD",
        "invoiceNumber": "19",
        "liveMode": True,
        "contactDetails": {"id": "c-1", "email": "ada@example.com"},
        "invoiceItems": [{"productId": "course", "amount": 999}],
        "updatedAt": LATER,
        **changes,
    }


def order(type_: str = "OrderStatusUpdate", **changes: Any) -> Json:
    return {
        "type": type_,
        "_id": "o-1",
        "status": "completed",
        "amount": 150.1,
        "currency": "USD",
        "contactId": "c-1",
        "contactSnapshot": {"id": "c-1", "email": "ada@example.com"},
        "items": [{"product": {"_id": "shirt"}}, {"product": {"_id": "mug"}}],
        "updatedAt": LATER,
        **changes,
    }


DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


def made(payload: object) -> Json:
    document = from_highlevel(payload)
    assert isinstance(document, dict), document
    assert isinstance(read_event(document, now=NOW), Event)
    return document
