"""Updating a selection: what changes, what stays, and what is written down of either."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.bulk_operations.operations import (
    EVERYBODY,
    Operations,
    counted,
    ids,
)

AddContacts = Callable[..., list[UUID]]

FILLED: dict[str, Any] = {
    "first_name": "Ann",
    "last_name": "Lee",
    "phone": "+49301",
    "birthday": date(1990, 1, 2),
    "timezone": "Europe/Berlin",
    "tags": ["a", "b", "c"],
    "custom_fields": {"plan": "gold", "seats": 3, "a.b": [1]},
    "source": "test",
}


@pytest.fixture
def ann(account: Account, add_contacts: AddContacts) -> UUID:
    """A contact that has something in every field."""
    return add_contacts(account, 1, **FILLED)[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"set": {"first_name": "Bea"}}, {"first_name": "Bea"}),
        ({"set": {"last_name": None, "phone": None}}, {"last_name": None, "phone": None}),
        ({"set": {"birthday": "1991-12-03"}}, {"birthday": date(1991, 12, 3)}),
        ({"set": {"birthday": "19911203"}}, {"birthday": date(1991, 12, 3)}),
        ({"set": {"birthday": None}}, {"birthday": None}),
        ({"set": {"timezone": "America/Lima"}}, {"timezone": "America/Lima"}),
        (
            {"set": {"custom_fields.plan": "silver", "custom_fields.new": True}},
            {"custom_fields": {"plan": "silver", "seats": 3, "a.b": [1], "new": True}},
        ),
        (
            {"set": {"custom_fields.a.b": 2.5, "custom_fields.seats": None}},
            {"custom_fields": {"plan": "gold", "a.b": 2.5}},
        ),
        ({"set": {"custom_fields.plan": "%s :x {y} ' \\"}}, {"plan": "%s :x {y} ' \\"}),
        ({"add_tags": ["z", "b", "y"]}, {"tags": ["a", "b", "c", "z", "y"]}),
        ({"remove_tags": ["b", "none"]}, {"tags": ["a", "c"]}),
        ({"add_tags": ["d"], "remove_tags": ["a"]}, {"tags": ["b", "c", "d"]}),
        ({"status": "unsubscribed"}, {"status": "unsubscribed"}),
    ],
)
def test_what_is_asked_for_changes_and_nothing_else(
    operations: Operations, ann: UUID, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = operations.contacts()[ann]
    done = operations.run("update", selection=ids([ann]), changes=changes)
    after = operations.contacts()[ann]
    if "plan" in expected:
        expected = {"custom_fields": {**before["custom_fields"], **expected}}
    generated = {"birthday_key", "updated_at"}
    changed = {name for name in before if before[name] != after[name]} - generated
    assert changed == set(expected)
    assert {name: after[name] for name in expected} == expected
    assert after["updated_at"] > before["updated_at"]
    assert counted(done) == {"updated": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"set": {"first_name": "Ann", "birthday": "19900102", "custom_fields.seats": 3}},
        {"set": {"custom_fields.none": None}},
        {"add_tags": ["c", "a"]},
        {"remove_tags": ["z"]},
        {"status": "active"},
    ],
)
def test_a_contact_that_is_so_already_is_not_touched(
    operations: Operations, ann: UUID, changes: dict[str, Any]
) -> None:
    before = operations.digest()
    done = operations.run("update", selection=ids([ann]), changes=changes)
    assert operations.digest() == before
    assert counted(done) == {"unchanged": 1}
    assert operations.changes(done) == []


def test_every_change_has_its_images_at_the_place_of_its_row(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 5)
    operations.sql("update enrollment.contacts set first_name = 'X' where id = :id", id=people[2])
    done = operations.run(
        "update", most=2, selection=ids(people), changes={"set": {"first_name": "X"}}
    )
    images = operations.changes(done)
    assert [(row["position"], row["contact_id"]) for row in images] == [
        (number, people[number - 1]) for number in (1, 2, 4, 5)
    ]
    contacts = operations.contacts()
    for row in images:
        assert row["before"]["first_name"] is None
        assert row["after"]["first_name"] == "X"
        assert row["after"]["email"] == contacts[row["contact_id"]]["email"]
        assert row["before"].keys() == row["after"].keys()
    assert counted(done) == {"updated": 4, "unchanged": 1}


LOOSE_TO_STRICT = ("active", "unsubscribed", "bounced", "blocked")


@pytest.mark.parametrize("now", LOOSE_TO_STRICT)
@pytest.mark.parametrize("wanted", LOOSE_TO_STRICT)
@pytest.mark.parametrize("allowed", [False, True])
def test_consent_only_tightens_unless_allowed(
    operations: Operations,
    account: Account,
    add_contacts: AddContacts,
    now: str,
    wanted: str,
    allowed: bool,
) -> None:
    (person,) = add_contacts(account, 1, status=now)
    operations.run(
        "update",
        selection=ids([person]),
        changes={"status": wanted, "add_tags": ["seen"]},
        allow_resubscribe=allowed,
    )
    contact = operations.contacts()[person]
    looser = LOOSE_TO_STRICT.index(wanted) < LOOSE_TO_STRICT.index(now)
    assert contact["status"] == (now if looser and not allowed else wanted)
    # Its other changes are made all the same.
    assert contact["tags"] == ["seen"]


def test_rows_that_name_nobody_or_somebody_twice_say_so(
    operations: Operations,
    account: Account,
    make_account: Callable[..., Account],
    add_contacts: AddContacts,
) -> None:
    ann, bea = add_contacts(account, 2)
    (stranger,) = add_contacts(make_account(), 1)
    (gone,) = add_contacts(account, 1, prefix="gone")
    operations.sql("update enrollment.contacts set deleted_at = now() where id = :id", id=gone)
    named = [ann, stranger, gone, ann, uuid4(), "rubbish", bea]
    done = operations.run(
        "update", most=1, selection=ids(named), changes={"set": {"first_name": "X"}}
    )
    assert done.total == 7
    assert counted(done) == {"updated": 2, "duplicate": 1, "unmatched": 3, "rejected": 1}
    told = [
        (row["line"], row["identifier"], row["outcome"], row["reason"])
        for row in operations.rows(done)
    ]
    assert told == [
        (2, str(stranger), "unmatched", "names no contact of this account"),
        (3, str(gone), "unmatched", "names no contact of this account"),
        (4, str(ann), "duplicate", "names a contact that an earlier row names"),
        (5, str(named[4]), "unmatched", "names no contact of this account"),
        (6, "rubbish", "rejected", "is not a contact id (a UUID)"),
    ]
    found = operations.query("select first_name from enrollment.contacts where id = :id", id=gone)
    assert found == [{"first_name": None}]
    found = operations.query(
        "select first_name from enrollment.contacts where id = :id", id=stranger
    )
    assert found == [{"first_name": None}]


def test_a_file_selects_by_its_rows(
    operations: Operations, account: Account, add_contacts: AddContacts, tmp_path: Path
) -> None:
    add_contacts(account, 3)
    path = tmp_path / "people.csv"
    path.write_text(
        "email\nCONTACT-00002@example.com\nnobody@example.com\na,b\ncontact-00002@example.com\n"
    )
    done = operations.run(
        "update",
        selection={"type": "csv", "path": str(path)},
        changes={"set": {"first_name": "X"}},
    )
    assert counted(done) == {"updated": 1, "unmatched": 1, "rejected": 1, "duplicate": 1}
    assert [row["line"] for row in operations.rows(done)] == [3, 4, 5]
    named = [row["email"] for row in operations.contacts().values() if row["first_name"] == "X"]
    assert named == ["contact-00002@example.com"]


def test_a_filter_selects_who_matches_when_the_work_begins(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    add_contacts(account, 3, tags=["vip"])
    others = add_contacts(account, 2, prefix="other")
    operation_id = operations.submit(
        "update",
        selection={
            "type": "filter",
            "filter": {"field": "tags", "operator": "in", "value": ["vip"]},
        },
        changes={"remove_tags": ["vip"]},
    )
    operations.sql("update enrollment.contacts set tags = '{vip}' where id = :id", id=others[0])
    operations.prepare(operation_id)
    operations.sql("update enrollment.contacts set tags = '{vip}' where id = :id", id=others[1])
    operations.drain(operation_id, most=1)
    assert counted(operations.close(operation_id)) == {"updated": 4}
    assert [row["id"] for row in operations.contacts().values() if row["tags"]] == [others[1]]


def test_a_contact_that_is_deleted_meanwhile_is_unmatched(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 4)
    operation_id = operations.submit(
        "update", selection=ids(people), changes={"set": {"first_name": "X"}}
    )
    operations.prepare(operation_id)
    assert not operations.piece(operation_id, 2)
    operations.sql("update enrollment.contacts set deleted_at = now() where id = :id", id=people[2])
    operations.drain(operation_id)
    done = operations.close(operation_id)
    assert counted(done) == {"updated": 3, "unmatched": 1}
    (row,) = operations.rows(done)
    assert (row["position"], row["contact_id"]) == (3, people[2])
    assert row["reason"] == "names a contact that was deleted meanwhile"
    assert operations.contacts()[people[2]]["first_name"] is None


def test_a_row_that_the_database_refuses_fails_alone(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 25)
    # From a column that takes any JSON, members cannot be taken away unless it is an object.
    operations.sql(
        "update enrollment.contacts set custom_fields = '7' where id = :id", id=people[9]
    )
    done = operations.run(
        "update", most=10, selection=ids(people), changes={"set": {"custom_fields.x": None}}
    )
    assert counted(done) == {"unchanged": 24, "failed": 1}
    (row,) = operations.rows(done)
    assert (row["position"], row["contact_id"]) == (10, people[9])
    assert row["reason"].startswith("was refused by the database: ")


def test_a_piece_that_is_lost_is_done_again_and_once(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 10)
    operation_id = operations.submit("update", selection=ids(people), changes={"add_tags": ["x"]})
    operations.prepare(operation_id)
    operations.piece(operation_id, 4)
    with pytest.raises(RuntimeError), operations.lost():
        operations.piece(operation_id, 4)
    operations.drain(operation_id, 3)
    done = operations.close(operation_id)
    assert counted(done) == {"updated": 10}
    assert [row["position"] for row in operations.changes(done)] == list(range(1, 11))


def test_events_are_raised_for_changed_contacts_if_asked_for(
    operations: Operations, account: Account, add_contacts: AddContacts
) -> None:
    people = add_contacts(account, 4)
    operations.sql("update enrollment.contacts set first_name = 'X' where id = :id", id=people[0])
    for fire in (False, True):
        operations.run(
            "update",
            most=2,
            selection=ids(people),
            changes={"set": {"first_name": "X" if fire else "Y"}},
            fire_triggers=fire,
        )
        found = operations.query(
            "select type, contact_id from enrollment.events where account_id = :account_id "
            "order by number"
        )
        expected = people if fire else []
        assert found == [{"type": "contact_updated", "contact_id": one} for one in expected]


def test_another_account_is_never_touched(
    operations: Operations, make_account: Callable[..., Account], add_contacts: AddContacts
) -> None:
    other = make_account()
    add_contacts(other, 3)
    add_contacts(operations.account, 3)
    done = operations.run("update", selection=EVERYBODY, changes={"add_tags": ["x"]})
    assert counted(done) == {"updated": 3}
    found = operations.query(
        "select tags from enrollment.contacts where account_id = :o", o=other.id
    )
    assert found == [{"tags": []}] * 3


TAGS = st.lists(st.sampled_from("abcd"), max_size=3, unique=True)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(st.tuples(TAGS, st.sampled_from([None, "", "X"])), min_size=1, max_size=6),
    add=TAGS,
    remove=TAGS,
    most=st.integers(1, 4),
)
def test_an_update_does_what_an_oracle_in_python_does(
    operations: Operations,
    account: Account,
    add_contacts: AddContacts,
    people: list[tuple[list[str], str | None]],
    add: list[str],
    remove: list[str],
    most: int,
) -> None:
    add = [tag for tag in add if tag not in remove]
    named = [
        add_contacts(account, 1, prefix=uuid4().hex, tags=tags, first_name=name)[0]
        for tags, name in people
    ]
    done = operations.run(
        "update",
        most=most,
        selection=ids(named),
        changes={"set": {"first_name": "X"}, "add_tags": add, "remove_tags": remove},
    )
    contacts = operations.contacts()
    changed = 0
    for person, (tags, name) in zip(named, people, strict=True):
        kept = [tag for tag in tags if tag not in remove]
        expected = [*kept, *(tag for tag in add if tag not in kept)]
        assert (contacts[person]["tags"], contacts[person]["first_name"]) == (expected, "X")
        changed += (expected, "X") != (tags, name)
    assert done.counts.get("updated", 0) == changed == len(operations.changes(done))
