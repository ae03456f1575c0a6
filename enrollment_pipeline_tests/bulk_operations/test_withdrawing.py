"""Taking an enrollment job back: who waits at the first step is withdrawn, others are kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select, text

from enrollment_pipeline.errors import JobNotFoundError
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.facts import FACTS
from enrollment_pipeline_tests.bulk_operations.operations import Operations, counted
from enrollment_pipeline_tests.enrollment.conftest import Bulk, manual

AddContacts = Callable[..., list[UUID]]
AddWorkflow = Callable[..., UUID]
LITERALLY: dict[str, Any] = {"compile_kwargs": {"literal_binds": True}}


@pytest.fixture
def bulk(operations: Operations, tmp_path: Path) -> Bulk:
    """Bulk enrollment of the test's account."""
    return Bulk(
        operations.database, operations.settings, operations.owner, operations.account, tmp_path
    )


@pytest.fixture
def workflow(account: Account, add_workflow: AddWorkflow) -> UUID:
    """A workflow that takes a contact only once."""
    return add_workflow(account)


def enrolled(bulk: Bulk, people: list[UUID], **options: Any) -> UUID:
    """A job that has enrolled them."""
    job_id = bulk.submit(manual(people), **options)
    bulk.finish(job_id)
    return job_id


def enrollments(operations: Operations, job_id: UUID) -> dict[UUID, dict[str, Any]]:
    found = operations.query(
        "select * from enrollment.enrollments where source_id = :job", job=job_id
    )
    return {row["contact_id"]: row for row in found}


def move(operations: Operations, contact_id: UUID, values: str) -> None:
    operations.sql(
        f"update enrollment.enrollments set {values} where contact_id = :id", id=contact_id
    )


def test_who_waits_at_the_first_step_is_withdrawn_and_others_are_kept(
    operations: Operations, bulk: Bulk, workflow: UUID, add_contacts: AddContacts
) -> None:
    people = add_contacts(operations.account, 7)
    job_id = enrolled(bulk, people[:6])
    other = enrolled(bulk, people[6:])
    move(operations, people[1], "current_step = 'it''s next'")
    move(operations, people[2], "status = 'completed', ended_at = now(), current_step = 'end'")
    move(operations, people[3], "status = 'exited', ended_at = now()")
    move(operations, people[4], "status = 'withdrawn', ended_at = now()")
    before = enrollments(operations, job_id)
    done = operations.run("withdrawal", most=2, job_id=str(job_id))
    assert counted(done) == {"withdrawn": 2, "kept": 4}
    assert [(row["contact_id"], row["reason"]) for row in operations.rows(done)] == [
        (people[1], "has moved on to the step 'it''s next'"),
        (people[2], "has ended as completed, at the step 'end'"),
        (people[3], "has ended as exited, at the step 'start'"),
        (people[4], "was withdrawn before"),
    ]
    assert operations.rows(done)[0]["identifier"] == "contact-00002@example.com"
    after = enrollments(operations, job_id)
    for person in people[:6]:
        if person in (people[0], people[5]):
            assert (after[person]["status"], after[person]["ended_at"] is None) == (
                "withdrawn",
                False,
            )
            assert after[person] | {"status": "active", "ended_at": None} == before[person]
        else:
            assert after[person] == before[person]
    assert enrollments(operations, other)[people[6]]["status"] == "active"


def test_the_first_step_is_that_of_the_workflow_when_the_work_begins(
    operations: Operations, bulk: Bulk, workflow: UUID, add_contacts: AddContacts
) -> None:
    job_id = enrolled(bulk, add_contacts(operations.account, 2))
    with_steps = "update enrollment.workflows set config = config || cast(:steps as jsonb)"
    withdrawal = operations.submit("withdrawal", job_id=str(job_id))
    operations.prepare(withdrawal)
    operations.sql(with_steps, steps='{"steps": [{"id": "hello"}]}')
    assert not operations.piece(withdrawal, 1)
    operations.drain(withdrawal)
    assert counted(operations.close(withdrawal)) == {"withdrawn": 2}
    job_id = enrolled(bulk, add_contacts(operations.account, 1, prefix="late"))
    operations.sql(with_steps, steps='{"steps": [{"id": "other"}]}')
    done = operations.run("withdrawal", job_id=str(job_id))
    assert [row["reason"] for row in operations.rows(done)] == ["has moved on to the step 'hello'"]


@pytest.mark.parametrize("policy", ["never_twice", "after_exit", "always"])
def test_who_was_withdrawn_can_be_enrolled_again(
    operations: Operations,
    bulk: Bulk,
    add_workflow: AddWorkflow,
    add_contacts: AddContacts,
    policy: str,
) -> None:
    add_workflow(operations.account, reenrollment=policy)
    people = add_contacts(operations.account, 3)
    job_id = enrolled(bulk, people)
    move(operations, people[0], "current_step = 'next'")
    move(operations, people[1], "status = 'completed', ended_at = now()")
    operations.run("withdrawal", job_id=str(job_id))
    again = enrolled(bulk, people)
    expected = {people[2]} if policy == "never_twice" else {people[1], people[2]}
    assert set(enrollments(operations, again)) == expected
    # And be withdrawn again, beside the enrollment that was.
    assert operations.run("withdrawal", job_id=str(again)).counts["withdrawn"] == len(expected)
    assert set(enrollments(operations, enrolled(bulk, people))) == expected


