"""The meaning of every operator, held against both engines at once."""

from typing import Any

import pytest

from enrollment_pipeline.conditions.evaluate import Evaluator, evaluate
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline_tests.conditions.conftest import NOW, Contact, Select, a_contact

MISSING = object()

YES, NO = True, False

MEANINGS: list[tuple[object, str, object, bool]] = [
    # value of the field, operator, value of the condition, answer
    ("pro", "equals", "pro", YES),
    ("pro", "equals", "Pro", NO),
    ("pro", "not_equals", "Pro", YES),
    (15000, "equals", "15000", YES),
    ("15000", "equals", 15000, YES),
    ("15000.0", "equals", 15000, YES),
    ("15000.0", "equals", "15000", NO),
    ("1.5e4", "equals", 15000, YES),
    (0.1, "equals", "0.1", YES),
    (0.1, "equals", 0.10000000000000001, YES),
    (9007199254740993, "equals", 9007199254740992, NO),
    (9007199254740993, "equals", "9007199254740993", YES),
    (True, "equals", True, YES),
    (True, "equals", 1, NO),
    (1, "equals", True, NO),
    (True, "equals", "true", NO),
    ("true", "equals", True, NO),
    (False, "equals", 0, NO),
    (True, "not_equals", 1, YES),
    ("NaN", "equals", "NaN", YES),
    ("Infinity", "greater_than", 1, NO),
    ("1e999999", "greater_than", 1, NO),
    ("1e999", "greater_than", 1, YES),
    (["a", "b"], "equals", ["a", "b"], YES),
    (["a", "b"], "equals", ["b", "a"], NO),
    (["a", "b"], "equals", ["a"], NO),
    (["a"], "equals", ["a", "b"], NO),
    (["a", 1, True], "equals", ["a", "1", True], YES),
    (["1"], "equals", [1], YES),
    (["1"], "equals", ["1.0"], NO),
    ([1], "equals", [True], NO),
    ([None], "equals", ["a"], NO),
    ([["a"]], "equals", ["a"], NO),
    ([], "equals", [], YES),
    ({}, "equals", [], NO),
    ("a", "equals", ["a"], NO),
    (["a"], "equals", "a", NO),
    (["a"], "not_equals", ["a"], NO),
    (["a"], "not_equals", "a", YES),
    ({"a": 1}, "equals", "a", NO),
    ({"a": 1}, "not_equals", "a", YES),
    ("lead hot", "contains", "hot", YES),
    ("lead hot", "contains", "Hot", NO),
    ("50% off_now\\", "contains", "% off_", YES),
    ("50 off", "contains", "%", NO),
    ("", "contains", "", YES),
    ("lead", "not_contains", "hot", YES),
    ("hot", "not_contains", "hot", NO),
    ("a1", "contains", 1, NO),
    ("a1", "not_contains", 1, NO),
    (["lead", "hot"], "contains", "hot", YES),
    (["lead", "hotter"], "contains", "hot", NO),
    (["lead"], "not_contains", "hot", YES),
    (["hot"], "not_contains", "hot", NO),
    ([1, 2], "contains", 2, YES),
    ([1, 2], "contains", "2", YES),
    (["2"], "contains", 2, YES),
    ([True], "contains", 1, NO),
    ([True], "contains", True, YES),
    ([None], "not_contains", "x", YES),
    (12, "contains", "1", NO),
    (12, "not_contains", "1", NO),
    (True, "not_contains", "x", NO),
    ({"x": 1}, "contains", "x", NO),
    ({"x": 1}, "not_contains", "x", NO),
    ("premium", "starts_with", "pre", YES),
    ("premium", "starts_with", "Pre", NO),
    ("premium", "starts_with", ["x", "pre"], YES),
    ("premium", "starts_with", ["x", "y"], NO),
    ("100%", "starts_with", "1%", NO),
    ("a_b", "starts_with", "a_", YES),
    ("axb", "starts_with", "a_", NO),
    ("a\\b", "ends_with", "\\b", YES),
    ("two\nlines", "ends_with", "lines", YES),
    ("premium", "ends_with", "mium", YES),
    ("premium", "ends_with", ["x", "um"], YES),
    ("x", "ends_with", "xx", NO),
    (["pre"], "starts_with", "pre", NO),
    (100, "starts_with", "1", NO),
    ("15000", "greater_than", 10000, YES),
    ("15000", "greater_than", "10000", YES),
    ("9", "greater_than", "10", NO),
    (9, "less_than", "10", YES),
    (10, "greater_than", 10, NO),
    (10, "greater_than_or_equal", 10, YES),
    (10, "less_than_or_equal", "10.0", YES),
    (0.1, "less_than_or_equal", 0.1, YES),
    ("-1", "less_than", 0, YES),
    (".5", "less_than", 1, YES),
    ("5.", "greater_than", 4, YES),
    (" 5", "greater_than", 4, NO),
    ("5\n", "greater_than", 4, NO),
    ("\u0665", "greater_than", 4, NO),
    ("1_000", "greater_than", 4, NO),
    (True, "greater_than", 0, NO),
    ("abc", "greater_than", 5, NO),
    ("abc", "less_than", 5, NO),
    ("n/a", "greater_than", "10000", NO),
    (5, "greater_than", "abc", NO),
    ("b", "greater_than", "a", YES),
    ("B", "greater_than", "a", NO),
    ("a", "greater_than", "B", YES),
    ("z", "less_than", "\u00e4", YES),
    ("\uffee", "less_than", "\U0001f600", YES),
    ("", "less_than", "a", YES),
    (["b"], "greater_than", "a", NO),
    ("2026-03-01", "greater_than", "2026-02-28", YES),
    ("2026-03-01", "greater_than", "2026-02-28T23:59:59Z", YES),
    ("2026-03-01", "greater_than_or_equal", "2026-03-01T00:00:00Z", YES),
    ("2026-03-01T01:00:00+02:00", "less_than", "2026-03-01", YES),
    ("2026-03-01 01:00", "less_than_or_equal", "2026-03-01T03:00:00+0200", YES),
    ("2026-03-01T01:00:00+02", "less_than", "2026-02-28T23:00:00.000001Z", YES),
    ("2026-03-01T00:00:00.0000009Z", "greater_than", "2026-03-01", NO),
    ("2026-02-30", "greater_than", "2026-01-01", NO),
    ("2026-02-30", "greater_than", "2026-02-3", YES),
    ("2026-02-29", "less_than", "2030-01-01", NO),
    ("2024-02-29", "less_than", "2030-01-01", YES),
    ("1900-02-29", "less_than", "2030-01-01", NO),
    ("0000-01-01", "less_than", "2030-01-01", NO),
    ("0001-01-01T00:00:00+01:00", "less_than", "2030-01-01", NO),
    ("9999-12-31T23:59:59-01:00", "greater_than", "2030-01-01", NO),
    ("9999-12-31", "greater_than", "2030-01-01", YES),
    ("2026-01-01T24:00", "greater_than", "2020-01-01", NO),
    ("2026-01-01", "greater_than", 5, NO),
    ("2026-01-01", "greater_than", "abc", NO),
    ("2026-01-01", "less_than", "abc", NO),
    ("15", "less_than", "abc", NO),
    ("2026", "greater_than", "2025-01-01", NO),
    ("soon", "greater_than", "2025-01-01", NO),
    ("pro", "in", ["free", "pro"], YES),
    ("max", "in", ["free", "pro"], NO),
    ("5", "in", [4, 5], YES),
    (5, "in", ["4", "5"], YES),
    ("5.0", "in", ["5"], NO),
    (True, "in", [1, "true"], NO),
    (True, "in", [True], YES),
    (["a", "b"], "in", ["b", "c"], YES),
    (["a", 5], "in", ["5"], YES),
    (["a"], "in", ["b"], NO),
    ([], "in", ["b"], NO),
    ([["b"]], "in", ["b"], NO),
    ({"b": 1}, "in", ["b"], NO),
    ("pro", "not_in", ["free"], YES),
    ("pro", "not_in", ["pro"], NO),
    (["a", "b"], "not_in", ["b"], NO),
    (["a"], "not_in", ["b"], YES),
    ([], "not_in", ["b"], YES),
    ({"b": 1}, "not_in", ["b"], YES),
    ("2026-06-10", "within_last", "7 days", YES),
    ("2026-06-08T12:00:00Z", "within_last", "7 days", YES),
    ("2026-06-08T11:59:59Z", "within_last", "7 days", NO),
    ("2026-06-15T12:00:00Z", "within_last", "1 second", YES),
    ("2026-06-15T12:00:01Z", "within_last", "7 days", NO),
    ("2026-05-15T12:00:00Z", "within_last", "1 month", YES),
    ("2026-05-15T11:00:00Z", "within_last", "1 month", NO),
    ("2025-06-15T12:00:00Z", "within_last", "1 year", YES),
    ("2026-06-22", "within_next", "7 days", YES),
    ("2026-06-22T12:00:01Z", "within_next", "1 week", NO),
    ("2026-06-15T13:30:00+00:30", "within_next", "90 minutes", YES),
    ("2026-06-15", "within_next", "7 days", NO),
    ("20260610", "within_last", "7 days", NO),
    (5, "within_last", "7 days", NO),
    (["2026-06-10"], "within_last", "7 days", NO),
]

