"""What two do at the same moment, and what comes too late."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import Channel
from enrollment_pipeline.onboarding import ending, retention, service, watching
from enrollment_pipeline.onboarding.engine import ItemWork
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.onboarding.store import batches, items
from enrollment_pipeline.onboarding.watching import Watch
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.onboarding.conftest import Submit, Work
from enrollment_pipeline_tests.onboarding.role_service import RoleService

Ask = Callable[..., list[dict[str, Any]]]


def test_of_two_last_items_that_end_at_the_same_moment_one_tells_that_all_have(
    onboarding: str, submit: Submit, database: Database, settings: Settings, account: Account
) -> None:
    notifications.add_channel(database, account, Channel.EMAIL, "team@example.com", actor="ann")
    batch = submit("A", "B")
    first, second = (item_id for _, _, item_id in batch.accepted)

    def end(item_id: Any, connection: Any) -> None:
        item = items.load(connection, item_id, lock=True)
        ending.end(connection, settings, item, ItemStatus.CANCELLED)

    def end_second() -> None:
        with database.account(account.id) as connection:
            end(second, connection)

    other = threading.Thread(target=end_second)
    with database.account(account.id) as connection:
        end(first, connection)
        other.start()
        other.join(0.5)
        waits = other.is_alive()
    other.join()

    told = notifications.list_deliveries(database, account, subject_id=batch.batch_id)
    assert (waits, told["total"]) == (True, 1)


def test_a_batch_that_is_tried_again_is_not_removed_meanwhile(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    account: Account,
) -> None:  # fmt: skip
    batch = submit("A")
    work(batch.accepted[0][2])
    later = datetime.now(UTC) + timedelta(days=40)

    with database.account(account.id) as connection:
        batches.keep(connection, batch.batch_id)
        meanwhile = retention.prune(database, account, now=later, actor="retention")
    after = retention.prune(database, account, now=later, actor="retention")

    assert (meanwhile, after["onboarding_batches"]) == ({}, 1)


def test_an_answer_that_comes_after_the_item_was_cancelled_changes_nothing(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    settings: Settings, account: Account,
) -> None:  # fmt: skip
    for name, status in (("Works", 200), ("Fails", 422)):
        roles.plan(name, "check", status)
        batch = submit(name)
        roles.at_call = lambda _, batch_id=batch.batch_id: service.cancel(
            database, settings, account, batch_id, now=True, actor="ann"
        )

        item = work(batch.accepted[0][2]).item

        found = service.describe_item(database, account, item.id)
        assert (item.status, item.error) == (ItemStatus.CANCELLED, None)
        assert [(one["step"], one["status"]) for one in found["steps"]] == [("check", "begun")]


def test_an_item_whose_run_was_terminated_is_cancelled_by_the_queue(
    onboarding: str, submit: Submit, database: Database, settings: Settings, account: Account
) -> None:
    item_id = submit("A").accepted[0][2]
    (seen,) = [one for one in service.open_items(database) if one.account_id == account.id]

    wanted = service.finish_terminated(database, settings, seen, actor="dagster")

    assert wanted is False
    assert ItemWork(database, settings, item_id).item().status is ItemStatus.CANCELLED
    # Ended already, it stays as it is.
    assert service.finish_terminated(database, settings, seen, actor="dagster") is False


def test_a_run_that_is_executed_again_gives_an_attempt_to_what_failed_and_to_nothing_else(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    settings: Settings, ask: Ask,
) -> None:  # fmt: skip
    roles.plan("Fails", "check", 404)
    batch = submit("Fails", "Works")
    found = {}
    for _, name, item_id in batch.accepted:
        work(item_id)
        one = ItemWork(database, settings, item_id)
        one.try_again(actor="dagster")
        one.try_again(actor="dagster")
        found[name] = (one.item().status, one.item().attempt)

    assert found == {"Fails": (ItemStatus.QUEUED, 2), "Works": (ItemStatus.READY, 1)}
    rows = ask("select subject from enrollment.audit_log where action = 'onboarding.retry_item'")
    assert [row["subject"] for row in rows] == [str(batch.accepted[0][2])]


def test_a_run_holds_its_item_however_long_a_service_takes(
    onboarding: str, submit: Submit, database: Database, account: Account
) -> None:
    item_id = submit("A").accepted[0][2]

    with database.account(account.id) as connection:
        assert items.hold(connection, item_id)
        limit = connection.execute(text("show idle_in_transaction_session_timeout")).scalar()
    with database.account(account.id) as connection:
        others = connection.execute(text("show idle_in_transaction_session_timeout")).scalar()

    # The server would end a transaction that has nothing to do for some minutes.
    assert (limit, others != "0") == ("0", True)


def test_a_service_is_waited_for_though_the_database_is_away(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.0)
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    watch = Watch(Database(away), account, uuid4(), threading.Event())

    def call() -> str:
        time.sleep(0.6)
        return "answer"

    assert watch.during(call) == "answer"


def test_a_run_that_is_told_to_stop_before_it_begins_asks_nobody(
    roles: RoleService, onboarding: str, submit: Submit, database: Database, reachable: Settings
) -> None:
    item_id = submit("A").accepted[0][2]
    stop = threading.Event()
    stop.set()

    assert ItemWork(database, reachable, item_id).run(stop).stopped
    assert roles.calls == []


def test_executing_a_run_again_does_not_double_a_role_that_is_at_work_elsewhere(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    settings: Settings,
) -> None:  # fmt: skip
    roles.plan("A", "check", 404)
    item_id = submit("A").accepted[0][2]
    work(item_id)
    submit("A")

    with pytest.raises(InvalidStateError, match="is being onboarded in batch"):
        ItemWork(database, settings, item_id).try_again(actor="dagster")
    assert ItemWork(database, settings, item_id).item().status is ItemStatus.FAILED


def test_a_workflow_that_was_broken_meanwhile_fails_its_items_with_what_is_wrong(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    account: Account,
) -> None:  # fmt: skip
    item_id = submit("A").accepted[0][2]

    def break_it(_: object) -> None:
        roles.at_call = lambda _: None
        workflows.pause(database, account, onboarding, actor="ann")
        steps = [*workflows.show(database, account, onboarding).document["steps"]]
        steps[0] = {**steps[0], "next": "nowhere"}
        workflows.edit(database, account, onboarding, {"steps": steps}, actor="ann")

    roles.at_call = break_it

    item = work(item_id).item

    assert item.status is ItemStatus.FAILED
    assert item.error is not None
    assert item.error["code"] == "INVALID_WORKFLOW"
    assert "nowhere" in item.error["message"]
    assert roles.paths_of("A") == ["check"]
