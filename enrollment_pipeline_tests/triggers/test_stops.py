"""What keeps a trigger from enrolling though its event has happened, and what the log says."""

from uuid import uuid4

import pytest

from enrollment_pipeline.enrollment.direct import SmallJobs
from enrollment_pipeline.triggers import keeping, running
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.triggers.conftest import PAYMENT, Automation, MakeAutomation

ADA = "ada@example.com"
TAKEN = ("fired", True, True, None)


@pytest.mark.parametrize("status", ["draft", "paused", "archived"])
def test_a_workflow_that_is_not_active_takes_nobody(automation: Automation, status: str) -> None:
    automation.automate(PAYMENT, status=status)
    automation.contact()

    automation.pay()
    automation.work()

    assert automation.enrolled() == []
    assert automation.log() == [("workflow_inactive", True, False, f"the workflow is {status}")]


def test_a_workflow_that_is_activated_takes_whoever_comes_from_then_on(
    automation: Automation,
) -> None:
    automation.automate(PAYMENT, status="paused")
    automation.contact()
    automation.pay()
    automation.work()

    workflows.activate(automation.database, automation.account, "Welcome", actor="ann")
    automation.work()
    assert automation.enrolled() == []

    automation.pay()
    automation.work()
    assert automation.enrolled() == [("Welcome", ADA, "trigger")]


def test_a_workflow_that_is_paused_between_evaluation_and_enrollment_takes_nobody(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    automation.automate(PAYMENT)
    automation.contact()
    automation.pay()
    with monkeypatch.context() as patched:
        patched.setattr(running.enrollment, "run_small_jobs", lambda *_, **__: SmallJobs(0, 0))
        automation.work()
    assert automation.log() == [("fired", True, False, "waiting: the job is pending")]

    workflows.pause(automation.database, automation.account, "Welcome", actor="ann")
    automation.work()

    assert automation.enrolled() == []
    assert automation.log() == [("fired", True, False, "blocked: workflow_inactive")]
    assert automation.jobs() == [("trigger", "failed", 1)]


DELETED = ("contact_deleted", False, False, "the contact was deleted")


@pytest.mark.parametrize("by", ["contact_id", "email", "external_id"])
def test_a_deleted_contact_is_not_enrolled(automation: Automation, by: str) -> None:
    automation.automate(PAYMENT)
    names = {"email": "ADA@example.com", "external_id": "crm-7"}
    contact = automation.contact(custom_fields={"external_id": "crm-7"}, deleted_at="2026-01-01")
    names["contact_id"] = str(contact)

    automation.send({"type": "payment_received", by: names[by], "data": {"amount": 1}})
    automation.work()

    assert automation.enrolled() == []
    assert automation.log() == [DELETED]


@pytest.mark.parametrize("by", ["email", "external_id"])
def test_the_living_contact_is_meant_where_a_deleted_one_had_the_same_name(
    automation: Automation, by: str
) -> None:
    automation.automate(PAYMENT)
    own = {"external_id": "crm-7"}
    automation.contact("Ada@example.com", custom_fields=own, deleted_at="2026-01-01")
    automation.contact("ada@Example.com", custom_fields=own)
    automation.contact("ADA@example.com", custom_fields=own, deleted_at="2026-02-02")
    names = {"email": " ADA@EXAMPLE.COM ", **own}

    automation.send({"type": "payment_received", by: names[by], "data": {"amount": 1}})
    automation.work()

    assert automation.enrolled() == [("Welcome", "ada@Example.com", "trigger")]


def test_a_contact_that_is_deleted_after_its_event_is_not_enrolled(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    automation.automate(PAYMENT)
    contact = automation.contact()
    automation.pay()
    with monkeypatch.context() as patched:
        patched.setattr(running.enrollment, "run_small_jobs", lambda *_, **__: SmallJobs(0, 0))
        automation.work()

    automation.change_contact(contact, "deleted_at = now()")
    automation.work()

    assert automation.enrolled() == []
    assert automation.log() == [("fired", True, False, "blocked: contact_not_found")]


UNKNOWN = "no contact of this account, or several, by"


@pytest.mark.parametrize(
    ("by", "value", "told"),
    [
        ("contact_id", "01a21682-d6ed-7f97-b729-70ebee74ee4d", "id {value}"),
        ("email", "eve@example.com", "e-mail address e***@example.com"),
        ("external_id", "crm-8", 'external_id "{value}"'),
    ],
)
def test_an_unknown_contact_is_said_to_be_unknown(
    automation: Automation, by: str, value: str, told: str
) -> None:
    automation.automate(PAYMENT)
    automation.contact(custom_fields={"external_id": "crm-7"})

    automation.send({"type": "payment_received", by: value, "data": {"amount": 1}})
    automation.work()

    reason = f"{UNKNOWN} {told.format(value=value)}"
    assert automation.log() == [("contact_unknown", False, False, reason)]


def test_of_two_contacts_with_one_external_id_neither_is_meant(automation: Automation) -> None:
    automation.automate(PAYMENT)
    for name in ("ada", "bob", "eve"):
        automation.contact(f"{name}@example.com", custom_fields={"external_id": "crm-7"})

    automation.send({"type": "payment_received", "external_id": "crm-7", "data": {"amount": 1}})
    automation.work()

    reason = f'{UNKNOWN} external_id "crm-7"'
    assert automation.log() == [("contact_unknown", False, False, reason)]


@pytest.mark.parametrize("by", ["contact_id", "email", "external_id"])
def test_the_contact_of_another_account_is_unknown_and_stays_untouched(
    make_automation: MakeAutomation, by: str
) -> None:
    ours, theirs = make_automation(), make_automation()
    for one in (ours, theirs):
        one.automate(PAYMENT)
    names = {"email": ADA, "external_id": "crm-7"}
    contact = theirs.contact(custom_fields={"external_id": "crm-7"})
    names["contact_id"] = str(contact)

    ours.send({"type": "payment_received", by: names[by], "data": {"amount": 1}})
    ours.work()
    theirs.work()

    assert [result for result, *_ in ours.log()] == ["contact_unknown"]
    assert theirs.log() == []
    assert ours.enrolled() == theirs.enrolled() == []


@pytest.mark.parametrize(
    ("limit", "policy", "times"),
    [
        ("single", "never_twice", 1),
        ("single", "after_exit", 1),
        ("multiple", "never_twice", 1),
        ("multiple", "after_exit", 2),
    ],
)
def test_a_second_event_after_the_first_run_enrolls_by_limit_and_policy(
    automation: Automation, limit: str, policy: str, times: int
) -> None:
    automation.workflow(reenrollment=policy)
    automation.trigger(PAYMENT, enrollment_limit=limit)
    automation.contact()
    automation.pay()
    automation.work()
    automation.end_enrollments()

    automation.pay()
    automation.work()

    assert len(automation.enrolled()) == times
    again = TAKEN if times == 2 else ("fired", True, False, "blocked: already_enrolled")
    assert automation.log() == [TAKEN, again]


def test_nobody_is_in_a_workflow_twice_at_a_time(automation: Automation) -> None:
    automation.workflow(reenrollment="always")
    automation.trigger(PAYMENT, enrollment_limit="multiple")
    automation.contact()
    for _ in range(2):
        automation.pay()
        automation.work()

    assert len(automation.enrolled()) == 1
    assert automation.log()[1] == ("fired", True, False, "blocked: already_enrolled")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"status": "unsubscribed"}, "blocked: contact_blocked"),
        ({"status": "bounced"}, "blocked: contact_blocked"),
        ({"email": None}, "blocked: validation_error"),
    ],
)
def test_who_may_not_be_enrolled_by_a_request_is_not_by_a_trigger(
    automation: Automation, columns: dict[str, object], reason: str
) -> None:
    automation.workflow(required_fields=["email"])
    automation.trigger(PAYMENT)
    contact = automation.contact(**{"email": ADA, **columns})  # type: ignore[arg-type]

    automation.pay(contact=contact)
    automation.work()

    assert automation.enrolled() == []
    assert automation.log() == [("fired", True, False, reason)]


