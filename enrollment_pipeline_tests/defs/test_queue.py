"""The queue sensor on a real Dagster instance: which jobs get a run, when, and in which order."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.liveness import HOST, PROCESS, own_tags
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.defs.queue_looks import adding_runs, asked_for, empty_queue, keys

EVERYBODY = {"type": "filter", "filter": {}}
Submit = Callable[..., UUID]
Tick = Callable[[], list[dg.RunRequest]]


@pytest.fixture
def tick(instance: dg.DagsterInstance, owner: Engine) -> Iterator[Tick]:
    """Evaluate the sensor over the test's jobs alone; return what it asks for."""
    with empty_queue(owner, instance):
        yield lambda: asked_for(defs.resolve_sensor_def("enrollment_queue"), instance)


@pytest.fixture
def add_run(instance: dg.DagsterInstance) -> Iterator[Callable[..., dg.DagsterRun]]:
    """Put a run of a job into the history, as if a daemon had launched it."""
    with adding_runs(instance) as add:
        yield add


def test_a_submitted_job_gets_one_run_per_attempt(
    tick: Tick, account: Account, add_workflow: Callable[..., UUID], submit: Submit
) -> None:
    add_workflow(account)
    job_id = submit(account, EVERYBODY, runner="queue")

    (request,) = tick()

    assert (request.run_key, request.partition_key) == (f"{job_id}:1", str(job_id))
    assert request.tags["enrollment/account"] == account.name
    # Asked again with the same key, Dagster starts no second run.
    assert keys(tick()) == [f"{job_id}:1"]


def test_jobs_that_a_command_runs_are_left_alone(
    tick: Tick, account: Account, add_workflow: Callable[..., UUID], submit: Submit
) -> None:
    add_workflow(account)
    submit(account, EVERYBODY, runner="caller")
    assert tick() == []


def test_a_scheduled_job_gets_its_run_when_it_is_due(
    tick: Tick,
    database: Database,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
) -> None:
    add_workflow(account)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    job_id = submit(account, EVERYBODY, runner="queue", scheduled_at=tomorrow)
    assert tick() == []

    service.reschedule(database, account, job_id, at=None, timezone=None, actor="test")

    assert keys(tick()) == [f"{job_id}:1"]


@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ],
)
def test_a_job_whose_run_lives_gets_no_other(
    status: dg.DagsterRunStatus,
    tick: Tick,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    add_run: Callable[..., dg.DagsterRun],
) -> None:
    add_workflow(account)
    job_id = submit(account, EVERYBODY, runner="queue")
    add_run(job_id, status, **{HOST: "elsewhere"})
    assert tick() == []


