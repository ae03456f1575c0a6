"""The log, the list of events, and the sums of days: what they hold, and what they hide."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from enrollment_pipeline.errors import (
    ContactNotFoundError,
    InvalidRequestError,
    TriggerNotFoundError,
)
from enrollment_pipeline.triggers import history
from enrollment_pipeline_tests.triggers.conftest import PAYMENT, Automation, MakeAutomation, utc

LARGE = {**PAYMENT, "filters": {"field": "data.amount", "operator": "greater_than", "value": 500}}


@pytest.fixture
def told(automation: Automation) -> Automation:
    """Ada paid 120 and 900, Bob paid 700 and is blocked."""
    automation.contact()
    bob = automation.contact("bob@example.com", status="blocked")
    automation.automate(LARGE)
    automation.pay(120)
    automation.pay(900)
    automation.pay(700, contact=bob)
    automation.work()
    return automation


def log_of(automation: Automation, **wanted: Any) -> list[tuple[str, str | None]]:
    """Event and reason of the rows of the log, newest first."""
    found = history.list_log(automation.database, automation.account, **wanted)
    assert found["total"] >= len(found["log"])
    return [(one["event_id"], one["reason"]) for one in found["log"]]


def test_the_log_says_of_each_event_what_became_of_it(told: Automation) -> None:
    assert log_of(told) == [
        ("e-3", "blocked: contact_blocked"),
        ("e-2", None),
        ("e-1", "filters: amount 120 is not greater_than 500"),
    ]


def test_a_job_that_has_not_run_yet_is_told_as_waiting(automation: Automation) -> None:
    automation.crowd(1_001)
    automation.automate({"event": "recurring_schedule", "parameters": {"cron": "0 9 * * *"}})
    for statement in (
        "update enrollment.triggers set active_since = '2026-11-01' where account_id = :account",
        "update enrollment.contacts set created_at = '2026-11-01' where account_id = :account",
    ):
        automation.sql(statement, account=automation.account.id)
    automation.look(utc("2026-11-23T09:00"))

    assert set(log_of(automation, limit=500)) == {(None, "waiting: the job is pending")}
    automation.finish_queue()
    assert set(log_of(automation, limit=500)) == {(None, None)}


@pytest.mark.parametrize(
    ("wanted", "events"),
    [
        ({"trigger": "welcome"}, ["e-3", "e-2", "e-1"]),
        ({"contact": "ADA@example.com"}, ["e-2", "e-1"]),
        ({"contact": " bob@example.com "}, ["e-3"]),
        ({"event_id": "e-2"}, ["e-2"]),
        ({"event_id": "e-4"}, []),
        ({"result": "filters"}, ["e-1"]),
        ({"result": "fired", "contact": "ada@example.com"}, ["e-2"]),
        ({"limit": 2}, ["e-3", "e-2"]),
        ({"limit": 2, "page": 2}, ["e-1"]),
    ],
)
def test_the_log_is_read_by_trigger_contact_event_and_result(
    told: Automation, wanted: dict[str, Any], events: list[str]
) -> None:
    assert [event for event, _ in log_of(told, **wanted)] == events


def test_what_is_asked_for_and_does_not_exist_is_said(told: Automation) -> None:
    with pytest.raises(TriggerNotFoundError, match="'Nope'"):
        log_of(told, trigger="Nope")
    with pytest.raises(ContactNotFoundError, match=r"n\*\*\*@example.com"):
        log_of(told, contact="nobody@example.com")
    with pytest.raises(InvalidRequestError, match="result 'won'"):
        log_of(told, result="won")
    with pytest.raises(InvalidRequestError, match="status 'lost'"):
        history.list_events(told.database, told.account, status="lost")
    with pytest.raises(InvalidRequestError, match="event type 'party'"):
        history.list_events(told.database, told.account, event_type="party")


def test_the_log_of_one_account_holds_no_row_of_another(
    told: Automation, make_automation: MakeAutomation
) -> None:
    other = make_automation()

    assert log_of(other) == []
    assert history.list_events(other.database, other.account)["events"] == []


def test_events_are_listed_by_status_and_type_with_masked_addresses(told: Automation) -> None:
    told.receive(b"{")
    told.send({"type": "tag_added", "email": "ada@example.com", "data": {"tag": "x"}})

    def ids(**wanted: Any) -> list[str]:
        found = history.list_events(told.database, told.account, **wanted)
        return [one["event_id"] for one in found["events"]]

    assert ids(status="pending") == ["e-4"]
    assert ids(event_type="payment_received") == ["e-3", "e-2", "e-1"]
    (junk,) = ids(status="rejected")
    assert junk.startswith("sha256:")
    assert ids() == ["e-4", junk, "e-3", "e-2", "e-1"]
    shown = str(history.list_events(told.database, told.account))
    assert "ada@" not in shown
    assert "a***@example.com" in shown
    told.work()


def test_a_day_adds_up_to_what_was_evaluated(told: Automation) -> None:
    day = today(told)

    (found,) = history.analytics(told.database, told.account, first=day, last=day)

    assert found == {
        "day": day.isoformat(),
        "evaluated": 3,
        "matched": 2,
        "enrolled": 1,
        "refused": {"filters": 1, "blocked: contact_blocked": 1},
    }
    assert found["evaluated"] == found["enrolled"] + sum(found["refused"].values())


def test_days_without_anything_are_listed_too_and_one_trigger_may_be_asked_for(
    told: Automation,
) -> None:
    told.automate({"event": "payment_received"}, workflow="Other")
    day = today(told)
    first = day - timedelta(days=2)

    found = history.analytics(told.database, told.account, first=first, last=day, trigger="Welcome")
    other = history.analytics(told.database, told.account, first=day, last=day, trigger="Other")

    assert [one["evaluated"] for one in found] == [0, 0, 3]
    assert [one["evaluated"] for one in other] == [0]
    with pytest.raises(InvalidRequestError, match="before the first"):
        history.analytics(told.database, told.account, first=day, last=first)


def test_days_begin_by_the_clock_of_the_account(make_automation: MakeAutomation) -> None:
    automation = make_automation(timezone="Pacific/Auckland")
    automation.contact()
    automation.automate(PAYMENT)
    automation.pay()
    automation.work()
    # 22 November 23:30 in UTC is the 23rd at Auckland.
    automation.sql(
        "update enrollment.trigger_evaluations set evaluated_at = '2026-11-22T23:30:00Z' "
        "where account_id = :account",
        account=automation.account.id,
    )

    found = history.analytics(
        automation.database, automation.account, first=date(2026, 11, 22), last=date(2026, 11, 23)
    )

    assert [one["evaluated"] for one in found] == [0, 1]


def today(automation: Automation) -> date:
    """The day that the database takes for today, by the account's clock, which is UTC."""
    with automation.database.account(automation.account.id) as connection:
        found: date = connection.scalar(text("select (now() at time zone 'UTC')::date"))
    return found


