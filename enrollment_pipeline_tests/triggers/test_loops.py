"""The loop guard before saving: what steps cause, and the shortest way back to a workflow."""

import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.triggers.loops import (
    Cause,
    Effect,
    Link,
    Node,
    describe,
    effects_of,
    find_cycle,
)

UPDATED = Cause("contact_updated")
TELLING = ["send_email", "send_sms", "webhook", "http_request", "notify", "create_task"]
ORDERING = ["wait", "condition", "goal", "end"]


def step(type_: str, id_: str = "s1", **fields: Any) -> dict[str, Any]:
    return {"id": id_, "type": type_, "config": fields}


def adds(tag: str, id_: str = "s1") -> dict[str, Any]:
    return step("add_tag", id_, tag=tag)


def workflow(
    number: int, event: str | None, key: str | None = None, *steps: dict[str, Any], name: str = ""
) -> Node:
    return Node(
        workflow_id=UUID(int=number),
        name=name or f"W{number}",
        event=event,
        key=key,
        effects=effects_of({"steps": list(steps)}),
    )


def on_tag(number: int, tag: str, *steps: dict[str, Any], name: str = "") -> Node:
    return workflow(number, "tag_added", tag, *steps, name=name)


def causes(*steps: Any) -> set[Cause]:
    return {effect.cause for effect in effects_of({"steps": list(steps)})}


def shown(nodes: Sequence[Node], start: int = 1) -> str | None:
    cycle = find_cycle(UUID(int=start), nodes)
    return None if cycle is None else describe(cycle)


# What steps cause


@pytest.mark.parametrize(
    ("given_step", "caused"),
    [
        (adds("lead"), {Cause("tag_added", "lead")}),
        (step("remove_tag", tag="lead"), {Cause("tag_removed", "lead")}),
        (step("update_field", field="plan"), {Cause("custom_field_changed", "plan")}),
        (step("update_field", field="custom_fields.plan"), {Cause("custom_field_changed", "plan")}),
        (step("add_tag", tags=["a", "b"]), {Cause("tag_added", "a"), Cause("tag_added", "b")}),
        (step("remove_tag", tags=("a",)), {Cause("tag_removed", "a")}),
        ({"type": "add_tag", "tag": "a"}, {Cause("tag_added", "a")}),
        ({"type": "add_tag", "tag": "a", "config": None}, {Cause("tag_added", "a")}),
        (
            {"type": "add_tag", "tags": ["a"], "config": {"tag": "b"}},
            {Cause("tag_added", "a"), Cause("tag_added", "b")},
        ),
    ],
)
def test_a_step_that_changes_the_contact_causes_its_event_and_an_update(
    given_step: dict[str, Any], caused: set[Cause]
) -> None:
    assert causes(given_step) == {*caused, UPDATED}


@pytest.mark.parametrize("type_", [*TELLING, *ORDERING, "teleport"])
def test_any_other_step_causes_nothing(type_: str) -> None:
    assert causes(step(type_, tag="lead", tags=["a"], field="plan")) == set()


def test_an_effect_names_the_step_and_its_type() -> None:
    assert effects_of({"steps": [step("wait", "s1"), adds("lead", "s2")]}) == {
        Effect(Cause("tag_added", "lead"), "s2", "add_tag"),
        Effect(UPDATED, "s2", "add_tag"),
    }


