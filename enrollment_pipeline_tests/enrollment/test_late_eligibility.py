"""What changes between the check and the enrollment: nobody is enrolled on old knowledge."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.engine import LaneEnd
from enrollment_pipeline.errors import InvalidStateError, JobIncompleteError, WorkflowInactiveError
from enrollment_pipeline_tests.enrollment.conftest import Bulk, manual, run_phases

AddContacts = Callable[..., list[UUID]]
AddWorkflow = Callable[..., UUID]


@pytest.mark.parametrize(
    ("change", "code", "outcome"),
    [
        ("status = 'unsubscribed'", "CONTACT_BLOCKED", "skipped"),
        ("status = 'blocked'", "CONTACT_BLOCKED", "skipped"),
        ("status = 'bounced'", "CONTACT_BLOCKED", "skipped"),
        ("deleted_at = now()", "CONTACT_NOT_FOUND", "skipped"),
        ("email = null", "VALIDATION_ERROR", "skipped"),
    ],
)
def test_who_became_ineligible_meanwhile_is_recorded_and_not_enrolled(
    bulk: Bulk,
    add_contacts: AddContacts,
    add_workflow: AddWorkflow,
    change: str,
    code: str,
    outcome: str,
) -> None:
    add_workflow(bulk.account, required_fields=["email"])
    ids = add_contacts(bulk.account, 25)
    job_id = bulk.submit(manual(ids), batch_size=10)
    bulk.prepare(job_id)
    bulk.change_contacts([ids[14]], change)
    job = bulk.finish(job_id)

    assert job["status"] == "completed"
    assert job["outcomes"]["enrolled"] == 24
    assert job["outcomes"][outcome] == 1
    assert job["reasons"] == {code: 1}
    (failure,) = bulk.failures(job_id)
    assert failure["contact_id"] == failure["identifier"] == str(ids[14])
    assert (failure["code"], failure["batch_number"]) == (code, 2)
    assert failure["message"].startswith(f"{code}: ")
    assert bulk.rows(job_id)[14]["batch_number"] == 2
    assert bulk.enrolled_by(job_id) == {*ids} - {ids[14]}


def test_who_was_enrolled_elsewhere_meanwhile_is_already_enrolled(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    workflow = add_workflow(bulk.account)
    ids = add_contacts(bulk.account, 12)
    job_id = bulk.submit(manual(ids), batch_size=10)
    bulk.prepare(job_id)
    bulk.enroll_before(workflow, [ids[0], ids[11]])
    job = bulk.finish(job_id)

    assert job["outcomes"]["already_enrolled"] == 2
    assert job["outcomes"]["enrolled"] == 10
    assert [(one["code"], one["batch_number"]) for one in bulk.failures(job_id)] == [
        ("ALREADY_ENROLLED", 1),
        ("ALREADY_ENROLLED", 2),
    ]


def test_who_became_eligible_meanwhile_stays_out(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    ids = add_contacts(bulk.account, 2, status="unsubscribed")
    job_id = bulk.submit(manual(ids))
    bulk.prepare(job_id)
    bulk.change_contacts(ids, "status = 'active'")
    assert bulk.finish(job_id)["outcomes"]["skipped"] == 2


def test_a_workflow_paused_while_the_job_runs_pauses_the_job(
    bulk: Bulk, add_workflow: AddWorkflow
) -> None:
    workflow = add_workflow(bulk.account)
    job_id = bulk.submit(manual(bulk.crowd(6000)), batch_size=500)
    phases = bulk.prepare(job_id)

    lane = phases.lane(
        threading.Event(), on_contacts=lambda _: bulk.set_workflow(workflow, "paused")
    )
    assert lane.drain() is LaneEnd.PAUSED

    job = bulk.describe(job_id)
    assert job["status"] == "paused"
    assert job["error"]["code"] == "WORKFLOW_INACTIVE"
    assert job["completed_at"] is None
    assert job["outcomes"]["enrolled"] == 5000
    assert job["outcomes"]["unprocessed"] == 1000
    with pytest.raises(InvalidStateError, match="The workflow became paused"):
        phases.close_lanes()
    with pytest.raises(InvalidStateError):
        phases.open_lanes()
    with pytest.raises(JobIncompleteError):
        phases.report()
    with pytest.raises(WorkflowInactiveError):
        service.resume(bulk.database, bulk.account, job_id, actor="test")
    assert bulk.describe(job_id)["status"] == "paused"

    bulk.set_workflow(workflow, "active")
    service.resume(bulk.database, bulk.account, job_id, actor="test")
    assert bulk.describe(job_id)["status"] == "queued"
    assert bulk.describe(job_id)["error"] is None
    job = bulk.finish(job_id)
    assert job["status"] == "completed"
    assert job["outcomes"]["enrolled"] == 6000


@pytest.mark.parametrize("status", ["draft", "paused", "archived"])
def test_an_inactive_workflow_is_refused_and_creates_nothing(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow, status: str
) -> None:
    add_workflow(bulk.account, status=status)
    ids = add_contacts(bulk.account, 1)
    for way in (bulk.submit, bulk.preview):
        with pytest.raises(WorkflowInactiveError, match=f"'Welcome' is {status}"):
            way(manual(ids))
    assert service.list_jobs(bulk.database, bulk.account)["total"] == 0


def test_a_workflow_paused_before_the_job_begins_fails_it(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    workflow = add_workflow(bulk.account)
    job_id = bulk.submit(manual(add_contacts(bulk.account, 1)))
    bulk.set_workflow(workflow, "paused")
    with pytest.raises(WorkflowInactiveError):
        run_phases(bulk.phases(job_id))
    job = bulk.describe(job_id)
    assert job["status"] == "failed"
    assert job["error"]["code"] == "WORKFLOW_INACTIVE"
