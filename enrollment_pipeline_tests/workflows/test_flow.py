"""The ways through steps: what follows what, what nobody comes to, and what goes round for ever."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.workflows.flow import Edge, Flow, flow_of

Step = dict[str, Any]


def act(step_id: str, **more: object) -> Step:
    return {"id": step_id, "type": "add_tag", "tag": "x", **more}


def fork(step_id: str, **more: object) -> Step:
    return {"id": step_id, "type": "condition", "condition": {}, **more}


def rest(step_id: str, **more: object) -> Step:
    return {"id": step_id, "type": "wait", **(more or {"duration": "1 day"})}


def end(step_id: str) -> Step:
    return {"id": step_id, "type": "end"}


def ways(*steps: Step) -> list[tuple[str, str | None, str]]:
    return [(edge.from_step, edge.key, edge.to_step) for edge in flow_of(list(steps)).edges]


# What follows what


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([act("a"), act("b")], [("a", None, "b")]),
        ([act("a", next="c"), act("b"), act("c")], [("a", "next", "c"), ("b", None, "c")]),
        ([act("a", next=None), act("b")], [("a", None, "b")]),
        ([end("a"), act("b")], []),
        ([{**end("a"), "next": "b"}, act("b")], []),
        (
            [fork("a", then="c"), act("b"), act("c")],
            [("a", "then", "c"), ("a", None, "b"), ("b", None, "c")],
        ),
        (
            [{**fork("a", then="c"), "else": "a"}, end("b"), act("c")],
            [("a", "then", "c"), ("a", "else", "a")],
        ),
        # A condition goes by `then` and `else` alone.
        (
            [fork("a", then="a", next="c"), end("b"), end("c")],
            [("a", "then", "a"), ("a", None, "b")],
        ),
        # Other steps have no `then`.
        ([act("a", then="c"), end("b"), end("c")], [("a", None, "b")]),
        # One that is still missing leads nowhere.
        ([fork("a"), act("b")], [("a", None, "b")]),
        ([fork("a", then="b")], [("a", "then", "b")]),
        ([act("a", next=5), act("b")], []),
    ],
)
def test_each_step_leads_to_the_one_named_or_the_one_below(
    steps: list[Step], expected: list[tuple[str, str | None, str]]
) -> None:
    assert ways(*steps) == expected


def test_of_two_steps_with_one_id_the_first_counts() -> None:
    flow = flow_of([act("a", next="c"), act("b"), act("a", next="b"), end("c")])

    assert flow.order == ("a", "b", "c")
    assert flow.edges == (Edge("a", "next", "c"), Edge("b", None, "c"))


@pytest.mark.parametrize(
    "steps", [None, "steps", 5, {}, [], [None, 5, "x", [], {}, {"id": 5}, {"id": None}]]
)
def test_what_is_no_list_of_steps_has_no_ways(steps: object) -> None:
    flow = flow_of(steps)

    assert flow == Flow((), (), frozenset())
    assert list(flow.dangling()) == flow.unreachable(["x"]) == []
    assert flow.restless_cycle() is None


def test_what_is_no_step_is_passed_over_and_the_next_one_is_below() -> None:
    assert ways(act("a"), None, act("b")) == [("a", None, "b")]  # type: ignore[arg-type]


# Ways to nowhere


def test_a_way_to_no_step_is_told_with_the_field_that_says_so() -> None:
    flow = flow_of(
        [act("a", next="ghost"), {**fork("b", then="ghost"), "else": "spirit"}, act("c")]
    )

    assert list(flow.dangling()) == [
        Edge("a", "next", "ghost"),
        Edge("b", "then", "ghost"),
        Edge("b", "else", "spirit"),
    ]


# What nobody comes to


def test_steps_behind_an_end_that_nothing_leads_to_are_not_reached() -> None:
    flow = flow_of([act("a"), end("b"), act("c"), act("d")])

    assert flow.unreachable() == ["c", "d"]


def test_steps_that_only_lead_to_each_other_are_not_reached() -> None:
    assert flow_of([end("a"), act("b", next="c"), act("c", next="b")]).unreachable() == ["b", "c"]


def test_a_goal_leads_to_its_step_and_to_what_follows_it() -> None:
    flow = flow_of([end("a"), act("b"), end("c"), act("d")])

    assert flow.unreachable(["b"]) == ["d"]
    assert flow.unreachable(["ghost"]) == ["b", "c", "d"]
    assert flow.unreachable(["d", "b"]) == []


def test_both_ways_of_a_condition_are_gone() -> None:
    flow = flow_of([{**fork("a", then="c"), "else": "d"}, act("b"), end("c"), end("d")])

    assert flow.unreachable() == ["b"]


# What goes round for ever


@pytest.mark.parametrize(
    ("steps", "cycle"),
    [
        ([act("a", next="a")], ["a"]),
        ([act("a"), act("b", next="a")], ["a", "b"]),
        ([act("a"), act("b"), act("c", next="b")], ["b", "c"]),
        ([act("a"), fork("b", then="a"), end("c")], ["a", "b"]),
        ([act("a"), {**fork("b", then="c"), "else": "a"}, end("c")], ["a", "b"]),
        ([fork("a", then="a"), end("b")], ["a"]),
        # Of this way, another one does not rest either.
        ([act("a"), fork("b", then="d"), rest("c", duration="1 day", next="a"), act("d", next="a")],
         ["a", "b", "d"]),
        # Also where nobody comes to it.
        ([end("a"), act("b", next="b")], ["b"]),
        # What is waited for may have been already.
        ([act("a"), rest("b", until="2027-01-01", next="a")], ["a", "b"]),
        ([act("a"), rest("b", until="{{data.starts_at}}", offset="1 day", next="a")], ["a", "b"]),
        ([act("a"), rest("b", business_hours=True, next="a")], ["a", "b"]),
        ([act("a"), rest("b", duration="", next="a")], ["a", "b"]),
        # Only a wait waits.
        ([act("a", duration="1 day", next="a")], ["a"]),
    ],
)  # fmt: skip
def test_a_way_back_without_a_rest_is_told(steps: list[Step], cycle: list[str]) -> None:
    assert flow_of(steps).restless_cycle() == cycle


@pytest.mark.parametrize(
    "steps",
    [
        [rest("a", duration="1 day", next="a")],
        [act("a"), rest("b", duration="1 second", next="a")],
        [act("a"), rest("b"), fork("c", then="a"), end("d")],
        [act("a"), fork("b", then="d"), rest("c", duration="1 day", next="a"), end("d")],
        # Two ways that meet again are no cycle.
        [{**fork("a", then="b"), "else": "c"}, act("b", next="d"), act("c"), end("d")],
        [act("a"), act("b", next="ghost")],
        [act("a"), end("b")],
    ],
)  # fmt: skip
def test_a_way_that_ends_or_rests_is_fine(steps: list[Step]) -> None:
    assert flow_of(steps).restless_cycle() is None


# Many, and at random

_IDS = tuple("abcdefgh")


@st.composite
def _steps(draw: st.DrawFn) -> list[Step]:
    ids = draw(st.lists(st.sampled_from(_IDS), unique=True, max_size=len(_IDS)))
    targets = st.sampled_from([None, *(ids or _IDS), "ghost"])
    steps = []
    for step_id in ids:
        kind = draw(st.sampled_from(("act", "act", "fork", "rest", "until", "end")))
        if kind == "fork":
            steps.append({**fork(step_id, then=draw(targets)), "else": draw(targets)})
        elif kind == "rest":
            steps.append(rest(step_id, duration="1 day", next=draw(targets)))
        elif kind == "until":
            steps.append(rest(step_id, until="2027-01-01", next=draw(targets)))
        else:
            steps.append(end(step_id) if kind == "end" else act(step_id, next=draw(targets)))
    return steps


def _naive(steps: Sequence[Step]) -> dict[str, set[str]]:
    after: dict[str, set[str]] = {}
    for number, step in enumerate(steps):
        below = {steps[number + 1]["id"]} if number + 1 < len(steps) else set()
        if step["type"] == "end":
            found = set()
        elif step["type"] == "condition":
            found = {step["then"]} | ({step["else"]} if step["else"] else below)
        else:
            found = {step["next"]} if step["next"] else below
        after[step["id"]] = found - {None}
    return after


def _closure(after: dict[str, set[str]]) -> dict[str, set[str]]:
    """All that each step comes to in one step or more."""
    reached = {step: set(targets) for step, targets in after.items()}
    for _ in after:
        reached = {
            step: targets.union(*(reached.get(one, set()) for one in targets))
            for step, targets in reached.items()
        }
    return reached


@given(_steps(), st.lists(st.sampled_from((*_IDS, "ghost")), max_size=2))
def test_what_is_found_is_what_the_simplest_search_finds(
    steps: list[Step], entries: list[str]
) -> None:
    flow, after = flow_of(steps), _naive(steps)
    known, reached = set(after), _closure(after)

    begun = [step["id"] for step in steps[:1]] + [one for one in entries if one in known]
    seen = set(begun).union(*(reached[one] for one in begun))
    assert flow.unreachable(entries) == [one["id"] for one in steps if one["id"] not in seen]

    assert {(edge.from_step, edge.to_step) for edge in flow.dangling()} == {
        (step, target) for step in after for target in after[step] if target not in known
    }

    resting = {step["id"] for step in steps if step.get("duration")}
    restless = {step: after[step] - resting for step in known - resting}
    cycle = flow.restless_cycle()
    assert (cycle is not None) == any(
        step in targets for step, targets in _closure(restless).items()
    )
    if cycle is not None:
        assert len(set(cycle)) == len(cycle)
        for step, following in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert following in restless[step]


def test_a_hundred_steps_with_every_way_are_looked_through_at_once() -> None:
    ids = [f"s{number}" for number in range(100)]
    # Each leads to the one below and two below: as many ways as there are Fibonacci numbers.
    steps = [fork(one, then=ids[min(n + 2, 99)]) for n, one in enumerate(ids[:-1])]
    begun = time.process_time()

    flow = flow_of([*steps, end(ids[-1])])

    assert flow.restless_cycle() is None
    assert flow.unreachable() == []
    assert time.process_time() - begun < 1


def test_a_long_way_needs_no_depth() -> None:
    long = [act(f"s{number}") for number in range(20_000)]

    flow = flow_of(long)
    assert flow.restless_cycle() is None
    assert flow.unreachable() == []

    long[-1]["next"] = "s1"
    assert flow_of(long).restless_cycle() == [f"s{number}" for number in range(1, 20_000)]


def test_a_goal_that_leads_back_without_a_rest_never_ends() -> None:
    steps = [{"id": "a", "type": "add_tag"}, {"id": "g", "type": "goal", "goal": "Bought"}]

    assert flow_of(steps, [{"name": "Bought", "then": "a"}]).restless_cycle() == ["a", "g"]
    assert flow_of(steps, [{"name": "Bought", "then": "nowhere"}]).restless_cycle() is None
    assert flow_of(steps, [{"name": "Other", "then": "a"}]).restless_cycle() is None
    rest = {"id": "r", "type": "wait", "duration": "1 day"}
    assert flow_of([rest, *steps], [{"name": "Bought", "then": "r"}]).restless_cycle() is None
