"""The work of triggers over accounts: whose turn it is, and what one trouble holds up."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from enrollment_pipeline.enrollment import handover
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.request import Matches
from enrollment_pipeline.enrollment.store.handover import take_in_hand
from enrollment_pipeline.triggers import evaluation, running
from enrollment_pipeline.triggers.evaluating import Evaluation
from enrollment_pipeline.triggers.evaluation import Finding, Ready, judge
from enrollment_pipeline.triggers.running import Totals, work_off
from enrollment_pipeline.triggers.store.events import claim
from enrollment_pipeline_tests.triggers.conftest import (
    PAYMENT,
    Automation,
    MakeAutomation,
    together,
)

TAKEN = ("fired", True, True, None)
POISON = 666


class BrokenError(Exception):
    """Something that nobody has thought of."""


def poison(patched: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the evaluation stumble over payments of 666."""

    def stumble(
        ready: Ready, status: Any, record: Mapping[str, Any], previous: Any, now: datetime
    ) -> Finding:
        if record["data"]["amount"] == POISON:
            raise error
        return judge(ready, status, record, previous, now)

    patched.setattr(evaluation, "judge", stumble)


def payers(automation: Automation, number: int) -> None:
    """Make a workflow for payments, and as many contacts `c1@example.com`... as say so."""
    automation.automate(PAYMENT)
    automation.crowd(number)


def pay(automation: Automation, *amounts: int) -> None:
    """Send a payment of each contact in turn, its number being the event's id."""
    automation.send(
        *(
            {
                "event_id": f"e{number}",
                "type": "payment_received",
                "email": f"c{number}@example.com",
                "data": {"amount": amount},
            }
            for number, amount in enumerate(amounts, start=1)
        )
    )


# Accounts


