"""Triggers in Dagster: who starts a run, what the runs do, and what they tell."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.defs.triggers import events, times
from enrollment_pipeline.defs.triggers.events import JOB_NAME, pending_events
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.in_process import _QUIET
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers import history, intake, keeping, running

TAGGED = {"event": "tag_added", "parameters": {"tag": "lead"}}


@pytest.fixture
def nothing_else(owner: Engine) -> None:
    """No other account has anything to do."""
    with owner.begin() as connection:
        for statement in (
            "update enrollment.triggers set active = false where active",
            "update enrollment.events set processed_at = now() where processed_at is null",
            "update enrollment.trigger_evaluations set result = 'late' where result = 'queued'",
            "update enrollment.enrollment_jobs set runner = 'caller' where runner = 'trigger'",
        ):
            connection.execute(text(statement))


@pytest.fixture
def send(
    nothing_else: None,
    database: Database,
    account: Account,
    add_contacts: Callable[..., list[UUID]],
    add_workflow: Callable[..., UUID],
) -> Callable[[int], None]:
    """Send events of so many contacts to a trigger that takes them."""
    add_workflow(account)
    keeping.create(database, account, "Welcome", TAGGED, actor="ann")

    def make(number: int) -> None:
        add_contacts(account, number)
        lines = [
            f'{{"event_id": "e{one}", "type": "tag_added", "data": {{"tag": "lead"}}, '
            f'"email": "contact-{one:05}@example.com"}}'.encode()
            for one in range(1, number + 1)
        ]
        found = intake.receive_lines(database, account, lines, source="test", actor="ann")
        assert found.accepted == number

    return make


@pytest.fixture
def run_of(instance: dg.DagsterInstance) -> Iterator[Callable[[dg.DagsterRunStatus], None]]:
    """Record a run of the job in a state; it is deleted afterwards."""
    made: list[str] = []

    def record(status: dg.DagsterRunStatus) -> None:
        run = instance.create_run_for_job(defs.resolve_job_def(JOB_NAME), status=status)
        made.append(run.run_id)

    yield record
    for run_id in made:
        instance.delete_run(run_id)


def tick(instance: dg.DagsterInstance) -> list[dg.RunRequest] | dg.SkipReason:
    context = dg.build_sensor_context(instance=instance, resources={"product": Product()})
    found: Any = pending_events(context)
    return found


def output_of(result: dg.ExecuteInProcessResult, node: str) -> dict[str, Any]:
    """The metadata of an op's output."""
    (output,) = [
        event.event_specific_data
        for event in result.events_for_node(node)
        if event.event_type is dg.DagsterEventType.STEP_OUTPUT
    ]
    return {name: plain(value) for name, value in output.metadata.items()}


