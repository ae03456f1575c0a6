"""Lists of jobs and failures, page by page, and what other accounts see of them."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import (
    InvalidRequestError,
    JobNotFoundError,
    WorkflowNotFoundError,
)
from enrollment_pipeline_tests.enrollment.conftest import (
    EVERYBODY,
    Bulk,
    Document,
    MakeBulk,
    Trip,
    manual,
)

AddWorkflow = Callable[..., UUID]


def listed(bulk: Bulk, **wanted: object) -> list[str]:
    found = service.list_jobs(bulk.database, bulk.account, **wanted)  # type: ignore[arg-type]
    return [job["job_id"] for job in found["jobs"]]


@pytest.fixture
def jobs(bulk: Bulk, add_workflow: AddWorkflow) -> list[str]:
    """Seven jobs, newest first: five into Welcome, two into Other; the oldest is completed."""
    add_workflow(bulk.account)
    add_workflow(bulk.account, "Other")
    names = ["Welcome", "Other", "Welcome", "Welcome", "Other", "Welcome", "Welcome"]
    made = [bulk.submit(EVERYBODY, name) for name in names]
    bulk.finish(made[0])
    return [str(one) for one in reversed(made)]


def test_jobs_are_listed_newest_first(bulk: Bulk, jobs: list[str]) -> None:
    assert listed(bulk) == jobs


def test_pages_hold_every_job_once(bulk: Bulk, jobs: list[str]) -> None:
    pages = [
        service.list_jobs(bulk.database, bulk.account, limit=3, page=page) for page in (1, 2, 3, 4)
    ]
    assert [job["job_id"] for page in pages for job in page["jobs"]] == jobs
    assert [len(page["jobs"]) for page in pages] == [3, 3, 1, 0]
    assert [page["page"] for page in pages] == [1, 2, 3, 4]
    assert {page["total"] for page in pages} == {7}


def test_jobs_are_listed_by_status_and_workflow(bulk: Bulk, jobs: list[str]) -> None:
    assert listed(bulk, status="completed") == jobs[-1:]
    assert listed(bulk, status="pending") == jobs[:-1]
    assert listed(bulk, status="failed") == []
    assert listed(bulk, workflow="other") == [jobs[2], jobs[5]]
    assert listed(bulk, workflow="Welcome", status="pending") == [
        jobs[0],
        jobs[1],
        jobs[3],
        jobs[4],
    ]


def test_jobs_are_listed_by_the_way_they_came(bulk: Bulk, jobs: list[str]) -> None:
    bulk.sql(
        "update enrollment.enrollment_jobs set source = 'inbox' where id = any(:ids)",
        ids=[UUID(jobs[1]), UUID(jobs[6])],
    )

    assert listed(bulk, source="inbox") == [jobs[1], jobs[6]]
    assert listed(bulk, source="inbox", status="pending") == [jobs[1]]
    assert listed(bulk, source="test", workflow="Other") == [jobs[2], jobs[5]]
    assert listed(bulk, source="cli") == []


# In Santiago the day of 2027-09-05 begins at 01:00, because the clocks go forward at midnight.
CREATED = [
    "2027-09-06T12:00-03:00",
    "2027-09-05T23:59:59-03:00",
    "2027-09-05T01:00-03:00",
    "2027-09-04T23:59:59-04:00",
    "2027-09-04T00:00-04:00",
    "2027-09-03T23:59:59.999999-04:00",
]


@pytest.fixture
def dated(make_bulk: MakeBulk, add_workflow: AddWorkflow) -> Bulk:
    """Jobs of an account in Santiago, created at the times of `CREATED`."""
    bulk = make_bulk(timezone="America/Santiago")
    add_workflow(bulk.account)
    for created_at in CREATED:
        bulk.sql(
            "update enrollment.enrollment_jobs set created_at = :at where id = :job",
            at=created_at,
            job=bulk.submit(EVERYBODY),
        )
    return bulk


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (None, None, CREATED),
        ("2027-09-05", None, CREATED[:3]),
        (None, "2027-09-05", CREATED[1:]),
        ("2027-09-05", "2027-09-05", CREATED[1:3]),
        ("2027-09-04", "2027-09-04", CREATED[3:5]),
        ("20270904", "2027-W35-6", CREATED[3:5]),
        ("2027-09-05", "2027-09-04", []),
        # A time is in the account's zone too, and the end is left out.
        ("2027-09-04T23:59:59", "2027-09-05T23:59:59", CREATED[2:4]),
        ("2027-09-04T23:59:59", "2027-09-05T23:59:59.000001", CREATED[1:4]),
        # Unless it says otherwise.
        ("2027-09-05T04:00Z", "2027-09-06T02:59:59+00:00", CREATED[2:3]),
        ("2027-09-04T00:00-04:00", "2027-09-04T00:00:00.000001-04:00", CREATED[4:5]),
        ("0002-01-01", "9998-12-31", CREATED),
    ],
)
def test_jobs_are_listed_by_the_time_of_their_creation(
    dated: Bulk, since: str | None, until: str | None, found: list[str]
) -> None:
    answer = service.list_jobs(dated.database, dated.account, since=since, until=until)

    created = [datetime.fromisoformat(job["created_at"]) for job in answer["jobs"]]
    assert created == [datetime.fromisoformat(one) for one in found]
    assert answer["total"] == len(found)


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2027-02-30", "2027-01-05 25:00", "1 or 1=1", "9999-12-31T23:00-02:00"],
)
def test_what_is_no_time_is_refused_by_its_name(bulk: Bulk, name: str, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name}: '.*' is not a date or a time") as no:
        listed(bulk, **{name: text})
    assert "2027-01-05" in no.value.advice


def test_a_listed_job_is_the_described_job_without_its_files(bulk: Bulk, jobs: list[str]) -> None:
    document = service.list_jobs(bulk.database, bulk.account, status="completed")["jobs"][0]
    described = bulk.describe(UUID(jobs[-1]))
    del described["files"]
    assert document == described


def test_what_cannot_be_listed_is_refused(bulk: Bulk, jobs: list[str]) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        listed(bulk, status="done")
    assert "completed_with_errors" in refusal.value.advice
    with pytest.raises(WorkflowNotFoundError):
        listed(bulk, workflow="Nothing")
    for limit, page in ((0, 1), (20, 0), (-1, 1), (20, -3), (20, 10**18), (1, 2**63)):
        with pytest.raises(InvalidRequestError):
            listed(bulk, limit=limit, page=page)
        with pytest.raises(InvalidRequestError):
            service.list_failures(
                bulk.database, bulk.account, UUID(jobs[0]), limit=limit, page=page
            )


def test_failures_are_listed_page_by_page(
    bulk: Bulk, trip: Trip, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    ids = bulk.crowd(30)
    trip(ids[::3], "raise exception 'poison';")
    content = "\n".join(["email", *(f"C{number}@example.com" for number in range(1, 31))])
    job_id = bulk.submit(bulk.csv(content), batch_size=10)
    bulk.prepare(job_id)
    bulk.change_contacts(ids[1:3], "status = 'blocked'")
    bulk.finish(job_id)

    pages = [
        service.list_failures(bulk.database, bulk.account, job_id, limit=5, page=page)
        for page in (1, 2, 3, 4)
    ]
    failures: list[Document] = [one for page in pages for one in page["failures"]]
    assert [len(page["failures"]) for page in pages] == [5, 5, 2, 0]
    assert {page["total"] for page in pages} == {12}
    assert [page["page"] for page in pages] == [1, 2, 3, 4]
    assert {one["identifier"]: one["code"] for one in failures} == {
        **{f"C{number}@example.com": "ENROLLMENT_ERROR" for number in range(1, 31, 3)},
        "C2@example.com": "CONTACT_BLOCKED",
        "C3@example.com": "CONTACT_BLOCKED",
    }
    assert set(failures[0]) == {
        "contact_id",
        "identifier",
        "code",
        "message",
        "batch_number",
        "created_at",
    }
    assert failures == service.list_failures(bulk.database, bulk.account, job_id)["failures"]


def test_another_accounts_job_does_not_exist(
    bulk: Bulk, jobs: list[str], make_bulk: MakeBulk
) -> None:
    other = make_bulk()
    mine = UUID(jobs[-1])
    for job_id in (mine, uuid4()):
        for question in (
            lambda job_id: other.describe(job_id),
            lambda job_id: service.list_failures(other.database, other.account, job_id),
            lambda job_id: service.resume(other.database, other.account, job_id, actor="test"),
            lambda job_id: service.write_report(
                other.database, other.settings, other.account, job_id
            ),
        ):
            with pytest.raises(JobNotFoundError) as refusal:
                question(job_id)
            assert refusal.value.code == "JOB_NOT_FOUND"
    assert listed(other) == []
    assert bulk.describe(mine)["status"] == "completed"


def test_the_counts_of_a_listed_job_are_those_of_the_moment(
    bulk: Bulk, add_workflow: AddWorkflow
) -> None:
    add_workflow(bulk.account)
    ids = bulk.crowd(15)
    bulk.change_contacts(ids[:5], "status = 'blocked'")
    job_id = bulk.submit(manual([*ids, ids[0]]), batch_size=10)
    bulk.prepare(job_id)
    (document,) = service.list_jobs(bulk.database, bulk.account)["jobs"]
    assert document["outcomes"] == document["outcomes"] | {
        "skipped": 5,
        "duplicate": 1,
        "unprocessed": 10,
        "enrolled": 0,
    }
    assert document["reasons"] == {"CONTACT_BLOCKED": 5, "DUPLICATE": 1}
    assert document["progress"]["percent"] == 33.3
    assert document["progress"]["eta_seconds"] is None
