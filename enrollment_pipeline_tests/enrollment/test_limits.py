"""The most contacts of a job: the limit itself is accepted, one more is refused."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import RefusedError, TooManyContactsError
from enrollment_pipeline_tests.enrollment.conftest import EVERYBODY, Bulk, MakeBulk, manual


@pytest.fixture
def crowd(bulk: Bulk, add_workflow: Callable[..., UUID]) -> list[UUID]:
    """10,001 contacts."""
    add_workflow(bulk.account)
    return bulk.crowd(10_001)


def emails(count: int) -> str:
    return "\n".join(["email", *(f"c{number}@example.com" for number in range(1, count + 1))])


def jobs_of(bulk: Bulk) -> list[dict[str, Any]]:
    return list(service.list_jobs(bulk.database, bulk.account)["jobs"])


def refused_select(bulk: Bulk, job_id: UUID) -> RefusedError:
    with pytest.raises(RefusedError) as refusal:
        bulk.phases(job_id).select()
    job = bulk.describe(job_id)
    assert job["status"] == "failed"
    assert job["completed_at"] is not None
    assert job["error"] == refusal.value.as_dict()
    assert sum(job["outcomes"].values()) == job["input_rows"] == 0
    assert not bulk.rows(job_id)
    assert not bulk.query("select 1 from enrollment.kept_inputs where work_id = :job", job=job_id)
    return refusal.value


def assert_names_found_and_limit(refusal: RefusedError) -> None:
    assert refusal.code == "TOO_MANY_CONTACTS"
    assert refusal.message == "The selection holds 10,001 contacts; the limit of a job is 10,000."
    assert refusal.details == {"found": 10_001, "limit": 10_000}


def test_10_000_contacts_by_id_are_accepted_and_10_001_create_nothing(
    bulk: Bulk, crowd: list[UUID]
) -> None:
    with pytest.raises(TooManyContactsError) as refusal:
        bulk.submit(manual(crowd))
    assert_names_found_and_limit(refusal.value)
    assert jobs_of(bulk) == []

    # Duplicates are folded before counting, however they are written.
    again = [str(crowd[0]).upper(), f"{{{crowd[1]}}}", crowd[2].hex, f" {crowd[3]} ", crowd[4]]
    job = bulk.enroll(manual([*crowd[:10_000], *again]), batch_size=500)
    assert job["outcomes"]["enrolled"] == 10_000
    assert job["outcomes"]["duplicate"] == 5
    assert job["total_batches"] == 20


def test_10_000_contacts_of_a_file_are_accepted_and_10_001_refused(
    bulk: Bulk, crowd: list[UUID]
) -> None:
    refusal = refused_select(bulk, bulk.submit(bulk.csv(emails(10_001))))
    assert_names_found_and_limit(refusal)

    # Neither duplicates nor unmatched nor rejected rows are contacts.
    outside = "\nC1@EXAMPLE.COM\nnobody@example.com\n\n"
    job = bulk.enroll(bulk.csv(emails(10_000) + outside))
    assert job["total_contacts"] == job["outcomes"]["enrolled"] == 10_000
    assert job["total_batches"] == 100
    assert job["outcomes"]["duplicate"] == job["outcomes"]["unmatched"] == 1


def test_10_000_contacts_of_a_filter_are_accepted_and_10_001_refused(
    bulk: Bulk, crowd: list[UUID]
) -> None:
    assert_names_found_and_limit(refused_select(bulk, bulk.submit(EVERYBODY)))

    bulk.change_contacts(crowd[:1], "deleted_at = now()")
    assert bulk.enroll(EVERYBODY)["outcomes"]["enrolled"] == 10_000


def test_a_preview_is_refused_like_the_job(bulk: Bulk, crowd: list[UUID]) -> None:
    for selection in (manual(crowd), bulk.csv(emails(10_001)), EVERYBODY):
        with pytest.raises(TooManyContactsError) as refusal:
            bulk.preview(selection)
        assert_names_found_and_limit(refusal.value)
    assert jobs_of(bulk) == []


def test_the_limit_is_a_setting_of_the_account(
    make_bulk: MakeBulk, add_contacts: Callable[..., list[UUID]], add_workflow: Callable[..., UUID]
) -> None:
    bulk = make_bulk(max_contacts_per_job=3)
    add_workflow(bulk.account)
    ids = add_contacts(bulk.account, 4)

    with pytest.raises(TooManyContactsError, match="holds 4 contacts; the limit of a job is 3"):
        bulk.submit(manual(ids))
    assert bulk.enroll(manual(ids[:3]))["outcomes"]["enrolled"] == 3


def test_unknown_ids_count_as_contacts_and_what_is_no_id_does_not(
    make_bulk: MakeBulk, add_workflow: Callable[..., UUID]
) -> None:
    bulk = make_bulk(max_contacts_per_job=3)
    add_workflow(bulk.account)

    with pytest.raises(TooManyContactsError):
        bulk.submit(manual(uuid4() for _ in range(4)))
    job = bulk.enroll(manual([*(uuid4() for _ in range(3)), "x", "y"]))
    assert job["total_contacts"] == job["outcomes"]["skipped"] == 3
    assert job["outcomes"]["rejected"] == 2
