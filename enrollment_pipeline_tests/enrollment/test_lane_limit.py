"""However many jobs and lanes an account has, so many of its lanes work at a time."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import Connection

from enrollment_pipeline.enrollment.claims import LaneWork
from enrollment_pipeline.enrollment.engine import Lane, LaneEnd
from enrollment_pipeline.enrollment.transitions import lane_work
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.engine import open_database
from enrollment_pipeline.targets.base import EnrollmentOrder, EnrollmentResult
from enrollment_pipeline.targets.database import DatabaseTarget
from enrollment_pipeline_tests.enrollment.conftest import Bulk, MakeBulk, manual
from enrollment_pipeline_tests.enrollment.test_lanes_together import RUN, together

AddWorkflow = Callable[..., UUID]


class Counting:
    """A target that knows how many lanes are in it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0

    def enroll(
        self,
        connection: Connection,
        order: EnrollmentOrder,
        numbers: Sequence[int],
        *,
        contacts: int,
    ) -> EnrollmentResult:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        try:
            time.sleep(0.01)
            return DatabaseTarget().enroll(connection, order, numbers, contacts=contacts)
        finally:
            with self._lock:
                self._inside -= 1


def five_jobs(bulk: Bulk, add_workflow: AddWorkflow, contacts: int) -> list[UUID]:
    add_workflow(bulk.account)
    people = bulk.crowd(5 * contacts)
    jobs = [
        bulk.submit(manual(people[start : start + contacts]), batch_size=10, lanes=5)
        for start in range(0, len(people), contacts)
    ]
    for job_id in jobs:
        bulk.prepare(job_id)
    return jobs


@pytest.mark.parametrize("allowed", [1, 3, 5])
def test_5_jobs_of_5_lanes_at_once_have_no_more_at_work_than_the_account_allows(
    make_bulk: MakeBulk, add_workflow: AddWorkflow, settings: Settings, allowed: int
) -> None:
    bulk = make_bulk(max_lanes=allowed)
    jobs = five_jobs(bulk, add_workflow, 60)
    target = Counting()
    databases = [open_database(settings) for _ in jobs]
    ends: list[LaneEnd] = []

    def drain(database: object, work: LaneWork) -> None:
        ends.append(Lane(database, work, threading.Event()).drain())  # type: ignore[arg-type]

    tasks = []
    for job_id, database in zip(jobs, databases, strict=True):
        work = lane_work(bulk.phases(job_id).job(), bulk.account, bulk.settings)
        # One batch a transaction, so that the lanes meet often.
        work = replace(work, target=target, batch_size=5000)
        tasks += [lambda database=database, work=work: drain(database, work)] * 3
    together(*tasks)
    for database in databases:
        database.close()

    assert ends == [LaneEnd.DONE] * 15
    assert target.most == allowed
    for job_id in jobs:
        assert bulk.finish(job_id)["outcomes"]["enrolled"] == 60


@pytest.mark.slow
def test_lanes_of_5_processes_share_the_slots(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(max_lanes=2)
    jobs = five_jobs(bulk, add_workflow, 1000)
    runs = [
        subprocess.Popen([sys.executable, "-c", RUN, str(job)], stdin=subprocess.PIPE, text=True)
        for job in jobs
    ]
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    most = 0
    while any(run.poll() is None for run in runs):
        held = bulk.query(
            "select count(*) as n from pg_locks where locktype = 'advisory' and granted "
            "and mode = 'ExclusiveLock'"
        )
        most = max(most, held[0]["n"])
        time.sleep(0.005)
    assert [run.wait() for run in runs] == [0] * 5
    for run in runs:
        run.communicate()
    assert most == 2
    for job in jobs:
        assert bulk.verified(job)["outcomes"]["enrolled"] == 1000
