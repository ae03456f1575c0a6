"""The launchpad form of onboarding, and what becomes of the partitions of items that are gone."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
import yaml
from sqlalchemy import Engine, text

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.onboarding import service
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.in_process import _QUIET
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.test_docs import blocks

FORM = "submit_onboarding"
OP = "create_onboarding_batch"
GUIDE = (Path(__file__).parents[2] / "docs" / "onboarding.md").read_text(encoding="utf-8")
PARTITIONS = "onboarding_items"
Launch = Callable[..., Any]


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    monkeypatch.setenv("ENROLLMENT_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def launch(
    instance: dg.DagsterInstance, database: Database, settings: Settings, account: Account
) -> Iterator[Launch]:
    """Launch the form in the test's account, which has an active workflow of items."""
    document = {
        "name": "Grading",
        "steps": [{"id": "mark", "type": "update_field", "field": "attributes.a", "value": "b"}],
        "settings": {"subject": "item", "estimate": "1 minute"},
    }
    workflows.create_from(database, account, document, actor="ann")
    workflows.activate(database, account, "Grading", actor="ann")

    def run(**fields: Any) -> Any:
        config = {"account": account.name, "workflow": "Grading", **fields}
        return defs.resolve_job_def(FORM).execute_in_process(
            instance=instance,
            run_config={"ops": {OP: {"config": config}}, **_QUIET},
            raise_on_error=False,
        )

    yield run
    # A test of the queue sees the items of all accounts.
    for one in service.list_batches(database, account, service.BatchFilter())["batches"]:
        if one["completed_at"] is None:
            service.cancel(database, settings, account, UUID(one["batch_id"]), actor="ann")


def metadata_of(result: Any) -> dict[str, Any]:
    """The metadata of the form's output."""
    assert result.success
    (output,) = [
        event.event_specific_data
        for event in result.events_for_node(OP)
        if event.event_type is dg.DagsterEventType.STEP_OUTPUT
    ]
    return {name: value.value for name, value in output.metadata.items()}


def failure_of(result: Any) -> Any:
    """What the failed form says."""
    assert not result.success
    return result.failure_data_for_node(OP).user_failure_data


def test_the_form_takes_items_and_tells_what_was_accepted_and_refused(
    launch: Launch, instance: dg.DagsterInstance, database: Database, account: Account
) -> None:
    item = {
        "role_name": "Analyst",
        "reference_name": "Data analyst",
        "attributes": {"level": 3, "skills": ["sql", {"name": "r"}]},
        "documents": ["a.pdf", {"url": "https://example.com/b.pdf"}],
    }

    result = launch(
        company="Northern", items=[item, {"role_name": ""}], priority=4, created_by="bob",
        requested_by="ann",
    )  # fmt: skip

    told = metadata_of(result)
    assert (told["created"], told["accepted"], told["refused"]) == (True, 1, 1)
    assert told["estimated_duration_seconds"] == 60
    (record,) = told["refused_items"].records
    assert (record.data["position"], record.data["code"]) == (2, "BLANK_NAME")
    batch = service.describe_items(database, account, UUID(told["batch_id"]))
    assert (batch["source"], batch["requested_by"], batch["created_by"]) == (
        "launchpad",
        "ann",
        "bob",
    )
    assert (batch["company"], batch["priority"]) == ("Northern", 4)
    with database.account(account.id) as connection:
        kept = connection.execute(text("select * from enrollment.onboarding_items")).one()
    assert (kept.reference_name, kept.attributes) == ("Data analyst", item["attributes"])
    assert kept.documents == item["documents"]
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["enrollment/account"] == account.name
    assert run.tags["enrollment/batch"] == told["batch_id"]
    # It would take one of the places of the company's items.
    assert "enrollment/company" not in run.tags


def test_the_form_takes_a_file_whose_options_hold_where_its_own_are_empty(
    launch: Launch, data: Path, database: Database, account: Account
) -> None:
    document = {
        "company": "Northern",
        "priority": 2,
        "request_id": None,
        "workflow": "Nothing",
        "items": [{"role_name": "Analyst"}],
    }
    (data / "roles.json").write_text(json.dumps(document))

    told = metadata_of(launch(path="roles.json", skip_enhancement=True))

    batch = service.describe(database, account, UUID(told["batch_id"]))
    assert (batch["company"], batch["priority"]) == ("Northern", 2)
    assert (batch["workflow"], batch["skip_enhancement"]) == ("Grading", True)


