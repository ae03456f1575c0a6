"""Deleting a selection: contacts keep their rows, and are contacts to nobody."""

from collections.abc import Callable
from uuid import UUID

from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.bulk_operations.operations import (
    EVERYBODY,
    Operations,
    counted,
    ids,
)

AddContacts = Callable[..., list[UUID]]


def test_deleted_contacts_keep_everything_but_that_they_are_there(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 5, tags=["a"], custom_fields={"x": 1})
    before = operations.contacts()
    done = operations.run("delete", most=2, selection=ids(people[:3]))
    assert counted(done) == {"deleted": 3}
    for person, contact in operations.contacts().items():
        was = before[person]
        if person in people[:3]:
            assert contact["deleted_at"] == contact["updated_at"] > was["updated_at"]
            was |= {name: contact[name] for name in ("deleted_at", "updated_at")}
        assert contact == was


def test_every_deletion_has_its_images(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 3)
    images = operations.changes(operations.run("delete", selection=ids(people)))
    assert [row["contact_id"] for row in images] == people
    for row in images:
        assert row["before"]["deleted_at"] is None
        assert row["after"]["deleted_at"] is not None
        assert {**row["after"], "deleted_at": None, "updated_at": None} == {
            **row["before"],
            "updated_at": None,
        }


def test_who_is_deleted_already_is_unmatched(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 3)
    operations.run("delete", selection=ids(people[:1]))
    before = operations.contacts()[people[0]]
    operation_id = operations.submit("delete", selection=ids(people))
    operations.prepare(operation_id)
    operations.sql("update enrollment.contacts set deleted_at = now() where id = :id", id=people[1])
    operations.drain(operation_id)
    done = operations.close(operation_id)
    assert counted(done) == {"deleted": 1, "unmatched": 2}
    assert [row["reason"] for row in operations.rows(done)] == [
        "names no contact of this account",
        "names a contact that was deleted meanwhile",
    ]
    assert operations.contacts()[people[0]] == before


def test_the_address_of_a_deleted_contact_is_free(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    add_contacts(account, 2)
    operations.run("delete", selection=EVERYBODY)
    assert len(add_contacts(account, 2)) == 2


def test_another_account_is_never_touched(
    operations: Operations, make_account: Callable[..., Account], add_contacts: AddContacts
) -> None:
    other = make_account()
    strangers = add_contacts(other, 2)
    own = add_contacts(operations.account, 2)
    done = operations.run("delete", selection=ids([*strangers, *own]))
    assert counted(done) == {"deleted": 2, "unmatched": 2}
    found = operations.query(
        "select deleted_at from enrollment.contacts where account_id = :other", other=other.id
    )
    assert found == [{"deleted_at": None}] * 2
