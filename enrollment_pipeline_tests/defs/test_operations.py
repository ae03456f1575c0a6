"""Operations on contacts on a real Dagster instance: runs, forms, the queue and the inbox."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.bulk_operations import engine, service
from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.bulk_operations.submission import submit
from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.inbox import file_inbox
from enrollment_pipeline.defs.operations.job import JOB_NAME
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.in_process import _QUIET, execute
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.defs.queue_looks import clear_queue

Document = dict[str, Any]
PEOPLE = "email,first name\nann@example.com,Ann\nbob@example.com,Bob\nnobody,\n"
EVERYBODY = {"filter": {"filter": {"conditions": []}}}


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data folder with a file of contacts."""
    monkeypatch.setenv("ENROLLMENT_DATA", str(tmp_path))
    monkeypatch.setenv("ENROLLMENT_INBOX_QUIET_SECONDS", "0")
    (tmp_path / "people.csv").write_text(PEOPLE)
    return tmp_path


@pytest.fixture
def ask(
    database: Database, settings: Settings, account: Account, data: Path
) -> Callable[..., UUID]:
    """Submit an operation, left to the queue; return its id."""

    def make(type_: str = "import", runner: str = "queue", **fields: Any) -> UUID:
        if type_ == "import":
            fields.setdefault("path", data / "people.csv")
        request = parse_request({"type": type_, **fields})
        made = submit(database, settings, account, request, source="test", runner=runner)
        return made.operation_id

    return make


@pytest.fixture
def run(instance: dg.DagsterInstance) -> Callable[[UUID], dg.DagsterRun]:
    """Run an operation's partition in this process; return the record of the run."""

    def launch(operation_id: UUID) -> dg.DagsterRun:
        tags = {"enrollment/operation": str(operation_id)}
        execute(
            defs.resolve_job_def(JOB_NAME),
            instance,
            partitions="bulk_operations",
            key=str(operation_id),
            tags=tags,
        )
        return instance.get_runs(dg.RunsFilter(tags=tags), limit=1)[0]

    return launch


@pytest.fixture
def show(database: Database, account: Account) -> Callable[[UUID], Document]:
    """The document of an operation."""
    return lambda operation_id: service.describe(database, account, operation_id)


@pytest.fixture
def launch(instance: dg.DagsterInstance, account: Account) -> Callable[..., Any]:
    """Launch a form; return the result."""

    def run(form: str, op: str, **fields: Any) -> Any:
        config = {"account": account.name, **fields}
        return defs.resolve_job_def(form).execute_in_process(
            instance=instance,
            run_config={"ops": {op: {"config": config}}, **_QUIET},
            raise_on_error=False,
        )

    return run


@pytest.fixture
def tick(instance: dg.DagsterInstance, owner: Engine) -> Iterator[Callable[[], list[Any]]]:
    """Evaluate the queue's sensor over the test's work alone; return the runs it asks for."""

    clear_queue(owner)
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        instance.report_run_failed(run)

    def evaluate() -> list[Any]:
        context = dg.build_sensor_context(instance=instance, resources={"product": Product()})
        result = defs.resolve_sensor_def("enrollment_queue")(context)
        return list(result.run_requests or [])

    yield evaluate
    clear_queue(owner)


