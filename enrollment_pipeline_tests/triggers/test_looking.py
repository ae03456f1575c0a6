"""Tests of triggers: what an event would come to for a contact, and then does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.errors import ContactNotFoundError, InvalidRequestError
from enrollment_pipeline.triggers import keeping
from enrollment_pipeline.triggers.documents import parse_trigger
from enrollment_pipeline.triggers.looking import Draft
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.triggers.conftest import (
    Automation,
    Document,
    MakeAutomation,
    utc,
)
from enrollment_pipeline_tests.triggers.looks import CLOSED, OPEN, both, flags, trial

AMOUNT = {"field": "data.amount", "operator": "greater_than", "value": 500}
PAID: Document = {"event": "payment_received", "filters": AMOUNT}
PRO = {"field": "custom_fields.plan", "operator": "equals", "value": "pro"}


@dataclass(frozen=True)
class Case:
    """What is so, and what a test has to say: matched, would fire, would enroll, and why not."""

    expected: tuple[bool, bool, bool]
    reason: str | None = None
    contact: Document = field(default_factory=dict)
    workflow: Document = field(default_factory=dict)
    settings: Document = field(default_factory=dict)
    amount: float = 600
    now: datetime = OPEN
    before: Callable[[Automation, UUID, UUID], Any] = lambda *_: None


def active_now(automation: Automation, workflow: UUID, contact: UUID) -> None:
    automation.sql(
        "insert into enrollment.enrollments (account_id, workflow_id, contact_id, current_step, "
        "source, source_id) values (:account, :workflow, :contact, 'start', 'api', :contact)",
        account=automation.account.id,
        workflow=workflow,
        contact=contact,
    )


def was_in(automation: Automation, workflow: UUID, contact: UUID) -> None:
    automation.start_before(workflow, contact, times=1, at=utc("2030-06-01T12:00"))


def was_in_often(automation: Automation, workflow: UUID, contact: UUID) -> None:
    automation.start_before(workflow, contact, times=50, at=OPEN - timedelta(minutes=20))


def off(automation: Automation, workflow: UUID, contact: UUID) -> None:
    keeping.deactivate(automation.database, automation.account, "Welcome", actor="ann")


ENROLLS, BLOCKED, STOPPED, MISSED = (
    (True, True, True),
    (True, True, False),
    (True, False, False),
    (False, False, False),
)
ONCE = "blocked: already_enrolled: the contact is or was in this workflow, which takes a contact"
AGAIN = {"enrollment_limit": "multiple"}
CASES = {
    "match": Case(ENROLLS),
    "filter": Case(MISSED, "filters: amount 120 is not greater_than 500", amount=120),
    "unsubscribed": Case(
        BLOCKED,
        "blocked: contact_blocked: the contact has unsubscribed",
        contact={"status": "unsubscribed"},
    ),
    "bounced": Case(
        BLOCKED,
        "blocked: contact_blocked: mail to the contact bounced",
        contact={"status": "bounced"},
    ),
    "no phone": Case(
        BLOCKED,
        "blocked: validation_error: the contact has no phone number",
        workflow={"required_fields": ["phone"]},
    ),
    "single, was in": Case(BLOCKED, ONCE, workflow={"reenrollment": "always"}, before=was_in),
    "multiple, was in": Case(
        ENROLLS, workflow={"reenrollment": "always"}, settings=AGAIN, before=was_in
    ),
    "multiple, never twice": Case(BLOCKED, ONCE, settings=AGAIN, before=was_in),
    "multiple, is in": Case(
        BLOCKED,
        "blocked: already_enrolled: the contact is active in this workflow",
        workflow={"reenrollment": "always"},
        settings=AGAIN,
        before=active_now,
    ),
    "paused": Case(STOPPED, "the workflow is paused", workflow={"status": "paused"}),
    "inactive": Case(STOPPED, "the trigger is not active", before=off),
    "deleted": Case(MISSED, "the contact was deleted", contact={"deleted_at": "2030-01-01"}),
    "loop": Case(
        STOPPED,
        "loop: started 50 times within 30 minutes already",
        workflow={"reenrollment": "always"},
        settings=AGAIN,
        before=was_in_often,
    ),
    "closed": Case(
        ENROLLS,
        "outside business hours, due 2031-01-20T09:00",
        settings={"respect_business_hours": True},
        now=CLOSED,
    ),
    "closed, and blocked": Case(
        BLOCKED,
        "blocked: contact_blocked: the contact is blocked",
        contact={"status": "blocked"},
        settings={"respect_business_hours": True},
        now=CLOSED,
    ),
    "closed, and it does not matter": Case(ENROLLS, now=CLOSED),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_test_says_what_the_event_then_comes_to(automation: Automation, case: Case) -> None:
    workflow = automation.workflow(**case.workflow)
    automation.trigger(PAID, **case.settings)
    contact = automation.contact(**case.contact)
    case.before(automation, workflow, contact)

    found = trial(automation, contact, {"amount": case.amount}, now=case.now)

    assert flags(found) == case.expected
    told = found["reasons"]
    assert any(one.startswith(case.reason) for one in told) if case.reason else told == []

    automation.pay(case.amount, contact)
    automation.work(case.now)
    if found["waits_until"] is not None:
        assert [row[0] for row in automation.log()] == ["queued"]
        automation.work(datetime.fromisoformat(found["waits_until"]))
    log = automation.log()
    if case.before is off:
        assert log == []
        return
    ((result, matched, enrolled, reason),) = log
    assert (matched, result == "fired", enrolled) == case.expected
    assert reason is None or any(one.startswith(reason) for one in told)


def test_where_business_hours_never_begin_nobody_would_be_taken(
    make_automation: MakeAutomation,
) -> None:
    mondays = [(OPEN.date() + timedelta(days=6 + 7 * week)).isoformat() for week in range(60)]
    automation = make_automation(business_days="mon", holidays=",".join(mondays))
    automation.automate(PAID, respect_business_hours=True)
    automation.contact()

    found = trial(automation, data={"amount": 600})

    assert flags(found) == STOPPED
    assert found["reasons"] == ["outside business hours, and none are ahead"]
    automation.pay(600)
    automation.work(OPEN)
    assert automation.enrolled() == []


def test_an_inactive_trigger_would_do_what_an_active_one_does_but_fire(
    automation: Automation,
) -> None:
    trigger = automation.automate(PAID)
    automation.contact(status="blocked")
    keeping.deactivate(automation.database, automation.account, str(trigger.id), actor="ann")

    found = trial(automation, data={"amount": 120})

    assert found["reasons"] == [
        "filters: amount 120 is not greater_than 500",
        "the trigger is not active",
        "blocked: contact_blocked: the contact is blocked",
    ]


def test_a_test_tells_the_verdict_of_each_condition_with_addresses_masked(
    automation: Automation,
) -> None:
    ada = {"field": "email", "operator": "equals", "value": "Ada@example.com"}
    sender = {"field": "data.custom.from", "operator": "equals", "value": "x@example.com"}
    trigger = automation.automate({**PAID, "filters": both("AND", both("OR", ada, sender), AMOUNT)})
    contact = automation.contact()

    found = trial(automation, data={"amount": "120", "custom": {"from": "joe@example.com"}})

    assert found == {
        "trigger_id": str(trigger.id),
        "workflow_name": "Welcome",
        "contact_id": str(contact),
        "matched": False,
        "would_fire": False,
        "would_enroll": False,
        "reasons": ['the event would be rejected: data.amount: must be a number, not "120"'],
        "conditions": [
            {
                "path": "conditions[0].conditions[0]",
                "holds": True,
                "sentence": 'email "a***@example.com" equals "A***@example.com"',
            },
            {
                "path": "conditions[0].conditions[1]",
                "holds": False,
                "sentence": 'custom.from "j***@example.com" does not equal "x***@example.com"',
            },
            {
                "path": "conditions[1]",
                "holds": False,
                "sentence": 'amount "120" is not greater_than 500',
            },
        ],
        "due": None,
        "waits_until": None,
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "the event would be rejected: data.amount: is missing"),
        ({"amount": float("nan")}, "the event would be rejected: holds what JSON does not have"),
        ({"amount": 1, "currency": "\0"}, "the event would be rejected: holds a NUL character"),
    ],
)
def test_what_is_no_event_matches_nothing(
    automation: Automation, data: Document, reason: str
) -> None:
    automation.automate({"event": "payment_received"})
    automation.contact()

    found = trial(automation, data=data)

    assert flags(found) == (False, False, False)
    assert [one[: len(reason)] for one in found["reasons"]] == [reason]


@pytest.mark.parametrize(
    ("document", "data", "misfit"),
    [
        ({"event": "tag_added", "parameters": {"tag": "vip"}}, {}, None),
        ({"event": "tag_added", "parameters": {"tag": "vip"}}, {"tag": "vip"}, None),
        (
            {"event": "tag_added", "parameters": {"tag": "vip"}},
            {"tag": "lead"},
            'the trigger waits for the tag "vip", and the event has "lead"',
        ),
        (
            {"event": "custom_field_changed", "parameters": {"field": "plan"}},
            {"field": "custom_fields.plan", "new_value": "pro"},
            None,
        ),
        (
            {"event": "custom_field_changed", "parameters": {"field": "plan"}},
            {"field": "size"},
            'the trigger waits for the field "plan", and the event has "size"',
        ),
    ],
)
def test_the_key_of_an_event_must_be_the_triggers_own(
    automation: Automation, document: Document, data: Document, misfit: str | None
) -> None:
    automation.automate(document)
    contact = automation.contact()

    found = trial(automation, data=data)

    assert flags(found) == ((True,) * 3 if misfit is None else (False,) * 3)
    assert found["reasons"] == ([] if misfit is None else [misfit])
    if data:
        automation.send({"type": document["event"], "contact_id": str(contact), "data": data})
        automation.work()
        assert len(automation.enrolled()) == found["would_enroll"]


def test_the_new_value_of_an_event_counts_and_the_state_before(automation: Automation) -> None:
    changed = {"field": "custom_fields.plan", "operator": "changed_to", "value": "pro"}
    automation.automate(
        {
            "event": "custom_field_changed",
            "parameters": {"field": "plan"},
            "filters": both("AND", PRO, changed),
        }
    )
    automation.contact(custom_fields={"plan": "free"})

    unsaid = trial(automation, data={"new_value": "pro"})
    assert flags(unsaid) == MISSED
    assert [one["holds"] for one in unsaid["conditions"]] == [True, False]
    assert flags(trial(automation, data={"new_value": "pro", "old_value": "free"})) == ENROLLS
    before = {"custom_fields": {"plan": "basic"}}
    said = trial(automation, data={"new_value": "pro"}, previous=before)
    assert flags(said) == ENROLLS
    assert [one["sentence"] for one in said["conditions"]] == [
        'plan "pro" equals "pro"',
        'plan "pro" changed to "pro"',
    ]


def test_a_trigger_can_be_tested_before_it_is_saved(automation: Automation) -> None:
    automation.workflow()
    automation.contact()
    workflow = workflows.find(automation.database, automation.account, "Welcome")
    draft = Draft(workflow, parse_trigger(PAID))

    found = trial(automation, data={"amount": 600}, trigger=draft)

    assert (found["trigger_id"], flags(found)) == (None, ENROLLS)
    assert keeping.list_triggers(automation.database, automation.account) == ([], 0)


def test_an_event_is_tested_as_of_its_own_moment(automation: Automation) -> None:
    automation.automate(PAID, respect_business_hours=True)
    automation.contact()

    assert trial(automation, data={"amount": 600}, at=OPEN, now=CLOSED)["waits_until"] is None
    waits = trial(automation, data={"amount": 600}, at=CLOSED, now=OPEN)["waits_until"]
    assert waits == "2031-01-20T09:00:00+00:00"


@pytest.mark.parametrize(
    "reference", ["joe@example.com", "JOE", str(UUID(int=1)), "joe\0", "joe\ud800"]
)
def test_an_unknown_contact_is_refused_with_its_address_masked(
    make_automation: MakeAutomation, reference: str
) -> None:
    automation, other = make_automation(), make_automation()
    automation.automate(PAID)
    foreign = other.contact("joe@example.com")

    for one in (reference, foreign):
        with pytest.raises(ContactNotFoundError) as refused:
            trial(automation, one)
        assert "joe" not in refused.value.message.lower()


def test_a_contact_is_found_by_its_address_in_any_case(automation: Automation) -> None:
    automation.automate(PAID)
    contact = automation.contact()

    assert trial(automation, " ADA@example.com ")["contact_id"] == str(contact)


def test_a_test_is_refused_for_a_time_that_nobody_lives_to_see(automation: Automation) -> None:
    automation.automate(PAID)
    automation.contact()

    with pytest.raises(InvalidRequestError, match="within ten years"):
        trial(automation, at=utc("9999-12-31T23:59"))
