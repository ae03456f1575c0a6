"""Which items are accepted, and why the others are not."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.onboarding.admission import (
    FoundWorkflow,
    Known,
    Refusal,
    admit,
    read_items,
)
from enrollment_pipeline.onboarding.request import BatchOptions, GivenItem

WORKFLOW, BATCH = uuid4(), uuid4()
NOTHING = Known()
FOUND = {
    "Role onboarding": FoundWorkflow(WORKFLOW),
    "Gone": FoundWorkflow(None, Refusal.WORKFLOW_NOT_FOUND, "There is no workflow 'Gone'."),
}


def asked(*contents: Any, known: Known = NOTHING, **options: Any) -> list[tuple[int, str, str]]:
    """Return place, code and words of what is refused; accepted ones have the code ``ok``."""
    read, refused = read_items(GivenItem(at, one) for at, one in enumerate(contents, 1))
    accepted, more = admit(read, BatchOptions(company="Northern", **options), FOUND, known)
    told = [(one.position, str(one.code), one.message) for one in (*refused, *more)]
    return sorted([*told, *((one.position, "ok", "") for one in accepted)])


def codes(*contents: Any, **given: Any) -> list[str]:
    return [code for _, code, _ in asked(*contents, **given)]


def test_what_is_wrong_with_one_item_is_no_trouble_of_the_others() -> None:
    assert asked(
        {"role_name": "Analyst"},
        {"role_name": "  "},
        {"role_name": "ANALYST "},
        {"role_name": "Clerk", "workflow": "Gone"},
        {"role_name": "Cook", "attributes": ["a"]},
        "Cook",
        {"role_name": "Cook", "level": 3},
        {"role_name": "Cook\nMaster"},
        {"role_name": "Cook", "attributes": {"note": "\x00"}},
        {"role_name": "Driver", "reference_name": "R1", "documents": ["a.pdf", {"url": "b"}]},
        {"role_name": "Cook", "a\x00b": 1},
    ) == [
        (1, "ok", ""),
        (2, "BLANK_NAME", "The item has no role_name."),
        (3, "DUPLICATE", "The role is that of item 1 already."),
        (4, "WORKFLOW_NOT_FOUND", "There is no workflow 'Gone'."),
        (5, "INVALID_ITEM", "attributes: must be an object."),
        (
            6,
            "INVALID_ITEM",
            "an item must be an object.",
        ),
        (
            7,
            "INVALID_ITEM",
            "level: is no field of an item; what is known of a role goes into attributes.",
        ),
        (
            8,
            "INVALID_ITEM",
            "role_name: a line break or another control character cannot be used.",
        ),
        (
            9,
            "INVALID_ITEM",
            "attributes: it holds the character NUL, which the database cannot keep.",
        ),
        (10, "ok", ""),
        # What is kept of it must be what a database can keep.
        (
            11,
            "INVALID_ITEM",
            "a?b: is no field of an item; what is known of a role goes into attributes.",
        ),
    ]


@pytest.mark.parametrize("other", ["Cafe\u0301", "CAFÉ", " café ", "Ca\u200bfé", "\ufeffcafé"])
def test_a_role_that_looks_the_same_is_the_same(other: str) -> None:
    assert codes({"role_name": "Café"}, {"role_name": other}) == ["ok", "DUPLICATE"]


def test_a_name_that_nobody_can_see_is_blank() -> None:
    assert codes({"role_name": "\u200b"}) == ["BLANK_NAME"]


def test_what_is_ready_is_done_again_only_when_asked_for() -> None:
    known = Known(ready={("analyst", WORKFLOW): BATCH})

    assert codes({"role_name": "Analyst"}, {"role_name": "Clerk"}, known=known) == [
        "ALREADY_READY",
        "ok",
    ]
    assert codes({"role_name": "Analyst"}, known=known, force_rerun=True) == ["ok"]


def test_what_is_at_work_elsewhere_is_refused_even_if_it_is_to_be_done_again() -> None:
    known = Known(open={("analyst", WORKFLOW): BATCH})

    ((_, code, message),) = asked({"role_name": "Analyst"}, known=known, force_rerun=True)
    assert code == "ALREADY_AT_WORK"
    assert str(BATCH) in message


def test_an_item_may_be_large_but_not_larger() -> None:
    fits, too_large = {"text": "x" * 49_000}, {"text": "x" * 51_000}

    assert codes(
        {"role_name": "a", "attributes": fits}, {"role_name": "b", "attributes": too_large}
    ) == ["ok", "INVALID_ITEM"]


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_items = st.one_of(
    _json,
    st.fixed_dictionaries(
        {"role_name": st.sampled_from(["a", "A ", "b", "", "c\x00"]) | _json},
        optional={
            "attributes": _json,
            "documents": _json,
            "workflow": st.sampled_from(list(FOUND)),
        },
    ),
)


@given(st.lists(_items, max_size=12))
def test_every_item_is_accepted_or_refused_once_whatever_it_is(contents: list[Any]) -> None:
    told = asked(*contents)

    assert [position for position, _, _ in told] == list(range(1, len(contents) + 1))
    for _, code, message in told:
        assert code == "ok" or (code in set(Refusal) and message.endswith("."))


@pytest.mark.parametrize("priority", [True, "5", 101, -101, 1.5])
def test_a_priority_is_a_whole_number(priority: object) -> None:
    with pytest.raises(ValueError, match="priority"):
        BatchOptions(company="Northern", priority=priority)  # type: ignore[arg-type]