def plain(value: Any) -> Any:
    """A value of metadata; of a table its records."""
    if isinstance(value, dg.TableMetadataValue):
        return [record.data for record in value.records]
    return value.value


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The metadata of the only asset of a run."""
    (event,) = result.get_asset_materialization_events()
    return {name: plain(value) for name, value in event.materialization.metadata.items()}


def requests_at(schedule: str, at: datetime) -> list[str | None]:
    """The partitions that a schedule asks for at a time."""
    context = dg.build_schedule_context(
        scheduled_execution_time=at, repository_def=defs.get_repository_def()
    )
    found = defs.resolve_schedule_def(schedule).evaluate_tick(context)
    return [one.partition_key for one in found.run_requests or []]


def run_window(instance: dg.DagsterInstance, key: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("fire_time_triggers").execute_in_process(
        instance=instance, run_config=_QUIET, partition_key=key
    )


def test_the_sensor_asks_for_no_run_where_nothing_is_pending(
    instance: dg.DagsterInstance, nothing_else: None
) -> None:
    found = tick(instance)

    assert isinstance(found, dg.SkipReason)
    assert "No event is pending" in str(found.skip_message)


def test_the_sensor_asks_for_one_run_and_not_for_a_second_while_it_is_on_its_way(
    instance: dg.DagsterInstance,
    send: Callable[[int], None],
    run_of: Callable[[dg.DagsterRunStatus], None],
) -> None:
    send(2)

    assert tick(instance) == [dg.RunRequest()]
    run_of(dg.DagsterRunStatus.STARTING)
    assert isinstance(tick(instance), dg.SkipReason)


def test_a_backlog_is_shared_by_two_runs(
    instance: dg.DagsterInstance,
    send: Callable[[int], None],
    run_of: Callable[[dg.DagsterRunStatus], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "BACKLOG", 3)
    send(5)

    assert tick(instance) == [dg.RunRequest()] * 2
    run_of(dg.DagsterRunStatus.STARTED)
    assert tick(instance) == [dg.RunRequest()]


def test_a_run_evaluates_what_is_pending_enrolls_and_tells(
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    send: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "LINGER_SECONDS", 0.1)
    send(3)

    result = defs.resolve_job_def(JOB_NAME).execute_in_process(instance=instance, run_config=_QUIET)

    told = output_of(result, "evaluate_events")
    assert (told["events"], told["rejected"], told["jobs"]) == (3, 0, 1)
    assert told["results"] == [{"result": "fired", "number": 3}]
    log = history.list_log(database, account)["log"]
    assert [one["enrolled"] for one in log] == [True] * 3
    assert isinstance(tick(instance), dg.SkipReason)


def test_a_run_waits_a_while_for_more_before_it_ends(
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    send: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "LINGER_SECONDS", 5)
    work_off, asked = running.work_off, []

    def and_more_comes_in(*arguments: Any, **more: Any) -> running.Totals:
        found = work_off(*arguments, **more)
        asked.append(found.events)
        if len(asked) == 1:
            send(2)
        if asked[-1] == 2:
            monkeypatch.setattr(events, "LINGER_SECONDS", 0)
        return found

    monkeypatch.setattr(events.service, "work_off", and_more_comes_in)
    result = defs.resolve_job_def(JOB_NAME).execute_in_process(instance=instance, run_config=_QUIET)

    assert output_of(result, "evaluate_events")["events"] == 2
    assert asked[:2] == [0, 2]


def test_the_run_of_a_window_fires_enrolls_and_tells(
    instance: dg.DagsterInstance,
    database: Database,
    owner: Engine,
    account: Account,
    nothing_else: None,
    add_contacts: Callable[..., list[UUID]],
    add_workflow: Callable[..., UUID],
) -> None:
    add_workflow(account)
    due = datetime.now(UTC) - timedelta(days=2)
    window = due.replace(minute=due.minute // 15 * 15, second=0, microsecond=0)
    trigger = {
        "event": "birthday",
        "parameters": {"time": (window + timedelta(minutes=1)).strftime("%H:%M")},
        "settings": {"lateness": "fire_late"},
    }
    keeping.create(database, account, "Welcome", trigger, actor="ann")
    with database.account(account.id) as connection:
        for statement in (
            "update enrollment.triggers set active_since = now() - interval '3 days'",
            "update enrollment.contacts set created_at = now() - interval '3 days'",
        ):
            if "contacts" in statement:
                add_contacts(account, 2, birthday=window.date().replace(year=2000))
            connection.execute(text(statement))
    key = window.strftime("%Y-%m-%d-%H:%M")

    first, second = run_window(instance, key), run_window(instance, key)

    told = materialized(first)
    assert (told["occurrences"], told["fired"], told["late"]) == (2, 2, 0)
    assert materialized(second)["occurrences"] == 0
    log = history.list_log(database, account)["log"]
    assert [(one["enrolled"], one["occurrence"]) for one in log] == [(True, str(window.year))] * 2


def test_the_trouble_of_one_account_holds_up_no_other_and_fails_the_run(
    instance: dg.DagsterInstance,
    account: Account,
    make_account: Callable[..., Account],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = make_account()
    looked: list[str] = []

    def look(_: Database, one: Account, *__: object, **___: object) -> dict[str, int]:
        looked.append(one.name)
        if one.name == account.name:
            raise ZeroDivisionError
        return {}

    monkeypatch.setattr(times.service, "evaluate_window", look)
    result = defs.resolve_job_def("fire_time_triggers").execute_in_process(
        instance=instance,
        run_config=_QUIET,
        partition_key=times.WINDOWS.get_last_partition_key(),
        raise_on_error=False,
    )

    assert not result.success
    assert {account.name, other.name} <= set(looked)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert f"{account.name}: ZeroDivisionError" in str(failure.step_failure_data.error)


def test_every_quarter_of_an_hour_a_tick_runs_the_window_that_has_just_closed() -> None:
    at = datetime(2026, 11, 22, 6, 45, tzinfo=UTC)

    assert requests_at("quarter_hours", at) == ["2026-11-22-06:30"]
    assert defs.resolve_schedule_def("quarter_hours").cron_schedule == "*/15 * * * *"


def test_old_windows_are_backfilled_in_one_run() -> None:
    asset = defs.resolve_asset_graph().get(dg.AssetKey("trigger_occurrences"))

    assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_the_analytics_of_a_day_add_up_its_log(
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    settings: Any,
    send: Callable[[int], None],
) -> None:
    send(4)
    with database.account(account.id) as connection:
        connection.execute(
            text(
                "update enrollment.contacts set status = 'blocked' "
                "where email = 'contact-00004@example.com'"
            )
        )
    running.work_off(database, settings, account=account)
    day = datetime.now(UTC).strftime("%Y-%m-%d")

    result = defs.resolve_job_def("count_triggers").execute_in_process(
        instance=instance, run_config=_QUIET, partition_key=day
    )

    told = materialized(result)
    records = told["accounts"]
    mine = {"account": account.name, "evaluated": 4, "matched": 4, "enrolled": 3}
    assert mine in records
    for name in ("evaluated", "matched", "enrolled"):
        assert told[name] == sum(record[name] for record in records)
    assert told["evaluated"] == told["enrolled"] + told["refused"]
    reasons = {record["result"]: record["number"] for record in told["reasons"]}
    assert reasons["blocked: contact_blocked"] >= 1
    assert sum(reasons.values()) == told["refused"]


def test_the_day_before_is_added_up_once_it_has_ended_everywhere() -> None:
    at = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)

    assert requests_at("daily_trigger_analytics", at) == ["2026-11-21"]
    assert defs.resolve_schedule_def("daily_trigger_analytics").cron_schedule == "30 12 * * *"