def test_accounts_are_evaluated_in_turn(
    make_automation: MakeAutomation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    both = sorted((make_automation(), make_automation()), key=lambda one: one.account.id)
    for automation in both:
        payers(automation, 5)
        pay(automation, *[1] * 5)

    work_off(both[0].database, both[0].settings)

    rows = both[0].query(
        "select account_id from enrollment.trigger_evaluations "
        "where account_id = any(:ids) order by number",
        ids=[one.account.id for one in both],
    )
    first, second = (one.account.id for one in both)
    turns = [first] * 2 + [second] * 2
    assert [row["account_id"] for row in rows] == [*turns, *turns, first, second]
    assert [len(one.enrolled()) for one in both] == [5, 5]


def test_one_account_alone_is_worked_off_where_that_is_asked_for(
    make_automation: MakeAutomation,
) -> None:
    ours, theirs = make_automation(), make_automation()
    for automation in (ours, theirs):
        payers(automation, 1)
        pay(automation, 1)

    totals = ours.work()

    assert (totals.events, totals.jobs) == (1, 1)
    assert (len(ours.enrolled()), theirs.enrolled()) == (1, [])
    theirs.work()
    assert len(theirs.enrolled()) == 1


def test_work_ends_between_batches_when_it_is_told_to(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 1)
    payers(automation, 3)
    pay(automation, 1, 1, 1)
    asked = iter([True, True, True, False])

    totals = work_off(
        automation.database,
        automation.settings,
        account=automation.account,
        go_on=lambda: next(asked, False),
    )

    # The batch in progress was committed whole, and the rest is there for the next run.
    assert totals.events == len(automation.log()) == 1
    assert automation.work().events == 2
    assert automation.log() == [TAKEN] * 3


def test_nothing_to_do_is_nothing(automation: Automation) -> None:
    payers(automation, 1)
    assert automation.work() == Totals()


def test_runs_at_once_enroll_each_contact_once(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 7)
    payers(automation, 60)
    pay(automation, *[1] * 60)

    together(automation.work, automation.work, automation.work)
    automation.work()

    assert automation.log() == [TAKEN] * 60
    assert len(set(automation.enrolled())) == len(automation.enrolled()) == 60


def test_events_that_another_run_has_in_hand_are_passed_over(automation: Automation) -> None:
    payers(automation, 3)
    pay(automation, 1, 1, 1)
    with automation.database.rehearsal(automation.account.id) as other:
        assert len(claim(other, automation.account.id, most=1)) == 1
        together(automation.work)
        assert automation.log() == [TAKEN] * 2

    automation.work()
    assert automation.log() == [TAKEN] * 3


# Troubles


@pytest.mark.parametrize("batch", [1, 2, 20, 20_000])
def test_an_event_that_cannot_be_evaluated_is_rejected_and_holds_up_no_other(
    automation: Automation, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(running, "BATCH", batch)
    poison(monkeypatch, BrokenError("secret of the contact"))
    payers(automation, 6)
    pay(automation, 1, POISON, 1, 1, POISON, 1)

    totals = automation.work()

    rejected = "it cannot be evaluated (BrokenError); report that, with the event"
    assert automation.events() == {
        "e1": None,
        "e2": rejected,
        "e3": None,
        "e4": None,
        "e5": rejected,
        "e6": None,
    }
    assert (totals.events, totals.rejected) == (6, 2)
    assert automation.log() == [TAKEN] * 4
    assert len(automation.enrolled()) == 4


def test_of_events_that_several_runs_stumble_over_no_other_is_rejected(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    poison(monkeypatch, BrokenError())
    payers(automation, 24)
    pay(automation, *[POISON if number % 3 else 1 for number in range(24)])

    together(automation.work, automation.work, automation.work)
    automation.work()

    rejected = {int(name[1:]) - 1 for name, why in automation.events().items() if why}
    assert rejected == {number for number in range(24) if number % 3}
    assert len(automation.enrolled()) == 8


def test_an_outage_rejects_nothing_and_the_next_run_does_it_all(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    payers(automation, 2)
    pay(automation, 1, POISON)
    for batch in (1, 20_000):
        with monkeypatch.context() as patched:
            patched.setattr(running, "BATCH", batch)
            gone = OperationalError("select", {}, Exception(), connection_invalidated=True)
            poison(patched, gone)
            with pytest.raises(OperationalError):
                automation.work()

    automation.work()

    assert list(automation.events().values()) == [None, None]
    assert automation.log() == [TAKEN] * 2


# Small jobs


def opened(automation: Automation, workflow: UUID, number: int = 5) -> UUID:
    """Open a job as an evaluation does, that dies at once."""
    automation.crowd(number)
    rows = automation.query(
        "select id from enrollment.contacts where account_id = :account",
        account=automation.account.id,
    )
    matches = Matches(workflow, "Welcome", workflow, True, [row["id"] for row in rows])
    with automation.database.account(automation.account.id) as connection:
        ((job_id, _, _),) = handover.open_trigger_jobs(connection, automation.account, [matches])
    return job_id


def advance(phases: Phases, steps: int) -> None:
    """Do the first phases of a job."""
    todo = (
        phases.select,
        phases.validate,
        phases.partition,
        phases.open_lanes,
        lambda: phases.lane(Once()).drain(),
        phases.close_lanes,
        phases.check,
        phases.report,
    )
    for step in todo[:steps]:
        step()


class Once:
    """A stop that comes after one transaction."""

    def __init__(self) -> None:
        self._asked = 0

    def is_set(self) -> bool:
        self._asked += 1
        return self._asked > 1

    def wait(self, timeout: float | None = None) -> bool:
        return True


@pytest.mark.parametrize("steps", range(9))
def test_a_small_job_that_was_left_at_any_phase_is_finished_by_the_next_run(
    automation: Automation, steps: int
) -> None:
    job_id = opened(automation, automation.workflow())
    advance(Phases(automation.database, automation.settings, job_id), steps)

    totals = automation.work()

    assert totals.jobs == (1 if steps < 8 else 0)
    assert automation.jobs() == [("trigger", "completed", 5)]
    assert len(automation.enrolled()) == 5
    assert {source for _, _, source in automation.enrolled()} == {"trigger"}
    assert automation.work() == Totals()


def test_a_job_that_has_to_wait_for_its_budget_is_left_to_the_queue(
    make_automation: MakeAutomation, monkeypatch: pytest.MonkeyPatch
) -> None:
    automation = make_automation(enrollments_per_minute=2)

    class Alarm(threading.Timer):
        """Goes off when the budget is used up, however long a busy machine takes for that."""

        def run(self) -> None:
            end = time.monotonic() + 60
            while len(automation.enrolled()) < 2 and time.monotonic() < end:
                time.sleep(0.01)
            self.function()

    monkeypatch.setattr(threading, "Timer", Alarm)
    payers(automation, 5)
    pay(automation, *[1] * 5)

    automation.work()

    assert automation.jobs() == [("queue", "processing", 5)]
    assert len(automation.enrolled()) == 2
    waits = ("fired", True, False, "waiting: the job is processing")
    assert sorted(automation.log()) == sorted([TAKEN] * 2 + [waits] * 3)
    # The evaluation has let go of it.
    assert automation.work() == Totals()
    assert automation.leave_nothing() == ["1 jobs"]
    told = ("fired", True, False, "not enrolled: the job is cancelled")
    assert sorted(automation.log()) == sorted([TAKEN] * 2 + [told] * 3)


def test_a_job_that_fails_in_an_unforeseen_way_is_left_to_the_queue_and_holds_up_no_other(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = opened(automation, automation.workflow("First"))
    validate = Phases.validate

    def stumble(phases: Phases) -> Any:
        if phases.folder.name == str(broken):
            raise BrokenError
        return validate(phases)

    automation.automate(PAYMENT)
    pay(automation, 1)
    with monkeypatch.context() as patched:
        patched.setattr(Phases, "validate", stumble)
        automation.work()

    assert automation.jobs() == [("queue", "validating", 5), ("trigger", "completed", 1)]
    assert automation.finish_queue() == 1
    assert len(automation.enrolled()) == 6


@pytest.mark.parametrize("status", ["paused", "cancelling"])
def test_a_job_that_somebody_has_taken_hold_of_is_left_alone(
    automation: Automation, status: str
) -> None:
    job_id = opened(automation, automation.workflow())
    advance(Phases(automation.database, automation.settings, job_id), 4)
    automation.sql(
        "update enrollment.enrollment_jobs set status = :status where id = :job",
        status=status,
        job=job_id,
    )

    assert automation.work() == Totals()
    assert automation.enrolled() == []
    assert automation.leave_nothing() == ["1 jobs"]


def test_jobs_of_triggers_are_not_counted_against_the_open_jobs_of_people(
    make_automation: MakeAutomation,
) -> None:
    automation = make_automation(max_open_jobs=1)
    for name in ("A", "B", "C"):
        automation.automate(PAYMENT, name)
    automation.crowd(1)
    pay(automation, 1)

    automation.work()

    assert sorted(name for name, _, _ in automation.enrolled()) == ["A", "B", "C"]


def test_a_job_that_another_process_has_in_hand_is_left_to_it(automation: Automation) -> None:
    payers(automation, 1)
    pay(automation, 1)
    Evaluation(automation.database).evaluate(automation.account)
    (job_id,) = automation.open_jobs("trigger")

    with automation.database.account(automation.account.id) as other:
        assert take_in_hand(other, job_id)
        assert automation.work().jobs == 0
    assert automation.work().jobs == 1
    with automation.database.account(automation.account.id) as late:
        assert not take_in_hand(late, job_id)


def test_the_trouble_of_one_account_holds_up_no_other_and_is_raised_at_the_end(
    make_automation: MakeAutomation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = make_automation(), make_automation()
    for automation in (ours, theirs):
        payers(automation, 1)
        pay(automation, 1)
    release = running.release

    def stumble(database: Any, account: Any, **more: Any) -> Any:
        if account.id == ours.account.id:
            raise BrokenError
        return release(database, account, **more)

    with monkeypatch.context() as patched:
        patched.setattr(running, "release", stumble)
        with pytest.raises(BrokenError):
            work_off(ours.database, ours.settings)

    assert len(theirs.enrolled()) == 1
    ours.work()
    assert len(ours.enrolled()) == 1
