"""Every input row ends as exactly one of nine outcomes, and the counts add up."""

from collections.abc import Callable
from uuid import UUID, uuid4

from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, manual

AddContacts = Callable[..., list[UUID]]
AddWorkflow = Callable[..., UUID]


def test_950_known_and_50_unknown_addresses_are_950_contacts_and_50_unmatched(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    add_contacts(bulk.account, 950)
    known = [f"contact-{number:05}@example.com" for number in range(1, 951)]
    unknown = [f"nobody-{number}@example.com" for number in range(50)]

    job = bulk.enroll(bulk.csv("\n".join(["Email", *known, *unknown])))

    assert job["status"] == "completed"
    assert job["input_rows"] == 1000
    assert job["total_contacts"] == 950
    assert job["total_batches"] == 10
    assert job["outcomes"]["enrolled"] == 950
    assert job["outcomes"]["unmatched"] == 50
    assert job["reasons"] == {"UNMATCHED": 50}
    assert job["progress"]["percent"] == 100.0
    assert job["progress"]["current_batch"] == 10


def test_one_file_can_hold_every_outcome_of_a_selection(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    workflow = add_workflow(bulk.account)
    ids = add_contacts(bulk.account, 3, "ann")
    blocked = add_contacts(bulk.account, 1, "blocked", status="blocked")
    bulk.enroll_before(workflow, ids[2:])

    job_id = bulk.submit(
        bulk.csv(
            "email,name\n"
            "ann-00001@example.com,Ann\n"
            "ann-00002@example.com,Bea\n"
            "ann-00003@example.com,Cleo\n"
            "ANN-00001@example.com,Ann\n"
            "blocked-00001@example.com,Dora\n"
            "nobody@example.com,Eve\n"
            ",Fay\n"
            "short\n"
        )
    )
    job = bulk.finish(job_id)

    assert bulk.outcome_of(job_id) == {
        "ann-00001@example.com": ["enrolled"],
        "ann-00002@example.com": ["enrolled"],
        "ann-00003@example.com": ["already_enrolled ALREADY_ENROLLED"],
        "ANN-00001@example.com": ["duplicate DUPLICATE"],
        "blocked-00001@example.com": ["skipped CONTACT_BLOCKED"],
        "nobody@example.com": ["unmatched UNMATCHED"],
        ",Fay": ["rejected REJECTED"],
        "short": ["rejected REJECTED"],
    }
    assert job["outcomes"] == {
        "enrolled": 2,
        "already_enrolled": 1,
        "skipped": 1,
        "failed": 0,
        "duplicate": 1,
        "unmatched": 1,
        "rejected": 2,
        "cancelled": 0,
        "unprocessed": 0,
    }
    assert job["total_contacts"] == 4
    assert job["progress"] == job["progress"] | {
        "job_id": str(job_id),
        "status": "completed",
        "total": 4,
        "processed": 4,
        "success": 2,
        "skipped": 2,
        "failed": 0,
        "percent": 100.0,
        "eta_seconds": 0,
    }
    assert bulk.enrolled_by(job_id) == set(ids[:2])
    assert not bulk.query(
        "select 1 from enrollment.enrollments where contact_id = any(:ids)", ids=blocked
    )


def test_skipped_contacts_are_no_errors(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    ids = add_contacts(bulk.account, 3, status="blocked")

    job = bulk.enroll(manual([*ids, uuid4()]))

    assert job["status"] == "completed"
    assert job["outcomes"]["skipped"] == 4
    assert job["reasons"] == {"CONTACT_BLOCKED": 3, "CONTACT_NOT_FOUND": 1}
    assert job["total_batches"] == 0


def test_an_empty_selection_completes_and_says_so(bulk: Bulk, add_workflow: AddWorkflow) -> None:
    add_workflow(bulk.account)
    for selection in (EVERYBODY, manual([]), bulk.csv("email\n")):
        job = bulk.enroll(selection)
        assert job["status"] == "completed"
        assert (job["input_rows"], job["total_contacts"], job["total_batches"]) == (0, 0, 0)
        assert job["progress"]["percent"] == 100.0
        assert job["attention"] == "The selection holds no contacts, so there was nobody to enroll."


def test_rows_of_a_cancelled_job_that_were_not_reached_are_cancelled(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    ids = add_contacts(bulk.account, 25)
    job_id = bulk.submit(manual([*ids, ids[0]]), batch_size=10)
    bulk.prepare(job_id)
    bulk.sql(
        "update enrollment.enrollment_batches set status = 'cancelled' where job_id = :job",
        job=job_id,
    )
    bulk.sql(
        "update enrollment.enrollment_jobs set status = 'cancelled' where id = :job", job=job_id
    )

    told = [row["outcome"] for row in bulk.rows(job_id)]

    assert told == ["cancelled"] * 25 + ["duplicate"]
    assert not bulk.enrolled_by(job_id)


def test_before_a_job_has_begun_its_rows_are_unprocessed(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    ids = add_contacts(bulk.account, 3)
    job_id = bulk.submit(manual([*ids, uuid4()]))
    bulk.phases(job_id).select()

    job = bulk.describe(job_id)

    assert job["status"] == "validating"
    assert job["outcomes"]["unprocessed"] == 4 == sum(job["outcomes"].values())
    bulk.phases(job_id).validate()
    assert bulk.describe(job_id)["outcomes"] == {
        **job["outcomes"],
        "skipped": 1,
        "unprocessed": 3,
    }
    assert [row["outcome"] for row in bulk.rows(job_id)] == ["unprocessed"] * 3 + ["skipped"]


def test_every_contact_starts_at_the_first_step_of_the_workflow(
    bulk: Bulk, add_contacts: AddContacts, add_workflow: AddWorkflow
) -> None:
    workflow = add_workflow(bulk.account)
    bulk.sql(
        "update enrollment.workflows set config = cast(:config as jsonb) where id = :id",
        id=workflow,
        config='{"steps": [{"id": "hello"}, {"id": "bye"}]}',
    )
    job_id = bulk.submit(manual(add_contacts(bulk.account, 2)))
    bulk.finish(job_id)

    rows = bulk.query("select * from enrollment.enrollments where source_id = :job", job=job_id)
    assert {(row["current_step"], row["status"], row["source"]) for row in rows} == {
        ("hello", "active", "bulk_enrollment")
    }
    assert {row["workflow_id"] for row in rows} == {workflow}
