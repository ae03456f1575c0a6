"""Cancelling a job, before, while and after it works."""

import threading
import time

import pytest
from sqlalchemy import text

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.claims import enroll_claimed
from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.enrollment.phases import lane_work
from enrollment_pipeline.enrollment.store import batches
from enrollment_pipeline.errors import InvalidStateError, JobNotFoundError
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, run_phases


@pytest.fixture
def account(bulk):
    """The account that `bulk` works in."""
    return bulk.account


def cancel(bulk, job_id):
    service.cancel(bulk.database, bulk.settings, bulk.account, job_id, actor="test")
    return bulk.verified(job_id)


def enroll_first(bulk, job_id, number):
    """Complete the first `number` batches of a prepared job."""
    work = lane_work(bulk.phases(job_id).job(), bulk.account, bulk.settings)
    with bulk.database.account(bulk.account.id) as connection:
        numbers = batches.claim(connection, job_id, number)
        enroll_claimed(connection, work, numbers)


def test_with_3_of_10_batches_done_their_work_stays_and_the_rest_is_cancelled(
    bulk, account, add_contacts, add_workflow
):
    add_contacts(account, 100)
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY, batch_size=10)
    bulk.prepare(job_id)
    enroll_first(bulk, job_id, 3)

    document = cancel(bulk, job_id)

    assert document["status"] == "cancelled"
    assert document["outcomes"]["enrolled"] == 30
    assert document["outcomes"]["cancelled"] == 70
    assert document["files"]["unprocessed"]
    with bulk.database.account(account.id) as connection:
        states = connection.execute(
            text(
                "select status, count(*) from enrollment.enrollment_batches "
                "where job_id = :job group by status order by status"
            ),
            {"job": job_id},
        ).all()
    assert [tuple(row) for row in states] == [("cancelled", 7), ("completed", 3)]


@pytest.mark.parametrize("phase", ["pending", "select", "validate", "partition", "open_lanes"])
def test_a_job_can_be_cancelled_in_every_open_state(
    phase, bulk, account, add_contacts, add_workflow
):
    add_contacts(account, 30)
    add_contacts(account, 5, prefix="gone", status="unsubscribed")
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY)
    phases = bulk.phases(job_id)
    for step in ("select", "validate", "partition", "open_lanes"):
        if phase == "pending":
            break
        getattr(phases, step)()
        if step == phase:
            break

    document = cancel(bulk, job_id)

    assert document["status"] == "cancelled"
    assert document["outcomes"]["enrolled"] == 0
    # A run that begins or goes on afterwards changes nothing.
    run_phases(phases)
    assert bulk.verified(job_id) == document


def test_a_cancelled_job_keeps_nothing_of_its_file(bulk, owner, account, add_workflow):
    add_workflow(account)
    job_id = bulk.submit(bulk.csv("email\na@example.com\n"))

    cancel(bulk, job_id)

    with owner.connect() as connection:
        kept = connection.scalar(
            text("select count(*) from enrollment.kept_inputs where work_id = :job"),
            {"job": job_id},
        )
    assert kept == 0


def test_a_closed_job_refuses_with_its_state(bulk, account, add_contacts, add_workflow):
    add_contacts(account, 3)
    add_workflow(account)
    done = bulk.enroll(EVERYBODY)

    with pytest.raises(InvalidStateError, match="The job is completed"):
        service.cancel(bulk.database, bulk.settings, bulk.account, done["job_id"], actor="test")


def test_nobody_cancels_the_job_of_another_account(bulk, make_account, account, add_workflow):
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY)

    with pytest.raises(JobNotFoundError):
        service.cancel(bulk.database, bulk.settings, make_account(), job_id, actor="test")

    assert bulk.describe(job_id)["status"] == "pending"


def test_a_claim_in_progress_is_waited_for_and_kept(bulk, account, add_contacts, add_workflow):
    add_contacts(account, 100)
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY, batch_size=10)
    bulk.prepare(job_id)
    work = lane_work(bulk.phases(job_id).job(), bulk.account, bulk.settings)
    cancelled = threading.Thread(target=cancel, args=(bulk, job_id))

    with bulk.database.account(account.id) as connection:
        numbers = batches.claim(connection, job_id, 4)
        cancelled.start()
        time.sleep(0.3)
        assert cancelled.is_alive()
        enroll_claimed(connection, work, numbers)
    cancelled.join(timeout=10)

    assert not cancelled.is_alive()
    document = bulk.verified(job_id)
    assert document["outcomes"]["enrolled"] == 40
    assert document["outcomes"]["cancelled"] == 60


def test_lanes_at_work_stop_within_a_moment(bulk, owner, account, add_contacts, add_workflow):
    # Two transactions of a lane.
    add_contacts(account, 9_000)
    add_workflow(account)
    job_id = bulk.submit(EVERYBODY, batch_size=500)
    phases = bulk.prepare(job_id)
    ends = []
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "create function enrollment.take_a_second() returns trigger language plpgsql as "
            "$$ begin perform pg_sleep(0.5); return null; end $$;"
            "create trigger take_a_second before insert on enrollment.enrollments "
            "for each statement execute function enrollment.take_a_second()"
        )
    try:
        lane = phases.lane(threading.Event())
        worker = threading.Thread(target=lambda: ends.append(lane.drain()))
        worker.start()
        time.sleep(0.2)
        begun = time.monotonic()
        document = cancel(bulk, job_id)
        worker.join(timeout=10)
        seconds = time.monotonic() - begun
    finally:
        with owner.begin() as connection:
            connection.exec_driver_sql(
                "drop trigger take_a_second on enrollment.enrollments;"
                "drop function enrollment.take_a_second()"
            )

    assert seconds < 5
    assert ends[0] in (LaneEnd.STOPPED, LaneEnd.DONE)
    assert document["outcomes"]["enrolled"] == 5_000
    assert document["outcomes"]["cancelled"] == 4_000


def test_a_job_that_was_cancelled_before_it_began_does_not_say_that_there_was_nobody(
    bulk, account, add_contacts, add_workflow
):
    add_contacts(account, 3)
    add_workflow(account)
    document = cancel(bulk, bulk.submit(EVERYBODY))
    assert document["attention"].startswith("The job was cancelled before it was known")
