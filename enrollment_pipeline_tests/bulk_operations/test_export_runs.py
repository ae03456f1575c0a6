"""Exports as operations: what two runs, a cancellation and a stop leave behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.bulk_operations import engine, service
from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.exporting import executor
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.bulk_operations.submission import submit
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
