"""Which runs are dead: by machine, boot and process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import dagster as dg
import psutil
import pytest

from enrollment_pipeline.runs import liveness
from enrollment_pipeline.runs.instance import open_instance
from enrollment_pipeline.runs.liveness import (
    BOOT,
    HOST,
    PROCESS,
    RUN,
    give_up_lost_run,
    own_tags,
    repair_dead_runs,
    sign_on,
)
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database


@pytest.fixture(scope="module")
def instance(settings: Settings, database: Database) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as opened:
        yield opened


def started(instance: dg.DagsterInstance, **tags: str) -> str:
    run = dg.DagsterRun(
        job_name="bulk_enrollment",
        run_id=str(uuid4()),
        status=dg.DagsterRunStatus.STARTED,
        tags=tags,
    )
    return instance.add_run(run).run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


DRAWN, _, SPACE = own_tags()[BOOT].partition("/")
GONE = {PROCESS: "999999@1"}


@pytest.mark.parametrize(
    ("described", "tags", "dead"),
    [
        ("this process", {}, False),
        ("a process that has gone", GONE, True),
        ("a number that was given to another process", {PROCESS: f"{os.getpid()}@1"}, True),
        ("no process at all", {PROCESS: ""}, True),
        ("an earlier boot", {BOOT: f"0000/{SPACE}"}, True),
        ("another machine", {HOST: "elsewhere", **GONE}, False),
        ("another container of this machine", {BOOT: f"{DRAWN}/pid:[1]", **GONE}, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_is_dead_when_its_process_has_surely_gone(
    instance: dg.DagsterInstance, described: str, tags: dict[str, str], dead: bool
) -> None:
    run_id = started(instance, **{**own_tags(), **tags})

    assert (run_id in repair_dead_runs(instance)) is dead

    expected = dg.DagsterRunStatus.FAILURE if dead else dg.DagsterRunStatus.STARTED
    assert status(instance, run_id) is expected
    assert run_id not in repair_dead_runs(instance)
    instance.delete_run(run_id)


def test_a_process_that_nobody_has_buried_is_dead(instance: dg.DagsterInstance) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    process = psutil.Process(child.pid)
    assert process.status() == psutil.STATUS_ZOMBIE
    identity = f"{child.pid}@{process.create_time():.0f}"
    run_id = started(instance, **{**own_tags(), PROCESS: identity})

    assert run_id in repair_dead_runs(instance)

    child.wait()


def test_a_run_that_has_ended_meanwhile_is_no_failure(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(instance, **{**own_tags(), **GONE})

    def end_it(identity: str) -> bool:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        instance.report_run_canceled(run)
        return False

    monkeypatch.setattr(liveness, "_lives", end_it)

    assert run_id not in repair_dead_runs(instance)
    assert status(instance, run_id) is dg.DagsterRunStatus.CANCELED


def test_a_run_that_was_being_terminated_ends_as_canceled(instance: dg.DagsterInstance) -> None:
    run_id = started(instance, **{**own_tags(), **GONE})
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_canceling(run)

    assert run_id in repair_dead_runs(instance)
    assert status(instance, run_id) is dg.DagsterRunStatus.CANCELED


def test_a_run_that_was_started_again_is_not_judged_by_the_tags_of_the_one_before(
    instance: dg.DagsterInstance,
) -> None:
    former = str(uuid4())
    run_id = started(instance, **{**own_tags(), **GONE, RUN: former})

    assert run_id not in repair_dead_runs(instance)

    sign_on(instance, run_id)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert (run.tags[RUN], run.tags[PROCESS]) == (run_id, own_tags()[PROCESS])
    instance.delete_run(run_id)


@pytest.mark.parametrize(
    ("tags", "lost"),
    [({}, False), (GONE, True), ({HOST: "elsewhere"}, True), ({BOOT: "0000/x"}, True)],
)
def test_a_lost_run_is_given_up_unless_its_process_lives_here(
    instance: dg.DagsterInstance, tags: dict[str, str], lost: bool
) -> None:
    run_id = started(instance, **{**own_tags(), **tags})
    run = instance.get_run_by_id(run_id)
    assert run is not None

    assert give_up_lost_run(instance, run) is lost

    assert (status(instance, run_id) is dg.DagsterRunStatus.FAILURE) is lost
    instance.delete_run(run_id)
