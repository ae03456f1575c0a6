"""The Python engine: sentences, changes, and records that nobody would expect."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.conditions.evaluate import Evaluator, Verdict, evaluate
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.model import EVERYTHING, Operator
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.errors import InvalidConditionError
from enrollment_pipeline_tests.conditions.conftest import NOW

EVENT_FIELDS = replace(CONTACT_FIELDS, containers=("custom_fields", "data"), changes=True)
MISSING = object()


def ask(
    record: Mapping[str, Any],
    field: str,
    operator: str,
    value: object = MISSING,
    previous: Mapping[str, Any] | None = None,
) -> Verdict:
    document = {"field": field, "operator": operator}
    tree = parse(document if value is MISSING else document | {"value": value}, EVENT_FIELDS)
    return evaluate(tree, record, now=NOW, previous=previous)


@pytest.mark.parametrize(
    ("data", "operator", "value", "sentence"),
    [
        ({"amount": 120}, "greater_than", 500, "amount 120 is not greater_than 500"),
        ({"amount": 900.5}, "greater_than", 500, "amount 900.5 is greater_than 500"),
        ({"amount": "n/a"}, "greater_than", 500, 'amount is "n/a": greater_than 500 cannot apply'),
        ({}, "greater_than", 500, "amount is missing: greater_than 500 cannot apply"),
        ({"amount": True}, "equals", 1, "amount true does not equal 1"),
        ({"amount": 5}, "not_equals", "5", 'amount 5 equals "5"'),
        ({}, "not_equals", 5, "amount, which is missing, does not equal 5"),
        ({"amount": [1, "a"]}, "contains", "b", 'amount [1, "a"] does not contain "b"'),
        ({"amount": list(range(9))}, "in", [9], "amount [0, 1, 2, 3, 4, ...] is not in [9]"),
        ({"amount": {"a": 1}}, "contains", "a", 'amount is an object: contains "a" cannot apply'),
        ({"amount": ""}, "is_empty", MISSING, 'amount "" is empty'),
        ({}, "is_not_empty", MISSING, "amount, which is missing, is empty"),
        (
            {"amount": "2026-01-01"},
            "within_last",
            "7 days",
            'amount "2026-01-01" is not within the last 7 days',
        ),
        (
            {"amount": 5},
            "changed",
            MISSING,
            "amount: changed needs the previous state, and there is none",
        ),
        ({"amount": "x" * 100}, "equals", "y", f'amount "{"x" * 60}..." does not equal "y"'),
        (
            {"amount": "a\n\x1b[1m\u202e"},
            "equals",
            "y",
            'amount "a\\u000a\\u001b[1m\\u202e" does not equal "y"',
        ),
        ({"amount": 10**5000}, "equals", 1, "amount a very large number does not equal 1"),
    ],
)
def test_a_finding_is_a_sentence(
    data: dict[str, Any], operator: str, value: object, sentence: str
) -> None:
    verdict = ask({"data": data}, "data.amount", operator, value)
    assert [one.sentence for one in verdict.reasons] == [sentence]
    assert verdict.explanation == sentence


@pytest.mark.parametrize(
    ("field", "record"),
    [
        ("email", {"email": "ada.lovelace@example.com"}),
        ("phone", {"phone": "+15550100"}),
        ("data.phone_number", {"data": {"phone_number": 15550100}}),
        ("custom_fields.note", {"custom_fields": {"note": "from ada.lovelace@example.com"}}),
        ("custom_fields.work", {"custom_fields": {"work": ["ada.lovelace@example.com"]}}),
    ],
)
def test_addresses_and_numbers_of_people_are_masked(field: str, record: dict[str, Any]) -> None:
    for operator, value in (("equals", "+15550100"), ("in", ["ada.lovelace@example.com"])):
        sentence = ask(record, field, operator, value).explanation
        assert "lovelace" not in sentence
        if "phone" in field:
            assert "555" not in sentence


def test_each_condition_has_a_verdict_and_those_that_decide_explain() -> None:
    tree = parse(
        {
            "logic": "AND",
            "conditions": [
                {"field": "status", "operator": "equals", "value": "active"},
                {
                    "logic": "OR",
                    "conditions": [
                        {"field": "tags", "operator": "contains", "value": "lead"},
                        {"field": "data.amount", "operator": "greater_than", "value": 500},
                    ],
                },
            ],
        },
        EVENT_FIELDS,
    )
    verdict = evaluate(tree, {"status": "active", "tags": [], "data": {"amount": 120}}, now=NOW)
    assert not verdict.matched
    assert [(one.path, one.matched) for one in verdict.reasons] == [
        ("conditions[0]", True),
        ("conditions[1].conditions[0]", False),
        ("conditions[1].conditions[1]", False),
    ]
    assert verdict.explanation == (
        'tags [] does not contain "lead"; amount 120 is not greater_than 500'
    )


def test_an_empty_tree_matches_any_record() -> None:
    assert evaluate(EVERYTHING, {}, now=NOW) == Verdict(matched=True, reasons=())
    assert evaluate(parse({"logic": "OR", "conditions": []}), {}, now=NOW).matched


CHANGES: list[tuple[object, object, str, object, bool]] = [
    # before, after, operator, value, answer
    ("free", "pro", "changed", MISSING, True),
    ("pro", "pro", "changed", MISSING, False),
    ("pro", "PRO", "changed", MISSING, True),
    (1, 1.0, "changed", MISSING, False),
    (1, "1", "changed", MISSING, False),
    (1, True, "changed", MISSING, True),
    (None, MISSING, "changed", MISSING, False),
    (None, "", "changed", MISSING, True),
    (MISSING, "pro", "changed", MISSING, True),
    ("pro", MISSING, "changed", MISSING, True),
    (["a", "b"], ["a", "b"], "changed", MISSING, False),
    (["a", "b"], ["b", "a"], "changed", MISSING, True),
    ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, "changed", MISSING, False),
    ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "changed", MISSING, True),
    ({"a": 1}, {"a": 1, "b": None}, "changed", MISSING, True),
    ("free", "pro", "changed_to", "pro", True),
    ("free", "max", "changed_to", "pro", False),
    ("pro", "pro", "changed_to", "pro", False),
    (MISSING, 5, "changed_to", "5", True),
    (["a"], ["a", "b"], "changed_to", ["a", "b"], True),
    ("free", "pro", "changed_from", "free", True),
    ("free", MISSING, "changed_from", "free", True),
    ("pro", "max", "changed_from", "free", False),
    ("free", "free", "changed_from", "free", False),
]


@pytest.mark.parametrize(("before", "after", "operator", "value", "answer"), CHANGES)
def test_changes_are_seen_against_the_previous_state(
    before: object, after: object, operator: str, value: object, answer: bool
) -> None:
    def record(found: object) -> dict[str, Any]:
        return {"custom_fields": {} if found is MISSING else {"plan": found}}

    verdict = ask(record(after), "custom_fields.plan", operator, value, record(before))
    assert verdict.matched is answer
    assert ask(record(after), "custom_fields.plan", operator, value).matched is False


def test_letter_case_of_an_address_is_no_change() -> None:
    before, after = {"email": "Ada@Example.com"}, {"email": "ada@example.com"}
    assert not ask(after, "email", "changed", previous=before).matched


def test_a_column_is_the_same_whether_it_comes_as_a_value_or_as_text() -> None:
    before = {"created_at": "2026-01-01T01:00:00+01:00", "birthday": "1990-05-17"}
    after = {"created_at": datetime(2026, 1, 1, tzinfo=UTC), "birthday": date(1990, 5, 17)}
    assert not ask(after, "created_at", "changed", previous=before).matched
    assert not ask(after, "birthday", "changed", previous=before).matched


def test_the_nearness_of_a_month_ends_on_its_last_day() -> None:
    tree = parse({"field": "birthday", "operator": "within_last", "value": "1 month"})
    python = Evaluator(tree)
    march = datetime(2026, 3, 31, tzinfo=UTC)
    assert python.matches({"birthday": date(2026, 2, 28)}, now=march)
    assert not python.matches({"birthday": date(2026, 2, 27)}, now=march)


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.datetimes(),
    st.dates(),
    st.uuids(),
    st.sets(st.integers(), max_size=2),
    st.sampled_from(
        [
            Decimal("sNaN"),
            Decimal("1e999999"),
            10**5000,
            object(),
            Operator.EQUALS,
            "2026-06-10",
            "12",
            deep(50_000),
            {"a": deep(50_000)},
            datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
        ]
    ),
)
RECORDS = st.dictionaries(
    st.sampled_from(["email", "tags", "birthday", "created_at", "custom_fields", "id"]),
    st.one_of(ODD, st.lists(ODD, max_size=3), st.dictionaries(st.sampled_from("xy"), ODD)),
)


@given(
    record=RECORDS,
    previous=st.one_of(st.none(), RECORDS),
    field=st.sampled_from(["email", "tags", "birthday", "created_at", "id", "custom_fields.x"]),
    ignore_case=st.booleans(),
)
def test_no_record_raises(
    record: dict[str, Any], previous: dict[str, Any] | None, field: str, ignore_case: bool
) -> None:
    for operator in Operator:
        for value in (MISSING, "2026-06-10", 12, "x", ["x", 12], True, ["2026-06-10"], "7 days"):
            document = {"field": field, "operator": operator, "ignore_case": ignore_case}
            try:
                tree = parse(
                    document if value is MISSING else document | {"value": value}, EVENT_FIELDS
                )
            except InvalidConditionError:
                continue
            verdict = evaluate(tree, record, now=NOW, previous=previous)
            assert verdict.explanation.isprintable()
