"""Documents that somebody made to break the reader: they are refused, quickly and in few words."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.conditions.model import Group, Operator, dump
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.errors import InvalidConditionError
from enrollment_pipeline_tests.conditions.test_parse import EVENT_FIELDS, LEAD, errors_of


def test_depth_does_not_exhaust_the_stack() -> None:
    deep_list: list[Any] = []
    deep_tree: dict[str, Any] = LEAD
    deep_object: dict[str, Any] = {}
    for _ in range(100_000):
        deep_list = [deep_list]
        deep_tree = {"conditions": [deep_tree]}
        deep_object = {"x": deep_object}
    for document in (deep_list, deep_tree, deep_object, {"logic": deep_list, "conditions": []}):
        errors_of(document)
    for value in (deep_list, deep_object):
        errors_of({"field": "phone", "operator": "in", "value": value})
        errors_of({"field": value, "operator": value, "value": "x"})


def test_a_huge_document_is_refused_in_few_words() -> None:
    many: list[object] = [
        {"conditions": [{"x": 1}] * 100_000},
        {"conditions": [{"conditions": []}] * 100_000},
        {"conditions": [5] * 100_000},
        {str(number): number for number in range(100_000)},
    ]
    for document in many:
        with pytest.raises(InvalidConditionError) as refusal:
            parse(document)
        assert len(refusal.value.details["errors"]) < 200
        assert len(refusal.value.message) < 5_000


def test_refusals_hold_no_control_characters_and_no_addresses() -> None:
    hostile = "\x1b[31mada@example.com\n\x07"
    for document in (
        {"field": hostile, "operator": hostile, hostile: hostile},
        {"field": "created_at", "operator": "equals", "value": hostile},
        {"field": "created_at", "operator": "within_last", "value": hostile},
        {"logic": hostile, "conditions": []},
    ):
        for message in errors_of(document).values():
            assert message.isprintable()
            assert "ada@" not in message


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=2)
)
WORDS = st.sampled_from(
    [
        "field", "operator", "value", "logic", "conditions", "ignore_case", "AND", "OR", "email",
        "tags", "custom_fields.x", "created_at", "7 days", "2026-01-01", *map(str, Operator),
    ]
)  # fmt: skip
JUNK = st.recursive(
    st.one_of(SCALARS, WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(WORDS, SCALARS), inner, max_size=5),
        st.fixed_dictionaries({"field": inner, "operator": inner, "value": inner}),
        st.fixed_dictionaries({"logic": inner, "conditions": st.lists(inner, max_size=3)}),
    ),
    max_leaves=12,
)


def conditions_of(tree: Group) -> Iterator[object]:
    for member in tree.conditions:
        if isinstance(member, Group):
            yield from conditions_of(member)
        else:
            yield member


@given(document=JUNK)
def test_junk_is_read_or_refused_and_nothing_else(document: object) -> None:
    try:
        tree = parse(document, EVENT_FIELDS)
    except InvalidConditionError:
        return
    assert parse(dump(tree), EVENT_FIELDS) == tree
    assert len(list(conditions_of(tree))) <= 20
