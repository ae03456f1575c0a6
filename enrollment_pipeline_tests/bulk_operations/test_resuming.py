"""An operation whose worker dies goes on where it stopped, and ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from enrollment_pipeline.bulk_operations import engine, service, side_by_side
from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.execution import AgainError
from enrollment_pipeline.bulk_operations.recording import record
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.bulk_operations.submission import submit
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

# Drops everything as soon as it has committed so many pieces: the same as kill -9 from outside.
WORKER = """
import os, signal, sys
from uuid import UUID
from enrollment_pipeline.bulk_operations import engine, side_by_side
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database

engine.PIECE = 50
left = int(sys.argv[2])
if sys.argv[3] == "together":
    side_by_side.WORTH_IT = 0

def count(rows):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

settings = load_settings()
engine.OperationWork(open_database(settings), settings, UUID(sys.argv[1])).run(on_rows=count)
"""
LINES = [
    "email,first name,tags,plan",
    *(f"person-{number:04}@example.com,Name {number},lead,p{number % 3}" for number in range(400)),
    # The last one counts, whichever piece they are in.
    "person-0007@example.com,Last,late,",
    "nobody,,,",
]


@pytest.fixture
def ground(
    database: Database, settings: Settings, account: Account, tmp_path: Path
) -> Callable[..., UUID]:
    """Submit an import of the lines into an account that knows every second of them."""
    path = tmp_path / "list.csv"
    path.write_text("\n".join(LINES))

    def make(into: Account = account) -> UUID:
        with database.account(into.id) as connection:
            connection.execute(
                text(
                    "insert into enrollment.contacts (account_id, email, first_name) "
                    "select :account, format('person-%s@example.com', lpad(n::text, 4, '0')), 'Old'"
                    " from generate_series(0, 398, 2) n"
                ),
                {"account": into.id},
            )
        request = parse_request({"type": "import", "path": path})
        return submit(
            database, settings, into, request, source="test", runner="caller"
        ).operation_id

    return make


def contacts_of(database: Database, account: Account) -> list[tuple[Any, ...]]:
    with database.account(account.id) as connection:
        return [
            tuple(row)
            for row in connection.execute(
                text(
                    "select email, first_name, tags, custom_fields, status, source "
                    "from enrollment.contacts order by email"
                )
            )
        ]


def images_of(database: Database, account: Account, operation_id: UUID) -> list[tuple[Any, ...]]:
    with database.account(account.id) as connection:
        return [
            tuple(row)
            for row in connection.execute(
                text(
                    "select position, before ->> 'first_name', after ->> 'first_name' "
                    "from enrollment.bulk_operation_changes where operation_id = :id "
                    "order by position"
                ),
                {"id": operation_id},
            )
        ]


@pytest.mark.parametrize(
    ("pieces", "how", "rows"),
    [
        (1, "alone", 50),
        (3, "alone", 150),
        (7, "alone", 350),
        (1, "together", 100),
        (3, "together", 300),
    ],
)
def test_an_import_whose_worker_is_killed_ends_as_an_undisturbed_one(
    ground: Callable[..., UUID],
    database: Database,
    settings: Settings,
    account: Account,
    make_account: Callable[..., Account],
    pieces: int,
    how: str,
    rows: int,
) -> None:
    calm = make_account()
    undisturbed = ground(calm)
    OperationWork(database, settings, undisturbed).run()
    killed = ground()

    worker = subprocess.run(
        [sys.executable, "-c", WORKER, str(killed), str(pieces), how], env=os.environ, check=False
    )

    assert worker.returncode == -signal.SIGKILL
    half = service.describe(database, account, killed)
    assert half["status"] == "processing"
    assert half["progress"]["processed"] == rows + 2
    OperationWork(database, settings, killed).run()
    found = service.describe(database, account, killed)
    expected = service.describe(database, calm, undisturbed)
    assert (
        found["outcomes"]
        == expected["outcomes"]
        == {
            "created": 200,
            "updated": 200,
            "duplicate": 1,
            "rejected": 1,
        }
    )
    assert found["status"] == expected["status"]
    assert contacts_of(database, account) == contacts_of(database, calm)
    assert images_of(database, account, killed) == images_of(database, calm, undisturbed)


def test_workers_at_once_on_one_operation_do_everything_once(
    ground: Callable[..., UUID],
    database: Database,
    settings: Settings,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "PIECE", 20)
    operation_id = ground()
    start = threading.Barrier(3)
    errors: list[BaseException] = []

    def work() -> None:
        start.wait()
        try:
            OperationWork(database, settings, operation_id).run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    found = service.describe(database, account, operation_id)
    assert found["outcomes"] == {"created": 200, "updated": 200, "duplicate": 1, "rejected": 1}
    assert len(images_of(database, account, operation_id)) == 400


def test_a_stop_ends_between_two_pieces_and_the_next_run_does_the_rest(
    ground: Callable[..., UUID],
    database: Database,
    settings: Settings,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "PIECE", 100)
    operation_id = ground()
    seen: list[int] = []

    ended = OperationWork(database, settings, operation_id).run(
        stop=lambda: len(seen) == 2, on_rows=seen.append
    )

    assert ended is None
    assert service.describe(database, account, operation_id)["progress"]["processed"] == 202
    OperationWork(database, settings, operation_id).run()
    assert service.describe(database, account, operation_id)["rows"] == 402


def test_an_operation_that_is_closed_does_nothing_when_it_is_run_again(
    ground: Callable[..., UUID], database: Database, settings: Settings, account: Account
) -> None:
    operation_id = ground()
    OperationWork(database, settings, operation_id).run()
    before = service.describe(database, account, operation_id)
    contacts = contacts_of(database, account)

    OperationWork(database, settings, operation_id).run()

    assert service.describe(database, account, operation_id) == before
    assert contacts_of(database, account) == contacts


@pytest.mark.parametrize("trouble", [None, "second piece fails", "first piece fails", "cancelled"])
def test_two_pieces_at_a_time_do_what_one_after_the_other_does(
    ground: Callable[..., UUID],
    database: Database,
    settings: Settings,
    account: Account,
    make_account: Callable[..., Account],
    monkeypatch: pytest.MonkeyPatch,
    trouble: str | None,
) -> None:
    calm = make_account()
    undisturbed = ground(calm)
    OperationWork(database, settings, undisturbed).run()
    operation_id = ground()
    monkeypatch.setattr(engine, "PIECE", 50)
    monkeypatch.setattr(side_by_side, "WORTH_IT", 0)
    seconds: list[int] = []
    failures = iter([trouble])

    def first(connection: Any, operation: Any, step: Any) -> int:
        if trouble == "first piece fails" and next(failures, None):
            raise AgainError
        return record(connection, operation, step)

    def second(connection: Any, operation: Any, step: Any) -> int:
        if trouble == "second piece fails" and next(failures, None):
            raise RuntimeError("lost")
        seconds.append(record(connection, operation, step))
        return seconds[-1]

    monkeypatch.setattr(engine, "record", first)
    monkeypatch.setattr(side_by_side, "record", second)

    def cancel(_: int) -> None:
        if trouble == "cancelled" and next(failures, None):
            service.cancel(database, settings, account, operation_id, actor="test")

    OperationWork(database, settings, operation_id).run(on_rows=cancel)

    found = service.describe(database, account, operation_id)
    if trouble == "cancelled":
        assert (found["status"], found["progress"]["processed"]) == ("cancelled", 102)
        assert len(images_of(database, account, operation_id)) == 100
        return
    # Half of the rows, but where a piece came to nothing and the turns were others.
    assert 0 < sum(seconds) <= 200
    assert found["outcomes"] == service.describe(database, calm, undisturbed)["outcomes"]
    assert contacts_of(database, account) == contacts_of(database, calm)
    assert images_of(database, account, operation_id) == images_of(database, calm, undisturbed)