def test_what_no_text_can_be_is_the_id_of_no_event(told: Automation) -> None:
    for odd in ("a\udcffb", "a\0b"):
        assert history.list_log(told.database, told.account, event_id=odd)["log"] == []
        with pytest.raises(InvalidRequestError, match="no event type"):
            history.list_events(told.database, told.account, event_type=odd)


def test_rejected_events_are_listed_by_the_type_that_their_sender_has_misspelt(
    automation: Automation,
) -> None:
    where = automation.database, automation.account
    automation.send({"type": "tag_addd", "email": "ada@example.com", "data": {"tag": "lead"}})

    assert history.list_events(*where, event_type="tag_addd")["total"] == 1
    assert history.list_events(*where, event_type="tag_addd", status="pending")["total"] == 0
    assert history.list_events(*where, event_type="tag_added")["total"] == 0
    with pytest.raises(InvalidRequestError, match="no event type 'tag_ad'"):
        history.list_events(*where, event_type="tag_ad")


def test_the_log_of_an_account_is_read_by_an_index_of_its_own(automation: Automation) -> None:
    # Without rows there is nothing to be planned: what counts is that it can be done.
    with automation.database.account(automation.account.id) as connection:
        connection.execute(text("set local enable_seqscan = off"))
        connection.execute(text("set local enable_bitmapscan = off"))
        connection.execute(text("set local enable_sort = off"))
        plan = connection.scalars(
            text(
                "explain select * from enrollment.trigger_evaluations order by number desc limit 50"
            )
        ).all()
    told = "\n".join(plan)
    assert "Index Cond: (account_id = " in told
