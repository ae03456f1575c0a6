"""Rolling back an import: contacts that it created go, unless somebody has enrolled them since."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert

from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.contact_presence import hold_contacts
from enrollment_pipeline_tests.bulk_operations.operations import Operations, counted

AddContacts = Callable[..., list[UUID]]
AddWorkflow = Callable[..., UUID]


def test_contacts_that_were_created_leave_no_trace(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 4)
    before = operations.digest()

    def act() -> None:
        add_contacts(account, 5, prefix="new")
        operations.change(people[1], "tags = '{imported}'")

    taken_back = operations.roll_back(operations.by_hand(act), most=2)
    assert operations.digest() == before
    assert counted(taken_back) == {"reversed": 6}


def created(
    operations: Operations, account: Account, add_contacts: AddContacts, number: int = 3
) -> tuple[OperationRecord, list[UUID]]:
    """An import that has created contacts, and these."""
    people: list[UUID] = []
    done = operations.by_hand(lambda: people.extend(add_contacts(account, number, prefix="new")))
    return done, people


def test_a_created_contact_that_was_enrolled_since_is_kept(
    operations: Operations,
    account: Account,
    add_contacts: AddContacts,
    add_workflow: AddWorkflow,
) -> None:
    welcome, news = add_workflow(account), add_workflow(account, "News")
    add_workflow(account, "Without anybody")
    done, people = created(operations, account, add_contacts)
    operations.enroll(people[0], welcome)
    operations.enroll(people[1], welcome)
    operations.enroll(people[1], news)
    operations.sql(
        "update enrollment.enrollments set status = 'completed', ended_at = now() "
        "where workflow_id = :news",
        news=news,
    )
    taken_back = operations.roll_back(done)
    assert counted(taken_back) == {"reversed": 1, "kept": 2}
    assert [(row["identifier"], row["reason"]) for row in operations.rows(taken_back)] == [
        (
            "new-00001@example.com",
            "was enrolled in the workflow 'Welcome' after the operation",
        ),
        (
            "new-00002@example.com",
            "was enrolled in the workflows 'News', 'Welcome' after the operation",
        ),
    ]
    assert set(operations.contacts()) == set(people[:2])


def test_with_cascade_its_enrollments_end_and_it_is_deleted(
    operations: Operations,
    account: Account,
    add_contacts: AddContacts,
    add_workflow: AddWorkflow,
) -> None:
    welcome, news = add_workflow(account), add_workflow(account, "News")
    (old,) = add_contacts(account, 1)
    operations.enroll(old, welcome)
    done, people = created(operations, account, add_contacts)
    for person in people[:2]:
        operations.enroll(person, welcome)
    operations.enroll(people[1], news)
    operations.sql(
        "update enrollment.enrollments set status = 'completed', ended_at = now() "
        "where workflow_id = :news",
        news=news,
    )
    taken_back = operations.roll_back(done, cascade=True)
    assert counted(taken_back) == {"reversed": 3}
    contacts = operations.contacts()
    assert set(contacts) == {old, *people[:2]}
    assert contacts[old]["deleted_at"] is None
    assert all(contacts[person]["deleted_at"] is not None for person in people[:2])
    found = operations.query(
        "select contact_id, workflow_id, status, ended_at is not null as ended "
        "from enrollment.enrollments where account_id = :account_id order by id"
    )
    assert [tuple(row.values()) for row in found] == [
        (old, welcome, "active", False),
        (people[0], welcome, "withdrawn", True),
        (people[1], welcome, "withdrawn", True),
        (people[1], news, "completed", True),
    ]


def test_a_created_contact_that_something_tells_of_is_deleted_and_keeps_its_row(
    operations: Operations,
    account: Account,
    add_contacts: AddContacts,
    add_workflow: AddWorkflow,
) -> None:
    done, people = created(operations, account, add_contacts, 4)
    operations.enroll(people[0], add_workflow(account))
    operations.sql(
        "update enrollment.enrollments set status = 'withdrawn', ended_at = now() "
        "where account_id = :account_id"
    )
    operations.sql(
        "insert into enrollment.contact_changes (account_id, contact_id, kind, source) "
        "values (:account_id, :id, 'tag_added', 'test')",
        id=people[1],
    )
    operations.sql(
        "insert into enrollment.trigger_evaluations (account_id, trigger_id, workflow_id, "
        "contact_id, result) values (:account_id, :id, :id, :id, 'filters')",
        id=people[2],
    )
    taken_back = operations.roll_back(done)
    assert counted(taken_back) == {"reversed": 4}
    contacts = operations.contacts()
    assert set(contacts) == set(people[:3])
    assert all(contact["deleted_at"] is not None for contact in contacts.values())


def test_of_a_created_contact_that_was_changed_since_nothing_is_told_from_before(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    done, people = created(operations, account, add_contacts, 1)
    operations.change(people[0], "status = 'unsubscribed'")
    (row,) = operations.rows(operations.roll_back(done))
    assert row["reason"] == "was changed after the operation"
    assert row["details"]["fields"] == [
        {"field": "status", "before": None, "after": "active", "now": "unsubscribed"}
    ]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """A thread beside the test."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_who_is_being_enrolled_is_waited_for_and_kept(
    operations: Operations,
    account: Account,
    add_contacts: AddContacts,
    add_workflow: AddWorkflow,
    pool: ThreadPoolExecutor,
) -> None:
    workflow = add_workflow(account)
    done, people = created(operations, account, add_contacts)
    with operations.database.account(account.id) as enrolling:
        hold_contacts(enrolling, account.id)
        enrolling.execute(
            insert(schema.enrollments).values(
                account_id=account.id,
                workflow_id=workflow,
                contact_id=people[1],
                current_step="start",
                source="test",
                source_id=uuid4(),
            )
        )
        taking_back = pool.submit(operations.roll_back, done)
        while not operations.query(
            "select 1 from pg_locks where locktype = 'advisory' and not granted"
        ):
            assert not taking_back.done(), taking_back.result()
    assert counted(taking_back.result()) == {"reversed": 2, "kept": 1}
    assert set(operations.contacts()) == {people[1]}
