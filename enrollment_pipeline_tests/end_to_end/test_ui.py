"""What a team does in the Dagster UI, through the same GraphQL calls."""

import os
import signal
import time
from uuid import UUID

import psutil
import pytest
from sqlalchemy import text

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.runs.liveness import PROCESS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EVERYBODY = {"type": "filter", "filter": {}}
FORM = {"workflow": "Welcome", "selection": {"filter": {"filter": {}}}, "requested_by": "the form"}


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def job_of(database, settings):
    """Describe a job."""

    def describe(account, job_id):
        return service.describe(database, settings, account, UUID(job_id))

    return describe


@pytest.fixture
def submit(database):
    """Submit a request for everybody; return the job's id."""

    def make(account, runner="queue", **options):
        request = parse_request(
            {
                "workflow": "Welcome",
                "selection": EVERYBODY,
                "options": {"batch_size": 10, **options},
            }
        )
        job_id, _ = service.submit(database, account, request, source="test", runner=runner)
        return str(job_id)

    return make


def launch_form(ui, account):
    config = {"account": account.name, **FORM}
    ui.launch("submit_enrollment", {"ops": {"create_enrollment_job": {"config": config}}})


def newest_job(database, account):
    jobs = service.list_jobs(database, account)["jobs"]
    return jobs[0] if jobs else None


def statuses(ui, job_id):
    return [run["status"] for run in ui.runs_of(job_id)]


def at_work(job_of, account, job_id, least):
    """Wait until so many contacts are enrolled, and some are not."""

    def look():
        job = job_of(account, job_id)
        assert job["completed_at"] is None, job
        return job["outcomes"]["enrolled"] >= least

    wait_for(look)


def test_a_job_launched_from_the_form_runs_to_its_report_and_can_be_run_again(
    ui, database, account, add_contacts, add_workflow, job_of
):
    add_contacts(account, 30)
    add_workflow(account)

    launch_form(ui, account)

    job = wait_for(lambda: (job := newest_job(database, account)) and job["completed_at"] and job)
    assert job["status"] == "completed"
    assert job["requested_by"] == "the form"
    assert job["outcomes"]["enrolled"] == job["input_rows"] == 30
    wait_for(lambda: statuses(ui, job["job_id"]) == ["SUCCESS"])
    (run,) = ui.runs_of(job["job_id"])
    assert [one["processed"] for one in ui.observations(job["job_id"])][-1:] == [30]

    ui.reexecute(run["runId"], "ALL_STEPS")

    wait_for(lambda: statuses(ui, job["job_id"]) == ["SUCCESS", "SUCCESS"])
    assert job_of(account, job["job_id"])["outcomes"] == job["outcomes"]


def test_terminate_ends_the_job_and_keeps_what_is_done(
    ui, make_account, add_contacts, add_workflow, submit, job_of
):
    account = make_account(burst_per_second=10)
    add_contacts(account, 400)
    add_workflow(account)
    job_id = submit(account)
    at_work(job_of, account, job_id, 20)
    (run,) = ui.runs_of(job_id)

    asked = time.monotonic()
    ui.terminate(run["runId"])
    wait_for(lambda: job_of(account, job_id)["status"] == "cancelled", seconds=10)
    took = time.monotonic() - asked

    assert took < 5
    wait_for(lambda: statuses(ui, job_id) == ["CANCELED"], seconds=20)
    job = job_of(account, job_id)
    assert job["outcomes"]["enrolled"] >= 20
    assert job["outcomes"]["cancelled"] == 400 - job["outcomes"]["enrolled"]
    assert job["files"]["unprocessed"]


def test_a_run_that_is_terminated_by_force_ends_its_job_too(
    ui, make_account, add_contacts, add_workflow, submit, job_of
):
    account = make_account(burst_per_second=10)
    add_contacts(account, 400)
    add_workflow(account)
    job_id = submit(account)
    at_work(job_of, account, job_id, 10)

    ui.terminate(ui.runs_of(job_id)[0]["runId"], "MARK_AS_CANCELED_IMMEDIATELY")

    wait_for(lambda: job_of(account, job_id)["status"] == "cancelled", seconds=30)


def test_cancelling_the_job_ends_its_run(
    ui, database, settings, make_account, add_contacts, add_workflow, submit, job_of
):
    account = make_account(burst_per_second=10)
    add_contacts(account, 400)
    add_workflow(account)
    job_id = submit(account)
    at_work(job_of, account, job_id, 10)

    service.cancel(database, settings, account, UUID(job_id), actor="test")

    assert job_of(account, job_id)["status"] == "cancelled"
    wait_for(lambda: statuses(ui, job_id) == ["CANCELED"], seconds=30)


def test_a_failed_run_is_re_executed_from_its_failure(
    ui, database, settings, account, add_contacts, add_workflow, submit, job_of
):
    add_contacts(account, 30)
    add_workflow(account)
    in_the_way = settings.reports / str(account.id)
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("no folder")
    job_id = submit(account, runner="caller", notify={"emails": ["ops@example.com"]})
    ui.launch_partition(job_id)
    wait_for(lambda: statuses(ui, job_id) == ["FAILURE"])
    assert job_of(account, job_id)["status"] == "processing"
    told = wait_for(lambda: notifications.list_deliveries(database, account)["notifications"])
    assert [one["event"] for one in told] == ["run_failed"]
    in_the_way.unlink()

    ui.reexecute(ui.runs_of(job_id)[0]["runId"], "FROM_FAILURE")

    wait_for(lambda: statuses(ui, job_id) == ["SUCCESS", "FAILURE"])
    job = job_of(account, job_id)
    assert (job["status"], job["outcomes"]["enrolled"]) == ("completed", 30)
    assert job["error"] is None


def test_a_backfill_runs_two_jobs(ui, account, add_contacts, add_workflow, submit, job_of):
    add_contacts(account, 25)
    add_workflow(account)
    add_workflow(account, "Other")
    jobs = [submit(account, runner="caller") for _ in range(2)]

    ui.backfill(jobs)

    for job_id in jobs:
        wait_for(lambda job_id=job_id: job_of(account, job_id)["completed_at"], seconds=180)
    outcomes = [job_of(account, job_id)["outcomes"] for job_id in jobs]
    assert sorted(one["enrolled"] for one in outcomes) == [0, 25]
    assert sorted(one["already_enrolled"] for one in outcomes) == [0, 25]


def test_a_killed_worker_is_followed_by_another_without_anybodys_help(
    ui, make_account, add_contacts, add_workflow, submit, job_of, owner
):
    account = make_account(burst_per_second=40)
    add_contacts(account, 400)
    add_workflow(account)
    job_id = submit(account)
    at_work(job_of, account, job_id, 40)
    worker = wait_for(lambda: ui.tags_of(ui.runs_of(job_id)[0]["runId"]).get(PROCESS))

    os.kill(int(worker.partition("@")[0]), signal.SIGKILL)

    wait_for(lambda: job_of(account, job_id)["completed_at"], seconds=180)
    job = job_of(account, job_id)
    assert (job["status"], job["outcomes"]["enrolled"]) == ("completed", 400)
    wait_for(lambda: len(statuses(ui, job_id)) == 2)
    with owner.connect() as connection:
        rows = connection.execute(
            text(
                "select count(*), count(distinct contact_id) from enrollment.enrollments "
                "where source_id = :job"
            ),
            {"job": job_id},
        ).one()
    assert tuple(rows) == (400, 400)
    assert not psutil.pid_exists(int(worker.partition("@")[0]))