@pytest.mark.parametrize("id_", [None, "", 7, ["s2"]])
def test_a_step_without_an_id_is_named_by_its_place(id_: Any) -> None:
    effects = effects_of({"steps": [step("end"), {"id": id_, "type": "add_tag", "tag": "lead"}]})
    assert {effect.step_id for effect in effects} == {"#2"}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"steps": None},
        {"steps": "add_tag"},
        {"steps": 3},
        {"steps": {"id": "s1", "type": "add_tag", "tag": "lead"}},
        {"steps": [None, 1, "add_tag", ["add_tag", "lead"]]},
        {"steps": [{}]},
        {"steps": [{"tag": "lead"}]},
        {"steps": [{"id": "s1", "type": ["add_tag"], "tag": "lead"}]},
        {"steps": [{"id": "s1", "type": {"add_tag": 1}, "tag": "lead"}]},
        {"steps": [step("add_tag")]},
        {"steps": [step("add_tag", tag="")]},
        {"steps": [step("add_tag", tag=None, tags=None)]},
        {"steps": [step("add_tag", tag=5, tags={"lead": True})]},
        {"steps": [step("add_tag", tags=[None, 5, ["lead"], {}])]},
        {"steps": [{"id": "s1", "type": "add_tag", "config": "lead"}]},
        {"steps": [step("update_field", tag="lead")]},
    ],
)
def test_a_malformed_document_causes_nothing(config: dict[str, Any]) -> None:
    assert effects_of(config) == frozenset()


def test_a_malformed_step_leaves_its_neighbours_their_effects() -> None:
    assert causes(None, {"type": 1}, adds("lead")) == {Cause("tag_added", "lead"), UPDATED}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["add_tag", "lead", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "tag", "tags", "config"]), inner)
    ),
    max_leaves=12,
)


@given(steps=json_values | st.lists(json_values))
def test_no_document_is_too_strange_to_be_read(steps: Any) -> None:
    for effect in effects_of({"steps": steps}):
        assert effect.step_type == "add_tag"


# Cycles


def test_a_workflow_that_adds_its_own_tag_is_a_loop() -> None:
    node = on_tag(1, "lead", step("wait", "s1"), adds("lead", "s2"), name="Welcome")
    assert find_cycle(UUID(int=1), [node]) == (
        Link("Welcome", Effect(Cause("tag_added", "lead"), "s2", "add_tag"), "Welcome"),
    )


def test_two_workflows_that_start_each_other_are_a_loop() -> None:
    nodes = [
        on_tag(1, "new", adds("lead", "s1"), name="Welcome"),
        on_tag(2, "lead", step("send_email", "s2"), adds("new", "s3"), name="Nurture"),
    ]
    assert shown(nodes) == (
        'Welcome -> adds tag "lead" (step s1) -> Nurture -> adds tag "new" (step s3) -> Welcome'
    )
    assert shown(nodes, start=2) == (
        'Nurture -> adds tag "new" (step s3) -> Welcome -> adds tag "lead" (step s1) -> Nurture'
    )


def test_three_workflows_that_start_each_other_by_different_events_are_a_loop() -> None:
    nodes = [
        on_tag(1, "a", step("update_field", "s1", field="custom_fields.plan")),
        workflow(2, "custom_field_changed", "plan", step("remove_tag", "s2", tag="trial")),
        workflow(3, "tag_removed", "trial", adds("a", "s3")),
    ]
    assert shown(nodes) == (
        'W1 -> changes custom field "plan" (step s1) -> W2 -> removes tag "trial" (step s2) -> '
        'W3 -> adds tag "a" (step s3) -> W1'
    )


@pytest.mark.parametrize("spelling", ["plan", "custom_fields.plan"])
@pytest.mark.parametrize("awaited", ["plan", "custom_fields.plan"])
def test_both_spellings_of_a_custom_field_mean_the_same(spelling: str, awaited: str) -> None:
    changes = step("update_field", field=spelling)
    node = workflow(1, "custom_field_changed", awaited, changes)
    assert shown([node]) == 'W1 -> changes custom field "plan" (step s1) -> W1'


@pytest.mark.parametrize(
    "node",
    [
        on_tag(1, "lead", adds("customer")),
        on_tag(1, "lead", adds("Lead")),
        on_tag(1, "lead", adds("leads"), adds("lea")),
        on_tag(1, "lead", step("remove_tag", tag="lead")),
        on_tag(1, "lead", step("update_field", field="lead")),
        workflow(1, "tag_removed", "lead", adds("lead")),
        workflow(1, "custom_field_changed", "plan", step("update_field", field="plan.name")),
        workflow(1, "email_opened", None, step("send_email"), adds("lead")),
        workflow(1, "form_submitted", "lead", adds("lead")),
        workflow(1, None, None, adds("lead")),
        on_tag(1, "lead"),
    ],
)
def test_a_workflow_that_causes_another_event_than_its_own_is_no_loop(node: Node) -> None:
    assert find_cycle(UUID(int=1), [node]) is None


