"""Triggers that respect business hours: who waits for the opening, and what counts then."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.triggers import keeping
from enrollment_pipeline.triggers.evaluation import Result
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.triggers.conftest import (
    PAYMENT,
    Automation,
    MakeAutomation,
    utc,
)

ADA = "ada@example.com"
TAKEN = ("fired", True, True, None)
# The hours are from 09:00 to 17:00 in New York, which is UTC-5 in winter; Monday is a holiday.
HOURS = {"timezone": "America/New_York", "holidays": "2031-01-20"}
SATURDAY, TUESDAY = utc("2031-01-18T12:00"), utc("2031-01-21T14:00")
WAITS = (
    "queued",
    True,
    False,
    "outside business hours, due 2031-01-21T09:00 (America/New_York)",
)


@pytest.fixture
def after_hours(make_automation: MakeAutomation) -> Automation:
    """Automation in which Ada has paid on a Saturday, before a holiday."""
    made = make_automation(**HOURS)
    made.automate(PAYMENT, respect_business_hours=True)
    made.contact()
    made.pay()
    made.work(SATURDAY)
    return made


def test_a_trigger_that_respects_business_hours_waits_for_the_opening(
    after_hours: Automation,
) -> None:
    assert after_hours.log() == [WAITS]

    after_hours.work(TUESDAY - timedelta(microseconds=1))
    assert after_hours.log() == [WAITS]

    assert after_hours.work(TUESDAY).released == 1
    assert after_hours.log() == [TAKEN]
    assert after_hours.work(TUESDAY).released == 0
    assert after_hours.enrolled() == [("Welcome", ADA, "trigger")]


@pytest.mark.parametrize(
    ("now", "respects"),
    [(SATURDAY, False), (TUESDAY, True), (TUESDAY + timedelta(hours=7, minutes=59), True)],
)
def test_within_the_hours_or_without_respect_for_them_nobody_waits(
    make_automation: MakeAutomation, now: datetime, respects: bool
) -> None:
    automation = make_automation(**HOURS)
    automation.automate(PAYMENT, respect_business_hours=respects)
    automation.contact()

    automation.pay()
    automation.work(now)

    assert automation.log() == [TAKEN]


def test_who_waits_twice_is_enrolled_once(after_hours: Automation) -> None:
    after_hours.pay()
    after_hours.work(SATURDAY)
    assert after_hours.log() == [WAITS, WAITS]

    assert after_hours.work(TUESDAY).released == 2

    assert after_hours.log() == [
        TAKEN,
        ("repeated", True, False, "matched already in the same evaluation"),
    ]
    assert after_hours.enrolled() == [("Welcome", ADA, "trigger")]


def test_whose_opening_nobody_came_to_waits_for_the_next_one(after_hours: Automation) -> None:
    after_hours.pay()
    after_hours.work(SATURDAY)

    # Nobody looked on the Tuesday until it had closed; meanwhile the trigger is still wanted.
    assert after_hours.work(TUESDAY + timedelta(hours=8)).released == 0

    again = "outside business hours, due 2031-01-22T09:00 (America/New_York)"
    assert after_hours.log() == [("queued", True, False, again)] * 2
    assert after_hours.enrolled() == []
    assert after_hours.work(TUESDAY + timedelta(hours=9)).anything is False
    assert after_hours.work(TUESDAY + timedelta(days=1)).released == 2
    assert after_hours.enrolled() == [("Welcome", ADA, "trigger")]


def test_what_is_wrong_with_a_workflow_only_outside_of_the_hours_loses_nobody(
    after_hours: Automation,
) -> None:
    where = after_hours.database, after_hours.account
    workflows.pause(*where, "Welcome", actor="ann")
    after_hours.work(TUESDAY + timedelta(hours=8))
    workflows.activate(*where, "Welcome", actor="ann")

    after_hours.work(TUESDAY + timedelta(days=1))

    assert after_hours.log() == [TAKEN]


def test_who_waits_for_hours_that_were_changed_goes_by_the_new_ones(
    after_hours: Automation,
) -> None:
    closed = {"holidays": ",".join(f"2031-01-{day}" for day in range(20, 24))}
    accounts.change_settings(after_hours.database, after_hours.account, closed, actor="ann")

    after_hours.work(TUESDAY)
    assert [result for result, *_ in after_hours.log()] == ["queued"]

    after_hours.work(TUESDAY + timedelta(days=3))
    assert after_hours.log() == [TAKEN]


def test_who_waits_for_hours_that_never_come_any_more_is_late(after_hours: Automation) -> None:
    days = [utc("2031-01-01") + timedelta(days=n) for n in range(500)]
    closed = {"holidays": ",".join(day.date().isoformat() for day in days)}
    accounts.change_settings(after_hours.database, after_hours.account, closed, actor="ann")

    assert after_hours.work(TUESDAY).results == {Result.LATE: 1}

    assert [result for result, *_ in after_hours.log()] == ["late"]


def _pause(automation: Automation) -> None:
    workflows.pause(automation.database, automation.account, "Welcome", actor="ann")


def _delete(automation: Automation) -> None:
    keeping.delete(automation.database, automation.account, "Welcome", actor="ann")


def _deactivate(automation: Automation) -> None:
    keeping.deactivate(automation.database, automation.account, "Welcome", actor="ann")


def _delete_contact(automation: Automation) -> None:
    automation.change_contact(automation.contact_of(ADA), "deleted_at = now()")


def _block_contact(automation: Automation) -> None:
    automation.change_contact(automation.contact_of(ADA), "status = 'blocked'")


GONE = "the trigger was deactivated or deleted meanwhile"


@pytest.mark.parametrize(
    ("happens", "finding"),
    [
        (_pause, ("workflow_inactive", True, False, "the workflow is paused")),
        (_delete, ("trigger_inactive", True, False, GONE)),
        (_deactivate, ("trigger_inactive", True, False, GONE)),
        (_delete_contact, ("contact_deleted", False, False, "the contact was deleted")),
        (_block_contact, ("fired", True, False, "blocked: contact_blocked")),
    ],
)
def test_what_happens_while_somebody_waits_counts_at_the_opening(
    after_hours: Automation,
    happens: Callable[[Automation], None],
    finding: tuple[str, bool, bool, str],
) -> None:
    happens(after_hours)

    after_hours.work(TUESDAY)

    assert after_hours.log() == [finding]
    assert after_hours.enrolled() == []
    assert after_hours.work(TUESDAY).released == 0


def test_somebody_who_waits_is_stopped_by_the_loop_guard_at_the_opening(
    make_automation: MakeAutomation,
) -> None:
    automation = make_automation(**HOURS)
    workflow = automation.workflow(reenrollment="after_exit")
    automation.trigger(PAYMENT, enrollment_limit="multiple", respect_business_hours=True)
    ada = automation.contact()
    automation.pay()
    automation.work(SATURDAY)
    automation.start_before(workflow, ada, times=50, at=TUESDAY - timedelta(minutes=29))

    automation.work(TUESDAY)

    reason = "loop: started 50 times within 30 minutes already"
    assert automation.log() == [("loop", True, False, reason)]


def test_an_account_that_never_opens_queues_nobody_and_says_so(
    make_automation: MakeAutomation,
) -> None:
    days = [utc("2031-01-01") + timedelta(days=n) for n in range(500)]
    holidays = ",".join(day.date().isoformat() for day in days)
    automation = make_automation(holidays=holidays)
    automation.automate(PAYMENT, respect_business_hours=True)
    automation.contact()

    automation.pay()
    automation.work(SATURDAY)

    reason = "outside business hours, and none are ahead"
    assert automation.log() == [("late", True, False, reason)]
