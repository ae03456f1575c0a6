"""A contact that the database refuses: only it fails, wherever it stands."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline_tests.enrollment.conftest import Bulk, Document, Trip, manual

POISON = "raise exception 'this contact is poison';"


@pytest.fixture
def people(bulk: Bulk, add_workflow: Callable[..., UUID]) -> list[UUID]:
    """55 contacts of an account with an active workflow."""
    add_workflow(bulk.account)
    return bulk.crowd(55)


def told(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, int]]:
    return [(one["contact_id"], one["code"], one["message"], one["batch_number"]) for one in rows]


@pytest.mark.parametrize(
    "places",
    [[0], [9], [10], [54], [27], [3, 47], [20, 21, 22], list(range(30, 40)), [0, 54]],
    ids=lambda places: ",".join(map(str, places)),
)
def test_only_the_poison_contacts_fail(
    bulk: Bulk, people: list[UUID], trip: Trip, places: list[int]
) -> None:
    poison = [people[place] for place in places]
    trip(poison, POISON)
    job_id = bulk.submit(manual(people), batch_size=10)
    job = bulk.finish(job_id)

    assert job["status"] == "completed_with_errors"
    assert job["outcomes"]["enrolled"] == 55 - len(places)
    assert job["outcomes"]["failed"] == len(places)
    assert job["reasons"] == {"ENROLLMENT_ERROR": len(places)}
    assert bulk.enrolled_by(job_id) == {*people} - {*poison}
    assert sorted(told(bulk.failures(job_id))) == sorted(
        (str(people[place]), "ENROLLMENT_ERROR", "this contact is poison", place // 10 + 1)
        for place in places
    )
    assert {batch["status"] for batch in bulk.batches(job_id)} == {"completed"}
    assert {batch["attempts"] for batch in bulk.batches(job_id)} == {0}
    assert job["progress"]["percent"] == 100.0
    assert job["progress"]["failed"] == len(places)


def test_when_every_contact_is_poison_the_job_fails(
    bulk: Bulk, people: list[UUID], trip: Trip
) -> None:
    trip(people[:12], POISON)
    job = bulk.enroll(manual(people[:12]), batch_size=10)
    assert job["status"] == "failed"
    assert job["outcomes"]["failed"] == 12


def test_poison_late_refusals_and_exclusions_add_up(
    bulk: Bulk, people: list[UUID], trip: Trip
) -> None:
    trip([people[5], people[33]], POISON)
    bulk.change_contacts([people[1]], "status = 'blocked'")
    job_id = bulk.submit(manual([*people, people[0]]), batch_size=10)
    bulk.prepare(job_id)
    bulk.change_contacts([people[5], people[6]], "status = 'unsubscribed'")
    job = bulk.finish(job_id)

    assert {name: number for name, number in job["outcomes"].items() if number} == {
        "enrolled": 51,
        "skipped": 3,
        "failed": 1,
        "duplicate": 1,
    }


def test_a_preview_finds_the_same_poison(bulk: Bulk, people: list[UUID], trip: Trip) -> None:
    trip([people[4], people[44]], POISON)
    preview = bulk.preview(manual(people), batch_size=10)
    job = bulk.enroll(manual(people), batch_size=10)

    def found(document: Document) -> Document:
        return {key: document[key] for key in ("status", "outcomes", "reasons", "total_batches")}

    assert found(preview) == found(job)
    assert {row["contact_id"] for row in preview["samples"]["failed"]} == {
        str(people[4]),
        str(people[44]),
    }
    assert all(preview["checks"].values())


def test_poison_in_what_follows_an_enrollment_fails_only_that_contact(
    bulk: Bulk, people: list[UUID]
) -> None:
    # Not the enrollment itself stumbles here, but the tag that belongs to it.
    bulk.sql(
        "create function enrollment.no_tags() returns trigger language plpgsql as $$ begin "
        f"if new.contact_id = '{people[13]}' then raise exception 'no tags here'; end if; "
        "return new; end $$"
    )
    bulk.sql(
        "create trigger no_tags before insert on enrollment.contact_changes for each row "
        "execute function enrollment.no_tags()"
    )
    try:
        job_id = bulk.submit(manual(people), batch_size=10, add_tags=["new"])
        job = bulk.finish(job_id)
    finally:
        bulk.sql("drop trigger no_tags on enrollment.contact_changes")
        bulk.sql("drop function enrollment.no_tags()")

    assert job["outcomes"]["enrolled"] == 54
    assert told(bulk.failures(job_id)) == [(str(people[13]), "ENROLLMENT_ERROR", "no tags here", 2)]
    tagged = bulk.query(
        "select id from enrollment.contacts where account_id = :account and tags = '{new}'",
        account=bulk.account.id,
    )
    assert {row["id"] for row in tagged} == {*people} - {people[13]}


def test_two_lanes_find_the_same_poison_once(bulk: Bulk, people: list[UUID], trip: Trip) -> None:
    trip([people[7], people[51]], POISON)
    job_id = bulk.submit(manual(people), batch_size=10)
    phases = bulk.prepare(job_id)
    threads = [threading.Thread(target=phases.lane(threading.Event()).drain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job = bulk.finish(job_id)
    assert job["outcomes"]["failed"] == 2
    assert job["outcomes"]["enrolled"] == 53
