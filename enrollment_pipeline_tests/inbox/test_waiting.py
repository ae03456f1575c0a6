"""Files in the inbox that cannot be taken yet, and what keeps none of the others from it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import pytest
from sqlalchemy import create_engine

from enrollment_pipeline.errors import ConfigurationError, DatabaseUnavailableError
from enrollment_pipeline.inbox.look import look
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.inbox_folder import LIST, InboxFolder, inbox_settings, names_in

AddWorkflow = Callable[..., UUID]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


def test_twenty_files_are_tried_in_a_look_and_the_others_in_the_next(
    inbox: InboxFolder, make_account: Callable[..., Account], add_workflow: AddWorkflow
) -> None:
    inbox.account = make_account(max_open_jobs=100)
    add_workflow(inbox.account)
    for number in range(23):
        inbox.drop(f"list-{number:02}.csv", f"email\n{number}@example.com\n")

    tick = inbox.settle()
    assert (len(tick.taken), tick.waiting) == (20, 3)
    assert inbox.waiting() == ["list-20.csv", "list-21.csv", "list-22.csv"]
    assert len(inbox.look(later=5).taken) == 3


def test_no_file_is_begun_when_the_look_takes_too_long(inbox: InboxFolder) -> None:
    inbox.drop("a.csv", "email\na@b.c\n")
    inbox.drop("b.csv", "email\nb@b.c\n")
    inbox.look()
    readings = iter([0.0, 20.0, 20.1])

    tick = look(
        inbox.settings,
        inbox.memory,
        inbox.open_database,
        routes=inbox.routes,
        now=inbox.now + 10,
        clock=lambda: next(readings),
    )

    assert (len(tick.taken), tick.waiting) == (1, 1)


def test_a_flood_of_files_is_taken_note_of_bit_by_bit(
    inbox: InboxFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enrollment_pipeline.inbox.folders.MOST_FILES_OF_FOLDER", 3)
    monkeypatch.setattr("enrollment_pipeline.inbox.folders.MOST_FILES", 5)
    places = [inbox.root / "a" / folder for folder in ("v", "w", "x", "y")]
    for place in places:
        for number in range(4):
            inbox.drop(f"{number}.csv", place=place)

    first = inbox.look()
    assert sorted(first.looks) == ["a/v/0.csv", "a/v/1.csv", "a/v/2.csv", "a/w/0.csv", "a/w/1.csv"]
    assert first.waiting == 16

    for _ in range(8):
        inbox.look(later=10)
    assert all(len(names_in(place / "rejected")) == 8 for place in places)


def test_one_bad_file_does_not_stop_the_others(inbox: InboxFolder) -> None:
    inbox.drop("a.csv", PNG)
    (inbox.place / "b.csv").symlink_to("/etc/passwd")
    os.mkfifo(inbox.place / "c.csv")
    inbox.drop("d.csv")

    tick = inbox.settle()

    assert len(tick.rejected) == 3
    assert len(tick.taken) == 1
    assert "Taken 1: " in tick.summary()
    assert "Rejected 3: " in tick.summary()


def test_even_an_error_of_the_program_is_the_trouble_of_one_file(inbox: InboxFolder) -> None:
    class Broken(Database):
        def across_accounts(self) -> NoReturn:
            raise ZeroDivisionError

    inbox.drop("list.csv")
    inbox.look()
    inbox.database, whole = Broken(create_engine("postgresql+psycopg://")), inbox.database
    tick = inbox.look(later=10)
    inbox.database = whole

    (left,) = tick.left
    assert left.endswith("/list.csv: it met an error that nobody expected (ZeroDivisionError).")
    assert len(inbox.look(later=5).taken) == 1


def test_a_database_that_cannot_be_opened_leaves_every_file_where_it_is(
    inbox: InboxFolder,
) -> None:
    inbox.drop("list.csv")
    inbox.look()

    @contextmanager
    def away() -> Iterator[Database]:
        raise DatabaseUnavailableError("Nobody answers.")
        yield

    tick = look(inbox.settings, inbox.memory, away, routes=inbox.routes, now=inbox.now + 10)

    assert tick.left == ["Files that are ready wait for the database: Nobody answers."]
    assert tick.waiting == 1
    assert inbox.waiting() == ["list.csv"]
    assert len(inbox.look(later=10).taken) == 1


def test_a_database_that_goes_away_ends_the_look_and_leaves_the_files(
    inbox: InboxFolder,
) -> None:
    inbox.drop("a.csv")
    inbox.drop("b.csv")
    inbox.look()
    # A server that refuses every connection.
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    inbox.database, whole = Database(engine), inbox.database
    try:
        tick = inbox.look(later=10)
    finally:
        engine.dispose()
        inbox.database = whole

    (left,) = tick.left
    assert "the database says: " in left
    assert tick.waiting == 1
    assert inbox.waiting() == ["a.csv", "b.csv"]
    assert len(inbox.look(later=5).taken) == 1


def test_the_database_is_opened_only_when_a_file_is_ready(inbox: InboxFolder) -> None:
    assert inbox.look().idle is not None
    inbox.drop("list.csv")
    inbox.look()
    inbox.look(later=5)
    assert inbox.opened == 0
    inbox.look(later=5)
    inbox.look(later=5)
    assert inbox.opened == 1


def test_without_an_inbox_the_look_says_where_it_would_be(inbox: InboxFolder) -> None:
    tick = inbox.look()

    assert str(inbox.root) in tick.summary()
    assert not inbox.root.exists()


def test_an_inbox_that_is_away_for_a_while_is_remembered(inbox: InboxFolder) -> None:
    inbox.drop("list.csv")
    inbox.look()
    inbox.root.rename(inbox.root.with_name("unmounted"))
    assert inbox.look(later=5).idle is not None
    inbox.root.with_name("unmounted").rename(inbox.root)

    assert len(inbox.look(later=5).taken) == 1


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Work as a user whom permissions hold; the superuser reads and writes everything."""
    mine = os.geteuid()
    if mine:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.fixture
