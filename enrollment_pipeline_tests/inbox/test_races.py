"""The inbox when something comes in between: another look, a file that changes or is exchanged."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.inbox.folders import (
    copy_file,
    identify,
    made,
    move,
    opened,
    reject,
)
from enrollment_pipeline.inbox.rules import Memory
from enrollment_pipeline_tests.inbox_folder import LIST, InboxFolder, names_in


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


def test_a_file_exchanged_before_the_move_is_put_back(inbox: InboxFolder) -> None:
    path = inbox.drop("list.csv")
    with (
        opened(inbox.root, (inbox.account.name, "Welcome")) as folder,
        made(folder, "processed") as target,
    ):
        identity, _ = identify(folder, "list.csv")
        path.rename(path.with_suffix(".old"))
        path.write_text("the next list")

        assert move(folder, "list.csv", identity, target, ["list.JOB.csv"]) is None

        assert path.read_text() == "the next list"
        assert inbox.processed() == []

        assert reject(folder, "list.csv", identity, target, InvalidFileError()) is None

    assert path.read_text() == "the next list"
    assert inbox.processed() == []


def test_a_moved_file_never_takes_the_place_of_another(inbox: InboxFolder) -> None:
    inbox.drop("list.csv")
    processed = inbox.place / "processed"
    inbox.drop("list.JOB.csv", "kept", place=processed)
    with (
        opened(inbox.root, (inbox.account.name, "Welcome")) as folder,
        made(folder, "processed") as target,
    ):
        identity, _ = identify(folder, "list.csv")
        with pytest.raises(FileExistsError):
            move(folder, "list.csv", identity, target, ["list.JOB.csv"])
        assert inbox.waiting() == ["list.csv"]
        assert move(folder, "list.csv", identity, target, ["list.JOB.csv", "other.csv"])

    assert (processed / "list.JOB.csv").read_text() == "kept"
    assert (processed / "other.csv").read_text() == LIST


def test_a_file_that_cannot_be_rejected_stays_and_leaves_no_reason(inbox: InboxFolder) -> None:
    path = inbox.drop("list.csv")
    rejected = inbox.place / "rejected"
    with (
        opened(inbox.root, (inbox.account.name, "Welcome")) as folder,
        made(folder, "rejected") as target,
    ):
        identity, _ = identify(folder, "list.csv")
        path.unlink()
        path.mkdir()
        with pytest.raises(OSError, match="directory"):
            reject(folder, "list.csv", identity, target, InvalidFileError())

    assert names_in(rejected) == []
    assert path.is_dir()
