"""Small jobs of triggers: how many are left to wait, and who may let them start."""

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.enrollment import direct
from enrollment_pipeline.errors import ForbiddenError
from enrollment_pipeline.triggers import evaluating, running
from enrollment_pipeline.triggers.running import work_off
from enrollment_pipeline_tests.triggers.conftest import PAYMENT, Automation, Document


def payments(number: int) -> list[Document]:
    """A payment of each of so many contacts."""
    return [
        {
            "type": "payment_received",
            "email": f"c{one}@example.com",
            "data": {"amount": 1},
        }
        for one in range(1, number + 1)
    ]


def test_an_account_whose_jobs_do_not_keep_up_evaluates_no_further_events(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("A", "B", "C"):
        automation.automate(PAYMENT, name)
    automation.crowd(4)
    automation.send(*payments(4))
    # Three jobs from each batch of one event, and time for one job in each turn.
    monkeypatch.setattr(running, "BATCH", 1)
    monkeypatch.setattr(running, "MOST_JOBS_LEFT", 3)
    waiting: list[int] = []
    seconds = iter(range(0, 10_000, int(direct.SECONDS_AT_ONCE) - 1))
    run_small_jobs = direct.run_small_jobs

    def slowly(*arguments: object, **more: object) -> direct.SmallJobs:
        waiting.append(len(automation.open_jobs("trigger")))
        return run_small_jobs(*arguments, **more, clock=lambda: float(next(seconds)))  # type: ignore[arg-type]

    monkeypatch.setattr(running.enrollment, "run_small_jobs", slowly)

    automation.work()

    assert max(waiting) <= running.MOST_JOBS_LEFT + 3
    assert len(automation.enrolled()) == 12


def test_an_account_runs_jobs_for_so_long_and_then_another_has_its_turn(
    automation: Automation,
) -> None:
    automation.automate(PAYMENT)
    automation.crowd(3)
    automation.send(*payments(3))
    evaluation = evaluating.Evaluation(automation.database)
    for _ in range(3):
        evaluation.evaluate(automation.account, most=1)

    # The clock is asked at the beginning, and before each job.
    seconds = iter([0.0, 0.0, 1.0, direct.SECONDS_AT_ONCE])
    found = direct.run_small_jobs(
        automation.database, automation.settings, automation.account, clock=lambda: next(seconds)
    )

    assert found == direct.SmallJobs(worked=2, left=1)
    assert automation.work().jobs == 1


def test_small_jobs_are_left_where_a_stop_is_asked_for(automation: Automation) -> None:
    automation.automate(PAYMENT)
    automation.crowd(1)
    automation.send(*payments(1))
    evaluating.Evaluation(automation.database).evaluate(automation.account)

    found = direct.run_small_jobs(
        automation.database, automation.settings, automation.account, go_on=lambda: False
    )

    assert found == direct.SmallJobs(worked=0, left=1)
    automation.work()


def test_what_is_considered_in_pieces_is_all_considered(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "MOST_AT_ONCE", 2)
    automation.automate(PAYMENT)
    automation.crowd(5)
    automation.send(*payments(5))

    automation.work()

    assert [result for result, *_ in automation.log()] == ["fired"] * 5
    assert len(automation.enrolled()) == 5


def test_a_workflow_that_was_renamed_has_its_new_name_in_the_job(automation: Automation) -> None:
    automation.automate(PAYMENT)
    automation.crowd(2)
    evaluation = evaluating.Evaluation(automation.database)
    first, second = payments(2)
    automation.send(first)
    evaluation.evaluate(automation.account)
    automation.sql(
        "update enrollment.workflows set name = 'Thanks' where account_id = :account",
        account=automation.account.id,
    )
    automation.send(second)
    evaluation.evaluate(automation.account)

    names = automation.query(
        "select request ->> 'workflow' as name from enrollment.enrollment_jobs "
        "where account_id = :account order by created_at",
        account=automation.account.id,
    )
    assert [one["name"] for one in names] == ["Welcome", "Thanks"]
    automation.work()


def test_who_may_not_manage_workflows_evaluates_nothing(automation: Automation) -> None:
    where = automation.database, automation.account
    automation.automate(PAYMENT)
    automation.crowd(1)
    automation.send(*payments(1))
    members.add(*where, "boss", ["account:admin"], actor="boss")
    members.add(*where, "low", ["contacts:manage", "workflow:edit"], actor="boss")

    with pytest.raises(ForbiddenError):
        work_off(automation.database, automation.settings, account=automation.account, actor="low")

    assert automation.enrolled() == []
    assert automation.audit()[-1] == ("low", "events.evaluate", "denied")
    # The product itself asks nobody.
    automation.work()
    assert len(automation.enrolled()) == 1
