"""What differs between two workflow documents, and a document with some of it taken over."""

from typing import Any

import pytest

from enrollment_pipeline.templates.changes import Change, apply, diff, merge, updates
from enrollment_pipeline_tests.templates.greetings import (
    BASE,
    HELLO,
    PAUSE,
    THANKS,
    Document,
    document,
    step,
)


def ids(changes: tuple[Change, ...]) -> list[str]:
    return [change.id for change in changes]


def told(old: Document, new: Document) -> list[tuple[str, str, Any, Any]]:
    return [(one.id, one.kind.value, one.before, one.after) for one in diff(old, new)]


# What differs


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (BASE, BASE, []),
        (
            BASE,
            document(HELLO | {"subject": "Hi"}, PAUSE, THANKS),
            [("steps.hello.subject", "changed", "Hello", "Hi")],
        ),
        (
            BASE,
            document(HELLO | {"label": "First"}, PAUSE, THANKS),
            [("steps.hello.label", "added", None, "First")],
        ),
        (
            document(HELLO | {"next": "thanks"}),
            document(HELLO),
            [("steps.hello.next", "removed", "thanks", None)],
        ),
        (BASE, document(HELLO, THANKS), [("steps.pause", "removed", PAUSE, None)]),
        (document(HELLO), document(HELLO, PAUSE), [("steps.pause", "added", None, PAUSE)]),
        (
            BASE,
            document(HELLO, step("pause", "end"), THANKS),
            [("steps.pause", "changed", PAUSE, step("pause", "end"))],
        ),
        (
            BASE,
            document(THANKS, HELLO, PAUSE),
            [
                (
                    "steps.order",
                    "moved",
                    ["hello", "pause", "thanks"],
                    ["thanks", "hello", "pause"],
                )
            ],
        ),
        (
            document(HELLO, PAUSE),
            document(THANKS, HELLO, PAUSE),
            [("steps.thanks", "added", None, THANKS)],
        ),
        (
            document(trigger={"event": "tag_added", "parameters": {"tag": "lead"}}),
            document(trigger={"event": "tag_removed", "parameters": {"tag": "trial"}}),
            [
                ("trigger.event", "changed", "tag_added", "tag_removed"),
                ("trigger.parameters.tag", "changed", "lead", "trial"),
            ],
        ),
        (
            document(),
            document(trigger={"event": "tag_added", "settings": {"active": True}}),
            [
                ("trigger.event", "added", None, "tag_added"),
                ("trigger.settings.active", "added", None, True),
            ],
        ),
        (
            document(trigger={"filters": {"conditions": [1, 2]}}),
            document(trigger={"filters": {"conditions": [1]}}),
            [("trigger.filters", "changed", {"conditions": [1, 2]}, {"conditions": [1]})],
        ),
        (
            document(goals=[{"name": "Booked a talk", "event": "appointment_booked"}]),
            document(
                goals=[{"name": "Booked a talk", "event": "appointment_booked", "then": "thanks"}]
            ),
            [("goals.Booked a talk.then", "added", None, "thanks")],
        ),
        (
            document(goals=[{"name": "A"}, {"name": "B"}]),
            document(goals=[{"name": "B"}, {"name": "C"}, {"name": "A"}]),
            [
                ("goals.C", "added", None, {"name": "C"}),
                ("goals.order", "moved", ["A", "B"], ["B", "A"]),
            ],
        ),
        (
            document(HELLO, settings={"subject": "item", "estimate": "1 minute"}),
            document(HELLO | {"retry": "slow"}, settings={"subject": "item", "estimate": "1 hour"}),
            [
                ("steps.hello.retry", "added", None, "slow"),
                ("settings.estimate", "changed", "1 minute", "1 hour"),
            ],
        ),
        (
            document(settings={"reenrollment": "always"}),
            document(settings={"reenrollment": "never_twice"}),
            [("settings.reenrollment", "changed", "always", "never_twice")],
        ),
        (
            document(description="One.", integrations=["email"]),
            document(description="Two.", integrations=["email", "sms"]),
            [
                ("description", "changed", "One.", "Two."),
                ("integrations", "changed", ["email"], ["email", "sms"]),
            ],
        ),
        (
            document(values={"shop_link": "", "old": "x"}),
            document(values={"new": "", "shop_link": "https://example.com"}),
            [
                ("values.new", "added", None, ""),
                ("values.shop_link", "changed", "", "https://example.com"),
                ("values.old", "removed", "x", None),
            ],
        ),
        (
            document(step("plan", "update_field", value=True)),
            document(step("plan", "update_field", value=1)),
            [("steps.plan.value", "changed", True, 1)],
        ),
    ],
)
def test_each_difference_is_named_once(
    old: Document, new: Document, changes: list[tuple[str, str, Any, Any]]
) -> None:
    assert told(old, new) == changes


@pytest.mark.parametrize("part", ["name", "slug", "version", "category", "tags", "schema"])
def test_what_tells_a_template_from_its_clones_is_not_compared(part: str) -> None:
    assert diff({part: "a", "steps": []}, {part: "b", "steps": []}) == ()
    assert apply({part: "a"}, (), order_from={part: "b"}) == {part: "a"}


