"""What a newer template would change in a workflow that was edited, and merging it."""

from typing import Any

import pytest

from enrollment_pipeline.templates.changes import merge, updates
from enrollment_pipeline_tests.templates.greetings import (
    BASE,
    HELLO,
    PAUSE,
    THANKS,
    Document,
    document,
    step,
)

HI = HELLO | {"subject": "Hi"}
MINE = HELLO | {"subject": "Mine"}
NEW = step("new", subject="New")
OTHER_NEW = step("new", subject="Other")
END = step("hello", "end")


def offered(base: Document, mine: Document, newest: Document) -> list[tuple[Any, ...]]:
    return [
        (one.change.id, one.change.kind.value, one.change.before, one.change.after, one.conflict)
        for one in updates(base, mine, newest)
    ]


@pytest.mark.parametrize(
    ("base", "mine", "newest", "expected"),
    [
        # Nothing new, or nothing that mine does not have.
        ([HELLO], [HELLO], [HELLO], []),
        ([HELLO], [MINE, PAUSE], [HELLO], []),
        ([HELLO], [HI], [HI], []),
        ([HELLO], [], [], []),
        ([HELLO], [HELLO, NEW], [HELLO, NEW], []),
        # A field.
        ([HELLO], [HELLO], [HI], [("steps.hello.subject", "changed", "Hello", "Hi", False)]),
        ([HELLO], [MINE], [HI], [("steps.hello.subject", "changed", "Mine", "Hi", True)]),
        (
            [HELLO],
            [HELLO | {"body": "Mine."}],
            [HI],
            [("steps.hello.subject", "changed", "Hello", "Hi", False)],
        ),
        (
            [HELLO],
            [HELLO | {"label": "Mine"}],
            [HELLO | {"label": "Theirs"}],
            [("steps.hello.label", "changed", "Mine", "Theirs", True)],
        ),
        (
            [HELLO | {"label": "Was"}],
            [HELLO | {"label": "Mine"}],
            [HELLO],
            [("steps.hello.label", "removed", "Mine", None, True)],
        ),
        (
            [HELLO | {"label": "Was"}],
            [HELLO],
            [HELLO | {"label": "Theirs"}],
            [("steps.hello.label", "added", None, "Theirs", True)],
        ),
        # A step of the template: added, removed, changed.
        ([HELLO], [HELLO], [HELLO, NEW], [("steps.new", "added", None, NEW, False)]),
        (
            [HELLO],
            [HELLO, OTHER_NEW],
            [HELLO, NEW],
            [("steps.new", "changed", OTHER_NEW, NEW, True)],
        ),
        ([HELLO, PAUSE], [HELLO, PAUSE], [PAUSE], [("steps.hello", "removed", HELLO, None, False)]),
        ([HELLO, PAUSE], [MINE, PAUSE], [PAUSE], [("steps.hello", "removed", MINE, None, True)]),
        (
            [HELLO, PAUSE],
            [PAUSE],
            [HI | {"body": "New."}, PAUSE],
            [("steps.hello", "added", None, HI | {"body": "New."}, True)],
        ),
        ([HELLO], [HELLO], [END], [("steps.hello", "changed", HELLO, END, False)]),
        ([HELLO], [MINE], [END], [("steps.hello", "changed", MINE, END, True)]),
        ([HELLO], [END], [HI], [("steps.hello", "changed", END, HI, True)]),
        ([HELLO], [], [END], [("steps.hello", "added", None, END, True)]),
        # The order.
        (
            [HELLO, PAUSE, THANKS],
            [HELLO, PAUSE, NEW, THANKS],
            [THANKS, HELLO, PAUSE],
            [
                (
                    "steps.order",
                    "moved",
                    ["hello", "pause", "thanks"],
                    ["thanks", "hello", "pause"],
                    False,
                )
            ],
        ),
        (
            [HELLO, PAUSE, THANKS],
            [PAUSE, HELLO, THANKS],
            [THANKS, HELLO, PAUSE],
            [
                (
                    "steps.order",
                    "moved",
                    ["pause", "hello", "thanks"],
                    ["thanks", "hello", "pause"],
                    True,
                )
            ],
        ),
        ([HELLO, PAUSE], [PAUSE, HELLO], [PAUSE, HELLO], []),
        ([HELLO, PAUSE, THANKS], [HELLO, PAUSE], [THANKS, HELLO, PAUSE], []),
    ],
)
def test_updates_are_what_the_template_changed_and_mine_does_not_have(
    base: list[Document], mine: list[Document], newest: list[Document], expected: list[Any]
) -> None:
    assert offered(document(*base), document(*mine), document(*newest)) == expected


def test_updates_of_other_parts_than_steps() -> None:
    base = document(
        values={"shop_link": "", "code": "A"}, trigger={"parameters": {"tag": "a"}}, description="a"
    )
    mine = document(
        values={"shop_link": "https://example.com", "code": "A", "own": "x"},
        trigger={"parameters": {"tag": "mine"}},
        goals=[{"name": "Mine"}],
    )
    newest = document(
        values={"shop_link": "", "code": "B"},
        trigger={"parameters": {"tag": "b"}},
        goals=[{"name": "Theirs"}],
        description="b",
    )
    assert offered(base, mine, newest) == [
        ("values.code", "changed", "A", "B", False),
        ("trigger.parameters.tag", "changed", "mine", "b", True),
        ("goals.Theirs", "added", None, {"name": "Theirs"}, False),
        ("description", "added", None, "b", True),
    ]


def test_a_merge_leaves_all_that_was_not_chosen_alone() -> None:
    mine = document(MINE, PAUSE, NEW, THANKS, name="My own", values={"own": "x"}, tags=["mine"])
    newest = document(
        step("before"), HI | {"body": "New."}, THANKS, description="New.", name="Theirs"
    )
    assert [update.change.id for update in updates(BASE, mine, newest)] == [
        "steps.before",
        "steps.hello.subject",
        "steps.hello.body",
        "steps.pause",
        "description",
    ]
    assert merge(BASE, mine, newest, []) == mine
    assert merge(BASE, mine, newest, ["steps.hello.body"]) == mine | {
        "steps": [MINE | {"body": "New."}, PAUSE, NEW, THANKS]
    }
    assert merge(BASE, mine, newest, {"steps.before", "steps.pause"}) == mine | {
        "steps": [step("before"), MINE, NEW, THANKS]
    }


def test_a_merged_order_leaves_own_steps_where_they_are() -> None:
    mine = document(NEW, HELLO, PAUSE, step("own"), THANKS)
    newest = document(THANKS, PAUSE, HELLO)
    merged = merge(BASE, mine, newest, ["steps.order"])
    assert [one["id"] for one in merged["steps"]] == ["new", "thanks", "pause", "own", "hello"]


def test_a_step_called_order_and_the_order_are_chosen_apart() -> None:
    base = document(HELLO, PAUSE)
    newest = document(PAUSE, HELLO, step("order"))
    assert [update.change.id for update in updates(base, base, newest)] == [
        'steps."order"',
        "steps.order",
    ]
    assert merge(base, base, newest, ["steps.order"]) == document(PAUSE, HELLO)
    assert merge(base, base, newest, ['steps."order"']) == document(HELLO, step("order"), PAUSE)


@pytest.mark.parametrize("name", ["steps.nowhere", "steps", "", "steps.hello"])
def test_an_unknown_update_is_named(name: str) -> None:
    newest = document(HI, PAUSE, THANKS)
    with pytest.raises(KeyError) as refused:
        merge(BASE, BASE, newest, ["steps.hello.subject", name])
    assert refused.value.args == (name,)
