"""The connection, or the whole server, goes away while a lane works."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.errors import DatabaseUnavailableError
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.engine import database_urls
from enrollment_pipeline.storage.patience import OUTAGE_WAITS
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.enrollment.conftest import Bulk, Impatient, Trip, manual

NAME = "lane-under-test"
# Long enough to be found asleep, and never slept to its end.
SLEEP_ONCE = "if stumbled = 1 then perform pg_sleep(60); end if;"


@pytest.fixture
def apart(settings: Settings) -> Iterator[Database]:
    """The database over connections of its own, which are known by their name."""
    engine = create_engine(
        database_urls(settings).app, pool_pre_ping=True, connect_args={"application_name": NAME}
    )
    yield Database(engine)
    engine.dispose()


def kill_the_sleeper(owner: Engine) -> None:
    """End the lane's connection while its statement sleeps in the trigger."""
    deadline = time.monotonic() + 20
    with owner.connect() as connection:
        while time.monotonic() < deadline:
            killed = connection.exec_driver_sql(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                f"where application_name = '{NAME}' and wait_event = 'PgSleep'"
            ).all()
            if killed:
                return
            connection.rollback()
            time.sleep(0.01)
    raise AssertionError("no connection sleeps")


@pytest.mark.parametrize("contacts", [10, 55], ids=["one batch", "several batches"])
def test_a_killed_connection_costs_an_attempt_and_no_contact(
    bulk: Bulk, apart: Database, trip: Trip, add_workflow: Callable[..., UUID], contacts: int
) -> None:
    add_workflow(bulk.account)
    people = bulk.crowd(contacts)
    trip([people[3]], SLEEP_ONCE)
    job_id = bulk.submit(manual(people), batch_size=10)
    bulk.prepare(job_id)
    stop = Impatient(bulk, job_id)
    ends: list[LaneEnd] = []
    lane = bulk.phases(job_id, apart).lane(stop)
    thread = threading.Thread(target=lambda: ends.append(lane.drain()))
    thread.start()
    kill_the_sleeper(bulk.owner)
    thread.join(timeout=30)

    assert ends == [LaneEnd.DONE]
    # Shared by several batches, the transaction was nobody's attempt.
    assert stop.postponed == ([[(1, 1, 10)]] if contacts == 10 else [])
    job = bulk.finish(job_id)
    assert job["status"] == "completed"
    assert job["outcomes"]["enrolled"] == contacts


def test_a_killed_connection_in_the_search_for_poison_is_no_poison(
    bulk: Bulk, apart: Database, trip: Trip, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account)
    people = bulk.crowd(20)
    trip([people[12]], "raise exception 'poison';")
    # Met first with the other batch, then with its own, then in its half.
    trip([people[2]], SLEEP_ONCE.replace("= 1", "= 2"))
    job_id = bulk.submit(manual(people), batch_size=10)
    bulk.prepare(job_id)
    lane = bulk.phases(job_id, apart).lane(Impatient(bulk, job_id))
    thread = threading.Thread(target=lane.drain)
    thread.start()
    kill_the_sleeper(bulk.owner)
    thread.join(timeout=30)

    job = bulk.finish(job_id)
    assert job["outcomes"]["enrolled"] == 19
    assert [one["contact_id"] for one in bulk.failures(job_id)] == [str(people[12])]


class Flaky:
    """Connects to the server, or finds it away as often as told."""

    def __init__(self, settings: Settings) -> None:
        url = database_urls(settings).app
        self._parameters = {
            "user": url.username,
            "dbname": url.database,
            "host": url.query["host"],
            "port": url.query["port"],
        }
        self.away = 0

    def connect(self) -> psycopg.Connection:
        if self.away:
            self.away -= 1
            raise psycopg.OperationalError("connection refused")
        return psycopg.connect(**self._parameters)


def test_a_server_that_comes_back_is_waited_for(
    bulk: Bulk, settings: Settings, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    server = Flaky(settings)
    engine = create_engine("postgresql+psycopg://", creator=server.connect, poolclass=NullPool)
    lane = bulk.phases(job_id, Database(engine)).lane(stop := Impatient(bulk, job_id))
    server.away = len(OUTAGE_WAITS)

    assert lane.drain() is LaneEnd.DONE

    assert tuple(stop.waits) == OUTAGE_WAITS
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 20


def test_a_server_that_stays_away_is_given_up_after_a_minute_and_nothing_is_lost(
    bulk: Bulk, settings: Settings, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(20)), batch_size=10)
    bulk.prepare(job_id)
    server = Flaky(settings)
    engine = create_engine("postgresql+psycopg://", creator=server.connect, poolclass=NullPool)
    lane = bulk.phases(job_id, Database(engine)).lane(stop := Impatient(bulk, job_id))
    server.away = 1_000

    with pytest.raises(DatabaseUnavailableError, match="connection refused"):
        lane.drain()

    assert tuple(stop.waits) == OUTAGE_WAITS
    assert 55 <= sum(OUTAGE_WAITS) <= 65
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 20


def test_who_listens_hears_of_every_commit(
    bulk: Bulk, settings: Settings, add_workflow: Callable[..., UUID]
) -> None:
    add_workflow(bulk.account)
    people = bulk.crowd(3)
    with closing(Flaky(settings).connect()) as listener:
        listener.autocommit = True
        listener.execute("listen enrollment_progress")

        def heard() -> set[str]:
            return {one.payload for one in listener.notifies(timeout=0.3)}

        bulk.preview(manual(people))
        assert heard() == set()
        job_id = bulk.submit(manual(people))
        assert heard() == {str(job_id)}
        phases = bulk.phases(job_id)
        steps: list[Callable[[], object]] = [
            phases.select,
            phases.validate,
            phases.partition,
            phases.open_lanes,
            lambda: phases.lane(threading.Event()).drain(),
            phases.report,
        ]
        for step in steps:
            step()
            assert heard() == {str(job_id)}
