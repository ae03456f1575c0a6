"""Which items the queue sees, and what becomes of those whose runs die."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from enrollment_pipeline.onboarding import retention, service
from enrollment_pipeline.onboarding.engine import ItemWork
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.onboarding.store.queue import MOST_OF_A_COMPANY
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work.queueing import MAX_RESTARTS, QueuedWork
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.onboarding.conftest import Submit, Work
from enrollment_pipeline_tests.onboarding.role_service import RoleService

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def queued(database: Database, account: Account) -> Callable[[], list[QueuedWork]]:
    """Return what the queue sees of the test's account."""
    return lambda: [one for one in service.open_items(database) if one.account_id == account.id]


def test_an_item_comes_with_the_tags_that_its_runs_are_counted_by(
    onboarding: str, submit: Submit, queued: Any, account: Account
) -> None:
    batch = submit("Analyst", company="  NORTHERN  lights ", priority=7)

    (found,) = queued()

    assert (found.work_id, found.attempt, found.priority) == (batch.accepted[0][2], 1, 7)
    assert found.tags == {
        "enrollment/work": "onboarding",
        "enrollment/company": f"{account.name} / northern lights",
    }


def test_the_many_items_of_one_company_do_not_hide_those_of_another(
    onboarding: str, submit: Submit, queued: Any
) -> None:
    submit(*[f"Role {number}" for number in range(200)])
    urgent = submit(*[f"Urgent {number}" for number in range(5)], priority=3)
    other = submit("Analyst", company="Southern")

    found = [one.work_id for one in queued()]

    assert len(found) == MOST_OF_A_COMPANY + 1
    for batch in (urgent, other):
        assert {item_id for _, _, item_id in batch.accepted} <= set(found)


def test_those_whose_wait_is_over_do_not_hide_what_is_urgent_nor_what_is_at_work(
    onboarding: str, submit: Submit, queued: Any, ask: Ask
) -> None:
    woken = submit(*[f"Woken {number}" for number in range(50)])
    at_work = submit("At work")
    ask(
        "update enrollment.onboarding_items set status = 'in_progress', started_at = now(), "
        "heartbeat_at = due_at - interval '1 day' where batch_id = :batch returning id",
        batch=woken.batch_id,
    )
    ask(
        "update enrollment.onboarding_items set status = 'in_progress', started_at = now(), "
        "heartbeat_at = now() where batch_id = :batch returning id",
        batch=at_work.batch_id,
    )
    urgent = submit("Urgent", priority=100)

    found = [one.work_id for one in queued()]

    assert len(found) == MOST_OF_A_COMPANY + 1
    assert {urgent.accepted[0][2], at_work.accepted[0][2]} <= set(found)


def test_items_that_have_not_begun_rest_while_their_workflow_is_paused(
    onboarding: str, submit: Submit, queued: Any, database: Database, account: Account
) -> None:
    item_id = submit("Analyst").accepted[0][2]

    workflows.pause(database, account, onboarding, actor="ann")
    meanwhile = queued()
    workflows.activate(database, account, onboarding, actor="ann")

    assert meanwhile == []
    assert [one.work_id for one in queued()] == [item_id]


def test_what_has_ended_is_not_seen(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, queued: Any
) -> None:
    roles.plan("Fails", "check", 404)
    for _, _, item_id in submit("Fails", "Works").accepted:
        work(item_id)

    assert queued() == []


def test_an_item_whose_runs_die_without_finishing_a_step_fails_in_the_end(
    onboarding: str, submit: Submit, queued: Any, database: Database, settings: Settings,
    account: Account,
) -> None:  # fmt: skip
    batch = submit("Analyst")
    item_id = batch.accepted[0][2]

    answers = []
    for _ in range(MAX_RESTARTS + 1):
        (seen,) = queued()
        answers.append(service.restart(database, settings, seen))

    assert answers == [True] * MAX_RESTARTS + [False]
    item = ItemWork(database, settings, item_id).item()
    assert item.status is ItemStatus.FAILED
    assert item.error is not None
    assert item.error["code"] == "RUN_FAILED"
    assert queued() == []


def test_a_step_that_was_finished_in_between_is_progress(
    onboarding: str, submit: Submit, queued: Any, database: Database, settings: Settings,
    account: Account, ask: Ask,
) -> None:  # fmt: skip
    item_id = submit("Analyst").accepted[0][2]

    for number in range(3 * MAX_RESTARTS):
        (seen,) = queued()
        assert service.restart(database, settings, seen)
        ask(
            "insert into enrollment.onboarding_steps "
            "(account_id, item_id, round, step_id, visit, status, attempt, finished_at) "
            "values (:account, :item, 1, 'check', :visit, 'done', 1, now()) returning step_id",
            account=account.id,
            item=item_id,
            visit=number,
        )


def test_a_look_that_comes_late_does_not_count_the_death_of_a_run_twice(
    onboarding: str, submit: Submit, queued: Any, database: Database, settings: Settings
) -> None:
    submit("Analyst")
    (seen,) = queued()

    assert service.restart(database, settings, seen)
    assert not service.restart(database, settings, seen)


def test_batches_go_as_a_whole_when_the_last_of_their_items_is_old(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    account: Account, ask: Ask,
) -> None:  # fmt: skip
    old, half, young = submit("A"), submit("B", "C"), submit("D")
    for _, name, item_id in (*old.accepted, *half.accepted, *young.accepted):
        if name != "C":
            work(item_id)
    ask(
        "update enrollment.onboarding_items set completed_at = now() - interval '31 days' "
        "where role_name in ('A', 'B') returning id"
    )
    ask(
        "update enrollment.onboarding_batches set created_at = now() - interval '40 days' "
        "returning id"
    )
    now = datetime.now(UTC)
    planned = retention.plan(database, account, now=now)

    removed = retention.prune(database, account, now=now, actor="retention")

    assert planned == removed == {"onboarding_batches": 1, "onboarding_items": 1}
    left = {row["id"] for row in ask("select id from enrollment.onboarding_batches")}
    assert left == {half.batch_id, young.batch_id}
    assert len(ask("select distinct item_id from enrollment.onboarding_steps")) == 2
    gone = old.accepted[0][2]
    unknown = uuid4()
    kept = young.accepted[0][2]
    assert set(service.gone(database, [gone, unknown, kept])) == {gone, unknown}
    assert retention.prune(database, account, now=now, actor="retention") == {}
    later = retention.prune(database, account, now=now + timedelta(days=31), actor="retention")
    assert later == {"onboarding_batches": 1, "onboarding_items": 1}


def test_an_item_belongs_to_its_account_for_whoever_knows_its_id_alone(
    onboarding: str, submit: Submit, database: Database, settings: Settings, account: Account
) -> None:
    item_id: UUID = submit("Analyst").accepted[0][2]

    assert ItemWork(database, settings, item_id).account.id == account.id
