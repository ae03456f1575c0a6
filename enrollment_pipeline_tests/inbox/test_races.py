"""The inbox when something comes in between: another look, a file that changes or is exchanged."""

import errno
import hashlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.inbox import folders
from enrollment_pipeline.inbox.folders import (
    copy_file,
    identify,
    made,
    move,
    opened,
    reject,
)
from enrollment_pipeline.inbox.rules import Identity, Memory
from enrollment_pipeline_tests.inbox_folder import LIST, InboxFolder, names_in


class Interrupted:
    """`os`, but something happens before some of the calls of it, which are counted from 0."""

    def __init__(self, happens: dict[int, Callable[[], object]]) -> None:
        self.happens = happens
        self.calls = itertools.count()

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.happens.get(next(self.calls), int)()
            return real(*arguments, **named)

        return call if callable(real) else real


class Moving:
    """A dropped file, and the folder among which it is to be moved."""

    def __init__(self, place: Path, folder: int, target: int) -> None:
        self.place = place
        self.path = place / "list.csv"
        self.folder = folder
        self.target = target
        self.identity: Identity = identify(folder, "list.csv")[0]

    def move(self) -> str | None:
        return move(self.folder, "list.csv", self.identity, self.target, "JOB")

    def reject(self) -> str | None:
        return reject(self.folder, "list.csv", self.identity, self.target, InvalidFileError())

    def exchange(self, content: str) -> None:
        """Put another file there in one step; the one that is there, if any, is moved aside."""
        begun = self.path.with_suffix(".part")
        begun.write_text(content)
        if self.path.exists():
            self.path.rename(self.path.with_suffix(f".before {content}"))
        begun.rename(self.path)

    def done(self) -> list[str]:
        return names_in(self.place / "done")

    def contents(self) -> list[str]:
        """The contents of all files, wherever they lie, but for reasons."""
        files = (path for path in self.place.rglob("*") if path.is_file())
        return sorted(path.read_text() for path in files if ".reason." not in path.name)


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[Moving]:
    """A dropped file that is about to be moved."""
    (tmp_path / "list.csv").write_text(LIST)
    with opened(tmp_path, ()) as folder, made(folder, "done") as target:
        yield Moving(tmp_path, folder, target)


def test_of_two_looks_of_one_machine_the_second_says_that_the_first_is_at_work(
    inbox: InboxFolder,
) -> None:
    inbox.drop("list.csv")
    inbox.look()
    inside, done = threading.Event(), threading.Event()

    class Slow(InboxFolder):
        def open_database(self):  # type: ignore[no-untyped-def]
            inside.set()
            assert done.wait(30)
            return super().open_database()

    slow = Slow(inbox.settings, inbox.database, inbox.account, memory=inbox.memory)
    thread = threading.Thread(target=slow.look, kwargs={"later": 10})
    thread.start()
    assert inside.wait(30)
    try:
        tick = inbox.look(later=10)
    finally:
        done.set()
        thread.join()

    assert tick.summary() == "Another look at the inbox is still at work."
    assert set(tick.looks) == {f"{inbox.account.name}/Welcome/list.csv"}
    assert len(inbox.jobs()) == 1
    assert inbox.look(later=5).summary() == f"Nothing lies in {inbox.root}."


def test_a_file_that_changes_between_the_look_and_the_taking_waits(inbox: InboxFolder) -> None:
    path = inbox.drop("list.csv")
    inbox.look()

    class Late(InboxFolder):
        def open_database(self):  # type: ignore[no-untyped-def]
            with path.open("a") as file:
                file.write("eva@example.com\n")
            return super().open_database()

    late = Late(inbox.settings, inbox.database, inbox.account, memory=inbox.memory)
    tick = late.look(later=10)

    assert (tick.taken, tick.looks, inbox.jobs()) == ([], {}, [])
    inbox.memory = Memory.from_cursor(tick.memory.as_cursor())
    assert len(inbox.settle().taken) == 1


def test_a_file_that_is_gone_before_the_taking_is_no_trouble(inbox: InboxFolder) -> None:
    path = inbox.drop("list.csv")
    inbox.look()

    class Late(InboxFolder):
        def open_database(self):  # type: ignore[no-untyped-def]
            path.unlink()
            path.parent.rmdir()
            return super().open_database()

    late = Late(inbox.settings, inbox.database, inbox.account, memory=inbox.memory)
    tick = late.look(later=10)

    assert (tick.taken, tick.rejected, tick.left, tick.looks) == ([], [], [], {})


@pytest.mark.parametrize("change", ["grows", "is overwritten", "shrinks", "is moved", "stays"])
def test_a_file_that_changes_while_it_is_read_is_not_taken(
    inbox: InboxFolder, tmp_path: Path, change: str
) -> None:
    path = inbox.drop("list.csv", b"0" * 3_000_000)
    os.utime(path, (5, 5))
    # A copy that is written into a pipe stands still until its reader has changed the file.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    digest = hashlib.sha256()

    def read() -> None:
        with pipe.open("rb") as copy:
            digest.update(copy.read(100_000))
            match change:
                case "grows":
                    os.truncate(path, 3_000_001)
                case "is overwritten":
                    with path.open("r+b") as file:
                        file.write(b"1")
                case "shrinks":
                    os.truncate(path, 2_000_000)
                case "is moved":
                    path.rename(path.with_suffix(".old"))
            while content := copy.read(100_000):
                digest.update(content)

    thread = threading.Thread(target=read)
    thread.start()
    with opened(inbox.root, (inbox.account.name, "Welcome")) as folder:
        identity, trouble = identify(folder, "list.csv")
        content = copy_file(folder, "list.csv", identity, pipe, most=4_000_000)
    thread.join()

    assert trouble is None
    assert content == (digest.hexdigest() if change == "stays" else None)


