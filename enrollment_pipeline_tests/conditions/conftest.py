"""Contacts without the rules of the real table, so that any value at all can be asked about."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Computed, Connection, Engine, MetaData, Table, insert, select

from enrollment_pipeline.conditions.model import Group
from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.storage import schema

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


def _computed(column: Column[Any]) -> list[Computed]:
    return [] if column.computed is None else [Computed(column.computed.sqltext, persisted=True)]


CONTACTS = Table(
    "contacts_to_filter",
    MetaData(),
    *(
        Column(one.name, one.type, *_computed(one), nullable=one.nullable)
        for one in schema.contacts.columns
    ),
    prefixes=["TEMPORARY"],
)

Contact = dict[str, Any]
Select = Callable[[Group, Sequence[Contact]], set[UUID]]


def a_contact(**values: object) -> Contact:
    """A contact of which nothing is known but what is given."""
    return {
        "id": uuid4(),
        "account_id": UUID(int=1),
        "email": None,
        "first_name": None,
        "last_name": None,
        "phone": None,
        "status": "active",
        "tags": [],
        "custom_fields": {},
        "birthday": None,
        "timezone": None,
        "source": None,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
        "deleted_at": None,
    } | values


def select_ids(connection: Connection, tree: Group) -> set[UUID]:
    """The ids of the rows that the SQL engine matches; fails if its answer is ever null."""
    answer = compile_filter(tree, CONTACTS, now=NOW)
    rows = connection.execute(select(CONTACTS.c.id, answer.label("answer"))).all()
    assert all(row.answer is not None for row in rows)
    matched = set(connection.scalars(select(CONTACTS.c.id).where(answer)))
    assert matched == {row.id for row in rows if row.answer}
    return matched


@pytest.fixture(scope="session")
def filtered(owner: Engine) -> Iterator[Connection]:
    """A connection that has the table, empty; whoever uses it rolls back."""
    with owner.connect() as connection:
        CONTACTS.create(connection)
        connection.commit()
        yield connection


@pytest.fixture(scope="session")
def sql_select(filtered: Connection) -> Select:
    """Ask the SQL engine which of these contacts a tree matches."""

    def ask(tree: Group, contacts: Sequence[Mapping[str, object]]) -> set[UUID]:
        with filtered.begin() as transaction:
            filtered.execute(insert(CONTACTS), [dict(one) for one in contacts])
            found = select_ids(filtered, tree)
            transaction.rollback()
        return found

    return ask
