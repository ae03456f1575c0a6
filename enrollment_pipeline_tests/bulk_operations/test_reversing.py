"""Rolling back: what nobody has changed is as it was in every column, and all else is kept."""

from collections.abc import Callable
from uuid import UUID

import pytest

from enrollment_pipeline.errors import InvalidStateError, NotReversibleError
from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.bulk_operations.operations import (
    EVERYBODY,
    Document,
    Operations,
    counted,
    ids,
)

AddContacts = Callable[..., list[UUID]]
AddWorkflow = Callable[..., UUID]

CHANGES: Document = {
    "set": {"first_name": "X", "birthday": None, "custom_fields.plan": "new", "phone": "+1"},
    "add_tags": ["z"],
    "remove_tags": ["a"],
    "status": "unsubscribed",
}


def crowd(operations: Operations, number: int) -> None:
    """Contacts of all kinds: with gaps, JSON of any shape, times of any precision, deleted ones."""
    operations.sql(
        """
        insert into enrollment.contacts (account_id, email, first_name, last_name, phone, status,
          tags, custom_fields, birthday, timezone, source, created_at, updated_at, deleted_at)
        select :account_id, case when n % 11 <> 0 then 'Person-' || n || '@Example.com' end,
          case n % 3 when 0 then 'Zoë "quoted" \\ ' || n when 1 then '' end, 'Last', '+49' || n,
          (array['active', 'unsubscribed', 'blocked', 'bounced'])[1 + n % 4],
          case n % 4 when 0 then array['a', null, 'b,c', '"'] when 1 then array['z', 'a']
            else '{}' end,
          case n % 5 when 0 then '{"n": 1.50, "big": 12345678901234567890.123456789, "x": null}'
            when 1 then jsonb_build_object('plan', 'old', 'list', jsonb_build_array(n, true))
            else '{}' end,
          case n % 7 when 0 then null when 1 then date '0044-03-15 BC'
            else date '1900-01-01' + n end,
          'Europe/Berlin', 'test',
          timestamptz '2001-02-03 04:05:06.789012+05:30' + n * interval '1 s',
          case n % 6 when 0 then timestamptz 'infinity' else now() - n * interval '1 us' end,
          case n % 13 when 0 then now() end
        from generate_series(1, :number) n
        """,
        number=number,
    )