def test_a_chain_that_does_not_come_back_is_no_loop() -> None:
    nodes = [on_tag(1, "a", adds("b")), on_tag(2, "b", adds("c")), on_tag(3, "c", adds("d"))]
    assert shown(nodes) is None


def test_a_loop_of_others_is_not_held_against_a_workflow_that_only_leads_into_it() -> None:
    nodes = [on_tag(1, "start", adds("a")), on_tag(2, "a", adds("b")), on_tag(3, "b", adds("a"))]
    assert shown(nodes, start=1) is None
    assert shown(nodes, start=2) is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (adds("lead"), "updates the contact by add_tag (step s1)"),
        (step("remove_tag", tag="lead"), "updates the contact by remove_tag (step s1)"),
        (step("update_field", field="plan"), "updates the contact by update_field (step s1)"),
    ],
)
def test_a_trigger_on_any_update_is_caused_by_every_step_that_changes_the_contact(
    changes: dict[str, Any], said: str
) -> None:
    assert shown([workflow(1, "contact_updated", None, changes)]) == f"W1 -> {said} -> W1"


def test_a_trigger_without_a_key_is_caused_by_any_event_of_its_type() -> None:
    node = workflow(1, "tag_added", None, adds("b", "s2"), adds("a", "s1"))
    assert shown([node]) == 'W1 -> adds tag "a" (step s1) -> W1'
    assert shown([workflow(1, "tag_removed", None, adds("a"))]) is None


def test_an_event_without_a_key_does_not_cause_a_trigger_that_has_one() -> None:
    assert shown([workflow(1, "contact_updated", "plan", adds("a"))]) is None


# Which of several


def test_the_shortest_loop_is_shown() -> None:
    nodes = [
        on_tag(1, "home", adds("a", "s1"), adds("x", "s2")),
        on_tag(2, "a", adds("b")),
        on_tag(3, "b", adds("home")),
        on_tag(4, "x", adds("home", "s9")),
    ]
    assert shown(nodes) == 'W1 -> adds tag "x" (step s2) -> W4 -> adds tag "home" (step s9) -> W1'


def test_a_workflow_that_starts_itself_is_shown_before_a_way_through_others() -> None:
    nodes = [on_tag(1, "z", adds("a", "s1"), adds("z", "s2")), on_tag(2, "a", adds("z"))]
    assert shown(nodes) == 'W1 -> adds tag "z" (step s2) -> W1'


