"""Enrolling at the pace that an account allows: batches done in part, waiting, cancelling."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, create_engine, event

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.limits import service as limits
from enrollment_pipeline.limits.budget import Budget
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.engine import database_urls
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, MakeBulk, Trip, manual
from enrollment_pipeline_tests.enrollment.test_lanes_together import RUN

AddWorkflow = Callable[..., UUID]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Hands:
    """A clock that moves when a lane sleeps, and a stop that never comes.

    Keeps what was enrolled at each sleep.
    """

    def __init__(self, bulk: Bulk, job_id: UUID) -> None:
        self._bulk, self._job_id = bulk, job_id
        self.now = NOON
        self.seen: list[tuple[float, int]] = []
        self.documents: list[dict[str, object]] = []

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        enrolled = len(self._bulk.enrolled_by(self._job_id))
        self.seen.append(((self.now - NOON).total_seconds(), enrolled))
        self.documents.append(self._bulk.describe(self._job_id))
        self.now += timedelta(seconds=timeout or 0)
        return False


def drain(bulk: Bulk, job_id: UUID) -> Hands:
    hands = Hands(bulk, job_id)
    lane = bulk.phases(job_id).lane(hands, clock=lambda: hands.now)
    assert lane.drain() is LaneEnd.DONE
    return hands


def test_with_490_of_500_used_the_next_batch_enrolls_10_and_then_90(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(enrollments_per_minute=500)
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(100)), batch_size=100)
    limits.reserve(bulk.database, bulk.account.id, 490, Budget(per_minute=500), at=NOON)
    bulk.prepare(job_id)

    hands = drain(bulk, job_id)

    assert {enrolled for _, enrolled in hands.seen} == {10}
    assert hands.now == NOON + timedelta(minutes=1)
    (batch,) = bulk.batches(job_id)
    assert (batch["status"], batch["processed"], batch["attempts"]) == ("completed", 100, 0)
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 100


def test_a_job_that_waits_for_budget_says_since_when_and_until_when(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(enrollments_per_minute=30)
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(50)), batch_size=10)
    bulk.prepare(job_id)

    hands = drain(bulk, job_id)

    for document in hands.documents:
        assert document["status"] == "processing"
        assert document["waiting"] == {
            "since": NOON.isoformat(),
            "until": (NOON + timedelta(minutes=1)).isoformat(),
            "budget": "minute",
        }
        assert document["attention"] is None
    done = bulk.finish(job_id)
    assert done["waiting"] is None
    assert done["outcomes"]["enrolled"] == 50


def test_a_burst_limit_spreads_the_work_over_the_seconds(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(burst_per_second=25)
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(100)), batch_size=10)
    bulk.prepare(job_id)

    hands = drain(bulk, job_id)

    assert [enrolled for _, enrolled in hands.seen] == [25, 50, 75]
    assert hands.now == NOON + timedelta(seconds=3)


def test_contacts_that_are_not_enrolled_use_no_budget(
    make_bulk: MakeBulk, add_workflow: AddWorkflow, trip: Trip
) -> None:
    bulk = make_bulk(enrollments_per_minute=40)
    add_workflow(bulk.account)
    people = bulk.crowd(60)
    job_id = bulk.submit(manual(people), batch_size=10)
    bulk.prepare(job_id)
    bulk.change_contacts(people[:10], "status = 'blocked'")
    trip(people[10:20], "raise exception 'poison';")

    hands = drain(bulk, job_id)

    assert hands.seen == []
    outcomes = bulk.finish(job_id)["outcomes"]
    assert (outcomes["enrolled"], outcomes["skipped"], outcomes["failed"]) == (40, 10, 10)


def test_a_job_can_be_cancelled_while_it_waits_for_budget(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(enrollments_per_minute=10)
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(30)), batch_size=10)
    bulk.prepare(job_id)
    ends: list[LaneEnd] = []
    lane = bulk.phases(job_id).lane(threading.Event())
    thread = threading.Thread(target=lambda: ends.append(lane.drain()))
    thread.start()
    deadline = time.monotonic() + 20
    while bulk.describe(job_id)["waiting"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    asked = time.monotonic()
    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="test")
    thread.join(timeout=10)

    assert time.monotonic() - asked < 5
    assert ends[0] in (LaneEnd.STOPPED, LaneEnd.DONE)
    document = bulk.verified(job_id)
    assert (document["outcomes"]["enrolled"], document["outcomes"]["cancelled"]) == (10, 20)


def test_two_jobs_of_an_account_share_its_budget(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(enrollments_per_minute=50)
    add_workflow(bulk.account)
    people = bulk.crowd(80)
    first = bulk.submit(manual(people[:40]), batch_size=10)
    second = bulk.submit(manual(people[40:]), batch_size=10)
    for job_id in (first, second):
        bulk.prepare(job_id)

    assert drain(bulk, first).seen == []
    assert {enrolled for _, enrolled in drain(bulk, second).seen} == {10}


@pytest.mark.slow
def test_processes_of_one_account_share_its_budget(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(enrollments_per_minute=200)
    add_workflow(bulk.account)
    people = bulk.crowd(1000)
    jobs = [bulk.submit(manual(people[start : start + 500]), batch_size=20) for start in (0, 500)]
    runs = [
        subprocess.Popen([sys.executable, "-c", RUN, str(job)], stdin=subprocess.PIPE, text=True)
        for job in jobs
    ]
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    deadline = time.monotonic() + 60
    while not all(bulk.describe(job)["waiting"] for job in jobs):
        assert time.monotonic() < deadline
        time.sleep(0.1)

    assert sum(len(bulk.enrolled_by(job)) for job in jobs) == 200
    # The minute passes.
    bulk.sql(
        "update enrollment.rate_buckets set window_started_at = now() - interval '1 min' "
        "where account_id = :account",
        account=bulk.account.id,
    )
    while sum(len(bulk.enrolled_by(job)) for job in jobs) < 400:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for job in jobs:
        service.cancel(bulk.database, bulk.settings, bulk.account, job, actor="test")
    for run in runs:
        run.communicate(timeout=20)
    assert sum(len(bulk.enrolled_by(job)) for job in jobs) == 400


def test_a_commit_whose_answer_is_lost_gives_no_budget_back(
    make_bulk: MakeBulk, add_workflow: AddWorkflow, settings: Settings
) -> None:
    bulk = make_bulk(enrollments_per_minute=30)
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(60)), batch_size=10)
    bulk.prepare(job_id)
    engine = create_engine(database_urls(settings).app)
    broken: list[object] = []

    @event.listens_for(engine, "commit")
    def lose_the_answer(connection: Connection) -> None:
        wrote = connection.exec_driver_sql(
            "select exists (select from enrollment.enrollments where source_id = "
            f"'{job_id}' and enrolled_at = now())"
        ).scalar_one()
        if wrote and not broken:
            broken.append(connection)
            # As if the server had committed, and the line had then been cut.
            connection.connection.driver_connection.commit()
            connection.connection.driver_connection.close()

    hands = Hands(bulk, job_id)
    phases = bulk.phases(job_id, Database(engine))
    assert phases.lane(hands, clock=lambda: hands.now).drain() is LaneEnd.DONE
    engine.dispose()

    assert broken
    before = [enrolled for second, enrolled in hands.seen if second < 60]
    assert max(before) == 30
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 60


def test_a_lane_that_has_no_turn_holds_no_budget(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    bulk = make_bulk(enrollments_per_minute=500, max_lanes=1)
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(10)), batch_size=10)
    bulk.prepare(job_id)
    stop = threading.Event()
    lane = bulk.phases(job_id).lane(stop)
    with bulk.database.account(bulk.account.id) as holder:
        assert limits.take_lane(holder, bulk.account.id, 1)
        thread = threading.Thread(target=lane.drain)
        thread.start()
        waiting = "select count(*) as n from pg_locks where locktype = 'advisory' and not granted"
        while not bulk.query(waiting)[0]["n"]:
            time.sleep(0.01)
        asked = limits.reserve(bulk.database, bulk.account.id, 500, Budget(per_minute=500), at=None)
        assert asked.granted == 500
        limits.give_back(bulk.database, bulk.account.id, 500, Budget(per_minute=500), at=asked.at)
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 10


def test_everybody_is_enrolled_once_at_any_pace(
    make_bulk: MakeBulk, add_workflow: AddWorkflow
) -> None:
    for limit in (1, 7, 10, 15):
        bulk = make_bulk(burst_per_second=limit)
        add_workflow(bulk.account)
        bulk.crowd(23, prefix=f"p{limit}-")
        job_id = bulk.submit(EVERYBODY, batch_size=10)
        bulk.prepare(job_id)
        hands = drain(bulk, job_id)
        assert (hands.now - NOON).total_seconds() >= 23 // limit - 1
        assert bulk.finish(job_id)["outcomes"]["enrolled"] == 23
