"""Everything that can be killed is killed, again and again, and every row has one true outcome.

Real run workers under a real daemon, a real server, real processes. The moments are random; a
failure shows the seed.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.liveness import PROCESS
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.embedded import stop_server
from enrollment_pipeline.storage.engine import database_urls, open_database
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.end_to_end.conftest import Ui
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, manual

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

KILLS = 20
CUTS = 6
RESTARTS = 2


@pytest.fixture
def seed() -> int:
    """Another run of events in each run of the test."""
    return random.SystemRandom().randrange(10**6)


@pytest.fixture
def hardy(settings: Settings) -> Iterator[tuple[Database, Engine]]:
    """Database and owner whose connections are made anew for each question."""
    database = open_database(settings)
    owner = create_engine(database_urls(settings).owner, poolclass=NullPool)
    yield database, owner
    database.close()


@pytest.fixture
def after_the_storm(owner: Engine, database: Database) -> Iterator[None]:
    """Other tests must not meet connections that this one has cut."""
    yield
    owner.dispose()
    with suppress(OperationalError), database.across_accounts() as connection:
        connection.execute(text("select 1"))


AT_WORK = text(
    "select t.value from runs r join run_tags t on t.run_id = r.run_id "
    "where r.status = 'STARTED' and t.key = :key"
)


def workers(owner: Engine) -> list[psutil.Process]:
    """The processes that work on runs at this moment."""
    found = []
    with suppress(OperationalError), owner.connect() as connection:
        for identity in connection.scalars(AT_WORK, {"key": PROCESS}):
            with suppress(psutil.Error):
                process = psutil.Process(int(identity.partition("@")[0]))
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


def patiently(what: Callable[[], Any], seconds: float = 60) -> Any:
    """Ask again while the server is away."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return what()
        except (OperationalError, psycopg.OperationalError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_after_all_of_it_every_contact_has_one_outcome(
    ui: Ui,
    seed: int,
    hardy: tuple[Database, Engine],
    settings: Settings,
    make_account: Callable[..., Account],
    add_workflow: Callable[..., UUID],
    after_the_storm: None,
    tmp_path: Path,
) -> None:
    dice = random.Random(seed)
    database, owner = hardy
    racing = Bulk(database, settings, owner, make_account(burst_per_second=8), tmp_path)
    held = Bulk(database, settings, owner, make_account(burst_per_second=8), tmp_path)
    for bulk in (racing, held):
        add_workflow(bulk.account)
    people = racing.crowd(900)
    racing.change_contacts(people[:30], "status = 'blocked'")
    rows = [f"C{n}@EXAMPLE.COM,x" for n in range(1, 901)]
    rows += ["nobody@example.com,x", ",x", "c1@example.com,x", "short"]
    jobs = {
        racing.submit(racing.csv("\n".join(["email,name", *rows])), batch_size=10): racing,
        racing.submit(EVERYBODY, batch_size=10, add_tags=["storm"]): racing,
    }
    others = held.crowd(900)
    resumed = held.submit(manual([*others[:500], others[0], uuid4()]), batch_size=10)
    cancelled = held.submit(manual(others[500:]), batch_size=10)
    jobs |= {resumed: held, cancelled: held}

    kills = cuts = restarts = pauses = 0
    ended_early = False
    began = time.monotonic()
    while kills < KILLS or cuts < CUTS or restarts < RESTARTS:
        assert time.monotonic() - began < 900, (seed, kills, cuts, restarts)
        time.sleep(dice.uniform(0.2, 2.5))
        if all(patiently(lambda job=job: jobs[job].describe(job))["completed_at"] for job in jobs):
            # The storm is not over yet.
            more = held.submit(manual(held.crowd(200, prefix=f"more{kills}-")), batch_size=10)
            jobs[more] = held
        # Old enough to have begun, most of them, and some only just.
        least = dice.uniform(5, 25)
        alive = [one for one in workers(owner) if time.time() - one.create_time() > least]
        if alive and kills < KILLS:
            with suppress(psutil.Error):
                dice.choice(alive).send_signal(signal.SIGKILL)
                kills += 1
        if kills >= 3 * (cuts + 1) and cuts < CUTS:
            cut(owner, dice)
            cuts += 1
        if kills >= 7 * (restarts + 1) and restarts < RESTARTS:
            # Whoever misses the server starts it again.
            stop_server(settings.home / "postgres")
            restarts += 1
            patiently(lambda: open_database(settings).close())
        if kills >= 5 and pauses == 0:
            pauses += pause_and_resume(held, resumed)
        if kills >= 10 and not ended_early:
            with suppress(InvalidStateError):
                patiently(
                    lambda: service.cancel(
                        database, settings, held.account, cancelled, actor="test"
                    )
                )
            ended_early = True

    deadline = time.monotonic() + 420
    for job_id, bulk in jobs.items():
        wait_until_closed(bulk, job_id, deadline)

    assert kills == KILLS, (seed, kills)
    assert (cuts, restarts, pauses) == (CUTS, RESTARTS, 1)
    told = {job_id: bulk.verified(job_id) for job_id, bulk in jobs.items()}
    left = {batch["status"] for job in jobs for batch in jobs[job].batches(job)}
    assert left <= {"completed", "failed", "cancelled"}
    enrolled = [racing.enrolled_by(job) for job, bulk in jobs.items() if bulk is racing]
    assert not enrolled[0] & enrolled[1]
    assert enrolled[0] | enrolled[1] == set(people[30:])
    assert told[resumed]["status"] == "completed"
    assert told[resumed]["outcomes"] == {
        **dict.fromkeys(told[resumed]["outcomes"], 0),
        "enrolled": 500,
        "duplicate": 1,
        "skipped": 1,
    }
    outcomes = told[cancelled]["outcomes"]
    assert told[cancelled]["status"] == "cancelled"
    assert outcomes["enrolled"] + outcomes["cancelled"] == 400
    doubled = racing.query(
        "select count(*) as n from (select 1 from enrollment.enrollments "
        "where account_id = any(:accounts) group by account_id, workflow_id, contact_id "
        "having count(*) > 1) twice",
        accounts=[racing.account.id, held.account.id],
    )
    assert doubled == [{"n": 0}]


def wait_until_closed(bulk: Bulk, job_id: UUID, deadline: float) -> None:
    """Wait; nobody does anything for the job."""
    while not (document := patiently(lambda: bulk.describe(job_id)))["completed_at"]:
        assert time.monotonic() < deadline, document
        time.sleep(1)


def cut(owner: Engine, dice: random.Random) -> None:
    """End a third of all connections of the product's own role."""
    with suppress(OperationalError), owner.begin() as connection:
        pids = connection.scalars(
            text("select pid from pg_stat_activity where usename = 'enrollment_app'")
        ).all()
        for pid in dice.sample(list(pids), -(-len(pids) // 3)):
            connection.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})


def pause_and_resume(bulk: Bulk, job_id: UUID) -> int:
    """Pause a job that is at work, and leave it to the queue again; return 1 when that was done."""
    try:
        patiently(
            lambda: service.pause(bulk.database, bulk.settings, bulk.account, job_id, actor="test")
        )
    except InvalidStateError:
        return 0
    patiently(
        lambda: service.resume(bulk.database, bulk.account, job_id, actor="test", runner="queue")
    )
    return 1