EMPTY = ["", [], {}, None, MISSING]
NOT_EMPTY = [" ", 0, False, [None], {"a": None}, "x"]
FOR_MISSING: list[tuple[str, object, bool]] = [
    ("equals", "x", NO),
    ("equals", [], NO),
    ("not_equals", "x", YES),
    ("contains", "x", NO),
    ("contains", "", NO),
    ("not_contains", "x", YES),
    ("not_contains", 1, YES),
    ("starts_with", "", NO),
    ("ends_with", "", NO),
    ("greater_than", 0, NO),
    ("less_than", "z", NO),
    ("greater_than_or_equal", "2026-01-01", NO),
    ("less_than_or_equal", 0, NO),
    ("in", ["x"], NO),
    ("not_in", ["x"], YES),
    ("within_last", "7 days", NO),
    ("within_next", "7 days", NO),
]

IGNORING_CASE: list[tuple[object, str, object, bool]] = [
    ("Pro", "equals", "pRO", YES),
    ("\u00c9mile", "equals", "\u00e9MILE", YES),
    ("\u041c\u0410\u0420\u0418\u042f", "equals", "\u043c\u0430\u0440\u0438\u044f", YES),
    ("\u039f\u0394\u039f\u03a3", "equals", "\u03bf\u03b4\u03bf\u03c2", YES),
    ("\u1ea4", "equals", "\u1ea5", YES),
    ("\u0130", "equals", "i", NO),
    ("\u212a", "equals", "k", NO),
    ("STRASSE", "equals", "stra\u00dfe", NO),
    ("x", "not_equals", "X", NO),
    ("Hot Lead", "contains", "hOT", YES),
    (["Hot"], "contains", "hOT", YES),
    (["Hot", 1], "equals", ["hOT", "1"], YES),
    ("Hot", "not_contains", "hOT", NO),
    ("Premium", "starts_with", ["PRE"], YES),
    ("PREMIUM", "ends_with", "ium", YES),
    ("Pro", "in", ["pRO"], YES),
    (["Pro"], "not_in", ["pRO"], NO),
    ("B", "greater_than", "a", YES),
    ("b", "less_than", "A", NO),
    ("2026-06-10T00:00:00Z", "greater_than", "2026-06-09", YES),
]


