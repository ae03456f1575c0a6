"""Trying again what failed: which contacts, and when not."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import InvalidStateError, NothingToRetryError
from enrollment_pipeline_tests.enrollment.conftest import Bulk, Impatient, Trip, manual

AddWorkflow = Callable[..., UUID]
POISON = "raise exception 'poison';"


@pytest.fixture(autouse=True)
def workflow(bulk: Bulk, add_workflow: AddWorkflow) -> UUID:
    """The workflow that the jobs of the test enroll into."""
    return add_workflow(bulk.account)


def test_what_failed_is_tried_again_as_a_new_job(bulk: Bulk, trip: Trip, workflow: UUID) -> None:
    people = bulk.crowd(30)
    bulk.change_contacts(people[20:22], "status = 'blocked'")
    trip(people[:5], f"if stumbled <= 60 then {POISON} end if;")
    first = bulk.enroll(manual(people), batch_size=10, add_tags=["spring"], max_failure_share=1)
    assert (first["outcomes"]["enrolled"], first["outcomes"]["failed"]) == (23, 5)
    bulk.sql("select setval(c.oid, 1000) from pg_class c where relname like 'trip%'")

    job_id = service.retry(
        bulk.database, bulk.account, UUID(first["job_id"]), everything=False, actor="ann"
    )

    second = bulk.finish(job_id)
    assert second["retry_of"] == first["job_id"]
    assert (second["source"], second["requested_by"]) == ("retry", "ann")
    assert second["outcomes"]["enrolled"] == second["input_rows"] == 5
    assert bulk.enrolled_by(job_id) == set(people[:5])
    tagged = bulk.query("select tags from enrollment.contacts where id = :id", id=people[0])
    assert tagged[0]["tags"] == ["spring"]
    assert bulk.audit(UUID(first["job_id"]))[-1] == ("ann", "job.retry")


def test_contacts_of_a_batch_that_was_given_up_are_tried_again(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(20)
    trip([people[3]], "if stumbled <= 50 then raise deadlock_detected; end if;")
    job_id = bulk.submit(manual(people), batch_size=10)
    bulk.prepare(job_id)
    bulk.phases(job_id).lane(Impatient(bulk, job_id)).drain()
    first = bulk.finish(job_id)
    assert (first["outcomes"]["enrolled"], first["outcomes"]["unprocessed"]) == (10, 10)
    bulk.sql("select setval(c.oid, 1000) from pg_class c where relname like 'trip%'")

    again = service.retry(bulk.database, bulk.account, job_id, everything=False, actor="ann")
    assert bulk.finish(again)["outcomes"]["enrolled"] == 10


def test_with_all_also_what_no_later_attempt_is_likely_to_mend(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(10)
    trip(people[:2], POISON)
    job = bulk.enroll(manual(people))
    job_id = UUID(job["job_id"])
    bulk.sql(
        "update enrollment.enrollment_failures set code = 'TARGET_REFUSED' "
        "where job_id = :job and contact_id = :contact",
        job=job_id,
        contact=people[0],
    )

    def retried(everything: bool) -> set[str]:
        made = service.retry(
            bulk.database, bulk.account, job_id, everything=everything, actor="ann"
        )
        rows = bulk.finish(made)["input_rows"]
        return {str(row["contact_id"]) for row in bulk.rows(made)} if rows else set()

    assert retried(False) == {str(people[1])}
    assert retried(True) == {str(people[0]), str(people[1])}


def test_a_job_without_failures_refuses_to_be_retried(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(5)
    bulk.change_contacts(people[:2], "status = 'blocked'")
    job_id = bulk.submit(manual(people))

    def retry(everything: bool = False) -> UUID:
        return service.retry(
            bulk.database, bulk.account, job_id, everything=everything, actor="ann"
        )

    with pytest.raises(InvalidStateError, match="pending"):
        retry()
    bulk.finish(job_id)
    for everything in (False, True):
        with pytest.raises(NothingToRetryError):
            retry(everything)
    assert len(service.list_jobs(bulk.database, bulk.account)["jobs"]) == 1


def test_two_retries_of_a_job_are_not_open_at_once(bulk: Bulk, trip: Trip) -> None:
    people = bulk.crowd(5)
    trip(people[:2], POISON)
    job_id = UUID(bulk.enroll(manual(people))["job_id"])
    made, refused = [], []

    def retry() -> None:
        try:
            made.append(
                service.retry(bulk.database, bulk.account, job_id, everything=False, actor="ann")
            )
        except InvalidStateError as error:
            refused.append(error)

    threads = [threading.Thread(target=retry) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 3)
    assert str(made[0]) in str(refused[0])
