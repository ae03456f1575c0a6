"""The product's own workflows as a target: rows, tags and activity, and what is refused late."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, delete, insert, select, text

from enrollment_pipeline.enrollment.eligibility import rules_for
from enrollment_pipeline.records import Account, ReenrollmentPolicy
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.contact_presence import alone_with_contacts
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.targets.base import EnrollmentOrder, EnrollmentResult
from enrollment_pipeline.targets.database import DatabaseTarget


class Order:
    """An order of the test's account, and the batches that it is about."""

    def __init__(self, database: Database, owner: Engine, account: Account, workflow: UUID) -> None:
        self.source_id = uuid4()
        self.tags: tuple[str, ...] = ()
        self.rules = rules_for(
            skip_unsubscribed=True,
            reenrollment=ReenrollmentPolicy.NEVER_TWICE,
            required_fields=(),
        )
        self._database = database
        self._owner = owner
        self._account = account
        self._workflow = workflow

    def batch(self, number: int, ids: list[UUID], processed: int = 0) -> None:
        with self._database.account(self._account.id) as connection:
            connection.execute(
                insert(schema.enrollment_batches).values(
                    account_id=self._account.id,
                    job_id=self.source_id,
                    number=number,
                    contact_ids=ids,
                    processed=processed,
                )
            )

    def enroll(self, numbers: list[int], contacts: int = 1_000) -> EnrollmentResult:
        order = EnrollmentOrder(
            account_id=self._account.id,
            workflow_id=self._workflow,
            first_step="hello",
            source="test",
            source_id=self.source_id,
            rules=self.rules,
            add_tags=self.tags,
        )
        with self._database.account(self._account.id) as connection:
            return DatabaseTarget().enroll(connection, order, numbers, contacts=contacts)

    def rows(self, table: str, order: str = "id") -> list[dict[str, Any]]:
        column = "job_id" if table == "enrollment_failures" else "source_id"
        statement = text(
            f"select * from enrollment.{table} where {column} = :source order by {order}"
        )
        with self._owner.connect() as connection:
            found = connection.execute(statement, {"source": self.source_id}).mappings()
            return [dict(row) for row in found]

    def enrolled(self) -> list[UUID]:
        return [row["contact_id"] for row in self.rows("enrollments")]

    def refused(self) -> list[tuple[UUID, str, int]]:
        return [
            (row["contact_id"], row["code"], row["batch_number"])
            for row in self.rows("enrollment_failures")
        ]


@pytest.fixture
def order(
    database: Database,
    owner: Engine,
    account: Account,
    add_workflow: Callable[..., UUID],
) -> Order:
    """An order for a workflow of the test's account."""
    return Order(database, owner, account, add_workflow(account))


@pytest.fixture
def people(account: Account, add_contacts: Callable[..., list[UUID]]) -> list[UUID]:
    """Twelve contacts."""
    return add_contacts(account, 12)


def change(owner: Engine, ids: list[UUID], values: str) -> None:
    with owner.begin() as connection:
        connection.execute(
            text(f"update enrollment.contacts set {values} where id = any(:ids)"), {"ids": ids}
        )


def tags_of(owner: Engine, contact: UUID) -> list[str]:
    statement = select(schema.contacts.c.tags).where(schema.contacts.c.id == contact)
    with owner.connect() as connection:
        return list(connection.scalars(statement).one())


def test_the_contacts_of_all_named_batches_are_enrolled_and_no_others(
    order: Order, people: list[UUID]
) -> None:
    order.batch(1, people[:5])
    order.batch(2, people[5:8])
    order.batch(3, people[8:])
    assert order.enroll([1, 3]) == EnrollmentResult(9, 9, {})
    assert set(order.enrolled()) == {*people[:5], *people[8:]}
    assert {row["current_step"] for row in order.rows("enrollments")} == {"hello"}


def test_only_the_next_contacts_of_a_batch_are_taken(order: Order, people: list[UUID]) -> None:
    order.batch(1, people, processed=4)
    assert order.enroll([1], contacts=3) == EnrollmentResult(3, 3, {})
    assert set(order.enrolled()) == {*people[4:7]}


def test_contacts_are_enrolled_in_the_order_of_their_ids(order: Order, people: list[UUID]) -> None:
    order.batch(1, people[::-1])
    order.enroll([1])
    assert order.enrolled() == sorted(people)


def test_whoever_may_not_be_enrolled_is_recorded_with_code_and_batch(
    order: Order, people: list[UUID], owner: Engine
) -> None:
    change(owner, people[:2], "status = 'unsubscribed'")
    change(owner, people[6:7], "deleted_at = now()")
    unknown = uuid4()
    order.batch(1, people[:6])
    order.batch(2, [*people[6:], unknown])

    result = order.enroll([1, 2])

    assert result == EnrollmentResult(13, 9, {"CONTACT_BLOCKED": 2, "CONTACT_NOT_FOUND": 2})
    assert sorted(order.refused()) == sorted(
        [
            (people[0], "CONTACT_BLOCKED", 1),
            (people[1], "CONTACT_BLOCKED", 1),
            (people[6], "CONTACT_NOT_FOUND", 2),
            (unknown, "CONTACT_NOT_FOUND", 2),
        ]
    )


