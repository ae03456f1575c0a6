"""Documents of workflows that are valid, each made anew, and one change at a time to them."""

import re
from typing import Any

Document = dict[str, Any]
GONE = object()
"""In place of a value: what is there is taken away."""

_parts = re.compile(r"[^.\[\]]+")

GREETING = 'Hi {{contact.first_name | default("there")}}'
BODY = (
    "{{contact.last_name | upper}} {{contact.source | lower}} {{contact.custom_fields.city|title}} "
    "{{contact.birthday | date}} {{data.starts_at | time}} {{data.custom.seat}} {{data.title}} "
    "{{account.name}} {{workflow.name}} {{values.shop_link}} {{email.unsubscribe_link}} "
    "{{calendar.booking_link}} {{reviews.review_link}} {{shop.link}} {{payments.billing_link}} "
    '{{support.help_link}} {{ support.phone | default("") | upper }} {{sms.from_number}}'
)


def small(name: str = "Welcome", **parts: object) -> Document:
    """Return a document with one step, which needs no integration."""
    return {
        "name": name,
        "trigger": {"event": "tag_added", "parameters": {"tag": "lead"}},
        "steps": [{"id": "tells", "type": "notify", "message": "A lead"}],
        **parts,
    }


def tagging(name: str, waits_for: str, adds: str) -> Document:
    """Return a document that waits for a tag and adds another."""
    return small(
        name,
        trigger={"event": "tag_added", "parameters": {"tag": waits_for}},
        steps=[{"id": "marks", "type": "add_tag", "tag": adds}],
    )


def mailing(name: str = "Mailing") -> Document:
    """Return a document that needs the integration email."""
    step = {"id": "hello", "type": "send_email", "subject": "Hi", "body": "Hello."}
    return small(name, integrations=["email"], steps=[step])


def full() -> Document:
    """Return a document with every step type, every way, every root and every filter."""
    return {
        "schema": 1,
        "name": "Welcome series",
        "description": "All there is.",
        "integrations": [
            *("email", "sms", "calendar", "reviews", "shop", "payments", "support"),
        ],
        "values": {"shop_link": "https://shop.example.com", "motto": "Be kind"},
        "trigger": {
            "event": "appointment_booked",
            "parameters": {},
            "filters": {"field": "data.title", "operator": "contains", "value": "talk"},
            "settings": {"enrollment_limit": "multiple"},
        },
        "steps": _steps(),
        "goals": [
            {"name": "Came", "event": "appointment_completed", "then": "thanks"},
            {
                "name": "Bought",
                "condition": {
                    "conditions": [{"field": "tags", "operator": "contains", "value": "customer"}]
                },
            },
        ],
        "settings": {
            "reenrollment": "after_exit",
            "required_fields": ["email", "phone"],
            "business_hours": True,
            "target": "database",
        },
    }


