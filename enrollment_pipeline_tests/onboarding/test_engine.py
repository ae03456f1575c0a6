"""One item through its steps, against a real service on loopback."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.errors import ItemBusyError
from enrollment_pipeline.onboarding import engine, service
from enrollment_pipeline.onboarding.engine import ItemWork
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.onboarding.conftest import Submit, Work
from enrollment_pipeline_tests.onboarding.role_service import RoleService

ALL = ["check", "match", "assess", "enhance", "publish"]
Ask = Callable[..., list[dict[str, Any]]]


def only(batch: Any) -> UUID:
    """The id of the one item of a batch."""
    ((_, _, item_id),) = batch.accepted
    return item_id


def test_a_role_goes_through_all_steps_and_its_answers_through_each_other(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    account: Account,
) -> None:  # fmt: skip
    roles.answers = {
        "check": {"cost": 0.5},
        "assess": {"cost": 2},
        "publish": {"dashboard_url": "https://roles.example.com/7"},
    }
    batch = submit(
        {
            "role_name": "Analyst",
            "reference_name": "R-7",
            "attributes": {"level": 3, "tags": ["a"]},
            "documents": ["a.pdf"],
        }
    )

    left = work(only(batch))

    assert (left.item.status, left.stopped) == (ItemStatus.READY, False)
    assert roles.paths_of("Analyst") == ALL
    told = {call.path: call.body for call in roles.calls}
    assert told["check"]["attributes"] == {"level": 3, "tags": ["a"]}
    assert told["check"]["reference_name"] == "R-7"
    assert told["assess"]["documents"] == ["a.pdf"]
    assert told["assess"]["reference"] == {"role": "Analyst", "did": "match"}
    assert told["publish"]["enhancement"]["did"] == "enhance"
    found = service.describe_item(database, account, only(batch))
    assert found["dashboard_url"] == "https://roles.example.com/7"
    assert found["cost"] == 2.5
    assert [(one["step"], one["status"], one["calls"]) for one in found["steps"]] == [
        ("check", "done", 1), ("link", "done", 1), ("assess", "done", 1), ("enhance", "done", 1),
        ("publish", "done", 1),
    ]  # fmt: skip
    described = service.describe(database, account, batch.batch_id)
    assert (described["state"], described["percent"], described["cost"]) == ("completed", 100, 2.5)


def test_what_passes_is_tried_again_and_what_does_not_is_not(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, quick: None,
    database: Database, account: Account,
) -> None:  # fmt: skip
    roles.plan("Passes", "check", 500, 429, 200)
    roles.plan("Never", "check", 503)
    for status in (400, 401, 403, 404, 422):
        roles.plan(f"Wrong {status}", "match", status)
    wrong = [f"Wrong {status}" for status in (400, 401, 403, 404, 422)]
    batch = submit("Passes", "Never", *wrong)

    ended = {name: work(item_id).item for _, name, item_id in batch.accepted}

    assert ended["Passes"].status is ItemStatus.READY
    assert roles.paths_of("Passes") == ["check", "check", "check", *ALL[1:]]
    assert len({call.key for call in roles.calls if call.role == "Passes"}) == len(ALL)
    assert ended["Never"].status is ItemStatus.FAILED
    assert roles.paths_of("Never") == ["check"] * 3
    error = ended["Never"].error
    assert error is not None
    assert (error["code"], error["status"]) == ("HTTP_STATUS", 503)
    assert "The last of 3 attempts" in error["message"]
    for status in (400, 401, 403, 404, 422):
        item = ended[f"Wrong {status}"]
        assert (item.status, item.step) == (ItemStatus.FAILED, "link")
        assert item.error is not None
        assert item.error["status"] == status
        assert f"{status} for you" in item.error["message"]
        assert roles.paths_of(f"Wrong {status}") == ["check", "match"]
    assert service.describe(database, account, batch.batch_id)["state"] == "partial"


def test_an_enhancement_that_fails_degrades_and_one_that_is_not_wanted_is_skipped(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    account: Account,
) -> None:  # fmt: skip
    roles.plan("Fails", "enhance", 422)

    degraded = work(only(submit("Fails"))).item
    skipped = work(only(submit("Without", skip_enhancement=True))).item

    assert degraded.status is ItemStatus.DEGRADED
    assert degraded.error is not None
    assert degraded.error["status"] == 422
    assert roles.paths_of("Fails") == ALL
    assert roles.paths_of("Without") == [        "check", "match", "assess", "publish",
    ]  # fmt: skip
    assert skipped.status is ItemStatus.READY
    told = [call.body for call in roles.calls if (call.role, call.path) == ("Without", "publish")]
    assert told[0]["enhancement"] is None


def test_a_retry_goes_on_at_the_step_that_failed_with_what_the_item_had(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    account: Account,
) -> None:  # fmt: skip
    roles.plan("Analyst", "assess", 404, 200)
    roles.answers = {"check": {"cost": 1}, "match": {"n": 1}}
    batch = submit({"role_name": "Analyst", "attributes": {"level": 3}, "documents": ["a"]})
    item_id = only(batch)
    work(item_id)
    before = service.describe(database, account, batch.batch_id)

    service.retry(database, account, batch.batch_id, service.Chosen(), actor="ann")
    queued = service.describe(database, account, batch.batch_id)
    left = work(item_id)

    assert (before["state"], queued["state"], queued["total"]) == ("failed", "pending", 1)
    assert (left.item.status, left.item.attempt) == (ItemStatus.READY, 2)
    assert roles.paths_of("Analyst") == ["check", "match", "assess", *ALL[2:]]
    again = [call for call in roles.calls if call.path == "assess"]
    assert again[0].body == again[1].body
    # The service has answered, and may repeat itself for the same key.
    assert again[0].key != again[1].key
    assert service.describe(database, account, batch.batch_id)["cost"] == 1


def test_a_retry_of_what_nobody_answered_asks_for_the_same_again(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, quick: None,
    database: Database, account: Account,
) -> None:  # fmt: skip
    roles.plan("Analyst", "assess", "drop", "drop", "drop", "drop", "drop", 200)
    batch = submit("Analyst")
    failed = work(only(batch)).item

    service.retry(database, account, batch.batch_id, service.Chosen(), actor="ann")
    left = work(only(batch))

    assert failed.error is not None
    assert failed.error["code"] == "HTTP_UNREACHABLE"
    assert left.item.status is ItemStatus.READY
    keys = [call.key for call in roles.calls if call.path == "assess"]
    assert (len(keys), len(set(keys))) == (6, 1)


def test_a_gateway_that_had_no_answer_is_asked_for_the_same_again(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, quick: None,
    database: Database, account: Account,
) -> None:  # fmt: skip
    roles.plan("Analyst", "check", 504, 504, 504, 200)
    batch = submit("Analyst")
    work(only(batch))
    service.retry(database, account, batch.batch_id, service.Chosen(), actor="ann")

    assert work(only(batch)).item.status is ItemStatus.READY
    keys = [call.key for call in roles.calls if call.path == "check"]
    assert (len(keys), len(set(keys))) == (4, 1)


def test_with_force_rerun_everything_is_done_anew_and_paid_for_twice(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    account: Account,
) -> None:  # fmt: skip
    roles.plan("Analyst", "publish", 404, 200)
    roles.answers = {"check": {"cost": 1, "dashboard_url": "https://roles.example.com/7"}}
    batch = submit("Analyst")
    assert work(only(batch)).item.dashboard_url is not None

    service.retry(
        database, account, batch.batch_id, service.Chosen(), force_rerun=True, actor="ann"
    )
    queued = service.describe_item(database, account, only(batch))
    assert queued["dashboard_url"] is None
    left = work(only(batch))

    assert left.item.status is ItemStatus.READY
    assert roles.paths_of("Analyst") == [*ALL, *ALL]
    assert len({call.key for call in roles.calls}) == 2 * len(ALL)
    assert service.describe(database, account, batch.batch_id)["cost"] == 2


def test_a_degraded_item_repeats_its_enhancement_alone(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    account: Account,
) -> None:  # fmt: skip
    roles.plan("Analyst", "enhance", 422, 200)
    batch = submit("Analyst")
    work(only(batch))

    service.retry(database, account, batch.batch_id, service.Chosen(degraded=True), actor="ann")
    left = work(only(batch))

    assert (left.item.status, left.item.error) == (ItemStatus.READY, None)
    assert roles.paths_of("Analyst") == [*ALL, "enhance"]


def test_an_item_has_one_run_at_a_time(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_HOLD_WAITS", (0.01,))
    roles.plan("Analyst", "check", 1.0)
    item_id = only(submit("Analyst"))
    first = threading.Thread(target=work, args=(item_id,))
    first.start()
    while not roles.calls:
        time.sleep(0.01)

    with pytest.raises(ItemBusyError):
        work(item_id)

    first.join()
    assert roles.paths_of("Analyst") == ALL


def test_cancelling_now_ends_an_item_whose_service_hangs(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    settings: Settings, account: Account,
) -> None:  # fmt: skip
    roles.plan("Hangs", "check", "hang")
    batch = submit("Hangs", "Waits")
    item_id = batch.accepted[0][2]
    left: list[Any] = []
    worker = threading.Thread(target=lambda: left.append(work(item_id)))
    worker.start()
    while not roles.calls:
        time.sleep(0.01)

    begun = time.monotonic()
    ended = service.cancel(database, settings, account, batch.batch_id, now=True, actor="ann")
    worker.join()

    assert ended == 2
    assert time.monotonic() - begun < 10
    assert left[0].item.status is ItemStatus.CANCELLED
    assert service.describe(database, account, batch.batch_id)["state"] == "cancelled"
    assert work(batch.accepted[1][2]).item.status is ItemStatus.CANCELLED
    assert roles.paths_of("Waits") == []


def test_a_run_that_is_told_to_stop_leaves_its_item_to_the_next(
    roles: RoleService, onboarding: str, submit: Submit, work: Work, database: Database,
    reachable: Settings,
) -> None:  # fmt: skip
    roles.plan("Analyst", "assess", "hang", 200)
    item_id = only(submit("Analyst"))
    stop = threading.Event()
    roles.at_call = lambda call: stop.set() if call.path == "assess" else None

    left = ItemWork(database, reachable, item_id).run(stop)
    roles.at_call = lambda _: None
    after = work(item_id)

    assert (left.item.status, left.stopped) == (ItemStatus.IN_PROGRESS, True)
    assert after.item.status is ItemStatus.READY
    assert roles.paths_of("Analyst") == ["check", "match", "assess", *ALL[2:]]
    keys = [call.key for call in roles.calls if call.path == "assess"]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("move", ["pause", "gone"])
def test_an_item_whose_workflow_takes_none_any_more_fails_with_the_reason(
    move: str, onboarding: str, submit: Submit, work: Work, database: Database, account: Account
) -> None:
    item_id = only(submit("Analyst"))
    workflows.pause(database, account, onboarding, actor="ann")
    if move == "gone":
        workflows.archive(database, account, onboarding, actor="ann")

    item = work(item_id).item

    assert item.status is ItemStatus.FAILED
    assert item.error is not None
    assert item.error["code"] == "WORKFLOW_INACTIVE"
