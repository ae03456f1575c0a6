"""Each event type from its event to an enrollment, and a near miss that says what was missing."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline_tests.triggers.conftest import Automation, Document, utc

ADA, BOB = "ada@example.com", "bob@example.com"
RESOLUTION = timedelta(microseconds=1)
WEB = {"field": "source", "operator": "equals", "value": "web"}
FROM_SHOP = 'filters: source "shop" does not equal "web"'


def where(name: str, operator: str, *value: object, **more: object) -> Document:
    """A filter of one condition."""
    found = {"field": name, "operator": operator, **more}
    return {**found, "value": value[0]} if value else found


@dataclass(frozen=True)
class Case:
    """A trigger; an event, or a contact, that it takes; one that it nearly takes, and why not.

    Ada is who is taken, Bob is not.
    """

    filters: Document
    reason: str
    parameters: Document = field(default_factory=dict)
    ada: Document = field(default_factory=dict)
    bob: Document = field(default_factory=dict)


@dataclass(frozen=True)
class Sent(Case):
    """`good` and `bad` are data of the event, but for a `previous_state` in it."""

    good: Document = field(default_factory=dict)
    bad: Document = field(default_factory=dict)


@dataclass(frozen=True)
class Timed(Case):
    """`at` is when the firing is due, in UTC."""

    at: str = ""


SENT = {
    "contact_created": Sent(
        where("data.source", "equals", "landing page"),
        'filters: source "import" does not equal "landing page"',
        good={"source": "landing page"},
        bad={"source": "import"},
    ),
    "contact_updated": Sent(
        where("status", "changed_to", "active"),
        'filters: status "active" did not change to "active"',
        good={"previous_state": {"status": "blocked"}},
        bad={"previous_state": {"status": "active"}},
    ),
    "tag_added": Sent(
        WEB,
        FROM_SHOP,
        {"tag": "lead"},
        {"source": "web"},
        {"source": "shop"},
        good={"tag": "lead"},
        bad={"tag": "lead"},
    ),
    "tag_removed": Sent(
        where("tags", "contains", "customer"),
        'filters: tags ["lead"] does not contain "customer"',
        {"tag": "trial"},
        {"tags": ["lead", "customer"]},
        {"tags": ["lead"]},
        good={"tag": "trial"},
        bad={"tag": "trial"},
    ),
    "custom_field_changed": Sent(
        where("custom_fields.plan", "changed_to", "pro"),
        'filters: plan "team" did not change to "pro"',
        {"field": "plan"},
        good={"field": "plan", "old_value": "free", "new_value": "pro"},
        bad={"field": "plan", "old_value": "free", "new_value": "team"},
    ),
    "form_submitted": Sent(
        where("data.answers.topic", "equals", "pricing"),
        'filters: answers.topic "jobs" does not equal "pricing"',
        {"form_id": "newsletter"},
        good={"form_id": "newsletter", "answers": {"topic": "pricing"}},
        bad={"form_id": "newsletter", "answers": {"topic": "jobs"}},
    ),
    "survey_completed": Sent(
        where("data.score", "greater_than_or_equal", 9),
        "filters: score 8.9 is not greater_than_or_equal 9",
        {"survey_id": "nps"},
        good={"survey_id": "nps", "score": 9.0},
        bad={"survey_id": "nps", "score": 8.9},
    ),
    "stage_changed": Sent(
        where("data.stage_id", "changed_from", "contacted"),
        'filters: stage_id "new" did not change from "contacted"',
        {"stage_id": "offer"},
        good={"stage_id": "offer", "previous_stage_id": "contacted"},
        bad={"stage_id": "offer", "previous_stage_id": "new"},
    ),
    "deal_created": Sent(
        where("data.pipeline_id", "in", ["sales", "partners"]),
        'filters: pipeline_id "support" is not in ["sales", "partners"]',
        good={"pipeline_id": "partners"},
        bad={"pipeline_id": "support"},
    ),
    "deal_won": Sent(
        where("data.amount", "greater_than", 10_000),
        "filters: amount 10000 is not greater_than 10000",
        good={"amount": 10_000.01},
        bad={"amount": 10_000},
    ),
    "deal_lost": Sent(
        where("data.reason", "contains", "price"),
        'filters: reason "Price" does not contain "price"',
        good={"reason": "the price"},
        bad={"reason": "Price"},
    ),
    "appointment_booked": Sent(
        where("data.starts_at", "less_than", "2031-01-01T00:00:00Z"),
        'filters: starts_at "2031-01-01T01:00:00+01:00" is not less_than "2031-01-01T00:00:00Z"',
        good={"starts_at": "2031-01-01T00:59:59+01:00"},
        bad={"starts_at": "2031-01-01T01:00:00+01:00"},
    ),
    "appointment_cancelled": Sent(
        where("data.reason", "is_empty"),
        'filters: reason "ill" is not empty',
        bad={"reason": "ill"},
    ),
    "appointment_completed": Sent(
        where("data.calendar_id", "starts_with", ["consult", "sales"]),
        'filters: calendar_id "service" does not start with ["consult", "sales"]',
        good={"calendar_id": "consulting"},
        bad={"calendar_id": "service"},
    ),
    "appointment_no_show": Sent(
        where("data.assigned_to", "not_equals", "bob"),
        'filters: assigned_to "bob" equals "bob"',
        bad={"assigned_to": "bob"},
    ),
    "payment_received": Sent(
        {
            "logic": "AND",
            "conditions": [
                where("data.currency", "equals", "EUR"),
                where("data.amount", "greater_than", 500),
            ],
        },
        "filters: amount 120 is not greater_than 500",
        good={"amount": 501, "currency": "EUR"},
        bad={"amount": 120, "currency": "EUR"},
    ),
    "subscription_created": Sent(
        where("data.plan_id", "not_in", ["free", "trial"]),
        'filters: plan_id "trial" is in ["free", "trial"]',
        good={"plan_id": "pro"},
        bad={"plan_id": "trial"},
    ),
    "subscription_cancelled": Sent(
        where("data.reason", "not_contains", "MOVED", ignore_case=True),
        'filters: reason "moved away" contains "MOVED"',
        good={"reason": "too expensive"},
        bad={"reason": "moved away"},
    ),
    "email_opened": Sent(
        where("data.campaign_id", "ends_with", "-2031"),
        'filters: campaign_id "spring-2030" does not end with "-2031"',
        good={"campaign_id": "spring-2031"},
        bad={"campaign_id": "spring-2030"},
    ),
    "email_clicked": Sent(
        where("data.url", "is_not_empty"),
        "filters: url, which is missing, is empty",
        good={"url": "https://example.com/offer"},
        bad={"subject": "It is spring"},
    ),
    "sms_received": Sent(
        where("data.body", "starts_with", "stop", ignore_case=True),
        'filters: body "Please stop" does not start with "stop"',
        good={"body": "STOP please"},
        bad={"body": "Please stop"},
    ),
    "call_completed": Sent(
        {
            "logic": "OR",
            "conditions": [
                where("data.duration_seconds", "less_than_or_equal", 60),
                where("data.custom.callback", "equals", True),
            ],
        },
        "filters: duration_seconds 61 is not less_than_or_equal 60; "
        "custom.callback 1 does not equal true",
        good={"duration_seconds": 61, "custom": {"callback": True}},
        bad={"duration_seconds": 61, "custom": {"callback": 1}},
    ),
}

TIMED = {
    "scheduled_date": Timed(
        WEB,
        FROM_SHOP,
        {"date_field": "custom_fields.renewal_date", "offset_days": -7, "time": "08:30"},
        {"source": "web", "custom_fields": {"renewal_date": "2031-03-08"}},
        {"source": "shop", "custom_fields": {"renewal_date": "2031-03-08"}},
        at="2031-03-01T08:30",
    ),
    "recurring_schedule": Timed(
        WEB,
        "blocked: contact_blocked",
        {"cron": "0 9 * * MON"},
        {"source": "web"},
        {"source": "web", "status": "blocked"},
        at="2031-03-03T09:00",
    ),
    "birthday": Timed(
        WEB,
        FROM_SHOP,
        {},
        {"source": "web", "birthday": "1990-06-15"},
        {"source": "shop", "birthday": "1991-06-15"},
        at="2031-06-15T09:00",
    ),
    "anniversary": Timed(
        WEB,
        FROM_SHOP,
        {"date_field": "custom_fields.since", "time": "12:00"},
        {"source": "web", "custom_fields": {"since": "2030-06-15"}},
        {"source": "shop", "custom_fields": {"since": "2029-06-15"}},
        at="2031-06-15T12:00",
    ),
}

every_sent_type = pytest.mark.parametrize(("name", "case"), SENT.items(), ids=list(SENT))
every_timed_type = pytest.mark.parametrize(("name", "case"), TIMED.items(), ids=list(TIMED))


def given(automation: Automation, name: str, case: Case) -> None:
    """Make the trigger and the two contacts."""
    document = {"event": name, "parameters": case.parameters, "filters": case.filters}
    automation.automate(document)
    automation.contact(ADA, **case.ada)
    automation.contact(BOB, **case.bob)


def event(name: str, email: str, data: dict[str, Any]) -> Document:
    """The event of a contact."""
    data = dict(data)
    before = data.pop("previous_state", None)
    more = {} if before is None else {"previous_state": before}
    return {"type": name, "email": email, "data": data, **more}


@every_sent_type
def test_an_event_of_each_type_enrolls_its_contact(
    automation: Automation, name: str, case: Sent
) -> None:
    given(automation, name, case)

    assert automation.send(event(name, ADA, case.good)).accepted == 1
    automation.work()

    assert automation.enrolled() == [("Welcome", ADA, "trigger")]
    assert automation.log() == [("fired", True, True, None)]


@every_sent_type
def test_an_event_just_off_a_filter_enrolls_nobody_and_says_why(
    automation: Automation, name: str, case: Sent
) -> None:
    given(automation, name, case)

    assert automation.send(event(name, BOB, case.bad)).accepted == 1
    automation.work()

    assert automation.enrolled() == []
    assert automation.log() == [("filters", False, False, case.reason)]


@every_timed_type
def test_the_clock_enrolls_for_each_type_whom_it_concerns_and_says_why_not_the_others(
    automation: Automation, name: str, case: Timed
) -> None:
    given(automation, name, case)
    automation.contact("eve@example.com", source="elsewhere")
    due = utc(case.at)

    automation.turn(due)

    assert automation.enrolled() == [("Welcome", ADA, "trigger")]
    # Eve matches no filter of the schedule, and has no date: nobody considered her.
    result = "fired" if name == "recurring_schedule" else "filters"
    assert sorted(automation.log()) == sorted(
        [("fired", True, True, None), (result, result == "fired", False, case.reason)]
    )


@every_timed_type
def test_nothing_of_the_clock_is_early(automation: Automation, name: str, case: Timed) -> None:
    given(automation, name, case)

    automation.turn(utc(case.at) - RESOLUTION)

    assert automation.log() == []


@pytest.mark.parametrize("name", [name for name, kind in EVENT_TYPES.items() if kind.key])
def test_an_event_about_another_tag_form_or_stage_is_not_even_considered(
    automation: Automation, name: str
) -> None:
    case = SENT[name]
    given(automation, name, case)
    key = str(EVENT_TYPES[name].key)

    automation.send(event(name, ADA, {**case.good, key: "another"}))
    automation.work()

    assert automation.log() == []
    assert list(automation.events().values()) == [None]


def test_every_event_type_is_tried() -> None:
    assert {*SENT, *TIMED} == set(EVENT_TYPES)
    assert not {*SENT} & {*TIMED}
