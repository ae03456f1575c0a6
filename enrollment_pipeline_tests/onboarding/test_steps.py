"""Steps that ask no service: conditions, fields, waits, messages, goals; and long waits."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications import store
from enrollment_pipeline.notifications.message import Channel
from enrollment_pipeline.onboarding import service
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.onboarding.store.queue import KIND
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import execution
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.onboarding.conftest import Submit, Work

Ask = Callable[..., list[dict[str, Any]]]
Flow = Callable[..., str]


@pytest.fixture
def flow(database: Database, account: Account) -> Flow:
    """Make an active workflow of these steps; return its name."""

    def make(*steps: dict[str, Any], **more: Any) -> str:
        named = [{"id": f"s{number}", **step} for number, step in enumerate(steps, 1)]
        document = {
            "name": "Steps",
            "steps": named,
            "settings": {"subject": "item"},
            **more,
        }
        workflows.create_from(database, account, document, actor="ann")
        workflows.activate(database, account, "Steps", actor="ann")
        return "Steps"

    return make


def only(batch: Any) -> UUID:
    ((_, _, item_id),) = batch.accepted
    return item_id


def steps_of(database: Database, account: Account, item_id: UUID) -> list[tuple[str, str]]:
    found = service.describe_item(database, account, item_id)
    return [(one["step"], one["status"]) for one in found["steps"]]


BY_LEVEL = (
    {
        "type": "condition",
        "condition": {"field": "item.attributes.level", "operator": "greater_than", "value": 2},
        "then": "s3",
    },
    {"type": "update_field", "field": "attributes.tier", "value": "junior", "next": "s4"},
    {"type": "update_field", "field": "attributes.tier", "value": "senior {{item.name}}"},
    {"type": "notify", "message": "{{item.name}} is {{item.attributes.tier}}"},
)


@pytest.mark.parametrize(
    ("level", "way", "tier"),
    [(3, ["s1", "s3", "s4"], "senior Analyst"), (2, ["s1", "s2", "s4"], "junior")],
)
def test_a_condition_leads_by_what_the_item_says_and_a_field_is_seen_by_later_steps(
    level: int, way: list[str], tier: str, flow: Flow, submit: Submit, work: Work,
    database: Database, account: Account,
) -> None:  # fmt: skip
    notifications.add_channel(database, account, Channel.EMAIL, "team@example.com", actor="ann")
    batch = submit(
        {"role_name": "Analyst", "attributes": {"level": level}}, workflow=flow(*BY_LEVEL)
    )

    assert work(only(batch)).item.status is ItemStatus.READY

    assert [name for name, _ in steps_of(database, account, only(batch))] == way
    assert service.describe_item(database, account, only(batch))["step"] == "s4"
    told = notifications.list_deliveries(database, account, subject_id=only(batch))
    assert [one["event"] for one in told["notifications"]] == ["onboarding_step"]
    with database.account(account.id) as connection:
        (message,), _ = store.page(connection, subject_id=only(batch), limit=5, offset=0)
    assert message.payload["message"] == f"Analyst is {tier}"


def test_a_finished_batch_is_told_once_and_again_after_a_retry(
    flow: Flow, submit: Submit, work: Work, database: Database, account: Account
) -> None:
    notifications.add_channel(database, account, Channel.EMAIL, "team@example.com", actor="ann")
    bad = {"type": "wait", "until": "{{item.attributes.at}}"}
    good = {"type": "update_field", "field": "attributes.x", "value": 1}
    batch = submit(
        {"role_name": "A", "attributes": {"at": "no time"}}, "B", workflow=flow(bad, good)
    )
    for _, _, item_id in batch.accepted:
        work(item_id)
    first = notifications.list_deliveries(database, account, subject_id=batch.batch_id)
    service.retry(database, account, batch.batch_id, service.Chosen(), actor="ann")
    again = work(batch.accepted[0][2]).item

    assert again.error is not None
    assert again.error["code"] == "BAD_VALUE"
    second = notifications.list_deliveries(database, account, subject_id=batch.batch_id)
    assert (first["total"], second["total"]) == (1, 2)


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_beyond_the_calendar_fails_its_item_and_no_other(
    at: str, flow: Flow, submit: Submit, work: Work, database: Database, account: Account
) -> None:
    wait = {"type": "wait", "until": "{{item.attributes.at}}"}
    done = {"type": "update_field", "field": "attributes.x", "value": 1}
    batch = submit({"role_name": "A", "attributes": {"at": at}}, "B", workflow=flow(wait, done))

    ended = [work(item_id).item.status for _, _, item_id in batch.accepted]

    assert ended == [ItemStatus.FAILED, ItemStatus.READY]
    assert service.describe_items(database, account, batch.batch_id)["state"] == "partial"


@pytest.mark.parametrize(
    "wait",
    [
        {"until": "2001-01-01"},
        {"until": "{{item.attributes.at}}"},
        {"until": "2001-01-01T10:00", "offset": "2 days"},
    ],
)
def test_a_time_that_has_passed_or_is_not_given_is_waited_for_no_longer(
    wait: dict[str, Any], flow: Flow, submit: Submit, work: Work
) -> None:
    done = {"type": "update_field", "field": "attributes.x", "value": 1}
    batch = submit("Analyst", workflow=flow({"type": "wait", **wait}, done))

    assert work(only(batch)).item.status is ItemStatus.READY


def test_a_short_wait_is_waited_for_in_the_run(flow: Flow, submit: Submit, work: Work) -> None:
    done = {"type": "update_field", "field": "attributes.x", "value": 1}
    batch = submit("Analyst", workflow=flow({"type": "wait", "duration": "1 second"}, done))
    begun = datetime.now(UTC)

    item = work(only(batch)).item

    assert item.status is ItemStatus.READY
    assert datetime.now(UTC) - begun >= timedelta(seconds=1)
    assert item.run_number == 1


def test_a_long_wait_gives_the_place_back_and_its_end_brings_another_run(
    flow: Flow, submit: Submit, work: Work, database: Database, account: Account, ask: Ask
) -> None:
    done = {"type": "update_field", "field": "attributes.x", "value": 1}
    batch = submit("Analyst", workflow=flow({"type": "wait", "duration": "3 days"}, done))
    item_id = only(batch)

    def queued() -> list[int]:
        return [
            one.attempt for one in service.open_items(database)
            if (one.kind, one.work_id) == (KIND, item_id)
        ]  # fmt: skip

    before = queued()
    ask(
        "update enrollment.onboarding_items set restarts = 3 where id = :item returning id",
        item=item_id,
    )
    waiting = work(item_id)
    (row,) = ask("select restarts from enrollment.onboarding_items where id = :item", item=item_id)
    # Deaths before the wait say nothing of what comes after it.
    assert row["restarts"] == 0
    while_it_waits = queued()
    early = work(item_id)
    in_two = datetime.now(UTC) + timedelta(days=2)

    assert (before, while_it_waits) == ([1], [])
    assert (waiting.stopped, waiting.item.status) == (False, ItemStatus.IN_PROGRESS)
    assert waiting.item.due_at > in_two
    assert early.item == waiting.item
    past = {"until": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}
    ask(
        "update enrollment.onboarding_items set due_at = now() - interval '1 second' "
        "where id = :item returning id",
        item=item_id,
    )
    ask(
        "update enrollment.onboarding_steps set output = cast(:past as jsonb) "
        "where item_id = :item returning step_id",
        item=item_id,
        past=json.dumps(past),
    )
    assert queued() == [2]
    ask(
        "update enrollment.onboarding_items set started_at = now() - interval '3 days' "
        "where id = :item returning id",
        item=item_id,
    )
    assert work(item_id).item.status is ItemStatus.READY
    # Neither the batch nor an estimate takes the wait for work.
    assert service.describe(database, account, batch.batch_id)["seconds"] < 60
    assert submit("Clerk", workflow="Steps").estimated_seconds in (0, 1)


@pytest.mark.parametrize(
    ("level", "way"),
    [(9, ["s1", "s3"]), (1, ["s1", "s2", "s3"])],
)
def test_a_goal_that_is_reached_leads_where_it_says(
    level: int, way: list[str], flow: Flow, submit: Submit, work: Work, database: Database,
    account: Account,
) -> None:  # fmt: skip
    goals = [
        {
            "name": "Senior",
            "condition": {
                "field": "item.attributes.level", "operator": "greater_than", "value": 5,
            },
            "then": "s3",
        }
    ]  # fmt: skip
    name = flow(
        {"type": "goal", "goal": "Senior"},
        {"type": "update_field", "field": "attributes.a", "value": 1},
        {"type": "update_field", "field": "attributes.b", "value": 1},
        goals=goals,
    )
    batch = submit({"role_name": "Analyst", "attributes": {"level": level}}, workflow=name)

    assert work(only(batch)).item.status is ItemStatus.READY
    assert [one for one, _ in steps_of(database, account, only(batch))] == way


def test_a_message_is_told_again_only_when_everything_is_done_anew(
    flow: Flow, submit: Submit, work: Work, database: Database, account: Account
) -> None:
    notifications.add_channel(database, account, Channel.EMAIL, "team@example.com", actor="ann")
    name = flow(
        {"type": "notify", "message": "Here is {{item.name}}"},
        {"type": "wait", "until": "{{item.attributes.at}}"},
    )
    batch = submit({"role_name": "A", "attributes": {"at": "no time"}}, workflow=name)

    def told(*, force_rerun: bool) -> int:
        service.retry(
            database, account, batch.batch_id, service.Chosen(), force_rerun=force_rerun,
            actor="ann",
        )  # fmt: skip
        work(only(batch))
        found = notifications.list_deliveries(database, account, subject_id=only(batch))
        return int(found["total"])

    work(only(batch))
    assert [told(force_rerun=False), told(force_rerun=True)] == [1, 2]


def test_a_message_to_what_is_no_address_fails_its_step(
    flow: Flow, submit: Submit, work: Work
) -> None:
    name = flow({"type": "notify", "message": "Hello", "to": ["{{item.attributes.mail}}"]})
    batch = submit(
        {"role_name": "Good", "attributes": {"mail": "ann@example.com"}},
        {"role_name": "Bad", "attributes": {"mail": "nobody"}},
        workflow=name,
    )

    good, bad = [work(item_id).item for _, _, item_id in batch.accepted]

    assert (good.status, bad.status) == (ItemStatus.READY, ItemStatus.FAILED)
    assert bad.error is not None
    assert bad.error["code"] == "BAD_VALUE"


def test_a_cycle_that_never_ends_fails_the_item(
    flow: Flow, submit: Submit, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "MOST_VISITS", 3)
    name = flow(
        {"type": "update_field", "field": "attributes.x", "value": 1},
        {"type": "wait", "duration": "1 second", "next": "s1"},
    )

    item = work(only(submit("Analyst", workflow=name))).item

    assert item.status is ItemStatus.FAILED
    assert item.error is not None
    assert item.error["code"] == "ENDLESS_WAY"
