"""The way of one subject through the steps of a workflow, by what they have come to so far; pure.

Whoever carries out steps writes down a checkpoint for each. From the document and the checkpoints,
`walk` tells which step is next: so there is no position that could be wrong, a worker that is
killed is followed by one that goes on at the first unfinished step, and a document that was changed
meanwhile is gone on with as it is now. Does not belong here: what a step does.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any

from enrollment_pipeline.workflows.documents import WorkflowDocument
from enrollment_pipeline.workflows.steps import (
    AnyStep,
    Condition,
    End,
    GoalStep,
    HttpRequest,
    UpdateField,
)

MOST_VISITS = 1_000
"""Steps on the way of one subject, each visit counted; a cycle of waits comes back for ever."""


class StepStatus(StrEnum):
    """What a step has come to. `begun` and `waiting` ones are unfinished."""

    BEGUN = "begun"
    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a visit to a step has come to.

    `output` is the JSON answer of a service, the value of a field, `{"until": ISO time}` of a wait,
    `{"matched": bool}` of a condition, `{"reached": bool}` of a goal. `error` is what a failed one
    failed for.
    """

    status: StepStatus
    output: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A step that is next, and the how-manieth visit to it this is, from 1."""

    step: AnyStep
    visit: int
    checkpoint: Checkpoint | None = None


@dataclass(slots=True)
class Walk:
    """How far a subject is: the next step, None at the end, and what the steps so far have brought.

    `answers` are those of services by id of their step, `attributes` the subject's own fields as
    steps have set them, `failed` the checkpoints of steps whose failure was no reason to stop.
    """

    position: Position | None = None
    answers: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    failed: list[Checkpoint] = field(default_factory=list)
    endless: bool = False


def walk(
    document: WorkflowDocument,
    done: Mapping[tuple[str, int], Checkpoint],
    attributes: Mapping[str, Any],
) -> Walk:
    """Follow the steps that are finished, and return where that leads.

    `done` has the checkpoints by id of the step and visit; `attributes` are the subject's own
    fields at the beginning. `endless` is set where the way is longer
    than `MOST_VISITS`; there is then no next step.
    """
    found = Walk(attributes=dict(attributes))
    steps = {step.id: step for step in document.steps}
    below = dict(pairwise(steps))
    visits: Counter[str] = Counter()
    step = next(iter(steps.values()), None)
    while step is not None:
        visits[step.id] += 1
        if visits.total() > MOST_VISITS:
            found.endless = True
            return found
        checkpoint = done.get((step.id, visits[step.id]))
        if checkpoint is None or not _is_behind(step, checkpoint):
            found.position = Position(step, visits[step.id], checkpoint)
            return found
        _take_in(found, step, checkpoint)
        following = _next_of(document, step, checkpoint, below.get(step.id))
        step = None if following is None else steps[following]
    return found


def _is_behind(step: AnyStep, checkpoint: Checkpoint) -> bool:
    if checkpoint.status is StepStatus.FAILED:
        return getattr(step, "enhancement", False) is True
    return checkpoint.status in (StepStatus.DONE, StepStatus.SKIPPED)


def _take_in(found: Walk, step: AnyStep, checkpoint: Checkpoint) -> None:
    if checkpoint.status is StepStatus.FAILED:
        found.failed.append(checkpoint)
    if checkpoint.status is not StepStatus.DONE:
        return
    if isinstance(step, HttpRequest):
        found.answers[step.id] = checkpoint.output
        if step.save_as is not None:
            _set(found.attributes, step.save_as, checkpoint.output)
    if isinstance(step, UpdateField):
        _set(found.attributes, step.field, checkpoint.output)


def _set(attributes: dict[str, Any], path: str, value: Any) -> None:
    # The first name says whose field it is.
    _, *names, last = path.split(".")
    within = attributes
    for name in names:
        below = within.get(name)
        within[name] = within = dict(below) if isinstance(below, dict) else {}
    within[last] = value


def _next_of(
    document: WorkflowDocument, step: AnyStep, checkpoint: Checkpoint, below: str | None
) -> str | None:
    if isinstance(step, End):
        return None
    output = checkpoint.output if isinstance(checkpoint.output, dict) else {}
    if isinstance(step, Condition):
        return step.then if output.get("matched") else step.otherwise or below
    if isinstance(step, GoalStep):
        if output.get("reached"):
            return next((goal.then for goal in document.goals if goal.name == step.goal), None)
        if step.otherwise == "end":
            return None
    return step.next or below
