"""What a filter may say, and how everything else is refused."""

import json
import math
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.model import EVERYTHING, Group, Operator, dump
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.errors import InvalidConditionError

EVENT_FIELDS = replace(CONTACT_FIELDS, containers=("custom_fields", "data"), changes=True)
LEAD = {"field": "tags", "operator": "contains", "value": "lead"}


def errors_of(document: object, **options: Any) -> dict[str, str]:
    """What `parse` says of a document that it refuses, by path."""
    with pytest.raises(InvalidConditionError) as refusal:
        parse(document, **options)
    listed = refusal.value.details["errors"]
    assert listed
    assert all(one["message"] for one in listed)
    return {one["path"]: one["message"] for one in listed}


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {"logic": "OR", "conditions": [LEAD]}
    for _ in range(levels - 1):
        document = {"logic": "AND", "conditions": [document]}
    return document


@pytest.mark.parametrize("document", [None, {}, {"logic": "OR", "conditions": []}])
def test_no_condition_matches_everything(document: object) -> None:
    assert parse(document).conditions == ()


def test_a_single_condition_is_a_tree_of_one() -> None:
    assert parse(LEAD) == parse({"logic": "AND", "conditions": [LEAD]})


def test_a_group_without_logic_joins_with_and() -> None:
    assert parse({"conditions": [LEAD]}) == parse({"logic": "AND", "conditions": [LEAD]})


@pytest.mark.parametrize(
    "document",
    [
        dump(EVERYTHING),
        nested(5),
        {
            "logic": "OR",
            "conditions": [
                {"field": "custom_fields.a b.c", "operator": "in", "value": ["a", 1, 2.5, True]},
                {"field": "email", "operator": "is_empty"},
                {"field": "custom_fields.x", "operator": "equals", "value": []},
                {
                    "field": "phone",
                    "operator": "starts_with",
                    "value": ["+1", "+44"],
                    "ignore_case": True,
                },
                {"field": "created_at", "operator": "within_last", "value": "7 days"},
            ],
        },
    ],
)
def test_a_dumped_tree_is_the_document_it_was_read_from(document: dict[str, Any]) -> None:
    assert dump(parse(document)) == document


def test_every_error_is_listed_with_its_path() -> None:
    errors = errors_of(
        {
            "logic": "XOR",
            "conditions": [
                {"field": "emial", "operator": "equals", "value": "x"},
                LEAD,
                {"field": "tags", "operator": "includes", "value": "x"},
                {
                    "logic": "OR",
                    "conditions": [
                        {"field": "phone", "operator": "in", "value": ["1", None, {}]},
                        {"field": "phone", "operator": "not_in", "value": "1"},
                    ],
                },
                {"field": "status", "operator": "equals", "value": "a", "ignore_case": "yes"},
                "lead",
            ],
        }
    )
    assert set(errors) == {
        "logic",
        "conditions[0].field",
        "conditions[2].operator",
        "conditions[3].conditions[0].value[1]",
        "conditions[3].conditions[0].value[2]",
        "conditions[3].conditions[1].value",
        "conditions[4].ignore_case",
        "conditions[5]",
    }


def test_the_message_is_a_paragraph_of_the_errors() -> None:
    with pytest.raises(InvalidConditionError) as refusal:
        parse({"field": "emial", "operator": "in", "value": "x"})
    assert refusal.value.message == (
        'The filter is not valid (2 errors). field: there is no field "emial". Did you mean '
        '"email"? value: "in" needs a list of values, such as ["a", "b"], not a text.'
    )


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("emial", "email"),
        ("e-mail", "email"),
        ("Email", "email"),
        ("firstname", "first_name"),
        ("tag", "tags"),
        ("createdAt", "created_at"),
        ("custom_field.plan", "custom_fields.plan"),
        ("customfields.plan.tier", "custom_fields.plan.tier"),
        ("plan", "custom_fields.plan"),
        ("custom_fields", "custom_fields.plan"),
        ("custom_fields.", "custom_fields.plan"),
    ],
)
def test_an_unknown_field_is_refused_with_a_suggestion(name: str, suggestion: str) -> None:
    errors = errors_of({"field": name, "operator": "is_empty"})
    assert f'"{suggestion}"' in errors["field"]


@pytest.mark.parametrize(
    "name",
    [
        "account_id",
        "deleted_at",
        "data.amount",
        "email.x",
        "custom_fields..x",
        "custom_fields." + ".".join("x" * 12),
        "custom_fields.\0",
        "custom_fields.\ud800",
        "x" * 400,
        ".",
        "",
        5,
        None,
    ],
)
def test_what_is_no_field_of_a_contact_is_refused(name: object) -> None:
    assert set(errors_of({"field": name, "operator": "is_empty"})) == {"field"}


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("equal", "equals"), (">", "greater_than"), ("after", "greater_than"), ("notin", "not_in")],
)
def test_an_unknown_operator_is_refused_with_a_suggestion(name: str, suggestion: str) -> None:
    errors = errors_of({"field": "phone", "operator": name, "value": "1"})
    assert f'Did you mean "{suggestion}"?' in errors["operator"]


def test_an_unknown_key_is_refused_with_a_suggestion() -> None:
    errors = errors_of({"field": "phone", "operator": "equals", "value": "1", "ignorecase": True})
    assert errors == {"": 'unknown key "ignorecase". Did you mean "ignore_case"?'}