def test_an_event_that_is_repeated_in_one_batch_enrolls_once(automation: Automation) -> None:
    automation.automate(PAYMENT)
    automation.contact()
    contact = automation.contact("bob@example.com")

    automation.pay()
    automation.pay()
    automation.pay(contact=contact)
    automation.send({"type": "payment_received", "email": "Bob@example.com", "data": {"amount": 1}})
    automation.work()

    repeated = ("repeated", True, False, "matched already in the same evaluation")
    assert automation.log() == [TAKEN, repeated, TAKEN, repeated]
    assert [email for _, email, _ in automation.enrolled()] == [ADA, "bob@example.com"]
    assert [contacts for *_, contacts in automation.jobs()] == [2]


def test_a_trigger_that_is_not_active_is_not_even_considered(automation: Automation) -> None:
    automation.automate(PAYMENT, active=False)
    automation.automate(PAYMENT, "Second")
    automation.automate(PAYMENT, "Third")
    keeping.delete(automation.database, automation.account, "Second", actor="ann")
    keeping.deactivate(automation.database, automation.account, "Third", actor="ann")
    automation.contact()

    automation.pay()
    automation.work()
    keeping.activate(automation.database, automation.account, "Third", actor="ann")
    automation.work()

    assert automation.log() == []
    assert automation.enrolled() == []
    assert list(automation.events().values()) == [None]


def test_what_has_changed_about_a_trigger_counts_for_the_next_event(
    automation: Automation,
) -> None:
    automation.automate(PAYMENT)
    automation.contact()
    evaluation = running.Evaluation(automation.database)
    more = {"filters": {"field": "data.amount", "operator": "greater_than", "value": 500}}
    for changes in ({}, more, {"event": "deal_won", "filters": {}}):
        keeping.update(automation.database, automation.account, "Welcome", changes, actor="ann")
        automation.pay(120)
        evaluation.evaluate(automation.account)

    automation.work()
    assert [result for result, *_ in automation.log()] == ["fired", "filters"]


def test_an_event_that_no_trigger_waits_for_is_processed(
    automation: Automation,
) -> None:
    automation.pay(contact=uuid4())
    automation.work()
    assert automation.log() == []
    assert list(automation.events().values()) == [None]
