"""Following a job by what is announced with its commits."""

import statistics
import threading
import time

import pytest
from sqlalchemy import text

from enrollment_pipeline.enrollment.service import follow
from enrollment_pipeline.enrollment.store import jobs
from enrollment_pipeline.errors import JobNotFoundError
from enrollment_pipeline.work.announcing import CHANNEL
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, run_phases


@pytest.fixture
def account(bulk):
    """The account that `bulk` works in."""
    return bulk.account


def test_a_follower_sees_a_job_to_its_end(bulk, account, add_contacts, add_workflow):
    add_contacts(account, 30)
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY, batch_size=10)
    seen = []
    watching = threading.Event()

    def watch():
        for document in follow(bulk.database, bulk.settings, account, job_id):
            seen.append(document)
            watching.set()

    follower = threading.Thread(target=watch)
    follower.start()
    assert watching.wait(timeout=10)
    run_phases(bulk.phases(job_id))
    follower.join(timeout=20)

    assert not follower.is_alive()
    assert seen[0]["status"] == "pending"
    assert seen[-1]["status"] == "completed"
    assert seen[-1]["outcomes"]["enrolled"] == 30
    assert [one["progress"]["processed"] for one in seen] == sorted(
        one["progress"]["processed"] for one in seen
    )


def test_a_closed_job_is_told_once(bulk, account, add_contacts, add_workflow):
    add_contacts(account, 2)
    add_workflow(account)
    done = bulk.enroll(EVERYBODY)

    followed = follow(bulk.database, bulk.settings, account, done["job_id"])

    assert [document["status"] for document in followed] == ["completed"]


def test_a_job_of_another_account_is_not_found(bulk, make_account, account, add_workflow):
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY)

    with pytest.raises(JobNotFoundError):
        next(follow(bulk.database, bulk.settings, make_account(), job_id))


def test_silence_is_broken_to_look_again(bulk, owner, account, add_workflow):
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY)
    followed = follow(bulk.database, bulk.settings, account, job_id, every=0.1)
    assert next(followed)["status"] == "pending"
    # Changed without an announcement, as a worker that died leaves it.
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.enrollment_jobs set status = 'processing', "
                "heartbeat_at = now() - interval '10 minutes' where id = :job"
            ),
            {"job": job_id},
        )

    assert next(followed)["attention"].startswith("Nobody is working on this.")


def test_a_commit_is_heard_within_100_ms(bulk, account, add_workflow):
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY)
    committed, delays = [], []
    ready = threading.Event()

    def hear():
        for payload in bulk.database.listen(CHANNEL, every=5.0):
            if payload is None:
                ready.set()
            elif payload == str(job_id):
                delays.append(time.perf_counter() - committed[-1])
                if len(delays) == 200:
                    return

    listener = threading.Thread(target=hear)
    listener.start()
    assert ready.wait(timeout=10)
    for number in range(200):
        with bulk.database.account(account.id) as connection:
            jobs.change(connection, job_id, current_batch=number)
            committed.append(time.perf_counter())
        while len(delays) <= number and listener.is_alive():
            time.sleep(0.001)
    listener.join(timeout=10)

    assert len(delays) == 200
    assert statistics.quantiles(delays, n=20)[-1] < 0.1
