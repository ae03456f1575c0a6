"""What a team does in the Dagster UI, through the same GraphQL calls."""

import time

import pytest

from enrollment_pipeline.enrollment import service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def wait_for(what, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError("it did not happen in time")


def closed_job(database, settings, account):
    """Return the account's newest job once it is closed."""

    def look():
        jobs = service.list_jobs(database, account)["jobs"]
        return jobs[0] if jobs and jobs[0]["completed_at"] else None

    return wait_for(look)


def test_a_job_launched_from_the_form_runs_to_its_report(
    ui, database, settings, account, add_contacts, add_workflow
):
    add_contacts(account, 30)
    add_workflow(account)

    ui.launch(
        "submit_enrollment",
        {
            "ops": {
                "create_enrollment_job": {
                    "config": {
                        "account": account.name,
                        "workflow": "Welcome",
                        "selection": {"filter": {"filter": {}}},
                        "requested_by": "the form",
                    }
                }
            }
        },
    )

    job = closed_job(database, settings, account)
    assert job["status"] == "completed"
    assert job["requested_by"] == "the form"
    assert job["outcomes"]["enrolled"] == job["input_rows"] == 30
    (run,) = wait_for(
        lambda: [run for run in ui.runs_of(job["job_id"]) if run["status"] == "SUCCESS"]
    )

    again = ui.ask(
        """
        mutation($params: ReexecutionParams) { launchRunReexecution(reexecutionParams: $params) {
          __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
        """,
        params={"parentRunId": run["runId"], "strategy": "ALL_STEPS"},
    )["launchRunReexecution"]
    assert again["__typename"] == "LaunchRunSuccess", again
    wait_for(lambda: [r["status"] for r in ui.runs_of(job["job_id"])] == ["SUCCESS", "SUCCESS"])
    after = service.describe(database, settings, account, job["job_id"])
    assert after["outcomes"] == job["outcomes"]