def test_who_was_ever_enrolled_is_asked_by_one_probe_of_the_index(
    operations: Operations, workflow: UUID
) -> None:
    asked = select(schema.contacts.c.id, FACTS["enrolled_ever"](schema.contacts, workflow))
    statement = str(asked.compile(create_engine("postgresql+psycopg://"), **LITERALLY))
    with operations.owner.connect() as connection:
        # Whatever the tables hold, and the statistics say of it.
        connection.execute(text("set local enable_seqscan = off"))
        plan = "\n".join(connection.scalars(text(f"explain {statement}")))
    probe = plan[plan.index("SubPlan") :]
    assert "enrollments_one_active" in probe
    condition = next(line for line in probe.splitlines() if "Index Cond" in line)
    assert all(name in condition for name in ("account_id", "workflow_id", "contact_id"))
    assert "Filter: (status <> 'withdrawn'::text)" in probe


def test_tags_that_the_job_has_added_stay(
    operations: Operations, bulk: Bulk, workflow: UUID, add_contacts: AddContacts
) -> None:
    people = add_contacts(operations.account, 2)
    job_id = enrolled(bulk, people, add_tags=["welcomed"])
    before = operations.digest()
    operations.run("withdrawal", job_id=str(job_id))
    assert operations.digest() == before
    assert all(contact["tags"] == ["welcomed"] for contact in operations.contacts().values())


def test_a_contact_that_is_gone_is_withdrawn_all_the_same(
    operations: Operations, bulk: Bulk, workflow: UUID, add_contacts: AddContacts
) -> None:
    people = add_contacts(operations.account, 2)
    job_id = enrolled(bulk, people)
    move(operations, people[1], "current_step = 'next'")
    operations.sql("delete from enrollment.contacts where account_id = :account_id")
    done = operations.run("withdrawal", job_id=str(job_id))
    assert counted(done) == {"withdrawn": 1, "kept": 1}
    assert [row["identifier"] for row in operations.rows(done)] == [str(people[1])]


def test_a_row_that_the_database_refuses_is_errored_alone(
    operations: Operations, bulk: Bulk, workflow: UUID, add_contacts: AddContacts
) -> None:
    people = add_contacts(operations.account, 12)
    job_id = enrolled(bulk, people)
    operations.sql(
        f"alter table enrollment.enrollments add constraint poisoned "
        f"check (contact_id <> '{people[6]}' or ended_at is null)"
    )
    try:
        done = operations.run("withdrawal", most=10, job_id=str(job_id))
    finally:
        operations.sql("alter table enrollment.enrollments drop constraint poisoned")
    assert counted(done) == {"withdrawn": 11, "errored": 1}
    (row,) = operations.rows(done)
    assert (row["contact_id"], row["identifier"]) == (people[6], "contact-00007@example.com")
    assert row["reason"].startswith("was refused by the database: ")


def test_a_piece_that_is_lost_is_done_again_and_once(
    operations: Operations, bulk: Bulk, workflow: UUID, add_contacts: AddContacts
) -> None:
    job_id = enrolled(bulk, add_contacts(operations.account, 10))
    withdrawal = operations.submit("withdrawal", job_id=str(job_id))
    operations.prepare(withdrawal)
    operations.piece(withdrawal, 4)
    with pytest.raises(RuntimeError), operations.lost():
        operations.piece(withdrawal, 4)
    operations.drain(withdrawal, 3)
    assert counted(operations.close(withdrawal)) == {"withdrawn": 10}


def test_a_job_that_enrolled_nobody_has_nothing_to_withdraw(
    operations: Operations, bulk: Bulk, workflow: UUID
) -> None:
    job_id = enrolled(bulk, [uuid4()])
    done = operations.run("withdrawal", job_id=str(job_id))
    assert (done.total, counted(done)) == (0, {})


def test_the_job_of_another_account_is_not_found(
    operations: Operations,
    bulk: Bulk,
    workflow: UUID,
    add_contacts: AddContacts,
    make_account: Callable[..., Account],
) -> None:
    job_id = enrolled(bulk, add_contacts(operations.account, 1))
    operations.account = make_account()
    with pytest.raises(JobNotFoundError):
        operations.run("withdrawal", job_id=str(job_id))
    assert [row["status"] for row in enrollments(operations, job_id).values()] == ["active"]


MOVES = {
    "waits": None,
    "moved": "current_step = 'next'",
    "completed": "status = 'completed', ended_at = now()",
    "withdrawn": "status = 'withdrawn', ended_at = now()",
}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.sampled_from(list(MOVES)), min_size=1, max_size=8), most=st.integers(1, 4))
def test_withdrawn_and_kept_add_up(
    operations: Operations,
    workflow: UUID,
    add_contacts: AddContacts,
    bulk: Bulk,
    moves: list[str],
    most: int,
) -> None:
    people = add_contacts(operations.account, len(moves), prefix=uuid4().hex)
    job_id = enrolled(bulk, people)
    for person, what in zip(people, moves, strict=True):
        if MOVES[what]:
            move(operations, person, MOVES[what])
    done = operations.run("withdrawal", most=most, job_id=str(job_id))
    waiting = moves.count("waits")
    assert done.total == len(moves)
    assert (done.counts.get("withdrawn", 0), done.counts.get("kept", 0)) == (
        waiting,
        len(moves) - waiting,
    )
    active = {one for one, row in enrollments(operations, job_id).items() if not row["ended_at"]}
    assert active == {one for one, what in zip(people, moves, strict=True) if what == "moved"}