def test_a_run_does_the_operation_and_tells_it_in_metadata_and_checks(
    ask: Callable[..., UUID],
    run: Callable[[UUID], dg.DagsterRun],
    show: Callable[[UUID], Document],
    instance: dg.DagsterInstance,
) -> None:
    operation_id = ask()

    done = run(operation_id)

    assert done.status is dg.DagsterRunStatus.SUCCESS
    document = show(operation_id)
    assert document["outcomes"] == {"created": 2, "rejected": 1}
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey("bulk_operations"), asset_partitions=[str(operation_id)]
        ),
        limit=1,
    ).records[0]
    metadata = {name: one.value for name, one in found.asset_materialization.metadata.items()}
    assert (metadata["rows"], metadata["created"], metadata["rejected"]) == (3, 2, 1)
    assert metadata["status"] == document["status"] == "completed_with_errors"
    assert metadata["file/rejected"] == document["files"]["rejected"]
    checks = {
        entry.dagster_event.event_specific_data.check_name: (
            entry.dagster_event.event_specific_data.passed
        )
        for entry in instance.all_logs(
            done.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
    }
    assert checks == {"outcomes_add_up": True, "changes_have_images": True}


def test_running_it_again_goes_on_with_nothing_and_says_the_same(
    ask: Callable[..., UUID],
    run: Callable[[UUID], dg.DagsterRun],
    show: Callable[[UUID], Document],
) -> None:
    operation_id = ask()
    run(operation_id)
    before = show(operation_id)

    assert run(operation_id).status is dg.DagsterRunStatus.SUCCESS
    assert show(operation_id) == before


def test_what_nothing_can_be_made_of_fails_with_code_and_remedy(
    ask: Callable[..., UUID],
    run: Callable[[UUID], dg.DagsterRun],
    show: Callable[[UUID], Document],
    instance: dg.DagsterInstance,
    add_contacts: Callable[..., list[UUID]],
    account: Account,
) -> None:
    add_contacts(account, 3)
    operation_id = ask("delete", selection={"type": "filter", "filter": {}}, max_change_share=0.1)

    done = run(operation_id)

    assert done.status is dg.DagsterRunStatus.FAILURE
    assert show(operation_id)["error"]["code"] == "TOO_MANY_CHANGES"
    failures = instance.all_logs(done.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert "TOO_MANY_CHANGES: 3 of the account's 3 contacts" in str(failures[0].dagster_event)


def test_the_queue_starts_what_is_due_once_and_again_where_its_run_died(
    ask: Callable[..., UUID],
    tick: Callable[[], list[Any]],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("enrollment_pipeline.work.queueing.RETRY_GRACE", timedelta(seconds=-60))
    operation_id = ask()

    (asked,) = tick()
    assert (asked.job_name, asked.partition_key) == ("bulk_operation", str(operation_id))
    assert asked.run_key == f"{operation_id}:1"
    assert asked.tags["enrollment/operation"] == str(operation_id)
    died = instance.create_run_for_job(
        defs.resolve_job_def(JOB_NAME),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": str(operation_id), "dagster/run_key": asked.run_key},
    )
    assert tick() == []
    instance.report_run_failed(died)
    (again,) = tick()
    assert again.run_key == f"{operation_id}:2"


def test_what_a_command_began_and_left_is_taken_over_by_the_queue(
    ask: Callable[..., UUID],
    tick: Callable[[], list[Any]],
    database: Database,
    settings: Settings,
    owner: Engine,
    show: Callable[[UUID], Document],
) -> None:
    operation_id = ask(runner="caller")
    OperationWork(database, settings, operation_id).begin()

    assert tick() == []
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.bulk_operations "
                "set heartbeat_at = now() - interval '2 minutes' where id = :id"
            ),
            {"id": operation_id},
        )
    (asked,) = tick()
    assert asked.partition_key == str(operation_id)


def test_terminating_the_run_ends_the_operation_after_the_piece_in_progress(
    ask: Callable[..., UUID],
    run: Callable[[UUID], dg.DagsterRun],
    show: Callable[[UUID], Document],
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "PIECE", 1)
    operation_id = ask()
    real = OperationWork.drain

    def terminated(self: OperationWork, stop: Any, on_rows: Any) -> bool:
        (going,) = instance.get_runs(
            dg.RunsFilter(tags={"enrollment/operation": str(operation_id)})
        )
        instance.report_run_canceling(going)
        seen: list[int] = []
        return real(self, lambda: len(seen) == 1, seen.append)

    monkeypatch.setattr(OperationWork, "drain", terminated)

    done = run(operation_id)

    assert done.status is dg.DagsterRunStatus.CANCELED
    assert show(operation_id)["status"] == "cancelled"
    assert show(operation_id)["outcomes"] == {"created": 1, "rejected": 1, "unprocessed": 1}


def test_the_forms_create_operations(
    launch: Callable[..., Any],
    show: Callable[[UUID], Document],
    instance: dg.DagsterInstance,
    database: Database,
    settings: Settings,
) -> None:
    def made(form: str, op: str, **fields: Any) -> UUID:
        result = launch(form, op, **fields)
        assert result.success
        tags = instance.get_run_by_id(result.run_id).tags
        return UUID(tags["enrollment/operation"])

    imported = made("import_contacts", "create_import", path="people.csv", mode="create")
    assert show(imported)["parameters"]["mode"] == "create"
    assert (show(imported)["source"], show(imported)["status"]) == ("launchpad", "scheduled")
    OperationWork(database, settings, imported).run()
    updated = made(
        "update_contacts",
        "create_update",
        selection=EVERYBODY,
        set={"phone": "1", "last_name": ""},
        add_tags=["form"],
    )
    assert OperationWork(database, settings, updated).run().operation.counts == {"updated": 2}
    exported = made("export_contacts", "create_export", format="jsonl", fields=["email", "tags"])
    OperationWork(database, settings, exported).run()
    first, _ = Path(show(exported)["files"]["contacts"]).read_text().splitlines()
    assert json.loads(first) == {"email": "ann@example.com", "tags": ["form"]}
    reversed_ = made("roll_back", "create_rollback", operation=str(updated))
    OperationWork(database, settings, reversed_).run()
    assert show(updated)["status"] == "rolled_back"
    deleted = made("delete_contacts", "create_delete", selection=EVERYBODY, cron="0 9 * * 1")
    assert show(deleted)["recurs"]["cron"] == "0 9 * * 1"


@pytest.mark.parametrize(
    ("form", "op", "fields", "code"),
    [
        ("import_contacts", "create_import", {"path": "../x.csv"}, "PATH_NOT_ALLOWED"),
        ("import_contacts", "create_import", {"path": "none.csv"}, "INVALID_FILE"),
        (
            "import_contacts",
            "create_import",
            {"path": "people.csv", "mode": "?"},
            "INVALID_REQUEST",
        ),
        ("export_contacts", "create_export", {"fields": ["shoe"]}, "INVALID_REQUEST"),
        ("update_contacts", "create_update", {"selection": EVERYBODY}, "INVALID_REQUEST"),
        ("roll_back", "create_rollback", {}, "INVALID_REQUEST"),
        (
            "roll_back",
            "create_rollback",
            {"operation": str(UUID(int=1)), "job": str(UUID(int=1))},
            "INVALID_REQUEST",
        ),
        ("roll_back", "create_rollback", {"operation": str(UUID(int=1))}, "OPERATION_NOT_FOUND"),
    ],
)
def test_a_refused_form_names_its_code(
    launch: Callable[..., Any], form: str, op: str, fields: Document, code: str
) -> None:
    result = launch(form, op, **fields)

    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert code in str(failure.event_specific_data.user_failure_data.description)


def test_a_file_dropped_into_contacts_is_an_import_once(
    data: Path,
    account: Account,
    database: Database,
    settings: Settings,
    instance: dg.DagsterInstance,
) -> None:
    folder = data / "inbox" / account.name / "contacts"
    folder.mkdir(parents=True)
    cursor = None

    def ticks(number: int) -> None:
        nonlocal cursor
        for _ in range(number):
            context = dg.build_sensor_context(
                instance=instance, cursor=cursor, resources={"product": Product()}
            )
            with context:
                cursor = file_inbox.evaluate_tick(context).cursor

    (folder / "people.csv").write_text(PEOPLE)
    ticks(2)
    (made,) = service.list_operations(database, account)["operations"]
    assert (made["type"], made["source"], made["requested_by"]) == ("import", "inbox", "inbox")
    assert [path.name for path in (folder / "processed").iterdir()] == [
        f"people.{made['operation_id']}.csv"
    ]
    OperationWork(database, settings, UUID(made["operation_id"])).run()
    # The same content once more is no second import, unless it is meant so.
    (folder / "again.csv").write_text(PEOPLE)
    (folder / "people--again.csv").write_text(PEOPLE)
    (folder / "broken.csv").write_text("name\nAnn\n")
    ticks(2)
    assert service.list_operations(database, account)["total"] == 2
    reasons = [path.read_text() for path in (folder / "rejected").glob("*.reason.txt")]
    codes = sorted(reason.splitlines()[0] for reason in reasons)
    assert codes == ["INVALID_FILE", "REQUEST_ID_USED"]


def test_old_operations_lose_their_partition_their_images_and_then_everything(
    ask: Callable[..., UUID],
    run: Callable[[UUID], dg.DagsterRun],
    show: Callable[[UUID], Document],
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    owner: Engine,
) -> None:
    operation_id = ask()
    run(operation_id)
    export = ask("export")
    run(export)
    files = [Path(path) for path in show(export)["files"].values()]

    def days_later(days: int) -> None:
        with owner.begin() as connection:
            connection.execute(
                text(
                    "update enrollment.bulk_operations set "
                    "completed_at = now() - make_interval(days => :days) where account_id = :id"
                ),
                {"days": days, "id": account.id},
            )
        result = defs.resolve_job_def("prune_history").execute_in_process(
            instance=instance, run_config=_QUIET
        )
        assert result.success

    def images() -> int:
        with database.account(account.id) as connection:
            return connection.scalar(text("select count(*) from enrollment.bulk_operation_changes"))

    days_later(6)
    assert (images(), all(path.is_file() for path in files)) == (2, True)
    days_later(9)
    assert (images(), [path.is_file() for path in files]) == (0, [False])
    assert show(operation_id)["can_be_rolled_back_until"] is None
    assert instance.has_dynamic_partition("bulk_operations", str(operation_id))
    days_later(31)
    assert service.list_operations(database, account)["total"] == 0
    assert not instance.has_dynamic_partition("bulk_operations", str(operation_id))
