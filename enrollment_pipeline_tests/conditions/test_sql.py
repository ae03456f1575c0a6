"""The SQL engine as SQL: parameters, indexes, settings of the session."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.dialects import postgresql

from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.model import Operator
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.errors import InvalidConditionError
from enrollment_pipeline.storage import schema
from enrollment_pipeline_tests.conditions.conftest import CONTACTS, NOW, a_contact, select_ids

EVENT_FIELDS = replace(CONTACT_FIELDS, containers=("custom_fields", "data"), changes=True)


def sql_of(condition: dict[str, Any]) -> str:
    expression = compile_filter(parse(condition), CONTACTS, now=NOW)
    return str(expression.compile(dialect=postgresql.dialect()))


def asking(field: str, operator: str, value: object, **more: object) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value, **more}


def test_every_field_is_a_column_of_the_contacts() -> None:
    columns = {one.name for one in schema.contacts.columns if one.computed is None}
    assert set(CONTACT_FIELDS.known) | set(CONTACT_FIELDS.containers) <= columns
    assert columns - set(CONTACT_FIELDS.known) == {"account_id", "custom_fields", "deleted_at"}


@pytest.mark.parametrize("ignore_case", [True, False])
def test_no_value_is_part_of_the_statement(ignore_case: bool) -> None:
    for operator, value in [
        ("equals", "needle"),
        ("equals", ["needle", 4711]),
        ("contains", "needle"),
        ("starts_with", ["needle"]),
        ("greater_than", "needle"),
        ("less_than", 4711),
        ("less_than", "1999-09-09"),
        ("in", ["needle", 4711]),
    ]:
        condition = asking("custom_fields.needle", operator, value, ignore_case=ignore_case)
        statement = sql_of(condition)
        assert not any(part in statement for part in ("needle", "4711", "1999"))


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        (asking("email", "equals", "Ada@example.com"), "by_email"),
        (asking("email", "in", ["ada@example.com", "bob@example.com"]), "by_email"),
        (asking("tags", "contains", "lead"), "by_tags"),
        (asking("tags", "in", ["lead", "hot"]), "by_tags"),
        (asking("created_at", "greater_than", "2026-01-01"), "by_created_at"),
        (asking("created_at", "within_last", "7 days"), "by_created_at"),
        (asking("status", "equals", "bounced"), "by_status"),
        (asking("id", "equals", "00000000-0000-0000-0000-000000000001"), "by_id"),
        (asking("id", "in", ["00000000-0000-0000-0000-000000000001", "x"]), "by_id"),
    ],
)
def test_an_index_serves(filtered: Connection, condition: dict[str, Any], index: str) -> None:
    with filtered.begin() as transaction:
        for statement in (
            "create index by_email on contacts_to_filter (email_key)",
            "create index by_tags on contacts_to_filter using gin (tags)",
            "create index by_created_at on contacts_to_filter (created_at)",
            "create index by_status on contacts_to_filter (status)",
            "create index by_id on contacts_to_filter (id)",
            "set local enable_seqscan = off",
        ):
            filtered.execute(text(statement))
        query = select(CONTACTS.c.id).where(compile_filter(parse(condition), CONTACTS, now=NOW))
        compiled = query.compile(dialect=filtered.dialect)
        plan = filtered.exec_driver_sql(f"explain {compiled}", compiled.params).scalars().all()
        transaction.rollback()
    assert any(index in line for line in plan), plan
    assert any("Index Cond" in line for line in plan), plan


def test_texts_are_ordered_by_code_point_whatever_the_database_says() -> None:
    assert 'COLLATE "C"' in sql_of(asking("first_name", "greater_than", "a"))
    assert 'COLLATE "C"' in sql_of(asking("custom_fields.x", "less_than", "a"))
    assert 'lower(contacts_to_filter.first_name COLLATE "C")' in sql_of(
        asking("first_name", "equals", "a", ignore_case=True)
    )


@pytest.mark.parametrize(
    "setting",
    ["timezone = 'America/New_York'", "datestyle = 'German'", "standard_conforming_strings = on"],
)
def test_the_session_settings_do_not_matter(filtered: Connection, setting: str) -> None:
    contact = a_contact(custom_fields={"due": "2026-03-01"}, birthday=NOW.date(), created_at=NOW)
    with filtered.begin() as transaction:
        filtered.execute(text(f"set local {setting}"))
        filtered.execute(insert(CONTACTS), [contact])
        for condition in (
            asking("custom_fields.due", "greater_than_or_equal", "2026-03-01T00:00:00Z"),
            asking("custom_fields.due", "less_than_or_equal", "2026-03-01T00:00:00Z"),
            asking("birthday", "equals", "2026-06-15"),
            asking("birthday", "starts_with", "2026-06-15"),
            asking("created_at", "starts_with", "2026-06-15T12:00:00.000000Z"),
            asking("created_at", "equals", "2026-06-15T12:00:00Z"),
        ):
            assert contact["id"] in select_ids(filtered, parse(condition)), condition
        transaction.rollback()


def test_an_alias_of_the_table_can_be_filtered(filtered: Connection) -> None:
    contact = a_contact(tags=["lead"], custom_fields={"plans": ["pro"]})
    alias = CONTACTS.alias("c")
    tree = parse(
        {
            "logic": "AND",
            "conditions": [
                asking("tags", "contains", "lead"),
                asking("custom_fields.plans", "in", ["pro"]),
                asking("custom_fields.plans", "equals", ["pro"]),
            ],
        }
    )
    with filtered.begin() as transaction:
        filtered.execute(insert(CONTACTS), [contact])
        query = select(alias.c.id).where(compile_filter(tree, alias, now=NOW))
        assert filtered.scalars(query).all() == [contact["id"]]
        transaction.rollback()


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "data.amount", "operator": "is_empty"},
        {"field": "phone", "operator": Operator.CHANGED},
        {"field": "phone", "operator": Operator.CHANGED_TO, "value": "1"},
    ],
)
def test_what_only_an_event_knows_is_refused(condition: dict[str, Any]) -> None:
    tree = parse(condition, EVENT_FIELDS)
    with pytest.raises(InvalidConditionError) as refusal:
        compile_filter(tree, CONTACTS, now=NOW)
    assert refusal.value.details["errors"][0]["path"] == "conditions[0]"


def test_an_infinite_date_is_no_error(filtered: Connection) -> None:
    contact = a_contact(birthday=NOW.date())
    with filtered.begin() as transaction:
        filtered.execute(insert(CONTACTS), [contact])
        filtered.execute(text("update contacts_to_filter set birthday = 'infinity'"))
        for condition in (
            asking("birthday", "greater_than", "9999-12-31"),
            asking("birthday", "not_contains", "-05-"),
            asking("birthday", "not_equals", "2026-06-15"),
        ):
            assert contact["id"] in select_ids(filtered, parse(condition))
        transaction.rollback()
