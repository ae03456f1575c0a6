"""Links, pipes, odd names and wrong places in the inbox: nothing is followed, nothing stays."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from enrollment_pipeline.inbox.folders import DEEPEST
from enrollment_pipeline_tests.inbox_folder import LIST, InboxFolder, names_in


@pytest.fixture
def inbox(inbox: InboxFolder) -> InboxFolder:
    """The inbox, with the folder of the workflow in it."""
    inbox.place.mkdir(parents=True)
    return inbox


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the inbox with a list that nobody dropped."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "list.csv").write_text(LIST)
    return folder


@pytest.mark.parametrize("target", ["list.csv", "missing.csv", ""])
def test_a_link_is_rejected_itself_and_its_target_stays(
    inbox: InboxFolder, outside: Path, target: str
) -> None:
    (inbox.place / "list.csv").symlink_to(outside / target)

    inbox.settle()

    ((name, reason),) = inbox.rejected().items()
    assert reason[0] == "INVALID_FILE"
    assert "symbolic link" in reason[1]
    assert (inbox.place / "rejected" / name).readlink() == outside / target
    assert names_in(outside) == ["list.csv"]
    assert (inbox.jobs(), inbox.waiting()) == ([], [])


def test_a_link_to_a_dropped_file_does_not_carry_it_away(inbox: InboxFolder) -> None:
    inbox.drop("list.csv")
    (inbox.place / "link.csv").symlink_to("list.csv")

    tick = inbox.settle()

    assert (len(tick.taken), len(tick.rejected)) == (1, 1)
    assert (inbox.place / "processed" / inbox.processed()[0]).read_text() == LIST


def test_linked_folders_are_left_alone_and_told(inbox: InboxFolder, outside: Path) -> None:
    (outside / "Welcome").mkdir()
    (outside / "Welcome" / "list.csv").write_text(LIST)
    (inbox.root / "linked").symlink_to(outside)
    (inbox.root / inbox.account.name / "Linked").symlink_to(outside)

    tick = inbox.settle()

    assert tick.left == [
        "linked is a symbolic link, which is not followed.",
        f"{inbox.account.name}/Linked is a symbolic link, which is not followed.",
    ]
    assert inbox.jobs() == []
    assert (inbox.root / "linked").readlink() == outside
    assert names_in(outside) == ["Welcome", "list.csv"]
    assert names_in(outside / "Welcome") == ["list.csv"]


@pytest.mark.parametrize("name", ["processed", "rejected"])
def test_a_link_in_the_place_of_a_folder_of_ours_is_not_written_through(
    inbox: InboxFolder, outside: Path, name: str
) -> None:
    inbox.drop("list.csv")
    inbox.drop("other.xlsx")
    (inbox.place / name).symlink_to(outside)

    for _ in range(3):
        inbox.settle()

    assert names_in(outside) == ["list.csv"]
    assert len(inbox.jobs()) == 1
    if name == "rejected":
        # Nowhere to put it: it is told, and stays.
        assert inbox.waiting() == ["other.xlsx"]
        assert (inbox.place / "rejected").readlink() == outside
        told = 'other.xlsx: the folder "rejected" cannot be used: Not a directory.'
        assert any(told in sentence for sentence in inbox.memory.told)
    else:
        assert len(inbox.processed()) == 1
        assert not (inbox.place / name).is_symlink()


def test_a_folder_exchanged_for_a_link_after_it_was_looked_into_is_not_followed(
    inbox: InboxFolder, outside: Path
) -> None:
    inbox.drop("list.csv")
    inbox.look()

    class Exchanging(InboxFolder):
        """Exchanges the folder after the look and before the taking."""

        def open_database(self):  # type: ignore[no-untyped-def]
            self.place.rename(self.place.with_name("aside"))
            self.place.symlink_to(outside)
            return super().open_database()

    late = Exchanging(inbox.settings, inbox.database, inbox.account, memory=inbox.memory)
    # The very size and time that were seen.
    seen = (inbox.place / "list.csv").stat()
    os.utime(outside / "list.csv", ns=(seen.st_mtime_ns, seen.st_mtime_ns))

    tick = late.look(later=10)

    assert tick.taken == []
    assert len(tick.left) == 1
    assert inbox.jobs() == []
    assert names_in(outside) == ["list.csv"]


@pytest.mark.parametrize("kind", ["pipe", "socket"])
@pytest.mark.timeout(30)
def test_pipes_and_sockets_are_rejected_without_being_opened(inbox: InboxFolder, kind: str) -> None:
    path = inbox.place / "list.csv"
    if kind == "pipe":
        # Opening it would wait for a writer for ever.
        os.mkfifo(path)
    else:
        here = Path.cwd()
        os.chdir(inbox.place)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("list.csv")
        os.chdir(here)

    inbox.settle()

    (reason,) = inbox.rejected().values()
    assert reason[:2] == ["INVALID_FILE", '"list.csv" is a device or a pipe, not a file.']
    assert inbox.waiting() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser makes devices")
def test_devices_are_rejected_without_being_opened(inbox: InboxFolder) -> None:
    os.mknod(inbox.place / "list.csv", 0o020666, os.makedev(1, 5))

    inbox.settle()

    (reason,) = inbox.rejected().values()
    assert reason[0] == "INVALID_FILE"


ODD_NAMES = [
    b"two\nlines.csv",
    b"bell\x07and\x1b[31mred.csv",
    b"invalid\xff\xfeutf8.csv",
    "\u202evsc.txt.csv".encode(),
    b"x" * 251 + b".csv",
    "ä".encode() * 125 + b".csv",
    b" .csv",
    b"-rf.csv",
    b"a'b\"c;$(d)`e`.csv",
    b"..csv.csv"[2:],
    b"%s{0}\\.csv",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_taken_and_ends_among_the_processed(
    inbox: InboxFolder, name: bytes
) -> None:
    path = os.fsencode(inbox.place) + b"/" + name
    with open(path, "w") as file:  # noqa: PTH123 - a name that is no text
        file.write(LIST)

    tick = inbox.settle()

    (job,) = inbox.jobs()
    (moved,) = inbox.processed()
    assert str(job.id) in moved
    assert moved.startswith(os.fsdecode(name)[:5].split(".")[0])
    assert moved.endswith(".csv")
    assert (inbox.waiting(), inbox.rejected()) == ([], {})
    (told,) = tick.taken
    assert told.isprintable()


@pytest.mark.parametrize("name", [b"x" * 255, b"y." + b"z" * 250, *ODD_NAMES])
def test_a_file_of_any_name_ends_among_the_rejected_with_its_reason(
    inbox: InboxFolder, name: bytes
) -> None:
    path = os.fsencode(inbox.place) + b"/" + name
    with open(path, "w") as file:  # noqa: PTH123 - a name that is no text
        file.write("no,list\n")

    (told,) = inbox.settle().rejected

    (reason,) = inbox.rejected().values()
    assert len(reason) == 3
    assert told.isprintable()
    assert (inbox.waiting(), inbox.jobs()) == ([], [])


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("name", [b"two\nlines", b"invalid\xff", "ä".encode() * 127, b"..a"[1:]])
def test_folders_of_any_name_are_only_looked_up(
    inbox: InboxFolder, name: bytes, level: int
) -> None:
    hidden = name.startswith(b".")
    place = [os.fsencode(inbox.account.name), b"Welcome"]
    place[level] = name
    folder = os.path.join(os.fsencode(inbox.root), *place)  # noqa: PTH118
    os.makedirs(folder)  # noqa: PTH103
    (Path(os.fsdecode(folder)) / "list.csv").write_text(LIST)

    inbox.settle()

    reasons = list(inbox.rejected(Path(os.fsdecode(folder))).values())
    code = ("ACCOUNT_NOT_FOUND", "WORKFLOW_NOT_FOUND")[level]
    assert [reason[0] for reason in reasons] == ([] if hidden else [code])
    assert all(len(reason) == 3 for reason in reasons)
    assert inbox.jobs() == []


def test_files_in_the_wrong_place_go_to_the_inboxs_own_rejected(inbox: InboxFolder) -> None:
    inbox.drop("top.csv", place=inbox.root)
    inbox.drop("middle.csv", place=inbox.root / inbox.account.name)
    inbox.drop("deep.csv", place=inbox.place / "2027" / "05")
    (inbox.place / "2027" / "link.csv").symlink_to("/etc/passwd")

    tick = inbox.settle()

    reasons = {name.split(".")[0]: reason for name, reason in inbox.rejected(inbox.root).items()}
    assert set(reasons) == {"top", "middle", "deep", "link"}
    assert {reason[0] for reason in reasons.values()} == {"PATH_NOT_ALLOWED"}
    assert "the inbox itself" in reasons["top"][1]
    assert f'"{inbox.account.name}"' in reasons["middle"][1]
    assert f'"{inbox.account.name}/Welcome/2027/05"' in reasons["deep"][1]
    assert all("ACCOUNT/WORKFLOW" in reason[2] for reason in reasons.values())
    assert (len(tick.rejected), inbox.jobs(), inbox.rejected()) == (4, [], {})
    # What was rejected is not looked at again.
    assert inbox.settle().summary() == f"Nothing lies in {inbox.root}."


def test_what_is_done_with_is_never_looked_at_again(inbox: InboxFolder) -> None:
    for folder in (
        inbox.place / "processed",
        inbox.place / "rejected",
        inbox.root / "rejected",
        inbox.root / "processed",
        inbox.place / "Processed" / "old",
    ):
        inbox.drop("list.csv", place=folder)

    assert inbox.settle().waiting == 0
    assert inbox.opened == 0


def test_a_workflow_may_be_called_like_a_folder_of_ours(
    inbox: InboxFolder, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(inbox.account, "rejected")
    inbox.workflow = "rejected"
    inbox.drop("list.csv")

    assert len(inbox.settle().taken) == 1
    assert len(inbox.processed()) == 1


def test_folders_are_looked_into_down_to_a_depth(inbox: InboxFolder) -> None:
    shallow = inbox.place.joinpath(*["d"] * (DEEPEST - 2))
    inbox.drop("seen.csv", place=shallow)
    inbox.drop("unseen.csv", place=shallow / "d")

    tick = inbox.settle()

    assert len(tick.rejected) == 1
    (left,) = tick.left
    assert left.endswith("/d lies too deep to be looked into.")


def test_a_file_beyond_the_limit_is_not_read(inbox: InboxFolder) -> None:
    # A hole: 1 TB that takes no room, and would take a day to copy.
    path = inbox.drop("huge.csv")
    os.truncate(path, 10**12)

    inbox.settle()

    (reason,) = inbox.rejected().values()
    assert reason[0] == "FILE_TOO_LARGE"
    assert "1,000,000,000,000 bytes" in reason[1]


def test_the_inbox_itself_may_be_reached_through_a_link(inbox: InboxFolder, tmp_path: Path) -> None:
    inbox.drop("list.csv")
    inbox.root.rename(tmp_path / "elsewhere")
    inbox.root.symlink_to(tmp_path / "elsewhere")

    assert len(inbox.settle().taken) == 1


def test_an_inbox_that_is_no_folder_is_told(inbox: InboxFolder, tmp_path: Path) -> None:
    inbox.root.rename(tmp_path / "aside")
    inbox.root.write_text("a file")

    assert "Not a directory" in inbox.settle().summary()