def open_to_others(inbox: InboxFolder) -> Iterator[Path]:
    """Move the inbox to where another user may reach it."""
    with tempfile.TemporaryDirectory(prefix="ep-inbox-") as name:
        folder = Path(name)
        inbox.settings = inbox_settings(inbox.settings, folder)
        for path in (folder, inbox.settings.scratch, inbox.place):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o777)
        yield folder


def test_an_unreadable_file_is_told_and_left(inbox: InboxFolder, open_to_others: Path) -> None:
    inbox.drop("secret.csv").chmod(0)
    inbox.drop("list.csv", LIST + "eva@example.com\n").chmod(0o644)
    # Connected while the socket may be reached.
    inbox.jobs()

    with as_somebody_else():
        tick = inbox.settle()

    assert tick.left == [f"{inbox.account.name}/Welcome/secret.csv: Permission denied."]
    assert len(tick.taken) == 1
    assert inbox.waiting() == ["secret.csv"]
    assert inbox.rejected() == {}


def test_a_folder_that_may_not_be_read_is_told_and_the_others_are_looked_into(
    inbox: InboxFolder, open_to_others: Path
) -> None:
    closed = inbox.root / "closed"
    closed.mkdir()
    closed.chmod(0)
    inbox.drop("list.csv").chmod(0o644)
    inbox.jobs()

    with as_somebody_else():
        tick = inbox.settle()

    assert tick.left == ["closed cannot be looked into: Permission denied."]
    assert len(tick.taken) == 1


def test_a_file_that_cannot_be_moved_is_one_job_and_told(
    inbox: InboxFolder, open_to_others: Path
) -> None:
    inbox.drop("list.csv").chmod(0o644)
    inbox.place.chmod(0o555)
    inbox.jobs()

    with as_somebody_else():
        ticks = [inbox.settle(), inbox.look(later=5)]

    (job,) = inbox.jobs()
    for tick in ticks:
        assert tick.left == [
            f"{inbox.account.name}/Welcome/list.csv: it is job {job.id} and cannot be moved: "
            'the folder "processed" cannot be used: Permission denied.'
        ]
    inbox.place.chmod(0o777)
    assert len(inbox.look(later=5).taken) == 1
    assert inbox.processed() == [f"list.{job.id}.csv"]
    assert len(inbox.jobs()) == 1


def test_a_scratch_folder_that_cannot_be_written_is_told(inbox: InboxFolder) -> None:
    inbox.settings.home.write_text("in the way")

    with pytest.raises(ConfigurationError, match="cannot be written"):
        inbox.look()


def test_nothing_is_left_in_the_scratch_folder(inbox: InboxFolder) -> None:
    inbox.drop("a.csv")
    inbox.drop("b.csv", PNG)
    inbox.settle()

    assert names_in(inbox.settings.scratch) == ["inbox.lock"]