@pytest.mark.parametrize("nothing", [{}, {"steps": None}, {"steps": [], "goals": []}])
@pytest.mark.parametrize("other", [{"values": {}}, {"trigger": {"parameters": {}}}, {}])
def test_a_part_without_anything_in_it_is_the_same_as_none(
    nothing: Document, other: Document
) -> None:
    assert diff(nothing, other) == diff(other, nothing) == ()


def test_changes_come_as_in_the_new_document_and_removed_ones_where_they_stood() -> None:
    old = document(step("gone_first"), HELLO, step("gone"), step("gone_too"), THANKS)
    new = document(HELLO | {"subject": "Hi"}, step("new"), THANKS | {"subject": "Bye"})
    assert ids(diff(old, new)) == [
        "steps.gone_first",
        "steps.hello.subject",
        "steps.gone",
        "steps.gone_too",
        "steps.new",
        "steps.thanks.subject",
    ]


def test_names_that_could_be_taken_for_something_else_are_in_quotes() -> None:
    old = document(step("order", subject="a"), HELLO, goals=[{"name": "Over 9.50"}, {"name": "A"}])
    new = document(HELLO, step("order", subject="b"), goals=[{"name": 'The "best"'}])
    assert ids(diff(old, new)) == [
        'steps."order".subject',
        "steps.order",
        'goals."Over 9.50"',
        "goals.A",
        r'goals."The \"best\""',
    ]


@pytest.mark.parametrize(
    ("part", "broken"),
    [
        ("steps", "none"),
        ("steps", [1]),
        ("steps", [{"type": "end"}]),
        ("steps", [HELLO, HELLO]),
        ("goals", {"name": "A"}),
        ("values", ["shop_link"]),
        ("trigger", "tag_added"),
    ],
)
def test_a_part_that_is_not_shaped_as_it_should_be_is_compared_as_a_whole(
    part: str, broken: Any
) -> None:
    whole: Document = {
        "steps": [HELLO],
        "goals": [{"name": "A"}],
        "values": {"a": "b"},
        "trigger": {"event": "tag_added"},
    }
    spoilt = whole | {part: broken}
    assert told(whole, spoilt) == [(part, "changed", whole[part], broken)]
    assert apply(whole, diff(whole, spoilt), order_from=spoilt) == spoilt
    assert apply(spoilt, diff(spoilt, whole), order_from=whole) == whole
    assert updates(whole, spoilt, whole) == ()
    changed = whole | {"values": {"a": "c"}, "steps": [HELLO | {"subject": "Hi"}]}
    changed |= {"goals": [{"name": "A", "then": "b"}], "trigger": {"event": "tag_removed"}}
    found = {one.change.id: one.conflict for one in updates(whole, spoilt, changed)}
    assert found[part] is True
    assert merge(whole, spoilt, changed, [part]) == spoilt | {part: changed[part]}


# Applying


def chosen(old: Document, new: Document, *names: str) -> Document:
    changes = {change.id: change for change in diff(old, new)}
    return apply(old, [changes[name] for name in names], order_from=new)


def test_only_the_chosen_change_is_made() -> None:
    new = document(
        THANKS, HELLO | {"subject": "Hi", "body": "Yo."}, description="New.", values={"a": "1"}
    )
    assert chosen(BASE, new, "steps.hello.subject") == document(
        HELLO | {"subject": "Hi"}, PAUSE, THANKS
    )
    assert chosen(BASE, new, "steps.pause") == document(HELLO, THANKS)
    assert chosen(BASE, new, "steps.order") == document(THANKS, PAUSE, HELLO)
    assert chosen(BASE, new, "values.a") == BASE | {"values": {"a": "1"}}
    assert chosen(BASE, new) == BASE


def test_what_is_written_into_the_outcome_later_reaches_neither_document() -> None:
    new = document(HELLO, step("call", "webhook", headers={"a": "b"}), PAUSE, THANKS)
    made = chosen(BASE, new, "steps.call")
    for one in made["steps"]:
        one["label"] = "Mine"
    made["steps"][1]["headers"]["a"] = "mine"
    assert all("label" not in one for one in (*BASE["steps"], *new["steps"]))
    assert new["steps"][1]["headers"] == {"a": "b"}


def test_an_added_step_comes_after_the_one_that_precedes_it() -> None:
    new = document(step("zero"), HELLO, step("one"), step("two"), PAUSE, THANKS, step("three"))
    order = [one["id"] for one in chosen(BASE, new, "steps.two", "steps.three")["steps"]]
    assert order == ["hello", "two", "pause", "thanks", "three"]
    order = [one["id"] for one in chosen(BASE, new, "steps.two", "steps.one")["steps"]]
    assert order == ["hello", "one", "two", "pause", "thanks"]
    order = [one["id"] for one in chosen(BASE, new, "steps.zero")["steps"]]
    assert order == ["zero", "hello", "pause", "thanks"]


def test_a_part_goes_with_the_last_thing_in_it() -> None:
    old = document(HELLO, values={"a": "1"}, trigger={"event": "x", "parameters": {"tag": "y"}})
    new = document(HELLO, trigger={"event": "x"})
    assert chosen(old, new, "values.a", "trigger.parameters.tag") == new


def test_a_change_of_a_step_that_is_not_there_is_refused() -> None:
    new = document(HELLO | {"subject": "Hi"}, PAUSE, THANKS)
    with pytest.raises(KeyError, match=r"steps\.hello\.subject"):
        apply(document(PAUSE), diff(BASE, new), order_from=new)