def test_the_order_in_which_workflows_and_steps_are_given_does_not_matter() -> None:
    steps = [adds("a", "s1"), adds("a", "s2"), adds("b", "s3")]
    nodes = [
        on_tag(2, "a", adds("home", "s5"), name="Same"),
        on_tag(3, "a", adds("home", "s6"), name="Same"),
        on_tag(4, "a", adds("home", "s7"), name="Zeta"),
        on_tag(5, "b", adds("home", "s8"), name="Another"),
    ]
    dice = random.Random(5)
    answers = set()
    for _ in range(50):
        dice.shuffle(steps)
        dice.shuffle(nodes)
        answers.add(shown([*nodes, on_tag(1, "home", *steps)]))
    assert answers == {'W1 -> adds tag "a" (step s1) -> Same -> adds tag "home" (step s5) -> W1'}


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([], "none of the 0"),
        ([on_tag(2, "a")], "none of the 1"),
        ([on_tag(1, "a"), on_tag(1, "b")], "given twice"),
        ([on_tag(1, "a"), on_tag(2, "b"), on_tag(2, "c")], "given twice"),
    ],
)
def test_a_guard_that_cannot_answer_says_so_instead_of_letting_a_loop_pass(
    nodes: list[Node], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        find_cycle(UUID(int=1), nodes)


# In words


def test_a_description_is_one_line_whatever_names_and_tags_hold() -> None:
    node = on_tag(1, "a\nb{x}", adds("a\nb{x}", "s\r1"), name='Very\n"new"\x1b ' + "y" * 100)
    said = shown([node])
    assert said is not None
    assert said.isprintable()
    assert 'adds tag "a\\u000ab{x}" (step s\\u000d1)' in said
    assert said.startswith("Very\\u000a\\u0022new\\u0022\\u001b yyy")
    assert len(said) < 300


# Against a brute force, and at size

keys = st.sampled_from(["a", "b", "c"])
random_steps = st.builds(
    step, st.sampled_from(["add_tag", "remove_tag", "send_email"]), tag=keys
) | st.builds(step, st.just("update_field"), field=keys)
awaited_events = st.one_of(
    st.tuples(
        st.sampled_from(["tag_added", "tag_removed", "custom_field_changed"]), st.none() | keys
    ),
    st.sampled_from([("contact_updated", None), ("email_opened", None), (None, None)]),
)
random_nodes = st.lists(
    st.tuples(awaited_events, st.lists(random_steps, max_size=2)), min_size=1, max_size=7
).map(
    lambda rows: [
        workflow(number, *awaited, *steps) for number, (awaited, steps) in enumerate(rows, start=1)
    ]
)


def starts(cause: Cause, node: Node) -> bool:
    return node.event == cause.event and node.key in (None, cause.key)


def shortest_by_brute_force(nodes: Sequence[Node]) -> int | None:
    """Walk from the first node along every pair at once; return the steps until it is met again."""
    here = [nodes[0]]
    for length in range(1, len(nodes) + 1):
        here = [
            node
            for node in nodes
            if any(starts(effect.cause, node) for before in here for effect in before.effects)
        ]
        if nodes[0] in here:
            return length
    return None


@given(nodes=random_nodes, order=st.randoms(use_true_random=False))
def test_a_loop_is_found_exactly_where_comparing_all_pairs_finds_one(
    nodes: list[Node], order: random.Random
) -> None:
    cycle = find_cycle(UUID(int=1), nodes)
    shuffled = order.sample(nodes, len(nodes))
    assert find_cycle(UUID(int=1), shuffled) == cycle
    assert (None if cycle is None else len(cycle)) == shortest_by_brute_force(nodes)
    named = {node.name: node for node in nodes}
    came_to = "W1"
    for link in cycle or ():
        assert link.from_workflow == came_to
        assert link.effect in named[link.from_workflow].effects
        assert starts(link.effect.cause, named[link.to_workflow])
        came_to = link.to_workflow
    assert came_to == "W1"


def test_a_loop_through_10_000_workflows_is_found() -> None:
    size = 10_000
    nodes = [
        on_tag(number, f"t{number}", adds(f"t{number % size + 1}")) for number in range(1, size + 1)
    ]
    cycle = find_cycle(UUID(int=1), nodes)
    assert cycle is not None
    names = [node.name for node in nodes]
    assert [link.to_workflow for link in cycle] == [*names[1:], "W1"]
    assert shown(nodes[:-1]) is None


def test_10_000_workflows_that_all_start_each_other_are_no_obstacle() -> None:
    others = [
        workflow(number, "contact_updated", None, adds(f"t{number}"), adds("end"))
        for number in range(3, 10_001)
    ]
    begin, end = on_tag(1, "begin", adds("any")), on_tag(2, "end", adds("begin", "s9"))
    assert shown([*others, begin, end]) == (
        "W1 -> updates the contact by add_tag (step s1) -> W10 -> "
        'adds tag "end" (step s1) -> W2 -> adds tag "begin" (step s9) -> W1'
    )
    assert shown([*others, begin]) is None