def _steps() -> list[Document]:
    return [
        # 0
        {
            "id": "hello",
            "type": "send_email",
            "label": "The first e-mail",
            "subject": GREETING,
            "body": BODY,
            "from_name": "{{email.from_name}}",
            "reply_to": "{{email.from_address}}",
        },
        {"id": "rests", "type": "wait", "duration": "3 days", "next": "awaits"},
        # 2
        {"id": "awaits", "type": "wait", "until": "{{data.starts_at}}", "offset": "-24 hours"},
        {"id": "opens", "type": "wait", "business_hours": True},
        # 4
        {"id": "dated", "type": "wait", "until": "2027-01-31T09:00", "offset": "2 days"},
        {
            "id": "asks",
            "type": "condition",
            "condition": {"field": "data.title", "operator": "equals", "value": "First talk"},
            "then": "texts",
            "else": "marks",
        },
        # 6
        {"id": "texts", "type": "send_sms", "body": "Hello from {{account.name}}"},
        {"id": "marks", "type": "add_tag", "tag": "hot"},
        # 8
        {"id": "unmarks", "type": "remove_tag", "tag": "cold"},
        {"id": "sets", "type": "update_field", "field": "custom_fields.plan", "value": 3.5},
        # 10
        {
            "id": "posts",
            "type": "webhook",
            "method": "PUT",
            "url": "https://example.com/hook?x={{contact.id}}",
            "headers": {"X-Kind": "{{contact.status}}"},
            "body": {"who": ["{{contact.email}}", {"deep": 1}], "none": None},
        },
        {
            "id": "calls",
            "type": "http_request",
            "url": "{{values.shop_link}}",
            "body": "plain",
            "save_as": "custom_fields.answer",
        },
        # 12
        {
            "id": "works",
            "type": "create_task",
            "title": "Call {{contact.first_name}}",
            "description": "Ask.",
            "due": "2 days",
            "assignee": "ann",
        },
        {"id": "tells", "type": "notify", "message": "A lead", "to": ["ann", "bob"]},
        # 14
        {"id": "reached", "type": "goal", "goal": "Bought", "otherwise": "wait"},
        {"id": "pauses", "type": "wait", "duration": "1 week"},
        # 16
        {
            "id": "again",
            "type": "condition",
            "condition": {"field": "tags", "operator": "contains", "value": "hot"},
            "then": "pauses",
        },
        {"id": "leaves", "type": "end"},
        # 18: only a goal leads to it.
        {"id": "thanks", "type": "send_sms", "body": "Thanks", "next": "leaves"},
    ]


def put(document: Any, path: str, value: object) -> None:
    """Put a value where a path such as `steps[2].subject` leads; one behind a list is added."""
    *way, last = (int(part) if part.isdigit() else part for part in _parts.findall(path))
    for part in way:
        document = document[part]
    if value is GONE:
        del document[last]
    elif isinstance(document, list) and last == len(document):
        document.append(value)
    else:
        document[last] = value


def for_items(name: str = "New roles") -> Document:
    """Return a document for items with every step type, every field and every root that they have.

    It needs the integration role_service.
    """
    return {
        "schema": 1,
        "name": name,
        "description": "All there is for items.",
        "integrations": ["role_service"],
        "values": {"motto": "Be kind"},
        "steps": _steps_for_items(),
        "goals": [
            {
                "name": "Known",
                "condition": {"field": "item.attributes.known", "operator": "equals", "value": "x"},
                "then": "leaves",
            }
        ],
        "settings": {"subject": "item", "estimate": "2 minutes", "target": "database"},
    }


def _steps_for_items() -> list[Document]:
    return [
        # 0
        {
            "id": "checks",
            "type": "http_request",
            "label": "Check it",
            "method": "PUT",
            "url": "{{role_service.url}}/roles/{{item.reference_name}}?kind=new",
            "headers": {"X-Company": "{{item.company}}"},
            "body": {"all": "{{item.attributes}}", "papers": ["{{item.documents}}"], "none": None},
            "save_as": "attributes.found.first",
            "timeout": "10 minutes",
            "retry": "slow",
            "enhancement": True,
        },
        {
            "id": "asks",
            "type": "condition",
            "condition": {
                "logic": "OR",
                "conditions": [
                    {"field": "steps.checks.score", "operator": "greater_than", "value": 60},
                    {"field": "item.documents", "operator": "is_empty"},
                    {"field": "item.attributes.plan.kind", "operator": "equals", "value": "new"},
                ],
            },
            "then": "sets",
            "else": "tells",
        },
        # 2
        {
            "id": "sets",
            "type": "update_field",
            "field": "attributes.plan",
            "value": "{{steps.checks.plan}}",
            "enhancement": True,
        },
        {"id": "rests", "type": "wait", "until": "{{item.attributes.starts_at}}"},
        # 4
        {
            "id": "tells",
            "type": "notify",
            "message": "{{item.name | upper}} of {{item.company}}: {{steps.checks.score}} "
            "{{values.motto}} {{account.name}} {{workflow.name}} {{steps.checks}}",
            "to": ["{{item.attributes.owner}}"],
            "enhancement": True,
        },
        {"id": "reached", "type": "goal", "goal": "Known", "otherwise": "end"},
        # 6
        {"id": "leaves", "type": "end"},
    ]