def test_a_run_that_is_repeated_makes_no_second_batch(
    launch: Launch, data: Path, database: Database, account: Account
) -> None:
    (data / "roles.csv").write_text("role_name\nAnalyst\n")
    asked = {"company": "Northern", "path": "roles.csv"}

    first = launch(**asked)
    with database.account(account.id) as connection:
        kept = connection.scalar(text("select request_id from enrollment.onboarding_batches"))
    again = metadata_of(launch(**asked, request_id=kept))

    assert kept == f"run {first.run_id}"
    assert (again["batch_id"], again["created"]) == (metadata_of(first)["batch_id"], False)
    assert service.list_batches(database, account, service.BatchFilter())["total"] == 1


def test_a_form_of_which_nothing_is_accepted_lists_every_reason_and_creates_nothing(
    launch: Launch, database: Database, account: Account
) -> None:
    items = [{"role_name": f"Role {number}", "workflow": "Nothing"} for number in range(7)]

    failure = failure_of(launch(company="Northern", items=items))

    assert failure.description.startswith("NOTHING_ACCEPTED: None of 7 items was accepted.")
    records = failure.metadata["refused"].records
    assert [record.data["code"] for record in records] == ["WORKFLOW_NOT_FOUND"] * 7
    assert service.list_batches(database, account, service.BatchFilter())["total"] == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"items": [{"role_name": "A"}]}, "INVALID_REQUEST"),
        ({"company": "N"}, "INVALID_REQUEST"),
        ({"company": "N", "path": "a.csv", "items": [{"role_name": "A"}]}, "INVALID_REQUEST"),
        ({"company": "N", "path": "../outside.csv"}, "PATH_NOT_ALLOWED"),
        ({"company": "N", "path": "missing.csv"}, "INVALID_FILE"),
    ],
)
def test_a_refused_form_names_its_code(fields: dict[str, Any], code: str, launch: Launch) -> None:
    assert failure_of(launch(**fields)).description.startswith(f"{code}: ")


@pytest.mark.parametrize("form", blocks(GUIDE, "yaml"))
def test_the_forms_in_the_guide_are_valid(form: str) -> None:
    assert dg.validate_run_config(defs.resolve_job_def(FORM), yaml.safe_load(form))


def test_items_that_are_gone_lose_their_partition_and_others_keep_it(
    launch: Launch, instance: dg.DagsterInstance, owner: Engine, database: Database,
    account: Account,
) -> None:  # fmt: skip
    items = [{"role_name": "Analyst"}]
    old, young = (
        metadata_of(launch(company=company, items=items))["batch_id"] for company in ("A", "B")
    )
    keys = {}
    for batch_id in (old, young):
        (item,) = service.describe_items(database, account, UUID(batch_id))["items"]
        keys[batch_id] = item["item_id"]
    instance.add_dynamic_partitions(PARTITIONS, [*keys.values(), "typed"])
    with owner.begin() as connection:
        for statement in (
            "update enrollment.onboarding_batches set created_at = now() - interval '32 days' "
            "where id = :batch",
            "update enrollment.onboarding_items set status = 'ready', "
            "completed_at = now() - interval '31 days' where batch_id = :batch",
        ):
            connection.execute(text(statement), {"batch": old})
    try:
        result = defs.resolve_job_def("prune_history").execute_in_process(
            instance=instance, run_config=_QUIET
        )

        left = instance.get_dynamic_partitions(PARTITIONS)
        assert result.success
        assert keys[old] not in left
        assert {keys[young], "typed"} <= set(left)
    finally:
        for key in ("typed", keys[young]):
            instance.delete_dynamic_partition(PARTITIONS, key)
    listed = service.list_batches(database, account, service.BatchFilter())["batches"]
    assert [one["batch_id"] for one in listed] == [young]
