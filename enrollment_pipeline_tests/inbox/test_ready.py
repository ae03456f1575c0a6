"""When a file in the inbox is taken: once it has its name and has stopped growing."""

import os

import pytest

from enrollment_pipeline_tests.inbox_folder import LIST, InboxFolder


def test_a_new_file_waits_however_old_its_mtime_is(inbox: InboxFolder) -> None:
    path = inbox.drop("list.csv")
    os.utime(path, (1, 1))

    assert inbox.look().waiting == 1
    assert inbox.look(later=9.9).summary() == "Waiting: 1."
    assert (inbox.waiting(), inbox.jobs()) == (["list.csv"], [])
    assert len(inbox.look(later=0.1).taken) == 1


def test_a_growing_file_waits_until_it_stops(inbox: InboxFolder) -> None:
    path = inbox.drop("list.csv")
    for number in range(5):
        assert inbox.look(later=9).taken == []
        with path.open("a") as file:
            file.write(f"more-{number}@example.com\n")

    assert inbox.look(later=9).taken == []
    assert inbox.look(later=9).taken == []
    assert len(inbox.look(later=1).taken) == 1
    (job,) = inbox.jobs()
    assert inbox.input_of(job.id).count(b"more-") == 5


def test_a_file_written_again_in_the_same_size_waits_anew(inbox: InboxFolder) -> None:
    path = inbox.drop("list.csv")
    inbox.look()
    path.write_text(LIST.replace("ann", "eva"))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))

    assert inbox.look(later=10).taken == []
    assert len(inbox.look(later=10).taken) == 1


@pytest.mark.parametrize(
    "name", [".list.csv", "~$list.csv", "list.csv.part", "list.csv.TMP", "list.csv.crdownload"]
)
def test_a_file_in_progress_is_ignored_until_it_has_its_name(inbox: InboxFolder, name: str) -> None:
    path = inbox.drop(name)
    tick = inbox.settle()
    assert tick.summary() == f"Nothing lies in {inbox.root}."
    assert inbox.opened == 0

    path.rename(inbox.place / "list.csv")
    assert len(inbox.settle().taken) == 1
