"""The way through a workflow by what its steps have come to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.workflows.documents import WorkflowDocument
from enrollment_pipeline.workflows.execution import Checkpoint, StepStatus, walk

DONE, FAILED, SKIPPED = StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED
BEGUN, WAITING = StepStatus.BEGUN, StepStatus.WAITING


def document(*steps: dict[str, Any], **more: Any) -> WorkflowDocument:
    named = [{"id": f"s{number}", **step} for number, step in enumerate(steps, 1)]
    return WorkflowDocument.model_validate(
        {"name": "Way", "steps": named, "settings": {"subject": "item"}, **more}
    )


REQUEST = {"type": "http_request", "url": "https://roles.example.com"}
ENHANCING = {**REQUEST, "enhancement": True}
ASK = {"field": "item.name", "operator": "equals", "value": "a"}


def where(made: WorkflowDocument, **checkpoints: Any) -> str | None:
    """Return the next step as ``id`` or ``id:visit``, None at the end."""
    done = {}
    for key, value in checkpoints.items():
        step, _, visit = key.partition("_")
        status, output = value if isinstance(value, tuple) else (value, None)
        done[step, int(visit or 1)] = Checkpoint(status, output)
    at = walk(made, done, {}).position
    return None if at is None else at.step.id + (f":{at.visit}" if at.visit > 1 else "")


@pytest.mark.parametrize(
    ("checkpoints", "next_step"),
    [
        ({}, "s1"),
        ({"s1": BEGUN}, "s1"),
        ({"s1": WAITING}, "s1"),
        ({"s1": FAILED}, "s1"),
        ({"s1": DONE}, "s2"),
        ({"s1": DONE, "s2": SKIPPED}, "s3"),
        # An enhancement that failed is behind, and one that is to be tried again is not.
        ({"s1": DONE, "s2": FAILED}, "s3"),
        ({"s1": DONE, "s2": BEGUN, "s3": DONE}, "s2"),
        ({"s1": DONE, "s2": DONE, "s3": DONE}, None),
        # A step that was put in between is done, those behind it stay done.
        ({"s1": DONE, "s3": DONE}, "s2"),
        # A step that is no longer there is passed over.
        ({"gone": DONE}, "s1"),
    ],
)
def test_the_first_unfinished_step_is_next(
    checkpoints: dict[str, Any], next_step: str | None
) -> None:
    assert where(document(REQUEST, ENHANCING, REQUEST), **checkpoints) == next_step


def test_a_failed_enhancement_is_remembered_and_a_failed_step_is_no_enhancement() -> None:
    made = document(ENHANCING, REQUEST)
    error = {"code": "HTTP_STATUS"}

    way = walk(made, {("s1", 1): Checkpoint(FAILED, error=error)}, {})

    assert [one.error for one in way.failed] == [error]
    assert way.answers == {}


@pytest.mark.parametrize(
    ("step", "output", "next_step"),
    [
        ({"type": "condition", "condition": ASK, "then": "s3"}, {"matched": True}, "s3"),
        ({"type": "condition", "condition": ASK, "then": "s3"}, {"matched": False}, "s2"),
        (
            {"type": "condition", "condition": ASK, "then": "s2", "else": "s3"},
            {"matched": False},
            "s3",
        ),
        ({"type": "goal", "goal": "g"}, {"reached": True}, "s3"),
        ({"type": "goal", "goal": "g"}, {"reached": False}, "s2"),
        ({"type": "goal", "goal": "g", "otherwise": "end"}, {"reached": False}, None),
        ({"type": "end"}, None, None),
        ({**REQUEST, "next": "s3"}, None, "s3"),
    ],
)
def test_a_step_leads_where_its_outcome_says(
    step: dict[str, Any], output: Any, next_step: str | None
) -> None:
    goals = [{"name": "g", "condition": ASK, "then": "s3"}]
    made = document(step, REQUEST, REQUEST, goals=goals)

    assert where(made, s1=(DONE, output)) == next_step


def test_a_step_that_is_come_to_again_is_another_visit() -> None:
    made = document(REQUEST, {"type": "wait", "duration": "1 day", "next": "s1"})

    assert where(made, s1=DONE, s2=DONE) == "s1:2"
    assert where(made, s1=DONE, s2=DONE, s1_2=DONE) == "s2:2"


def test_a_way_that_comes_back_for_ever_is_given_up() -> None:
    made = document(REQUEST, {"type": "wait", "duration": "1 day", "next": "s1"})
    done = {(step, visit): Checkpoint(DONE) for step in ("s1", "s2") for visit in range(1, 600)}

    way = walk(made, done, {})

    assert (way.endless, way.position) == (True, None)


def test_answers_and_fields_are_what_the_steps_have_brought() -> None:
    made = document(
        {**REQUEST, "save_as": "attributes.found.first"},
        {"type": "update_field", "field": "attributes.tier", "value": "gold"},
    )
    given_at_first = {"tier": "old", "found": {"kept": 1}}

    way = walk(
        made,
        {("s1", 1): Checkpoint(DONE, {"a": 1}), ("s2", 1): Checkpoint(DONE, "gold")},
        given_at_first,
    )

    assert way.answers == {"s1": {"a": 1}}
    assert way.attributes == {"tier": "gold", "found": {"kept": 1, "first": {"a": 1}}}
    assert given_at_first == {"tier": "old", "found": {"kept": 1}}


@given(
    kinds=st.lists(st.sampled_from([REQUEST, ENHANCING]), min_size=1, max_size=8),
    outcomes=st.lists(st.sampled_from([DONE, SKIPPED, FAILED]), min_size=8, max_size=8),
)
def test_carrying_out_what_is_next_comes_to_the_end_and_to_no_step_twice(
    kinds: list[dict[str, Any]], outcomes: list[StepStatus]
) -> None:
    made = document(*kinds)
    done: dict[tuple[str, int], Checkpoint] = {}
    seen = []
    for _ in range(20):
        at = walk(made, done, {}).position
        if at is None:
            break
        seen.append(at.step.id)
        status = outcomes[len(seen) - 1]
        essential = getattr(at.step, "enhancement", None) is not True
        done[at.step.id, at.visit] = Checkpoint(DONE if essential else status)

    assert seen == [f"s{number}" for number in range(1, len(kinds) + 1)]