@pytest.mark.parametrize("number", [2_000, pytest.param(100_000, marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize(
    ("type_", "fields"), [("update", {"changes": CHANGES}), ("delete", {})], ids=str
)
def test_every_column_of_every_contact_is_what_it_was(
    operations: Operations, number: int, type_: str, fields: Document
) -> None:
    crowd(operations, number)
    before = operations.digest()
    most = number // 3
    done = operations.run(type_, most=most, selection=EVERYBODY, **fields)
    assert operations.digest() != before
    taken_back = operations.roll_back(done, most=most)
    assert operations.digest() == before
    changed = done.counts.get("updated", 0) + done.counts.get("deleted", 0)
    assert taken_back.total == changed > number // 2
    assert counted(taken_back) == {"reversed": changed}
    assert operations.changes(taken_back) == []


def test_what_somebody_has_changed_since_is_kept_and_told_field_by_field(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(
        account, 3, first_name="Ann", tags=["a"], custom_fields={"plan": "gold", "seats": 1}
    )
    done = operations.run("update", selection=ids(people), changes=CHANGES)
    operations.change(
        people[1],
        "first_name = 'Bea', last_name = 'Lee', tags = '{}', "
        'custom_fields = \'{"plan": "new", "seats": 2}\'',
    )
    before = operations.contacts()[people[1]]
    taken_back = operations.roll_back(done)
    assert counted(taken_back) == {"reversed": 2, "kept": 1}
    assert operations.contacts()[people[1]] == before
    (row,) = operations.rows(taken_back)
    assert (row["position"], row["contact_id"]) == (2, people[1])
    assert row["identifier"] == "contact-00002@example.com"
    assert row["reason"] == "was changed after the operation"
    told = [
        tuple(field[name] for name in ("field", "before", "after", "now"))
        for field in row["details"]["fields"]
    ]
    assert told == [
        ("first_name", "Ann", "X", "Bea"),
        ("last_name", None, None, "Lee"),
        ("tags", ["a"], ["z"], []),
        ("custom_fields.seats", 1, 1, 2),
    ]


def test_what_was_changed_and_changed_back_is_reversed(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 2)
    before = operations.digest()
    done = operations.run("update", selection=EVERYBODY, changes={"set": {"first_name": "X"}})
    operations.change(people[0], "first_name = 'Bea'")
    operations.change(people[0], "first_name = 'X'")
    assert counted(operations.roll_back(done)) == {"reversed": 2}
    assert operations.digest() == before


def test_what_somebody_has_taken_back_already_counts_as_reversed(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 2)
    done = operations.run("update", selection=EVERYBODY, changes={"set": {"first_name": "X"}})
    operations.change(people[0], "first_name = null")
    left = operations.contacts()[people[0]]
    assert counted(operations.roll_back(done)) == {"reversed": 2}
    assert operations.contacts()[people[0]] == left


def test_a_rollback_that_was_cut_off_is_followed_by_another(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    add_contacts(account, 4)
    before = operations.digest()

    def act() -> None:
        add_contacts(account, 3, prefix="new")
        operations.sql(
            "update enrollment.contacts set phone = '+1' where account_id = :account_id "
            "and email like 'contact-%'"
        )

    done = operations.by_hand(act)
    first = operations.submit("rollback", operation_id=str(done.id))
    operations.prepare(first)
    assert not operations.piece(first, 5)
    operations.sql(
        "update enrollment.bulk_operations set status = 'cancelled', completed_at = now() "
        "where id = :id",
        id=first,
    )
    assert counted(operations.roll_back(done)) == {"reversed": 7}
    assert operations.digest() == before


def test_a_piece_that_is_lost_is_done_again_and_once(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 10)
    before = operations.digest()
    done = operations.run("update", selection=EVERYBODY, changes=CHANGES)
    operations.change(people[4], "first_name = 'Bea'")
    rollback = operations.submit("rollback", operation_id=str(done.id))
    operations.prepare(rollback)
    operations.piece(rollback, 4)
    with pytest.raises(RuntimeError), operations.lost():
        operations.piece(rollback, 4)
    operations.drain(rollback, 3)
    assert counted(operations.close(rollback)) == {"reversed": 9, "kept": 1}
    operations.sql("delete from enrollment.contacts where id = :id", id=people[4])
    assert operations.digest() != before


def test_who_was_deleted_since_is_kept_and_who_is_gone_is_errored(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 3)
    done = operations.run("update", selection=ids(people), changes=CHANGES)
    operations.run("delete", selection=ids(people[:1]))
    operations.sql("delete from enrollment.contacts where id = :id", id=people[1])
    taken_back = operations.roll_back(done)
    assert counted(taken_back) == {"reversed": 1, "kept": 1, "errored": 1}
    deleted, gone = operations.rows(taken_back)
    assert deleted["reason"] == "was deleted after the operation"
    assert [field["field"] for field in deleted["details"]["fields"]] == ["deleted_at"]
    assert gone["reason"] == "names a contact that is no longer there"
    assert gone["identifier"] == "contact-00002@example.com"


def test_an_address_that_another_contact_has_now_keeps_only_that_row_back(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 5)
    done = operations.run("delete", selection=EVERYBODY)
    operations.sql(
        "insert into enrollment.contacts (account_id, email) "
        "values (:account_id, 'CONTACT-00003@example.com')"
    )
    taken_back = operations.roll_back(done)
    assert counted(taken_back) == {"reversed": 4, "errored": 1}
    (row,) = operations.rows(taken_back)
    assert (row["position"], row["contact_id"]) == (3, people[2])
    assert row["reason"] == "cannot have its former e-mail address, which another contact has"
    living = {one for one, row in operations.contacts().items() if row["deleted_at"] is None}
    assert set(people) - living == {people[2]}


def test_addresses_that_were_handed_on_go_back_the_same_way(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 4)
    before = operations.digest()

    def act() -> None:
        for number in (1, 2, 3, 4):
            operations.change(people[number - 1], f"email = 'contact-0000{number - 1}@example.com'")

    taken_back = operations.roll_back(operations.by_hand(act, order=people))
    assert counted(taken_back) == {"reversed": 4}
    assert operations.digest() == before


def test_a_restored_row_that_the_database_refuses_is_errored_alone(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 12)
    done = operations.run("update", selection=ids(people), changes=CHANGES)
    operations.sql(
        "update enrollment.bulk_operation_changes "
        "set before = jsonb_set(before, '{status}', '\"none\"') "
        "where operation_id = :id and position = 5",
        id=done.id,
    )
    taken_back = operations.roll_back(done, most=10)
    assert counted(taken_back) == {"reversed": 11, "errored": 1}
    (row,) = operations.rows(taken_back)
    assert (row["position"], row["contact_id"]) == (5, people[4])
    assert row["reason"].startswith("was refused by the database: ")


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("status = 'processing', completed_at = null", InvalidStateError),
        ("status = 'rolled_back'", InvalidStateError),
        ("status = 'partially_rolled_back'", InvalidStateError),
        ("images_removed_at = now()", NotReversibleError),
    ],
)
def test_what_can_no_longer_be_rolled_back_is_refused(
    operations: Operations,
    account: Account,
    add_contacts: AddContacts,
    state: str,
    error: type[Exception],
) -> None:
    add_contacts(account, 2)
    done = operations.run("update", selection=EVERYBODY, changes=CHANGES)
    operations.sql(f"update enrollment.bulk_operations set {state} where id = :id", id=done.id)
    before = operations.digest()
    rollback = operations.submit("rollback", operation_id=str(done.id))
    with pytest.raises(error):
        operations.prepare(rollback)
    assert operations.digest() == before


def test_an_operation_that_changed_nothing_is_rolled_back_at_once(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    add_contacts(account, 2)
    done = operations.run("update", selection=EVERYBODY, changes={"remove_tags": ["none"]})
    taken_back = operations.roll_back(done)
    assert (taken_back.total, counted(taken_back)) == (0, {})
