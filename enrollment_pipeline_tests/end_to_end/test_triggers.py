"""Triggers under a real daemon: dropped events, missed windows, and a backfill of old ones."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers import history, keeping
from enrollment_pipeline_tests.end_to_end.conftest import Ui
from enrollment_pipeline_tests.end_to_end.test_ui import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

QUARTER = timedelta(minutes=15)


def window_of(at: datetime) -> str:
    """The key of the window that an instant lies in."""
    return at.replace(minute=at.minute // 15 * 15).strftime("%Y-%m-%d-%H:%M")


def backfill(ui: Ui, windows: list[str]) -> str:
    """Backfill windows of time triggers, as the button of the asset page does; return its id."""
    data = ui.ask(
        """
        mutation($params: LaunchBackfillParams!) {
          launchPartitionBackfill(backfillParams: $params) {
            __typename ... on LaunchBackfillSuccess { backfillId }
            ... on PythonError { message } } }
        """,
        params={
            "assetSelection": [{"path": ["trigger_occurrences"]}],
            "partitionNames": windows,
        },
    )["launchPartitionBackfill"]
    assert data["__typename"] == "LaunchBackfillSuccess", data
    return str(data["backfillId"])


def backfill_runs(ui: Ui, backfill_id: str) -> list[dict[str, Any]]:
    """The runs of a backfill, once all of them have succeeded."""
    data = ui.ask(
        """
        query($id: String!) { partitionBackfillOrError(backfillId: $id) {
          ... on PartitionBackfill { status runs { runId status } } } }
        """,
        id=backfill_id,
    )["partitionBackfillOrError"]
    assert all(run["status"] not in ("FAILURE", "CANCELED") for run in data["runs"]), data
    done = data["status"] == "COMPLETED_SUCCESS"
    return list(data["runs"]) if done else []


def run_status(ui: Ui, run_id: str) -> str:
    """The status of a run."""
    data = ui.ask("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id)
    return str(data["runOrError"]["status"])


def log_of(database: Database, account: Account, **wanted: str) -> list[tuple[Any, ...]]:
    """Occurrence, result and whether enrolled, of every row of the log."""
    found = history.list_log(database, account, limit=500, **wanted)["log"]
    return sorted((one["occurrence"], one["result"], one["enrolled"]) for one in found)


def test_a_dropped_event_enrolls_its_contact_without_anybody(
    ui: Ui,
    home: Path,
    database: Database,
    account: Account,
    add_contacts: Callable[..., list[UUID]],
    add_workflow: Callable[..., UUID],
) -> None:
    add_contacts(account, 3)
    add_workflow(account)
    trigger = {"event": "tag_added", "parameters": {"tag": "lead"}}
    keeping.create(database, account, "Welcome", trigger, actor="test")
    folder = home / "data" / "inbox" / account.name / "Events"
    folder.mkdir(parents=True)
    events = [
        {
            "event_id": f"drop-{number}",
            "type": "tag_added",
            "email": f"CONTACT-{number:05}@example.com",
            "data": {"tag": tag},
        }
        for number, tag in ((1, "lead"), (2, "other"), (3, "lead"))
    ]
    lines = [json.dumps(event) for event in events]
    (folder / "march.jsonl").write_text("\n".join([*lines, "not JSON", ""]))

    def all_enrolled() -> bool:
        found = history.list_log(database, account)["log"]
        return [one["enrolled"] for one in found] == [True, True]

    wait_for(all_enrolled, seconds=180)

    (taken,) = (folder / "processed").iterdir()
    assert taken.name.startswith("march.")
    rejected = history.list_events(database, account, status="rejected")
    assert rejected["total"] == 1
    assert "not JSON" in rejected["events"][0]["rejection"]


def test_missed_windows_are_caught_up_and_a_backfill_doubles_nothing(
    ui: Ui,
    database: Database,
    owner: Engine,
    account: Account,
    add_contacts: Callable[..., list[UUID]],
    add_workflow: Callable[..., UUID],
) -> None:
    now = datetime.now(UTC)
    shortly_before = now - timedelta(minutes=5)
    due = [(shortly_before - timedelta(days=days)).date() for days in (2, 1)]
    for day in due:
        born = date(2000, day.month, day.day)
        add_contacts(account, 2, prefix=f"born-{day}", birthday=born)
    policies = {
        "Always": {"lateness": "fire_late"},
        "Soon": {"lateness": "skip_if_later_than", "lateness_hours": 30},
        "Now": {"lateness": "skip"},
    }
    at = shortly_before.strftime("%H:%M")
    for name, settings in policies.items():
        add_workflow(account, name=name)
        document = {"event": "birthday", "parameters": {"time": at}, "settings": settings}
        keeping.create(database, account, name, document, actor="test")
    # Nobody has looked for two days and an hour, and the contacts are older than that.
    with owner.begin() as connection:
        asked = {"account": account.id, "since": now - timedelta(days=2, hours=1)}
        for statement in (
            "update enrollment.triggers set active_since = :since where account_id = :account",
            "update enrollment.contacts set created_at = :since where account_id = :account",
            "insert into enrollment.trigger_watermarks (account_id, evaluated_until) "
            "values (:account, :since) on conflict (account_id) do update "
            "set evaluated_until = excluded.evaluated_until",
        ):
            connection.execute(text(statement), asked)

    newest = window_of(now - QUARTER)
    run_id = ui.launch("fire_time_triggers", {}, **{"dagster/partition": newest})
    wait_for(lambda: run_status(ui, run_id) in ("SUCCESS", "FAILURE"), seconds=180)

    assert run_status(ui, run_id) == "SUCCESS"
    years = sorted(str(day.year) for day in due)
    caught_up = {
        "Always": [(years[0], "fired", True)] * 2 + [(years[1], "fired", True)] * 2,
        "Soon": sorted([(years[0], "late", False)] * 2 + [(years[1], "fired", True)] * 2),
        "Now": [(years[0], "late", False)] * 2 + [(years[1], "late", False)] * 2,
    }
    assert {name: log_of(database, account, trigger=name) for name in policies} == caught_up

    windows = [window_of(now - QUARTER * number) for number in range(1, 4 * 50)]
    backfill_id = backfill(ui, windows[::-1])
    runs = wait_for(lambda: backfill_runs(ui, backfill_id), seconds=240)

    assert len(runs) == 1
    assert {name: log_of(database, account, trigger=name) for name in policies} == caught_up
    with owner.connect() as connection:
        twice = connection.scalar(
            text(
                "select count(*) from (select from enrollment.enrollments "
                "where account_id = :account group by workflow_id, contact_id "
                "having count(*) > 1) doubled"
            ),
            {"account": account.id},
        )
    assert twice == 0
