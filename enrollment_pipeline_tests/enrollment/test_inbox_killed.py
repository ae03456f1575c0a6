"""One job of each drop, whoever is killed, and however many look at the same file."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from enrollment_pipeline.inbox.look import Tick
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.inbox_folder import LIST, InboxFolder, inbox_settings

# Looks once with the given memory. Killed as by kill -9 before the n-th time that anything is
# renamed. The first is after the job was committed and before the file is moved; at the second it
# has been moved, under a name of its own, and is to have the final one. 0 is for never.
LOOK = """
import contextlib, os, pathlib, signal, sys
from enrollment_pipeline.enrollment.inbox import CsvRoute
from enrollment_pipeline.inbox.look import look
from enrollment_pipeline.inbox.rules import Memory
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database

home, data, now, killed_at, memory = sys.argv[1:]
renamed = 0
settings = load_settings()
database = open_database(settings)
settings = settings.model_copy(
    update={"home": pathlib.Path(home), "data": pathlib.Path(data), "inbox_quiet_seconds": 10.0}
)

def kill(event, arguments):
    global renamed
    if event == "os.rename":
        renamed += 1
        if renamed == int(killed_at):
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
print("ready", flush=True)
sys.stdin.readline()
look(
    settings,
    Memory.from_cursor(memory),
    lambda: contextlib.nullcontext(database),
    routes=[CsvRoute()],
    now=float(now),
)
"""


@pytest.fixture
def inbox(
    settings: Settings,
    database: Database,
    account: Account,
    add_workflow: Callable[..., UUID],
    tmp_path: Path,
) -> InboxFolder:
    """The inbox of an account with the active workflow "Welcome"."""
    add_workflow(account)
    return InboxFolder(inbox_settings(settings, tmp_path), database, account)


def look_elsewhere(inbox: InboxFolder, home: Path, killed_at: int = 0) -> subprocess.Popen[str]:
    """Begin a process that looks ten seconds later, as soon as it is told to."""
    arguments = (home, inbox.settings.data, inbox.now + 10, killed_at, inbox.memory.as_cursor())
    process = subprocess.Popen(
        [sys.executable, "-c", LOOK, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", ["list.csv", "list--again.csv"])
def test_killed_between_submitting_and_moving_a_drop_is_one_job_and_no_reject(
    inbox: InboxFolder, name: str
) -> None:
    inbox.drop(name)
    inbox.look()
    process = look_elsewhere(inbox, inbox.settings.home, killed_at=1)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    (job,) = inbox.jobs()
    assert inbox.waiting() == [name]

    tick = inbox.look(later=10)

    stem = name.removesuffix(".csv")
    assert tick.taken == [f"{inbox.account.name}/Welcome/{name} is job {job.id}."]
    assert inbox.processed() == [f"{stem}.{job.id}.csv"]
    assert (inbox.place / "processed" / f"{stem}.{job.id}.csv").read_text() == LIST
    assert (inbox.waiting(), inbox.rejected(), len(inbox.jobs())) == ([], {}, 1)


def test_killed_while_a_drop_is_moved_leaves_it_among_the_processed(inbox: InboxFolder) -> None:
    inbox.drop("list.csv")
    inbox.look()
    process = look_elsewhere(inbox, inbox.settings.home, killed_at=2)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL

    assert inbox.look(later=10).taken == []

    (job,) = inbox.jobs()
    contents = {name: (inbox.place / "processed" / name).read_text() for name in inbox.processed()}
    # The final name was made for it, and stays empty.
    assert contents.pop(f"list.{job.id}.csv") == ""
    ((name, content),) = contents.items()
    assert name.startswith(f"list.{job.id}.")
    assert content == LIST
    assert (inbox.waiting(), inbox.rejected()) == ([], {})


def test_after_a_kill_the_job_is_found_even_when_the_workflow_takes_nothing_any_more(
    inbox: InboxFolder,
) -> None:
    inbox.drop("list.csv")
    inbox.look()
    look_elsewhere(inbox, inbox.settings.home, killed_at=1).communicate("go\n", timeout=60)
    workflows.pause(inbox.database, inbox.account, "Welcome", actor="test")
    inbox.add_member("ann", "account:admin")

    inbox.look(later=10)

    (job,) = inbox.jobs()
    assert inbox.processed() == [f"list.{job.id}.csv"]
    assert inbox.rejected() == {}


def test_after_a_kill_a_later_drop_of_the_same_bytes_is_a_repetition(inbox: InboxFolder) -> None:
    path = inbox.drop("list.csv")
    inbox.look()
    look_elsewhere(inbox, inbox.settings.home, killed_at=1).communicate("go\n", timeout=60)
    # Not the interrupted drop, however alike.
    seen = path.stat()
    path.rename(path.with_suffix(".part"))
    inbox.drop("list.csv")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))

    inbox.settle()

    (reason,) = inbox.rejected().values()
    assert reason[0] == "REQUEST_ID_USED"
    assert len(inbox.jobs()) == 1


@pytest.mark.parametrize("name", ["list.csv", "list--again.csv"])
@pytest.mark.parametrize("machines", [1, 2])
def test_two_processes_on_one_inbox_make_one_job(
    inbox: InboxFolder, tmp_path: Path, name: str, machines: int
) -> None:
    inbox.drop(name)
    inbox.look()
    homes = [tmp_path / f"home-{number % machines}" for number in range(2)]
    processes = [look_elsewhere(inbox, home) for home in homes]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0

    (job,) = inbox.jobs()
    assert inbox.processed() == [f"{name.removesuffix('.csv')}.{job.id}.csv"]
    assert (inbox.waiting(), inbox.rejected()) == ([], {})


def test_many_threads_on_one_inbox_make_one_job_of_each_file(
    inbox: InboxFolder, tmp_path: Path
) -> None:
    for number in range(6):
        again = "--again" if number % 2 else ""
        inbox.drop(f"list-{number}{again}.csv", f"email\n{number // 2}@example.com\n")
    inbox.look()
    ticks: list[Tick] = []
    start = threading.Barrier(4)

    def look(number: int) -> None:
        # As machines of their own, which share no lock.
        settings = inbox.settings.model_copy(update={"home": tmp_path / f"home-{number}"})
        other = InboxFolder(settings, inbox.database, inbox.account, memory=inbox.memory)
        start.wait()
        ticks.append(other.look(later=10))

    threads = [threading.Thread(target=look, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    jobs = inbox.jobs()
    assert len(jobs) == len(inbox.processed()) == 6
    assert len({job.request_id for job in jobs}) == 6
    assert sum(len(tick.taken) for tick in ticks) == 6
    assert [tick.left for tick in ticks] == [[]] * len(ticks)
    assert (inbox.waiting(), inbox.rejected()) == ([], {})
    # Each of the four saw every file, and one of them had it: nothing is left for a later look.
    assert inbox.look(later=10).summary() == f"Nothing lies in {inbox.root}."


def test_a_taken_name_does_not_keep_a_file_from_being_processed(inbox: InboxFolder) -> None:
    inbox.drop("list.csv")
    inbox.look()
    look_elsewhere(inbox, inbox.settings.home, killed_at=1).communicate("go\n", timeout=60)
    (job,) = inbox.jobs()
    # Whoever drops files may write among the processed ones too.
    taken = inbox.drop(f"list.{job.id}.csv", "kept", place=inbox.place / "processed")

    assert len(inbox.look(later=10).taken) == 1

    assert taken.read_text() == "kept"
    (other,) = set(inbox.processed()) - {taken.name}
    assert other.startswith(f"list.{job.id}.")
    assert (taken.parent / other).read_text() == LIST
