"""Items on a real Dagster instance: their runs, what these tell, and what all of it cost."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.onboarding.job import JOB_NAME
from enrollment_pipeline.defs.onboarding.queue import ITEMS
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.defs.queue import build_queue
from enrollment_pipeline.onboarding import service
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.in_process import execute
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.defs.queue_looks import clear_queue

Make = Callable[..., tuple[UUID, dict[str, UUID]]]
STEPS = [
    {"id": "check", "type": "wait", "until": "{{item.attributes.at}}"},
    {"id": "mark", "type": "update_field", "field": "attributes.seen", "value": True},
]


@pytest.fixture
def make(database: Database, account: Account) -> Iterator[Make]:
    """Submit items, of which those with a bad time fail; return the batch and the ids by name."""
    document = {"name": "Steps", "steps": STEPS, "settings": {"subject": "item"}}
    workflows.create_from(database, account, document, actor="ann")
    workflows.activate(database, account, "Steps", actor="ann")

    def run(company: str = "Northern", **times: str) -> tuple[UUID, dict[str, UUID]]:
        _, given = service.read_submission(
            [{"role_name": name, "attributes": {"at": at}} for name, at in times.items()]
        )
        options = service.batch_options({"company": company, "workflow": "Steps"})
        made = service.submit(
            database, account, options, given, source="test", actor="ann", at_once=3
        )
        return made.batch_id, {name: item_id for _, name, item_id in made.accepted}

    yield run
    # A test of the queue sees the items of all accounts.
    with database.account(account.id) as connection:
        connection.execute(text("delete from enrollment.onboarding_batches"))


@pytest.fixture
def run(instance: dg.DagsterInstance) -> Callable[..., dg.DagsterRun]:
    """Run an item's partition in this process; return the record of the run."""

    def launch(item_id: UUID, **more: str) -> dg.DagsterRun:
        execute(
            defs.resolve_job_def(JOB_NAME),
            instance,
            partitions="onboarding_items",
            key=str(item_id),
            tags={"enrollment/item": str(item_id), **more},
        )
        wanted = dg.RunsFilter(tags={"enrollment/item": str(item_id)})
        return instance.get_runs(wanted, limit=1)[0]

    return launch


def metadata_of(instance: dg.DagsterInstance, asset: str) -> dict[str, Any]:
    record = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert record is not None
    found = record.asset_materialization
    assert found is not None
    return {name: value.value for name, value in found.metadata.items()}


def test_the_run_of_an_item_tells_its_steps_as_they_come_and_all_of_them_at_the_end(
    make: Make, run: Any, instance: dg.DagsterInstance, database: Database, account: Account
) -> None:
    batch_id, ids = make(Analyst="2001-01-01")

    made = run(ids["Analyst"])

    assert made.status is dg.DagsterRunStatus.SUCCESS
    assert made.tags["enrollment/work"] == "onboarding"
    told = metadata_of(instance, "onboarding_items")
    assert (told["status"], told["company"], told["batch"]) == ("ready", "Northern", str(batch_id))
    assert [record.data["step"] for record in told["steps"].records] == ["check", "mark"]
    seen = [
        (one.metadata["step"].value, one.metadata["status"].value)
        for entry in instance.all_logs(made.run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION)
        if (one := entry.asset_observation) is not None
    ]
    assert seen == [("check", "done"), ("mark", "done")]
    assert service.describe(database, account, batch_id)["state"] == "completed"


def test_the_run_of_an_item_that_fails_fails_with_its_reason_and_once_more_says_the_same(
    make: Make, run: Any, instance: dg.DagsterInstance, database: Database, account: Account
) -> None:
    batch_id, ids = make(Analyst="no time")

    runs = [run(ids["Analyst"]), run(ids["Analyst"])]

    for made in runs:
        assert made.status is dg.DagsterRunStatus.FAILURE
        assert made.tags["dagster/retry_on_asset_or_op_failure"] == "false"
        (failed,) = instance.all_logs(made.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        assert failed.dagster_event is not None
        reason = str(failed.dagster_event.event_specific_data)
        assert "BAD_VALUE: What the wait is for is no date and no time." in reason
        instance.delete_run(made.run_id)
    # What became of it is not asked of Dagster, whose records may be gone.
    assert service.describe(database, account, batch_id)["state"] == "failed"


def test_an_item_that_waits_long_ends_its_run_and_stays_open(
    make: Make, run: Any, database: Database, account: Account
) -> None:
    batch_id, ids = make(Analyst="2999-01-01")

    assert run(ids["Analyst"]).status is dg.DagsterRunStatus.SUCCESS
    assert service.describe(database, account, batch_id)["state"] == "in_progress"


def test_the_queue_asks_for_runs_of_items_with_their_tags_up_to_the_limit_of_a_company(
    make: Make, instance: dg.DagsterInstance, account: Account, owner: Engine
) -> None:
    clear_queue(owner)
    make(**{f"Role {number}": "" for number in range(8)})
    make(company="Southern", **{f"Role {number}": "" for number in range(8)})

    resources = {"product": Product()}
    context = dg.build_sensor_context(instance=instance, resources=resources)
    found = build_queue((ITEMS,))(context)

    assert isinstance(found, dg.SensorResult)
    tags = [request.tags for request in found.run_requests or []]
    companies = sorted(one["enrollment/company"].partition(" / ")[2] for one in tags)
    assert len(tags) == 5
    assert {companies.count(one) for one in set(companies)} == {2, 3}
    assert {one["enrollment/work"] for one in tags} == {"onboarding"}
    (added,) = found.dynamic_partitions_requests or []
    assert added.partitions_def_name == "onboarding_items"
    assert len(added.partition_keys) == 5


def test_what_batches_cost_is_an_asset_with_numbers_to_plot(
    make: Make, run: Any, instance: dg.DagsterInstance, account: Account
) -> None:
    batch_id, ids = make(Good="", Bad="no time")
    for item_id in ids.values():
        run(item_id)

    result = defs.resolve_job_def("count_onboarding").execute_in_process(instance=instance)

    assert result.success
    told = metadata_of(instance, "onboarding_batches")
    rows = [record.data for record in told["newest"].records]
    (mine,) = [row for row in rows if row["batch"] == str(batch_id)]
    assert (mine["account"], mine["items"], mine["state"]) == (account.name, 2, "partial")
    assert told["batches"] >= 1
    assert told["items_failed"] >= 1
    assert isinstance(told["cost"], float)
    assert "median_seconds_per_item" in told
