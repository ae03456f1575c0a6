"""The guard while workflows run: who was started too often is not started again."""

from datetime import UTC, datetime, timedelta

import pytest

from enrollment_pipeline_tests.triggers.conftest import PAYMENT, Automation

TAKEN = ("fired", True, True, None)


@pytest.mark.parametrize(("times", "enters"), [(49, True), (50, False), (51, False)])
def test_after_50_starts_of_a_contact_within_half_an_hour_there_is_no_further_one(
    automation: Automation, times: int, enters: bool
) -> None:
    workflow = automation.workflow(reenrollment="after_exit")
    automation.trigger(PAYMENT, enrollment_limit="multiple")
    ada, bob = automation.contact(), automation.contact("bob@example.com")
    now = datetime.now(UTC)
    automation.start_before(workflow, ada, times=times, at=now - timedelta(minutes=29))

    automation.pay(contact=ada)
    automation.pay(contact=bob)
    automation.work(now)

    stopped = ("loop", True, False, f"loop: started {times} times within 30 minutes already")
    assert automation.log() == [TAKEN if enters else stopped, TAKEN]
    assert len(automation.enrolled()) == times + 1 + enters


@pytest.mark.parametrize(("minutes", "elsewhere"), [(30, False), (1, True)])
def test_starts_longer_ago_or_in_another_workflow_stop_nobody(
    automation: Automation, minutes: int, elsewhere: bool
) -> None:
    workflow = automation.workflow(reenrollment="after_exit")
    automation.trigger(PAYMENT, enrollment_limit="multiple")
    other = automation.workflow("Other")
    ada = automation.contact()
    now = datetime.now(UTC)
    automation.start_before(
        other if elsewhere else workflow, ada, times=60, at=now - timedelta(minutes=minutes)
    )

    automation.pay()
    automation.work(now)

    assert automation.log() == [TAKEN]


def test_who_was_stopped_may_enter_again_when_the_half_hour_has_passed(
    automation: Automation,
) -> None:
    workflow = automation.workflow(reenrollment="after_exit")
    automation.trigger(PAYMENT, enrollment_limit="multiple")
    now = datetime.now(UTC)
    automation.start_before(workflow, automation.contact(), times=50, at=now)

    automation.pay()
    automation.work(now)
    automation.pay()
    automation.work(now + timedelta(minutes=30))

    assert [result for result, *_ in automation.log()] == ["loop", "fired"]
    assert len(automation.enrolled()) == 51
