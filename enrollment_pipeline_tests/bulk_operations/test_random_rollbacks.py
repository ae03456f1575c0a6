"""Random operations, random changes by others, and their rollback, against an oracle in Python."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.bulk_operations.operations import Operations, ids

AddContacts = Callable[..., list[UUID]]
AddWorkflow = Callable[..., UUID]

# What others do to a contact between an operation and its rollback.
LATER = {
    "nothing": "",
    "touched": "phone = phone",
    "changed": "last_name = 'Later'",
    "taken back": "tags = '{}', first_name = null, deleted_at = null",
    "deleted": "deleted_at = now()",
}


def expected_end(type_: str, later: str, *, cascade: bool) -> str:
    """How the row of a contact ends: an oracle for each combination."""
    if later == "gone":
        return "reversed" if type_ == "import" else "errored"
    if later == "enrolled":
        return "kept" if type_ == "import" and not cascade else "reversed"
    if later == "taken back":
        # Of a contact that was created without anything, it changes nothing.
        return "reversed"
    if later == "deleted":
        # Deleted once more, at another time, it is not as the deletion has left it. Of one that was
        # created, that is what is wanted.
        return "reversed" if type_ == "import" else "kept"
    return "kept" if later == "changed" else "reversed"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    type_=st.sampled_from(["update", "delete", "import"]),
    later=st.lists(st.sampled_from([*LATER, "gone", "enrolled"]), min_size=1, max_size=8),
    most=st.integers(1, 4),
    cascade=st.booleans(),
)
def test_reversed_kept_and_errored_add_up_and_kept_contacts_are_not_touched(
    operations: Operations,
    add_contacts: AddContacts,
    make_account: Callable[..., Account],
    add_workflow: AddWorkflow,
    type_: str,
    later: list[str],
    most: int,
    cascade: bool,
) -> None:
    operations.account = make_account()
    people, former, done = random_operation(operations, add_contacts, type_, len(later))
    workflow = add_workflow(operations.account)
    for person, what in zip(people, later, strict=True):
        if what == "gone":
            operations.sql("delete from enrollment.contacts where id = :id", id=person)
        elif what == "enrolled":
            operations.enroll(person, workflow)
        elif LATER[what]:
            operations.change(person, LATER[what])
    present = operations.contacts()
    taken_back = operations.roll_back(done, most=most, cascade=cascade)
    assert taken_back.total == len(later) == sum(taken_back.counts.values())
    left = {row["contact_id"]: row["outcome"] for row in operations.rows(taken_back)}
    expected = [expected_end(type_, what, cascade=cascade) for what in later]
    assert [left.get(person, "reversed") for person in people] == expected
    contacts = operations.contacts()
    for person, what in zip(people, later, strict=True):
        if person in left or (type_ == "import" and what == "deleted"):
            assert contacts.get(person) == present.get(person)
        elif type_ == "import" and what == "enrolled":
            assert contacts[person]["deleted_at"] is not None
        elif type_ != "import" and what == "taken back":
            assert contacts[person] == {
                **former[person],
                "updated_at": present[person]["updated_at"],
            }
        else:
            assert contacts.get(person) == former.get(person)


def random_operation(
    operations: Operations, add_contacts: AddContacts, type_: str, number: int
) -> tuple[list[UUID], dict[UUID, Any], OperationRecord]:
    """Contacts, their rows before an operation, and it."""
    account = operations.account
    people: list[UUID] = []
    if type_ == "import":
        done = operations.by_hand(lambda: people.extend(add_contacts(account, number)))
        return people, {}, done
    people = add_contacts(account, number)
    former = operations.contacts()
    changes = {"changes": {"add_tags": ["x"], "set": {"first_name": "X"}}}
    fields = changes if type_ == "update" else {}
    return people, former, operations.run(type_, selection=ids(people), **fields)