SHAPES: list[tuple[str, object]] = [
    *((one, None) for one in Operator if one not in ("is_empty", "is_not_empty")),
    *((one, {"a": 1}) for one in Operator),
    *((one, [None]) for one in Operator),
    *((one, [["a"]]) for one in Operator),
    *((one, "\0") for one in Operator),
    *((one, "\ud83d") for one in Operator),
    *((one, "x" * 10_001) for one in Operator),
    *((one, ["x"] * 1_001) for one in Operator),
    *((one, math.nan) for one in Operator),
    *((one, math.inf) for one in Operator),
    *((one, 10**1_001) for one in Operator),
    *((one, 10**100_000) for one in Operator),
    *((one, Decimal("1e999999")) for one in Operator),
    *((one, Decimal("1e-999999")) for one in Operator),
    *((one, Decimal("sNaN")) for one in Operator),
    *((one, b"x") for one in Operator),
    ("is_empty", "x"),
    ("is_empty", None),
    ("is_not_empty", False),
    ("in", "x"),
    ("in", 5),
    ("in", []),
    ("not_in", "x"),
    ("not_in", True),
    ("not_in", []),
    ("contains", ["a"]),
    ("not_contains", ["a"]),
    ("starts_with", 5),
    ("starts_with", []),
    ("ends_with", ["a", 5]),
    ("greater_than", True),
    ("less_than", ["1"]),
    ("within_last", 7),
    ("within_last", "7"),
    ("within_last", "days"),
    ("within_last", "0 days"),
    ("within_last", "-1 days"),
    ("within_next", "1.5 days"),
    ("within_next", "7 fortnights"),
    ("within_next", "101 years"),
    ("within_next", "99999 weeks"),
    ("within_next", "99999999999999999999 days"),
]


@pytest.mark.parametrize(("operator", "value"), SHAPES, ids=lambda one: str(type(one).__name__))
def test_a_value_of_the_wrong_shape_is_refused(operator: str, value: object) -> None:
    condition = {"field": "custom_fields.x", "operator": operator, "value": value}
    errors = errors_of(condition, fields=EVENT_FIELDS)
    assert all(path.startswith("value") for path in errors)


@pytest.mark.parametrize(
    "operator", [one for one in Operator if one not in ("is_empty", "is_not_empty", "changed")]
)
def test_a_missing_value_is_refused(operator: str) -> None:
    errors = errors_of({"field": "custom_fields.x", "operator": operator}, fields=EVENT_FIELDS)
    assert set(errors) == {"value"}


@pytest.mark.parametrize(
    ("field", "operator", "value"),
    [
        ("tags", "equals", "lead"),
        ("tags", "not_equals", "lead"),
        ("created_at", "greater_than", "yesterday"),
        ("created_at", "equals", 5),
        ("birthday", "less_than", "2026-02-30"),
        ("birthday", "in", ["17 May 1990"]),
        ("phone", "contains", 555),
    ],
)
def test_a_value_that_a_column_can_never_meet_is_refused(
    field: str, operator: str, value: object
) -> None:
    assert errors_of({"field": field, "operator": operator, "value": value})


def test_the_largest_values_are_accepted() -> None:
    for value in ("x" * 10_000, 10**1_000 - 1, 1.7976931348623157e308, 5e-324, Decimal("1e-999")):
        assert parse({"field": "phone", "operator": "equals", "value": value}).conditions
    assert parse({"field": "phone", "operator": "in", "value": ["x"] * 1_000}).conditions


def test_twenty_conditions_are_accepted_and_one_more_is_refused() -> None:
    halves = [{"conditions": [LEAD] * 10}, {"logic": "OR", "conditions": [LEAD] * 10}]
    assert parse({"conditions": [LEAD] * 20})
    assert parse({"conditions": halves})
    assert "at most 20" in errors_of({"conditions": [LEAD] * 21})["conditions"]
    assert "at most 20" in errors_of({"conditions": [*halves, LEAD]})["conditions"]
    assert len(errors_of({"conditions": [{"conditions": [LEAD] * 30}] * 30})) == 1


def test_five_levels_are_accepted_and_one_more_is_refused() -> None:
    assert parse(nested(5))
    assert list(errors_of(nested(6))) == [
        "conditions[0].conditions[0].conditions[0].conditions[0].conditions[0]"
    ]
    chains = {"conditions": [nested(4)] * 20}
    assert isinstance(parse(chains), Group)


def test_an_empty_group_within_a_group_is_refused() -> None:
    errors = errors_of({"logic": "OR", "conditions": [LEAD, {"logic": "AND", "conditions": []}]})
    assert set(errors) == {"conditions[1].conditions"}


@pytest.mark.parametrize("document", [[], [LEAD], "tags", 5, True, {"logic": "AND"}, {"x": 1}])
def test_what_is_no_tree_is_refused(document: object) -> None:
    errors_of(document)


@pytest.mark.parametrize("operator", ["changed", "changed_to", "changed_from"])
def test_only_triggers_may_ask_what_changed(operator: str) -> None:
    condition: dict[str, Any] = {"field": "phone", "operator": operator}
    if operator != "changed":
        condition["value"] = "1"
    assert "only triggers" in errors_of(condition)["operator"]
    assert parse(condition, EVENT_FIELDS).conditions


def test_an_event_has_fields_of_its_own() -> None:
    amount = {"field": "data.amount", "operator": "greater_than", "value": 500}
    assert parse(amount, EVENT_FIELDS).conditions
    assert "email" in errors_of(amount)["field"]


def test_the_guide_names_every_field_and_operator_and_its_examples_are_valid() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
    for name in (*CONTACT_FIELDS.known, *Operator):
        assert f"`{name}`" in guide
    examples = re.findall(r"```json\n(.*?)```", guide, re.DOTALL)
    assert len(examples) >= 5
    for example in examples:
        assert parse(json.loads(example)).conditions
