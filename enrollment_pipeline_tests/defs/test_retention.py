"""The job `prune_history`, its schedule, and what becomes of the partitions of old jobs."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.api import execute_run
from sqlalchemy import text

from enrollment_pipeline.accounts.audit import list_audit
from enrollment_pipeline.definitions import build_definitions, defs
from enrollment_pipeline.enrollment import retention, service
from enrollment_pipeline.runs.in_process import _QUIET

PARTITIONS = "enrollment_jobs"


@pytest.fixture
def prune(instance):
    """Run the job; return the metadata of its op."""

    def run():
        result = defs.resolve_job_def("prune_history").execute_in_process(
            instance=instance, run_config=_QUIET
        )
        assert result.success
        (output,) = [
            event.event_specific_data
            for event in result.events_for_node("prune_accounts")
            if event.event_type is dg.DagsterEventType.STEP_OUTPUT
        ]
        return {name: value.value for name, value in output.metadata.items()}

    return run


@pytest.fixture
def close_ago(owner):
    """Let a job have been closed so many days ago."""

    def change(job_id, days):
        with owner.begin() as connection:
            connection.execute(
                text(
                    "update enrollment.enrollment_jobs "
                    "set completed_at = now() - :days * interval '1 day' where id = :job"
                ),
                {"job": job_id, "days": days},
            )

    return change


@pytest.fixture
def ran(account, add_contacts, add_workflow, submit, run_job):
    """Run jobs over three contacts in the test's account; return their ids."""
    add_contacts(account, 3)
    add_workflow(account)

    def make(number):
        ids = [submit(account, {"type": "filter", "filter": {}}) for _ in range(number)]
        for job_id in ids:
            assert run_job(job_id).status is dg.DagsterRunStatus.SUCCESS
        return ids

    return make


@pytest.fixture
def re_execute(instance):
    """Run the last run of a job again as a run worker does, which adds no partition."""

    def run(job_id):
        parent = instance.get_runs(dg.RunsFilter(tags={"enrollment/job": str(job_id)}), limit=1)[0]
        job = ReconstructableRepository.for_module(
            "enrollment_pipeline.definitions", "defs"
        ).get_reconstructable_job(parent.job_name)
        made = instance.create_run_for_job(
            job.get_definition(),
            run_config=_QUIET,
            tags=parent.tags,
            parent_run_id=parent.run_id,
            root_run_id=parent.run_id,
        )
        execute_run(job, made, instance)
        return instance.get_run_by_id(made.run_id)

    return run


def test_old_jobs_lose_details_and_partition_and_the_run_tells_how_many(
    prune, instance, database, settings, account, ran, close_ago, make_account
):
    # What other tests have left.
    prune()
    old, young = ran(2)
    close_ago(old, 91)
    close_ago(young, 89)
    idle = make_account()
    before = service.describe(database, settings, account, old)
    folder = Path(before["files"]["report"]).parent

    told = prune()

    assert (told["jobs"], told["partitions"]) == (1, 1)
    assert (told["selected_contacts"], told["enrollment_batches"]) == (3, 1)
    assert (told["enrollment_failures"], told["kept_inputs"]) == (0, 0)
    (record,) = told["accounts"].records
    assert record.data["account"] == account.name != idle.name
    assert record.data["jobs"] == 1
    keys = instance.get_dynamic_partitions(PARTITIONS)
    assert str(old) not in keys
    assert str(young) in keys
    after = service.describe(database, settings, account, old)
    assert after == {**before, "pruned_at": after["pruned_at"]}
    assert after["pruned_at"] is not None
    assert len(list(folder.iterdir())) == 7
    (entry,) = list_audit(database, account, action="history.prune")["entries"]
    assert (entry["actor"], entry["subject"]) == ("retention", str(old))


def test_a_job_that_a_command_has_pruned_loses_its_partition_too(
    prune, instance, database, account, ran, close_ago
):
    (old,) = ran(1)
    close_ago(old, 91)
    retention.prune(database, account, now=datetime.now(UTC), actor="ann")
    assert str(old) in instance.get_dynamic_partitions(PARTITIONS)

    told = prune()

    assert (told["jobs"], told["partitions"]) == (0, 1)
    assert str(old) not in instance.get_dynamic_partitions(PARTITIONS)
    assert told["accounts"].records == []


def test_a_partition_that_somebody_typed_is_left_alone(prune, instance):
    instance.add_dynamic_partitions(PARTITIONS, ["typed"])
    try:
        prune()
        assert "typed" in instance.get_dynamic_partitions(PARTITIONS)
    finally:
        instance.delete_dynamic_partition(PARTITIONS, "typed")


def test_re_executing_the_run_of_a_pruned_job_ends_green_and_changes_nothing(
    prune, instance, database, settings, account, ran, close_ago, re_execute
):
    (old,) = ran(1)
    close_ago(old, 91)
    prune()
    before = service.describe(database, settings, account, old)
    written = {path: Path(path).stat().st_mtime_ns for path in before["files"].values()}

    again = re_execute(old)

    assert again.status is dg.DagsterRunStatus.SUCCESS
    assert service.describe(database, settings, account, old) == before
    assert {path: Path(path).stat().st_mtime_ns for path in before["files"].values()} == written
    assert prune()["partitions"] == 1


def test_every_account_is_pruned_by_its_own_settings(
    prune, database, make_account, add_contacts, add_workflow, submit, run_job, close_ago
):
    days = {1: make_account(history_days=1), 30: make_account(history_days=30)}
    jobs = {}
    for kept, account in days.items():
        add_contacts(account, 2)
        add_workflow(account)
        jobs[kept] = submit(account, {"type": "filter", "filter": {}})
        run_job(jobs[kept])
        close_ago(jobs[kept], 2)

    prune()

    pruned = {
        kept: service.list_failures(database, account, jobs[kept])["pruned_at"] is not None
        for kept, account in days.items()
    }
    assert pruned == {1: True, 30: False}


def test_the_history_is_pruned_every_night_unless_somebody_turns_it_off(instance):
    schedule = build_definitions().get_repository_def().get_schedule_def("daily_retention")

    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "prune_history"
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * *", "UTC")
    tick = schedule.evaluate_tick(dg.build_schedule_context(instance))
    assert len(tick.run_requests) == 1
