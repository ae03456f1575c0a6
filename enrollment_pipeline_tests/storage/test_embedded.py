"""The embedded server: started by whoever comes first, found again after every kind of death."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import URL, create_engine, text

from enrollment_pipeline.errors import ConfigurationError, DatabaseUnavailableError
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.embedded import start_server, stop_server
from enrollment_pipeline.storage.engine import open_database
from enrollment_pipeline_tests.storage.conftest import python

OPEN = """
from pathlib import Path
from sqlalchemy import text
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.engine import open_database
database = open_database(Settings(home=Path({home!r})))
with database.across_accounts() as connection:
    print(connection.scalar(text("select count(*) from enrollment.all_accounts()")), flush=True)
    {then}
"""


@pytest.fixture(scope="module")
def folder(make_home: Callable[[], Path]) -> Path:
    """The data folder of a server that these tests stop, kill and start."""
    return make_home() / "postgres"


def test_two_programs_that_start_on_a_fresh_folder_at_once_both_work(
    make_home: Callable[[], Path],
) -> None:
    home = make_home()

    programs = [python(OPEN.format(home=str(home), then="")) for _ in range(2)]

    answers = [(*program.communicate(timeout=60), program.returncode) for program in programs]
    assert answers == [("0\n", "", 0)] * 2


def test_threads_that_start_on_a_fresh_folder_at_once_find_one_server(
    make_home: Callable[[], Path],
) -> None:
    folder = make_home() / "postgres"
    found: list[object] = []

    def start() -> None:
        try:
            found.append(start_server(folder))
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [start_server(folder)] * 4
    # One of them made the folder; none began to make another and left it.
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == [folder]


def test_a_folder_whose_creation_was_killed_is_created_anew(make_home: Callable[[], Path]) -> None:
    home = make_home()
    program = python(OPEN.format(home=str(home), then=""), start_new_session=True)
    _wait(lambda: any(home.rglob("PG_VERSION")))

    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()

    assert _answers(start_server(home / "postgres"))


def test_a_server_that_was_stopped_starts_again_with_its_rows(folder: Path) -> None:
    with _connected(start_server(folder)) as connection:
        connection.execute("create table kept as select 1 as one")

    assert stop_server(folder)
    assert not stop_server(folder)

    with _connected(start_server(folder)) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)


def test_a_server_that_was_killed_is_replaced(folder: Path) -> None:
    start_server(folder)

    killed = _kill(folder)

    assert _answers(start_server(folder))
    assert _pid(folder) != killed


def test_a_pid_file_that_names_an_unrelated_process_is_not_believed(folder: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as unrelated:
        assert _answers(_started_over_a_pid_file_of(unrelated.pid, folder))
        assert unrelated.poll() is None
        unrelated.kill()


def test_a_pid_file_that_names_the_server_of_another_folder_is_not_believed(
    folder: Path, home: Path, server: URL
) -> None:
    assert _answers(_started_over_a_pid_file_of(_pid(home / "postgres"), folder))
    assert _answers(server)


@pytest.mark.parametrize("left", ["", "nonsense\n"])
def test_a_pid_file_that_says_nothing_is_not_believed(folder: Path, left: str) -> None:
    start_server(folder)
    stop_server(folder)
    (folder / "postmaster.pid").write_text(left, encoding="utf-8")

    assert _answers(start_server(folder))


def test_a_server_that_still_recovers_is_waited_for(folder: Path) -> None:
    url = start_server(folder)
    pid_file = folder / "postmaster.pid"
    ready = pid_file.read_text(encoding="utf-8")
    pid_file.write_text(ready.replace("ready   ", "starting"), encoding="utf-8")
    recovery = threading.Timer(3, pid_file.write_text, [ready], {"encoding": "utf-8"})

    recovery.start()

    assert start_server(folder) == url
    recovery.join()


def test_a_link_to_the_folder_leads_to_the_same_server(
    folder: Path, make_home: Callable[[], Path]
) -> None:
    url = start_server(folder)
    link = make_home() / "link"
    link.symlink_to(folder)

    assert start_server(link) == url
    assert _answers(url)


def test_a_program_killed_while_it_works_leaves_a_working_server(folder: Path) -> None:
    home = folder.parent
    open_database(Settings(home=home)).close()
    program = python(OPEN.format(home=str(home), then="import time; time.sleep(60)"))
    assert program.stdout is not None
    assert program.stdout.readline() == "0\n"
    server = _pid(folder)

    program.kill()
    program.communicate()

    database = open_database(Settings(home=home))
    with database.across_accounts() as connection:
        assert connection.scalar(text("select 1")) == 1
    database.close()
    assert _pid(folder) == server


def test_a_pool_that_outlives_the_server_connects_to_the_next_one(folder: Path) -> None:
    database = open_database(Settings(home=folder.parent))
    with database.across_accounts() as connection:
        connection.execute(text("select 1"))

    stop_server(folder)
    start_server(folder)

    with database.across_accounts() as connection:
        assert connection.scalar(text("select 1")) == 1
    database.close()


def test_a_program_that_starts_twice_and_stops_says_nothing_at_its_end(folder: Path) -> None:
    stop_server(folder)
    program = python(
        f"""
from pathlib import Path
from enrollment_pipeline.storage.embedded import start_server, stop_server
folder = Path({str(folder)!r})
start_server(folder)
input()
start_server(folder)
print(stop_server(folder))
""",
        stdin=subprocess.PIPE,
    )
    _wait(lambda: (folder / "postmaster.pid").exists())
    start_server(folder)
    _kill(folder)

    out, err = program.communicate("go on\n", timeout=60)

    assert (out, err, program.returncode) == ("True\n", "", 0)


def test_a_path_with_a_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the path holds a space") as refused:
        start_server(tmp_path / "my home" / "postgres")

    assert refused.value.code == "CONFIGURATION_ERROR"
    assert "ENROLLMENT_HOME" in refused.value.advice
    assert not (tmp_path / "my home").exists()


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="File exists") as refused:
        start_server(tmp_path / "home" / "postgres")

    assert "ENROLLMENT_HOME" in refused.value.advice


def test_a_server_that_cannot_start_is_reported_with_the_place_of_its_log(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stop_server(folder)
    settings = folder / "postgresql.auto.conf"
    right = settings.read_text(encoding="utf-8")
    settings.write_text("nonsense\n", encoding="utf-8")

    with pytest.raises(DatabaseUnavailableError, match="does not start") as failed:
        start_server(folder)

    assert str(folder / "log") in failed.value.advice
    assert caplog.text == ""
    settings.write_text(right, encoding="utf-8")
    assert _answers(start_server(folder))


@contextmanager
def _connected(url: URL) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    host, port = str(url.query["host"]), int(str(url.query["port"]))
    with psycopg.connect(host=host, port=port, user=url.username, dbname=url.database) as opened:
        yield opened


def _answers(url: URL) -> bool:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(text("select true")) is True
    finally:
        engine.dispose()


def _pid(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text(encoding="utf-8").split()[0])


def _started_over_a_pid_file_of(pid: int, folder: Path) -> URL:
    start_server(folder)
    lines = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines(keepends=True)
    stop_server(folder)
    (folder / "postmaster.pid").write_text("".join([f"{pid}\n", *lines[1:]]), encoding="utf-8")
    return start_server(folder)


def _kill(folder: Path) -> int:
    server = psutil.Process(_pid(folder))
    server.kill()
    # A process goes on for a moment, and stays as a zombie where nobody asks for its end.
    _wait(lambda: _is_dead(server))
    return server.pid


def _is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not until():
        assert time.monotonic() < end
        time.sleep(0.005)