def both(sql_select: Select, contact: Contact, condition: dict[str, Any]) -> bool:
    """The answer to one condition, after making sure that both engines give it."""
    tree = parse(condition)
    python = evaluate(tree, contact, now=NOW)
    assert Evaluator(tree).matches(contact, now=NOW) is python.matched
    assert python.explanation
    assert (contact["id"] in sql_select(tree, [contact])) is python.matched, python.explanation
    return python.matched


def asking(field: str, operator: str, value: object, **more: object) -> dict[str, Any]:
    document = {"field": field, "operator": operator, **more}
    return document if value is MISSING else document | {"value": value}


@pytest.mark.parametrize(("found", "operator", "value", "answer"), MEANINGS)
def test_operators_mean_the_same_in_both_engines(
    sql_select: Select, found: object, operator: str, value: object, answer: bool
) -> None:
    contact = a_contact(custom_fields={"x": found})
    assert both(sql_select, contact, asking("custom_fields.x", operator, value)) is answer


@pytest.mark.parametrize("found", EMPTY)
def test_missing_null_and_empty_values_are_empty(sql_select: Select, found: object) -> None:
    contact = a_contact(custom_fields={} if found is MISSING else {"x": found})
    assert both(sql_select, contact, asking("custom_fields.x", "is_empty", MISSING))
    assert not both(sql_select, contact, asking("custom_fields.x", "is_not_empty", MISSING))


