"""Several lanes, runs and jobs at once: nobody is enrolled twice and every count is right."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment import batching
from enrollment_pipeline.enrollment.store import batches
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.engine import open_database
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.enrollment.conftest import Bulk, Impatient, manual, run_phases

AddWorkflow = Callable[..., UUID]

# All phases of a job in a process of its own, which begins when it is told to.
RUN = """
import sys, threading
from uuid import UUID
from enrollment_pipeline.enrollment import batching
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database

batching.CONTACTS_PER_TRANSACTION = 50
settings = load_settings()
database = open_database(settings)
phases = Phases(database, settings, UUID(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
phases.select()
phases.validate()
phases.partition()
phases.open_lanes()
phases.lane(threading.Event()).drain()
phases.close_lanes()
phases.report()
"""


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions so small that those of two lanes meet."""
    monkeypatch.setattr(batching, "CONTACTS_PER_TRANSACTION", 50)


@pytest.fixture
def databases(settings: Settings) -> Iterator[list[Database]]:
    """Four databases, each with connections of its own."""
    opened = [open_database(settings) for _ in range(4)]
    yield opened
    for database in opened:
        database.close()


def together(*tasks: Callable[[], object]) -> None:
    """Do all tasks at once; any error is the test's."""
    barrier = threading.Barrier(len(tasks))
    errors: list[BaseException] = []

    def begin(task: Callable[[], object]) -> None:
        barrier.wait()
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


@pytest.mark.usefixtures("small_steps")
def test_four_runs_of_one_job_at_once_are_one_job(
    bulk: Bulk, databases: list[Database], add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    people = bulk.crowd(1000)
    job_id = bulk.submit(manual([*people, *people[:5]]), batch_size=10)

    together(*(lambda each=each: run_phases(bulk.phases(job_id, each)) for each in databases))

    job = bulk.verified(job_id)
    assert job["status"] == "completed"
    assert job["outcomes"]["enrolled"] == 1000
    assert job["total_batches"] == 100
    assert bulk.failures(job_id) == []


@pytest.mark.usefixtures("small_steps")
def test_lanes_share_the_work(
    bulk: Bulk, databases: list[Database], add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(2000)), batch_size=10)
    bulk.prepare(job_id)
    done = [0, 0, 0, 0]

    def work(number: int) -> None:
        def count(contacts: int) -> None:
            done[number] += contacts

        bulk.phases(job_id, databases[number]).lane(threading.Event(), count).drain()

    together(*(lambda number=number: work(number) for number in range(4)))

    assert sum(done) == 2000
    assert sum(map(bool, done)) > 1
    assert bulk.finish(job_id)["outcomes"]["enrolled"] == 2000


def test_a_lane_passes_over_the_batches_that_another_holds(
    bulk: Bulk, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(50)), batch_size=10)
    bulk.prepare(job_id)
    account = bulk.account.id
    with bulk.database.account(account) as first, bulk.database.account(account) as second:
        assert batches.claim(first, job_id, 2) == {1: 10, 2: 10}
        assert batches.claim(second, job_id, 2) == {3: 10, 4: 10}
    with bulk.database.account(account) as third:
        assert list(batches.claim(third, job_id, 9)) == [1, 2, 3, 4, 5]


def test_two_processes_running_one_job_are_one_job(bulk: Bulk, add_workflow: AddWorkflow) -> None:
    add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(2000)), batch_size=10)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, str(job_id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    for run in runs:
        _, trouble = run.communicate(timeout=60)
        assert run.returncode == 0, trouble

    job = bulk.verified(job_id)
    assert job["outcomes"]["enrolled"] == 2000
    assert job["status"] == "completed"


@pytest.mark.usefixtures("small_steps")
def test_two_jobs_over_the_same_contacts_enroll_each_once(
    bulk: Bulk, databases: list[Database], add_workflow: AddWorkflow
) -> None:
    workflow = add_workflow(bulk.account)
    people = bulk.crowd(600)
    orders = [people, people[::-1], people[300:] + people[:300]]
    jobs = [bulk.submit(manual(order), batch_size=10, add_tags=["x"]) for order in orders]

    together(
        *(
            lambda job=job, each=each: run_phases(bulk.phases(job, each), Impatient(bulk, job))
            for job, each in zip(jobs, databases, strict=False)
        )
    )

    documents = [bulk.verified(job) for job in jobs]
    assert sum(one["outcomes"]["enrolled"] for one in documents) == 600
    assert sum(one["outcomes"]["already_enrolled"] for one in documents) == 1200
    rows = bulk.query(
        "select contact_id from enrollment.enrollments where workflow_id = :id", id=workflow
    )
    assert sorted(row["contact_id"] for row in rows) == sorted(people)
    assert tags(bulk) == {("x",)}


@pytest.mark.usefixtures("small_steps")
def test_jobs_that_tag_the_same_contacts_do_not_wait_for_each_other(
    bulk: Bulk, databases: list[Database], add_workflow: AddWorkflow
) -> None:
    for number in range(3):
        add_workflow(bulk.account, f"w{number}")
    people = bulk.crowd(400)
    orders = [people, people[::-1], people[200:] + people[:200]]
    jobs = [
        bulk.submit(manual(order), f"w{number}", batch_size=10, add_tags=["all", f"w{number}"])
        for number, order in enumerate(orders)
    ]
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = bulk.query(deadlocks)

    together(
        *(
            lambda job=job, each=each: run_phases(bulk.phases(job, each))
            for job, each in zip(jobs, databases, strict=False)
        )
    )

    assert bulk.query(deadlocks) == before
    for job in jobs:
        assert bulk.verified(job)["outcomes"]["enrolled"] == 400
        assert {batch["attempts"] for batch in bulk.batches(job)} == {0}
    assert {tuple(sorted(one)) for one in tags(bulk)} == {("all", "w0", "w1", "w2")}


def tags(bulk: Bulk) -> set[tuple[str, ...]]:
    rows = bulk.query(
        "select tags from enrollment.contacts where account_id = :id", id=bulk.account.id
    )
    return {tuple(row["tags"]) for row in rows}


@pytest.mark.usefixtures("small_steps")
def test_accounts_do_not_meet(
    bulk: Bulk,
    databases: list[Database],
    make_account: Callable[..., Account],
    add_workflow: AddWorkflow,
) -> None:
    other = Bulk(bulk.database, bulk.settings, bulk.owner, make_account(), bulk.folder)
    sides = [bulk, other]
    jobs = []
    for side in sides:
        add_workflow(side.account)
        jobs.append(side.submit(side.csv("email\n" + "\n".join(emails(side, 200))), batch_size=10))

    together(
        *(
            lambda side=side, job=job, each=each: run_phases(side.phases(job, each))
            for side, job, each in zip(sides, jobs, databases, strict=False)
        )
    )

    for side, job in zip(sides, jobs, strict=True):
        assert side.verified(job)["outcomes"]["enrolled"] == 200
        owners = side.query(
            "select distinct c.account_id from enrollment.enrollments e "
            "join enrollment.contacts c on c.id = e.contact_id where e.source_id = :job",
            job=job,
        )
        assert [row["account_id"] for row in owners] == [side.account.id]


def emails(bulk: Bulk, count: int) -> list[str]:
    bulk.crowd(count)
    return [f"c{number}@example.com" for number in range(1, count + 1)]