def test_a_job_whose_worker_was_killed_unnoticed_goes_on_with_another_run(
    tick: Tick,
    instance: dg.DagsterInstance,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    add_run: Callable[..., dg.DagsterRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_workflow(account)
    job_id = submit(account, EVERYBODY, runner="queue")
    run = add_run(job_id, **{**own_tags(), PROCESS: "999999@1"})

    assert tick() == []
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE
    # For some seconds it is left to Dagster's own retry.
    assert tick() == []
    monkeypatch.setattr("enrollment_pipeline.work.queueing.RETRY_GRACE", timedelta(seconds=-60))
    assert keys(tick()) == [f"{job_id}:2"]
    assert keys(tick()) == [f"{job_id}:2"]


def test_accounts_take_turns_for_the_free_places(
    tick: Tick,
    make_account: Callable[..., Account],
    add_workflow: Callable[..., UUID],
    submit: Submit,
) -> None:
    big, small = make_account(max_open_jobs=20), make_account()
    for account in (big, small):
        add_workflow(account)
    for _ in range(15):
        submit(big, EVERYBODY, runner="queue")
    late = submit(small, EVERYBODY, runner="queue")

    requests = tick()

    # dagster.yaml lets ten runs work at once.
    assert len(requests) == 10
    assert f"{late}:1" in keys(requests[:2])


def test_what_waits_keeps_its_place_while_runs_are_at_work(
    tick: Tick,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    add_run: Callable[..., dg.DagsterRun],
) -> None:
    add_workflow(account)
    jobs = [submit(account, EVERYBODY, runner="queue") for _ in range(3)]
    for _ in range(8):
        add_run(jobs[0], dg.DagsterRunStatus.STARTING)

    assert keys(tick()) == [f"{jobs[1]}:1", f"{jobs[2]}:1"]
    add_run(jobs[0], dg.DagsterRunStatus.STARTING)
    assert keys(tick()) == [f"{jobs[1]}:1"]


def test_a_cancellation_that_nobody_finishes_is_finished(
    tick: Tick,
    database: Database,
    settings: Settings,
    owner: Engine,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    run_job: Callable[[UUID], dg.DagsterRun],
) -> None:
    add_workflow(account)
    job_id = submit(account, EVERYBODY, runner="queue")
    with owner.begin() as connection:
        connection.execute(
            text("update enrollment.enrollment_jobs set status = 'cancelling' where id = :job"),
            {"job": job_id},
        )

    (request,) = tick()

    assert service.describe(database, settings, account, job_id)["status"] == "cancelled"
    # A run writes the report.
    assert (request.run_key, request.partition_key) == (f"{job_id}:1:report", str(job_id))
    assert run_job(job_id).status is dg.DagsterRunStatus.SUCCESS
    document = service.describe(database, settings, account, job_id)
    assert Path(document["files"]["report"]).is_file()
    assert tick() == []


def test_a_job_that_cannot_be_ended_does_not_hold_up_the_others(
    tick: Tick,
    owner: Engine,
    make_account: Callable[..., Account],
    add_workflow: Callable[..., UUID],
    submit: Submit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck, other = make_account(), make_account()
    for account in (stuck, other):
        add_workflow(account)
    held = submit(stuck, EVERYBODY, runner="queue")
    waiting = submit(other, EVERYBODY, runner="queue")
    with owner.begin() as connection:
        connection.execute(
            text("update enrollment.enrollment_jobs set status = 'cancelling' where id = :job"),
            {"job": held},
        )

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("enrollment_pipeline.enrollment.queue.finish_cancelling", refuse)
    assert keys(tick()) == [f"{waiting}:1"]


def test_a_job_whose_run_was_terminated_while_nobody_looked_is_cancelled(
    tick: Tick,
    instance: dg.DagsterInstance,
    database: Database,
    settings: Settings,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    add_run: Callable[..., dg.DagsterRun],
) -> None:
    add_workflow(account)
    job_id = submit(account, EVERYBODY, runner="queue")
    run = add_run(job_id, **{HOST: "elsewhere"})
    instance.report_run_canceling(run)
    instance.report_run_canceled(run)

    assert keys(tick()) == [f"{job_id}:1:report"]

    assert service.describe(database, settings, account, job_id)["status"] == "cancelled"


def test_a_run_that_shows_no_life_elsewhere_gives_up_its_place(
    tick: Tick,
    instance: dg.DagsterInstance,
    owner: Engine,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    add_run: Callable[..., dg.DagsterRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_workflow(account)
    job_id = submit(account, EVERYBODY, runner="queue")
    run = add_run(job_id, **{HOST: "elsewhere"})
    with owner.begin() as connection:
        connection.execute(
            text(
                "update runs set start_time = extract(epoch from now()) - 3600 where run_id = :run"
            ),
            {"run": run.run_id},
        )
        connection.execute(
            text(
                "update enrollment.enrollment_jobs set created_at = now() - interval '1 hour' "
                "where id = :job"
            ),
            {"job": job_id},
        )

    assert tick() == []

    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE
    monkeypatch.setattr("enrollment_pipeline.work.queueing.RETRY_GRACE", timedelta(seconds=-60))
    assert keys(tick()) == [f"{job_id}:2"]


def test_a_run_that_was_terminated_and_whose_worker_then_died_ends_its_job(
    tick: Tick,
    instance: dg.DagsterInstance,
    database: Database,
    settings: Settings,
    account: Account,
    add_workflow: Callable[..., UUID],
    submit: Submit,
    add_run: Callable[..., dg.DagsterRun],
) -> None:
    add_workflow(account)
    job_id = submit(account, EVERYBODY, runner="queue")
    run = add_run(job_id, **{HOST: "elsewhere"})
    instance.report_run_canceling(run)
    instance.report_run_failed(run, message="the worker has gone")

    assert keys(tick()) == [f"{job_id}:1:report"]
    assert service.describe(database, settings, account, job_id)["status"] == "cancelled"
