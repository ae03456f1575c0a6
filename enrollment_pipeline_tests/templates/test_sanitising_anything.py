"""Sanitising whatever comes in: planted things are nowhere in the result, and twice is once."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_pipeline.templates.sanitising import sanitise
from enrollment_pipeline.workflows.validation import problems_of
from enrollment_pipeline_tests.templates.planting import (
    PEOPLE,
    Planted,
    document,
    document_for_items,
    planted,
)

Build = Callable[[Callable[[str], str]], dict[str, Any]]


def _texts_of(build: Build) -> list[str]:
    texts: list[str] = []
    build(lambda text: texts.append(text) or text)  # type: ignore[func-returns-value]
    return texts


TEXTS = _texts_of(document)
TEXTS_FOR_ITEMS = _texts_of(document_for_items)

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)
_KEYS = (
    *("schema", "name", "description", "integrations", "values", "trigger", "steps", "goals"),
    *("settings", "id", "type", "label", "next", "then", "else", "subject", "body", "condition"),
    *("field", "operator", "value", "conditions", "logic", "url", "headers", "parameters", "event"),
    *(
        "filters",
        "tag",
        "cron",
        "rrule",
        "start",
        "timezone",
        "duration",
        "until",
        "goal",
        "method",
    ),
)
_WORDS = (
    *("send_email", "wait", "condition", "webhook", "update_field", "recurring_schedule", "equals"),
    *("a@b.example", "+49 170 1234567", "Anna Schmidt", "password: x1y2z3", "{{values.name_1}}"),
    *('{{contact.first_name | default("Anna Schmidt")}}', "{{", "}}", "custom_fields.anna_schmidt"),
    *("https://example.com/?token=x", "{{values.{{values.a}}", "anna_schmidt", "{{contact.a@b.c}}"),
    *(
        "{{role_service.url}}/roles/anna_schmidt",
        "{{values.base}}/x?token=x",
        "http_request",
        "item",
    ),
    *("item.attributes.anna_schmidt", "{{steps.anna.schmidt}}", "steps.a@b.c", "{{item.a@b.c}}"),
)
_near = st.recursive(
    st.none() | st.integers() | st.sampled_from(_WORDS) | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.sampled_from(_KEYS + _WORDS), children, max_size=6)
    ),
    max_leaves=25,
)


def shared(given_document: Any, people: tuple[str, ...] = ()) -> dict[str, Any]:
    return sanitise(given_document, people=people).document


def serious(problems: list[Any]) -> list[Any]:
    return [problem for problem in problems if not problem.fill_in]


def without_separators(text: str) -> str:
    return re.sub(r"[\s()./+-]+", "", text)


# Nothing personal survives


Things = list[tuple[int, Planted, str]]


def _things(texts: list[str]) -> st.SearchStrategy[Things]:
    """Make up what is planted in so many texts: behind what is there, or in its place."""
    return st.lists(
        st.tuples(st.integers(0, len(texts) - 1), planted(), st.sampled_from(["after", "alone"])),
        min_size=1,
        max_size=8,
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(things=_things(TEXTS))
def test_nothing_planted_is_anywhere_in_the_result(things: Things) -> None:
    assert_nothing_is_left(document, things)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(things=_things(TEXTS_FOR_ITEMS))
def test_nothing_planted_for_items_is_anywhere_in_the_result(things: Things) -> None:
    assert_nothing_is_left(document_for_items, things)


def assert_nothing_is_left(build: Build, things: Things) -> None:
    given_document = _with(build, things)
    before = copy.deepcopy(given_document)
    result = shared(given_document, PEOPLE)
    written = json.dumps(result, ensure_ascii=False)
    for _, thing, _ in things:
        assert thing.telling not in written
        digits = without_separators(thing.telling)
        if digits.isdigit():
            assert digits not in without_separators(written)
    assert given_document == before
    assert shared(result, PEOPLE) == result
    if not serious(problems_of(given_document)):
        assert serious(problems_of(result)) == []


def _with(build: Build, things: Things) -> dict[str, Any]:
    """Return the plain document with things in its texts, counted in the order they are built."""
    place = -1

    def text(plain: str) -> str:
        nonlocal place
        place += 1
        for number, thing, how in things:
            if number == place:
                plain = f"{plain}, {thing.text}" if how == "after" else thing.text
        return plain

    return build(text)


# Whatever comes in


@settings(max_examples=300, deadline=None)
@given(given_document=_json | _near)
def test_any_json_is_sanitised_and_twice_is_once(given_document: Any) -> None:
    result = shared(given_document)
    assert shared(result) == result
    json.dumps(result, allow_nan=False)


@settings(max_examples=300, deadline=None)
@given(parts=st.fixed_dictionaries({}, optional={key: _near for key in _KEYS[:9]}))
def test_a_broken_document_is_sanitised_and_twice_is_once(parts: dict[str, Any]) -> None:
    before = copy.deepcopy(parts)
    result = shared(parts, ("Anna", "Schmidt"))
    assert parts == before
    assert shared(result, ("Anna", "Schmidt")) == result


@settings(max_examples=200, deadline=None)
@given(
    words=st.lists(st.sampled_from([*_WORDS, " ", ", ", "\n", "Dear ", "1"]) | st.text(max_size=3))
)
def test_a_text_is_sanitised_and_twice_is_once(words: list[str]) -> None:
    once = shared({"steps": [{"type": "send_email", "id": "one", "body": "".join(words)}]})
    assert shared(once) == once
