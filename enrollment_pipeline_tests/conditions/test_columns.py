"""What the operators mean on the contact's own columns, held against both engines at once."""

from datetime import UTC, date, datetime

import pytest

from enrollment_pipeline_tests.conditions.conftest import Select, a_contact
from enrollment_pipeline_tests.conditions.test_engines_agree import (
    MISSING,
    NO,
    YES,
    asking,
    both,
)

COLUMNS: list[tuple[str, object, str, object, bool]] = [
    ("email", "Ada@Example.com", "equals", "ada@example.COM", YES),
    ("email", "Ada@Example.com", "not_equals", "ada@example.COM", NO),
    ("email", "Ada@Example.com", "in", ["x", "ada@example.COM"], YES),
    ("email", "Ada@Example.com", "ends_with", "@example.com", YES),
    ("email", "\u00c9va@example.com", "equals", "\u00e9va@example.com", YES),
    ("email", "\u212a@example.com", "equals", "k@example.com", NO),
    ("email", None, "not_in", ["x"], YES),
    ("phone", "15550100", "equals", 15550100, YES),
    ("phone", "+15550100", "starts_with", ["+1", "+2"], YES),
    ("first_name", "Ada", "equals", "ada", NO),
    ("first_name", "Ada", "in", ["Ada", 5], YES),
    ("first_name", "5.0", "in", ["Ada", 5], YES),
    ("first_name", "", "is_empty", MISSING, YES),
    ("first_name", None, "is_empty", MISSING, YES),
    ("first_name", " ", "is_not_empty", MISSING, YES),
    ("status", "active", "in", ["active", "bounced"], YES),
    ("tags", ["lead", "hot"], "contains", "hot", YES),
    ("tags", ["lead", "Hot"], "contains", "hot", NO),
    ("tags", ["lead"], "not_contains", "hot", YES),
    ("tags", [], "not_contains", "hot", YES),
    ("tags", ["lead"], "in", ["hot", "lead"], YES),
    ("tags", ["lead"], "not_in", ["hot", "lead"], NO),
    ("tags", ["2024"], "contains", 2024, YES),
    ("tags", ["2024"], "contains", "2024.0", NO),
    ("tags", ["true"], "contains", True, NO),
    ("tags", ["a", "b"], "equals", ["a", "b"], YES),
    ("tags", ["b", "a"], "equals", ["a", "b"], NO),
    ("tags", ["a", None], "not_contains", "x", YES),
    ("tags", ["lead"], "starts_with", "le", NO),
    ("tags", ["5"], "greater_than", 1, NO),
    ("tags", [], "is_empty", MISSING, YES),
    ("tags", [""], "is_empty", MISSING, NO),
    ("birthday", date(1990, 5, 17), "equals", "1990-05-17", YES),
    ("birthday", date(1990, 5, 17), "equals", "1990-05-17T00:00:00Z", YES),
    ("birthday", date(1990, 5, 17), "not_equals", "1990-05-17T12:00:00Z", YES),
    ("birthday", date(1990, 5, 17), "in", ["1990-05-17"], YES),
    ("birthday", date(1990, 5, 17), "less_than", "1990-05-17T00:00:01Z", YES),
    ("birthday", date(1990, 5, 17), "contains", "-05-", YES),
    ("birthday", date(1990, 5, 17), "ends_with", "-05-17", YES),
    ("birthday", date(2026, 6, 14), "within_last", "2 days", YES),
    ("birthday", None, "is_empty", MISSING, YES),
    ("birthday", None, "not_equals", "1990-05-17", YES),
    ("created_at", datetime(2026, 1, 5, 9, 30, tzinfo=UTC), "greater_than", "2026-01-05", YES),
    ("created_at", datetime(2026, 1, 5, 9, 30, tzinfo=UTC), "equals", "2026-01-05T10:30+01", YES),
    ("created_at", datetime(2026, 1, 5, 9, 30, tzinfo=UTC), "starts_with", "2026-01", YES),
    ("created_at", datetime(2026, 1, 5, 9, 30, tzinfo=UTC), "contains", "T09:30:00.000000Z", YES),
    ("created_at", datetime(2026, 6, 15, 11, 59, tzinfo=UTC), "within_last", "1 minute", YES),
    ("created_at", datetime(2026, 6, 15, 12, 1, tzinfo=UTC), "within_next", "1 minute", YES),
]


@pytest.mark.parametrize(("field", "found", "operator", "value", "answer"), COLUMNS)
def test_columns_are_read_by_their_kind(
    sql_select: Select, field: str, found: object, operator: str, value: object, answer: bool
) -> None:
    assert both(sql_select, a_contact(**{field: found}), asking(field, operator, value)) is answer


def test_tags_are_found_in_any_letter_case_on_demand(sql_select: Select) -> None:
    contact = a_contact(tags=["Hot", "2024"])
    for operator, value in [("contains", "hOT"), ("in", ["x", "hOT"]), ("equals", ["hOT", 2024])]:
        assert both(sql_select, contact, asking("tags", operator, value, ignore_case=True))
        assert not both(sql_select, contact, asking("tags", operator, value))


def test_an_id_is_found_in_either_case_of_its_letters(sql_select: Select) -> None:
    contact = a_contact()
    for text in (str(contact["id"]), str(contact["id"]).upper()):
        assert both(sql_select, contact, asking("id", "equals", text))
        assert both(sql_select, contact, asking("id", "in", [text, "nonsense"]))
        assert not both(sql_select, contact, asking("id", "not_equals", text))
    assert not both(sql_select, contact, asking("id", "equals", "nonsense"))
    assert both(sql_select, contact, asking("id", "starts_with", str(contact["id"])[:8]))
