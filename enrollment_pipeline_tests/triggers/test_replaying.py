"""Replays: what a trigger would have made of the last days, beside what it did make of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.triggers import keeping, replaying
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.triggers.conftest import (
    Automation,
    Document,
    MakeAutomation,
    utc,
)
from enrollment_pipeline_tests.triggers.looks import both, replay

AMOUNT = {"field": "data.amount", "operator": "greater_than", "value": 500}
ACTIVE = {"field": "status", "operator": "equals", "value": "active"}
PAID: Document = {"event": "payment_received", "filters": both("AND", AMOUNT, ACTIVE)}
MISSED_AMOUNT = "filters: data.amount greater_than 500 does not hold"


def pay(email: str, amount: float) -> Document:
    return {"type": "payment_received", "email": email, "data": {"amount": amount}}


def payments(automation: Automation) -> None:
    """Send payments of all sorts of people."""
    automation.contact()
    automation.contact("blocked@example.com", status="blocked")
    automation.contact("gone@example.com", deleted_at="2020-01-01")
    known = automation.contact("known@example.com", custom_fields={"external_id": "k-1"})
    automation.send(
        pay("ada@example.com", 600),
        pay("ada@example.com", 120),
        pay("ADA@example.com", 121.5),
        pay("blocked@example.com", 600),
        pay("blocked@example.com", 1),
        pay("gone@example.com", 600),
        pay("joe@example.com", 600),
        {"type": "payment_received", "external_id": "k-1", "data": {"amount": 501}},
        {"type": "payment_received", "contact_id": str(known), "data": {"amount": 500}},
        {"type": "payment_received", "contact_id": str(known), "data": {}},
        {"type": "deal_won", "contact_id": str(known)},
    )


def date_events(automation: Automation, received: datetime) -> None:
    """Let the events have come in at that time."""
    automation.sql(
        "update enrollment.events set received_at = :at where account_id = :account",
        at=received,
        account=automation.account.id,
    )


def test_a_replay_comes_to_what_the_evaluation_came_to(
    make_automation: MakeAutomation,
) -> None:
    automation, other = make_automation(), make_automation()
    trigger = automation.automate(PAID)
    payments(automation)
    other.contact()
    other.pay(600)
    other.work()
    pending = replay(automation)
    automation.work()

    found = replay(automation)

    log = automation.log()
    assert found == pending
    assert found["by_result"] == Counter(row[0] for row in log)
    assert found["considered"] == len(log) == 9
    assert found["matched"] == sum(row[1] for row in log) == 2
    assert found["by_reason"] == [
        {"reason": MISSED_AMOUNT, "number": 3},
        {
            "reason": 'filters: status equals "active" does not hold',
            "number": 1,
        },
        {
            "reason": "filters: data.amount greater_than 500 does not hold; "
            'status equals "active" does not hold',
            "number": 1,
        },
        {"reason": "the contact was deleted", "number": 1},
        {"reason": "the contact is unknown, or there are several", "number": 1},
    ]
    shown = automation.query(
        "select e.event_id, l.contact_id, l.result, l.reason from enrollment.trigger_log l "
        "join enrollment.events e on e.number = l.event_number and e.account_id = l.account_id "
        "where trigger_id = :trigger order by matched desc, l.number",
        trigger=trigger.id,
    )
    told = [{**one, "contact_id": one["contact_id"] and str(one["contact_id"])} for one in shown]
    assert found["samples"] == told
    assert "joe@" not in str(found)
    assert "j***@example.com" in str(found)


def test_a_replay_asks_the_trigger_as_it_is_now(automation: Automation) -> None:
    trigger = automation.automate(PAID)
    payments(automation)
    automation.work()
    keeping.deactivate(automation.database, automation.account, "Welcome", actor="ann")
    assert replay(automation)["by_result"]["fired"] == 2

    keeping.update(
        automation.database,
        automation.account,
        str(trigger.id),
        {"filters": {**AMOUNT, "value": 100}},
        actor="ann",
    )
    assert replay(automation)["by_result"] == {
        "fired": 6,
        "filters": 1,
        "contact_deleted": 1,
        "contact_unknown": 1,
    }

    workflows.pause(automation.database, automation.account, "Welcome", actor="ann")
    found = replay(automation)
    assert (found["matched"], found["by_result"]["workflow_inactive"]) == (6, 6)
    assert {"reason": "the workflow is paused", "number": 6} in found["by_reason"]


def test_only_events_of_the_key_are_considered(automation: Automation) -> None:
    automation.automate({"event": "tag_added", "parameters": {"tag": "vip"}})
    automation.contact()
    for tag in ("vip", "lead", "vip"):
        automation.send({"type": "tag_added", "email": "ada@example.com", "data": {"tag": tag}})
    automation.work()

    assert replay(automation)["by_result"] == {"fired": 2}


def test_only_events_of_the_last_days_are_considered(automation: Automation) -> None:
    automation.automate(PAID)
    automation.contact()
    automation.pay(600)
    automation.work()
    now = datetime.now(UTC)
    date_events(automation, now - timedelta(days=3))

    assert replay(automation, 2, now)["considered"] == 0
    assert replay(automation, 3, now)["considered"] == 1


@pytest.mark.parametrize("size", [1, 2, 1_000])
def test_a_replay_goes_through_the_events_in_chunks(
    automation: Automation, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(replaying, "CHUNK", size)
    automation.automate(PAID)
    payments(automation)
    automation.work()

    assert replay(automation)["considered"] == 9


def test_what_is_no_event_is_not_considered_before_it_is_rejected_either(
    automation: Automation,
) -> None:
    automation.automate({"event": "payment_received"})
    contact = automation.contact()
    written = (("{}", contact), ('[{"amount": 1}]', contact), ('{"amount": 1}', None))
    for number, (data, whose) in enumerate(written):
        automation.sql(
            "insert into enrollment.events (account_id, event_id, type, contact_id, data) "
            "values (:account, :event, 'payment_received', :contact, cast(:data as jsonb))",
            account=automation.account.id,
            event=f"t-{number}",
            contact=whose,
            data=data,
        )

    assert replay(automation)["considered"] == 0
    automation.work()
    assert len(list(filter(None, automation.events().values()))) == 3
    assert replay(automation)["considered"] == 0


def test_samples_are_twenty_at_most_and_show_first_what_matched(automation: Automation) -> None:
    automation.automate(PAID)
    automation.contact(status="active")
    automation.send(*(pay("ada@example.com", 1) for _ in range(25)))
    automation.send(*(pay("ada@example.com", 600) for _ in range(3)))
    automation.work()

    samples = replay(automation)["samples"]

    assert [one["result"] for one in samples] == ["fired"] * 3 + ["filters"] * 17


@pytest.mark.parametrize(("most", "numbers"), [(1_000, list(range(12, 2, -1))), (3, [72, 3, 2, 1])])
def test_reasons_are_ten_at_most_and_of_many_the_rest_is_one(
    automation: Automation, monkeypatch: pytest.MonkeyPatch, most: int, numbers: list[int]
) -> None:
    monkeypatch.setattr(replaying, "MOST_REASONS", most)
    conditions = [
        {"field": f"data.custom.f{number}", "operator": "is_empty"} for number in range(12)
    ]
    automation.automate({"event": "payment_received", "filters": both("AND", *conditions)})
    automation.contact()
    for number in range(12):
        data = {"amount": 1, "custom": {f"f{number}": number}}
        event = {"type": "payment_received", "email": "ada@example.com", "data": data}
        automation.send(*[event] * (number + 1))
    automation.work()

    reasons = replay(automation)["by_reason"]

    assert [one["number"] for one in reasons] == numbers
    assert reasons[0]["reason"] in (
        "other reasons",
        "filters: data.custom.f11 is_empty does not hold",
    )


def test_an_event_is_judged_as_of_when_it_came_in(automation: Automation) -> None:
    soon = {"field": "data.starts_at", "operator": "within_next", "value": "2 days"}
    automation.automate({"event": "appointment_booked", "filters": soon})
    automation.contact()
    data = {"starts_at": "2031-01-10T12:00:00Z"}
    automation.send({"type": "appointment_booked", "email": "ada@example.com", "data": data})
    automation.work()
    assert [row[0] for row in automation.log()] == ["filters"]

    date_events(automation, utc("2031-01-09T12:00"))
    now = utc("2031-01-20T12:00")

    assert replay(automation, 30, now)["by_result"] == {"fired": 1}
    date_events(automation, utc("2031-01-11T12:00"))
    assert replay(automation, 30, now)["by_result"] == {"filters": 1}


@pytest.mark.parametrize("respects", [True, False])
def test_an_event_outside_of_the_business_hours_would_have_waited(
    automation: Automation, respects: bool
) -> None:
    automation.automate(PAID, respect_business_hours=respects)
    automation.contact()
    automation.pay(600)
    automation.work(utc("2031-01-21T12:00"))
    date_events(automation, utc("2031-01-18T12:00"))

    found = replay(automation, 30, utc("2031-01-21T12:00"))

    if not respects:
        assert (found["by_result"], found["by_reason"]) == ({"fired": 1}, [])
        return
    assert found["by_result"] == {"queued": 1}
    assert found["by_reason"] == [{"reason": "outside business hours", "number": 1}]
    assert found["samples"][0]["reason"].startswith("outside business hours, due 2031-01-20T09:00")


@pytest.mark.parametrize("days", [0, -1, 91])
def test_a_replay_is_of_one_to_ninety_days(automation: Automation, days: int) -> None:
    automation.automate(PAID)

    with pytest.raises(InvalidRequestError, match="days: must be from 1 to 90"):
        replay(automation, days)
