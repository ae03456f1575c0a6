"""The installed program as others meet it: a process with streams, signals and an exit code."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database

Program = Callable[..., Any]
PATH = Path(sys.executable).parent / "enrollment"


def test_an_answer_is_one_document_and_nothing_else(program: Program, account: Account) -> None:
    answer = program("workflows", "create", "Welcome", "--account", account.name, "--json")

    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out)["name"] == "Welcome"
    again = program("--json", "--account", account.name, "workflows", "create", "Welcome")
    assert (again.code, again.err) == (3, "")
    assert json.loads(again.out)["error"]["code"] == "WORKFLOW_EXISTS"


def test_the_database_stops_and_is_not_started_by_a_look_at_it(
    program: Program, tmp_path_factory: Any
) -> None:
    # Nothing was ever started here, so there is nothing to stop.
    environment = {"ENROLLMENT_HOME": str(tmp_path_factory.mktemp("home")), "PATH": ""}

    stopped = program("--json", "database", "stop", env=environment)
    status = program("--json", "database", "status", env=environment)

    assert stopped.json == {"status": "stopped", "was_running": False}
    assert status.json["status"] == "stopped"
    assert not Path(environment["ENROLLMENT_HOME"], "postgres").exists()


@pytest.mark.parametrize("shape", [["--json"], []])
def test_an_interrupt_ends_the_program_with_130_and_says_so(
    database: Database, account: Account, owner: Engine, add_workflow: Any, shape: list[str]
) -> None:
    add_workflow(account)
    with database.account(account.id) as connection:
        connection.execute(text("select from enrollment.workflows for update"))
        process = subprocess.Popen(
            [PATH, "--account", account.name, *shape, "workflows", "pause", "Welcome"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _wait_for_a_blocked_statement(owner)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Traceback" not in err
    if shape:
        assert json.loads(out)["error"]["code"] == "INTERRUPTED"
    else:
        assert err.strip().startswith("INTERRUPTED: ")


@pytest.mark.parametrize("shape", [["--json"], []])
def test_a_reader_that_goes_away_causes_no_noise(account: Account, shape: list[str]) -> None:
    process = subprocess.Popen(
        [PATH, "--account", account.name, *shape, "accounts", "settings"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    err = process.stderr.read()
    process.stderr.close()

    assert err == b""
    assert process.wait(timeout=60) == 1


def test_the_help_loads_nothing_heavy() -> None:
    script = (
        "import sys, enrollment_pipeline.cli.main\n"
        "heavy = {'dagster', 'sqlalchemy', 'pydantic', 'psycopg', 'polars'}\n"
        "print(heavy & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "set()"


def _wait_for_a_blocked_statement(owner: Engine) -> None:
    statement = text(
        "select exists (select from pg_stat_activity "
        "where wait_event_type = 'Lock' and query ilike '%workflows%for%update%')"
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with owner.connect() as connection:
            if connection.scalar(statement):
                return
        time.sleep(0.05)
    raise AssertionError("the program never came to the lock")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_closed_standard_output_is_no_error(
    database: Database, account: Account, options: list[str]
) -> None:
    command = f"exec {PATH} --account {account.name} {' '.join(options)} list >&-"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_in_one_paragraph(
    database: Database, account: Account, options: list[str]
) -> None:
    command = f"exec {PATH} --account {account.name} {' '.join(options)} list >/dev/full"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.startswith("ANSWER_NOT_WRITTEN: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_has_gone_is_no_error(database: Database, account: Account) -> None:
    command = f"{PATH} --account {account.name} --json list | true"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