@pytest.mark.parametrize("found", NOT_EMPTY)
def test_other_values_are_not_empty(sql_select: Select, found: object) -> None:
    contact = a_contact(custom_fields={"x": found})
    assert not both(sql_select, contact, asking("custom_fields.x", "is_empty", MISSING))
    assert both(sql_select, contact, asking("custom_fields.x", "is_not_empty", MISSING))


@pytest.mark.parametrize("fields", [{}, {"x": None}, [], "x", ["x"]])
@pytest.mark.parametrize(("operator", "value", "answer"), FOR_MISSING)
def test_a_missing_field_satisfies_only_the_negations(
    sql_select: Select, fields: object, operator: str, value: object, answer: bool
) -> None:
    contact = a_contact(custom_fields=fields)
    assert both(sql_select, contact, asking("custom_fields.x", operator, value)) is answer


@pytest.mark.parametrize(("found", "operator", "value", "answer"), IGNORING_CASE)
def test_letter_case_is_ignored_on_demand(
    sql_select: Select, found: object, operator: str, value: object, answer: bool
) -> None:
    contact = a_contact(custom_fields={"x": found})
    condition = asking("custom_fields.x", operator, value, ignore_case=True)
    assert both(sql_select, contact, condition) is answer


def test_a_path_goes_through_objects_only(sql_select: Select) -> None:
    contact = a_contact(custom_fields={"a": {"b": {"c": "deep"}}, "list": ["x", {"y": "z"}]})
    assert both(sql_select, contact, asking("custom_fields.a.b.c", "equals", "deep"))
    assert both(sql_select, contact, asking("custom_fields.list.0", "is_empty", MISSING))
    assert both(sql_select, contact, asking("custom_fields.list.1.y", "is_empty", MISSING))
    assert both(sql_select, contact, asking("custom_fields.a.b.c.d", "is_empty", MISSING))


@pytest.mark.parametrize(
    "name",
    ["'; drop table contacts; --", '"', "{", "a,b", "%s", ":x", "$1", "\u00e9\U0001f600", "\\"],
)
def test_hostile_names_and_values_are_data(sql_select: Select, name: str) -> None:
    contact = a_contact(custom_fields={name: name}, tags=[name], first_name=name)
    path = f"custom_fields.{name}"
    for operator, value in [
        ("equals", name),
        ("contains", name),
        ("starts_with", [name]),
        ("in", [name, "x"]),
        ("less_than_or_equal", name),
    ]:
        assert both(sql_select, contact, asking(path, operator, value))
        assert both(sql_select, contact, asking("first_name", operator, value))
    assert both(sql_select, contact, asking("tags", "contains", name))
    assert both(sql_select, contact, asking("tags", "equals", [name]))


def test_a_full_filter_of_the_longest_lists_is_answered(sql_select: Select) -> None:
    contact = a_contact(custom_fields={"x": "v999", "l": [f"v{n}" for n in range(1000)]})
    values = [f"v{n}" for n in range(1000)]
    document = {
        "logic": "AND",
        "conditions": [
            asking("custom_fields.x", "in", values, ignore_case=True),
            asking("custom_fields.x", "starts_with", values, ignore_case=True),
            asking("custom_fields.l", "equals", values, ignore_case=True),
            asking("custom_fields.l", "not_in", [f"w{n}" for n in range(1000)]),
        ]
        * 5,
    }
    assert contact["id"] in sql_select(parse(document), [contact])
    assert evaluate(parse(document), contact, now=NOW).matched