def test_a_link_or_pipe_in_the_place_of_the_file_is_not_opened(
    inbox: InboxFolder, tmp_path: Path
) -> None:
    path = inbox.drop("list.csv")
    with opened(inbox.root, (inbox.account.name, "Welcome")) as folder:
        identity, _ = identify(folder, "list.csv")
        path.unlink()
        assert copy_file(folder, "list.csv", identity, tmp_path / "copy", most=99) is None
        path.symlink_to("/etc/passwd")
        assert copy_file(folder, "list.csv", identity, tmp_path / "copy", most=99) is None
        path.unlink()
        os.mkfifo(path)
        assert copy_file(folder, "list.csv", identity, tmp_path / "copy", most=99) is None


@pytest.mark.parametrize("moment", range(6))
def test_of_two_that_move_a_file_at_once_one_has_it_and_nothing_is_lost(
    moving: Moving, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    moved: list[str | None] = []
    # As from another machine, with which no lock is shared.
    other = Interrupted({moment: lambda: moved.append(moving.move())})
    monkeypatch.setattr(folders, "os", other)

    moved.append(moving.move())

    assert sorted(moved, key=str) == [None, "list.JOB.csv"]
    assert (moving.done(), moving.contents()) == (["list.JOB.csv"], [LIST])
    assert not moving.path.exists()


@pytest.mark.parametrize("moment", range(5))
def test_of_two_that_reject_a_file_at_once_one_has_it_and_nothing_is_lost(
    moving: Moving, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    rejected: list[str | None] = []
    other = Interrupted({moment: lambda: rejected.append(moving.reject())})
    monkeypatch.setattr(folders, "os", other)

    rejected.append(moving.reject())

    (name,) = set(rejected) - {None}
    assert len(rejected) == 2
    assert moving.done() == [name, f"{name}.reason.txt"]
    assert moving.contents() == [LIST]


@pytest.mark.parametrize("how", ["move", "reject"])
@pytest.mark.parametrize("moment", range(10))
@pytest.mark.parametrize("later", range(1, 6))
def test_a_file_is_never_lost_nor_done_with_unread_whenever_it_is_exchanged(
    moving: Moving, monkeypatch: pytest.MonkeyPatch, how: str, moment: int, later: int
) -> None:
    dropped = [LIST]

    def exchange() -> None:
        dropped.append(f"list {len(dropped)}")
        moving.exchange(dropped[-1])

    monkeypatch.setattr(folders, "os", Interrupted({moment: exchange, moment + later: exchange}))

    moved = getattr(moving, how)()

    assert moving.contents() == sorted(dropped)
    done = [name for name in moving.done() if not name.endswith(".reason.txt")]
    assert done == ([] if moved is None else [moved])
    assert [(moving.place / "done" / name).read_text() for name in done] == [LIST] * len(done)
    assert len(moving.done()) == len(done) * (2 if how == "reject" else 1)


def test_a_file_is_put_back_under_another_name_where_no_link_can_be_made(
    moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on some file systems, and of another user's file that may only be read.
    monkeypatch.setattr(os, "link", refuse)
    just_before_it_is_renamed = {1: lambda: moving.exchange("the next list")}
    monkeypatch.setattr(folders, "os", Interrupted(just_before_it_is_renamed))

    assert moving.move() is None

    assert (moving.done(), moving.contents()) == ([], [LIST, "the next list"])
    (name,) = set(names_in(moving.place)) - {"done", "list.before the next list"}
    assert name.startswith("list.")
    assert name.endswith(".csv")


def test_a_folder_in_the_place_of_the_file_is_not_moved(moving: Moving) -> None:
    moving.path.unlink()
    moving.path.mkdir()

    assert moving.move() is None
    assert moving.reject() is None

    assert moving.path.is_dir()
    assert moving.done() == []


def test_a_file_exchanged_before_the_move_stays(moving: Moving) -> None:
    moving.exchange("the next list")

    assert moving.move() is None
    assert moving.reject() is None

    assert moving.path.read_text() == "the next list"
    assert moving.done() == []


def test_a_moved_file_never_takes_the_place_of_another(moving: Moving) -> None:
    kept = moving.place / "done" / "list.JOB.csv"
    kept.write_text("kept")

    name = moving.move()

    assert name is not None
    assert name.startswith("list.JOB.")
    assert name.endswith(".csv")
    assert (kept.parent / name).read_text() == LIST
    assert kept.read_text() == "kept"


def test_a_file_that_cannot_be_rejected_stays_and_leaves_no_reason(
    moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "rename", refuse)

    with pytest.raises(PermissionError):
        moving.reject()

    assert moving.done() == []
    assert moving.path.read_text() == LIST
