"""Rows of triggers that cannot be read: each is its own trouble, and no other's."""

import pytest

from enrollment_pipeline.errors import InvalidTriggerError
from enrollment_pipeline.triggers import keeping
from enrollment_pipeline.triggers.evaluation import Result
from enrollment_pipeline_tests.triggers.conftest import (
    PAYMENT,
    Automation,
    Document,
    MakeAutomation,
    utc,
)

ADA = "ada@example.com"
GONE = '{"logic": "AND", "conditions": [{"field": "data.gone", "operator": "equals", "value": 1}]}'
WHY = "the trigger cannot be read (LookupError: data.gone)"
SPOILT = ("trigger_unreadable", False, False)


def spoil(automation: Automation, workflow: str, filters: str = GONE) -> None:
    """Let the filters of a workflow's trigger be what no version of the product knows."""
    automation.sql(
        "update enrollment.triggers t set filters = cast(:filters as jsonb), "
        "version = t.version + 1 from enrollment.workflows w "
        "where w.id = t.workflow_id and w.account_id = :account and w.name = :workflow",
        filters=filters,
        account=automation.account.id,
        workflow=workflow,
    )


@pytest.fixture
def spoilt(automation: Automation) -> Automation:
    """Automation of two triggers on payments, of which the first cannot be read."""
    automation.automate(PAYMENT, "Bad")
    automation.automate(PAYMENT, "Good")
    automation.contact()
    spoil(automation, "Bad")
    return automation


@pytest.mark.parametrize(
    "filters",
    [
        GONE,
        "[]",
        "5",
        '{"conditions": 7}',
        '{"logic": "AND", "conditions": [{"field": "tags", "operator": "like", "value": 1}]}',
    ],
)
def test_events_are_evaluated_for_all_other_triggers(spoilt: Automation, filters: str) -> None:
    spoil(spoilt, "Bad", filters)
    spoilt.pay()

    spoilt.work()

    assert list(spoilt.events().values()) == [None]
    assert spoilt.enrolled() == [("Good", ADA, "trigger")]
    (row,) = spoilt.log("Bad")
    assert row[:3] == SPOILT
    assert str(row[3]).startswith("the trigger cannot be read (")


def test_times_fire_for_all_other_triggers_and_the_next_look_begins_after_them(
    automation: Automation,
) -> None:
    automation.automate({"event": "birthday"}, "Bad")
    automation.automate({"event": "birthday"}, "Good")
    automation.contact(birthday="1990-03-03")
    spoil(automation, "Bad")

    for minute in ("09:05", "09:20"):
        automation.turn(utc(f"2031-03-03T{minute}"))

    assert automation.enrolled() == [("Good", ADA, "trigger")]
    # It says so once a day, and not every quarter of an hour.
    assert automation.log("Bad") == [(*SPOILT, WHY)]
    (row,) = automation.query(
        "select evaluated_until from enrollment.trigger_watermarks where account_id = :account",
        account=automation.account.id,
    )
    assert row["evaluated_until"] == utc("2031-03-03T09:20")


def test_who_waits_for_the_opening_is_started_by_all_other_triggers(
    make_automation: MakeAutomation,
) -> None:
    automation = make_automation(business_days="tue")
    automation.automate(PAYMENT, "Bad", respect_business_hours=True)
    automation.automate(PAYMENT, "Good", respect_business_hours=True)
    automation.contact()
    automation.pay()
    automation.work(utc("2031-01-20T12:00"))
    spoil(automation, "Bad")

    released = automation.work(utc("2031-01-21T12:00")).results

    assert released == {Result.FIRED: 1, Result.TRIGGER_UNREADABLE: 1}
    assert automation.log("Bad") == [(*SPOILT, WHY)]
    assert automation.enrolled() == [("Good", ADA, "trigger")]


def test_it_is_listed_and_shown_with_what_is_wrong(spoilt: Automation) -> None:
    where = spoilt.database, spoilt.account

    found, number = keeping.list_triggers(*where)

    assert number == 2
    shown = {one.workflow.name: keeping.document_of(one) for one in found}
    assert (shown["Bad"]["trouble"], shown["Bad"]["waiting"]) == (WHY, False)
    assert "trouble" not in shown["Good"]
    assert keeping.find(*where, "Bad").document.trouble == WHY


@pytest.mark.parametrize("changes", [{"settings": {"active": True}}, {"filters": {}}])
def test_it_is_not_changed_to_one_without_filters(spoilt: Automation, changes: Document) -> None:
    where = spoilt.database, spoilt.account
    with pytest.raises(InvalidTriggerError, match="It cannot be changed: the trigger cannot be"):
        keeping.update(*where, "Bad", changes, actor="ann")
    with pytest.raises(InvalidTriggerError, match="It cannot be changed"):
        keeping.activate(*where, "Bad", actor="ann")

    keeping.delete(*where, "Bad", actor="ann")
    assert spoilt.trigger(PAYMENT, "Bad").document.trouble is None