def test_an_enrollment_of_somebody_else_at_this_moment_is_waited_for(
    order: Order, people: list[UUID], database: Database, account: Account, owner: Engine
) -> None:
    # Sees no enrollment when it looks, and meets one when it writes.
    order.batch(1, people[:3])
    with owner.begin() as connection:
        connection.execute(
            text(
                f"create function enrollment.overtake() returns trigger language plpgsql as $$ "
                f"begin if new.source_id = '{order.source_id}' then perform pg_sleep(1); end if; "
                f"return new; end $$"
            )
        )
        connection.execute(
            text(
                "create trigger overtake before insert on enrollment.enrollments for each row "
                f"when (new.contact_id = '{people[1]}') execute function enrollment.overtake()"
            )
        )
    other = Order(database, owner, account, order._workflow)
    other.batch(1, people[1:2])
    try:
        results: list[EnrollmentResult] = []
        thread = threading.Thread(target=lambda: results.append(order.enroll([1])))
        thread.start()
        deadline = time.monotonic() + 10
        while not asleep(owner):
            assert time.monotonic() < deadline
        assert other.enroll([1]) == EnrollmentResult(1, 1, {})
        thread.join(timeout=10)
    finally:
        with owner.begin() as connection:
            connection.execute(text("drop trigger overtake on enrollment.enrollments"))
            connection.execute(text("drop function enrollment.overtake()"))

    assert results == [EnrollmentResult(3, 2, {"ALREADY_ENROLLED": 1})]
    (failure,) = order.rows("enrollment_failures")
    assert failure["contact_id"] == people[1]
    assert failure["message"].startswith("ALREADY_ENROLLED: ")


def asleep(owner: Engine) -> bool:
    with owner.connect() as connection:
        return bool(
            connection.scalar(
                text("select count(*) from pg_stat_activity where wait_event = 'PgSleep'")
            )
        )


def test_tags_are_added_once_and_each_is_an_activity(
    order: Order, people: list[UUID], owner: Engine
) -> None:
    change(owner, people[:1], "tags = '{lead,vip}'")
    change(owner, people[1:2], "tags = '{VIP}'")
    change(owner, people[2:3], "status = 'blocked'")
    order.tags = ("vip", "spring")
    order.batch(1, people[:4])
    order.enroll([1])

    assert [tags_of(owner, one) for one in people[:5]] == [
        ["lead", "vip", "spring"],
        ["VIP", "vip", "spring"],
        [],
        ["vip", "spring"],
        [],
    ]
    activity = order.rows("contact_activity", "contact_id, kind, details")
    told = {(row["contact_id"], row["kind"], row["details"].get("tag", "")) for row in activity}
    assert told == {
        (people[0], "enrolled", ""),
        (people[0], "tag_added", "spring"),
        (people[1], "enrolled", ""),
        (people[1], "tag_added", "spring"),
        (people[1], "tag_added", "vip"),
        (people[3], "enrolled", ""),
        (people[3], "tag_added", "spring"),
        (people[3], "tag_added", "vip"),
    }
    assert len(activity) == len(told)
    assert {row["source"] for row in activity} == {"test"}


def test_who_was_enrolled_by_somebody_else_gets_no_tag(
    order: Order, people: list[UUID], owner: Engine, database: Database, account: Account
) -> None:
    other = Order(database, owner, account, order._workflow)
    other.batch(1, people[:1])
    other.enroll([1])
    order.tags = ("vip",)
    order.batch(1, people[:2])
    order.enroll([1])
    assert tags_of(owner, people[0]) == []
    assert tags_of(owner, people[1]) == ["vip"]


def test_an_account_enrolls_its_own_contacts_only(
    order: Order,
    people: list[UUID],
    make_account: Callable[..., Account],
    add_contacts: Callable[..., list[UUID]],
    owner: Engine,
) -> None:
    (stranger,) = add_contacts(make_account(), 1)
    order.tags = ("vip",)
    order.batch(1, [people[0], stranger])
    assert order.enroll([1]) == EnrollmentResult(2, 1, {"CONTACT_NOT_FOUND": 1})
    assert order.enrolled() == people[:1]
    assert tags_of(owner, stranger) == []


WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted"


def test_a_contact_that_is_being_removed_is_waited_for_and_not_enrolled(
    order: Order, people: list[UUID], database: Database, owner: Engine, account: Account
) -> None:
    order.batch(1, people)
    results: list[EnrollmentResult] = []
    enrolling = threading.Thread(target=lambda: results.append(order.enroll([1])))
    with database.account(account.id) as removing:
        alone_with_contacts(removing, account.id)
        enrolling.start()
        with owner.connect() as looking:
            while not looking.scalar(text(WAITING)):
                assert enrolling.is_alive()
        removing.execute(delete(schema.contacts).where(schema.contacts.c.id == people[3]))
    enrolling.join()
    assert results == [EnrollmentResult(12, 11, {"CONTACT_NOT_FOUND": 1})]
    assert people[3] not in order.enrolled()
