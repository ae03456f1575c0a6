"""Exports as operations: what two runs, a cancellation and a stop leave behind."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from enrollment_pipeline.bulk_operations import engine, service
from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.exporting import executor
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.bulk_operations.submission import submit
from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

Document = dict[str, Any]


@pytest.fixture
def export(
    database: Database,
    settings: Settings,
    account: Account,
    add_contacts: Callable[..., list[UUID]],
) -> UUID:
    """An export of five contacts that has not begun."""
    add_contacts(account, 5)
    request = parse_request({"type": "export"})
    return submit(database, settings, account, request, source="test", runner="caller").operation_id


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Let something happen once, while the next export has written its file and not said so."""

    def plan(happens: Callable[[], None]) -> None:
        real = executor.export_contacts
        todo = [happens]

        def write(*given: Any, **named: Any) -> Any:
            found = real(*given, **named)
            if todo:
                todo.pop()()
            return found

        monkeypatch.setattr(executor, "export_contacts", write)

    return plan


def lines(document: Document) -> int:
    return len(Path(document["files"]["contacts"]).read_text().splitlines())


def test_an_export_tells_its_rows_and_its_file(
    export: UUID, database: Database, settings: Settings, account: Account
) -> None:
    OperationWork(database, settings, export).run()

    shown = service.describe(database, account, export)
    assert (shown["status"], shown["outcomes"], lines(shown)) == (
        "completed",
        {"exported": 5},
        6,
    )
    assert shown["files_expire_at"] is not None


def test_of_two_runs_of_one_export_both_may_end_and_the_file_stays(
    export: UUID,
    database: Database,
    settings: Settings,
    account: Account,
    meanwhile: Callable[[Callable[[], None]], None],
) -> None:
    meanwhile(lambda: OperationWork(database, settings, export).run() and None)

    OperationWork(database, settings, export).run()

    shown = service.describe(database, account, export)
    assert (shown["status"], shown["outcomes"], lines(shown)) == (
        "completed",
        {"exported": 5},
        6,
    )


def test_of_an_export_that_is_cancelled_while_it_is_written_no_file_is_left(
    export: UUID,
    database: Database,
    settings: Settings,
    account: Account,
    meanwhile: Callable[[Callable[[], None]], None],
) -> None:
    work = OperationWork(database, settings, export)
    meanwhile(lambda: service.cancel(database, settings, account, export, actor="test"))

    work.run()

    shown = service.describe(database, account, export)
    assert (shown["status"], shown["files"]) == ("cancelled", {})
    assert not list(work.folder.glob("*"))


def test_an_export_shows_life_and_ends_soon_after_it_was_cancelled(
    export: UUID,
    database: Database,
    settings: Settings,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0.0)
    work = OperationWork(database, settings, export)
    work.begin()
    work.prepare()
    before = service.describe(database, account, export)["progress"]["heartbeat"]
    ask = work._beating(lambda: False)

    assert not ask()
    assert service.describe(database, account, export)["progress"]["heartbeat"] > before
    service.cancel(database, settings, account, export, actor="test")
    assert ask()


def test_an_export_that_cannot_be_brought_to_its_place_says_why_and_waits(
    export: UUID, database: Database, settings: Settings, account: Account, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    nowhere = settings.model_copy(
        update={"exports_url": SecretStr(f"file://{tmp_path}/file/exports")}
    )

    with pytest.raises(ConfigurationError):
        OperationWork(database, nowhere, export).run()

    shown = service.describe(database, account, export)
    assert (shown["status"], shown["error"]["code"]) == ("processing", "CONFIGURATION_ERROR")
    # The queue leaves it alone until somebody has mended that.
    assert export not in {work.work_id for work in service.open_operations(database)}
    service.resume(database, account, export, actor="test", runner="queue")
    assert export in {work.work_id for work in service.open_operations(database)}
    OperationWork(database, settings, export).run()
    assert service.describe(database, account, export)["status"] == "completed"


def test_a_file_that_cannot_be_removed_does_not_keep_others_from_being(
    export: UUID,
    database: Database,
    settings: Settings,
    account: Account,
    owner: Engine,
) -> None:
    OperationWork(database, settings, export).run()
    request = parse_request({"type": "export"})
    second = submit(database, settings, account, request, source="test").operation_id
    OperationWork(database, settings, second).run()
    kept = Path(service.describe(database, account, second)["files"]["contacts"])
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.bulk_operations "
                "set completed_at = now() - interval '10 days' where account_id = :account"
            ),
            {"account": account.id},
        )
        connection.execute(
            text(
                "update enrollment.bulk_operations set result = "
                "jsonb_build_object('files', jsonb_build_object('contacts', 'nowhere://x/y')) "
                "where id = :id"
            ),
            {"id": export},
        )

    gone = service.prune(database, settings, account, now=datetime.now(UTC), actor="test")

    assert gone == {"files": 1, "unremovable": 1}
    assert not kept.exists()
    assert service.describe(database, account, export)["files"] != {}
