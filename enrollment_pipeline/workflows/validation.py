"""What is wrong with a workflow document: everything at once, each with its path and a sentence.

Pure. Belongs here: the rules over a document as a whole. Does not belong here: what one step is
asked for (`steps`), how shapes become sentences (`problems`), and what depends on the account, such
as loops through other workflows and integrations that are not connected (`checking`). Source: spec
"Workflow document", `validate`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS, Fields
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.errors import InvalidConditionError, InvalidTriggerError
from enrollment_pipeline.records import Subject
from enrollment_pipeline.triggers.documents import parse_trigger
from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline.workflows.documents import KEYS, entries, unkeepable
from enrollment_pipeline.workflows.flow import flow_of
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.placeholders import Names, faults, placeholders
from enrollment_pipeline.workflows.problems import Problem, shape_problems
from enrollment_pipeline.workflows.steps import STEP_TYPES
from enrollment_pipeline.workflows.subject_rules import subject_problems
from enrollment_pipeline.workflows.subjects import item_fields, subject_of

# What leads, asks or names, and is never sent to anybody.
_NO_TEXTS = frozenset(
    {
        *("id", "type", "label", "next", "then", "else", "goal", "otherwise", "condition"),
        *("field", "save_as", "timeout", "retry"),
    }
)
_DEEPEST_TEXT = 50


def problems_of(document: object) -> list[Problem]:
    """Return everything that keeps a document from being activated, in the order of the document.

    An empty list means that it can be, as far as the document alone says.
    """
    fault = unkeepable(document)
    if fault is not None:
        return [Problem("", f"the document {fault}")]
    if not isinstance(document, Mapping):
        return [Problem("", "a workflow is an object.")]
    found = [problem for rule in _RULES for problem in rule(document)]
    return sorted(found, key=lambda problem: _place(problem.path))


_place_in = re.compile(r"([a-z]+)(?:\[([0-9]+)\])?")


def _place(path: str) -> tuple[int, int]:
    """Return where in a document a path is: the number of its part, and that of a step or goal."""
    found = _place_in.match(path)
    if found is None or found[1] not in KEYS:
        return -1, -1
    return KEYS.index(found[1]), -1 if found[2] is None else int(found[2])


def steps_of(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the path and the content of each step that is an object."""
    return entries(document, "steps")


def texts_of(step: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path within a step, and the text, of all that may hold placeholders."""
    for key, value in step.items():
        if key not in _NO_TEXTS:
            yield from _texts_in(str(key), value, _DEEPEST_TEXT)


def named_integrations(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the integrations that steps and placeholders name, each with the path of the first."""
    named: dict[str, str] = {}
    for path, step in steps_of(document):
        kind = step.get("type")
        model = STEP_TYPES.get(kind) if isinstance(kind, str) else None
        if model is not None and model.integration is not None:
            named.setdefault(model.integration, f"{path}.type")
        for below, text in texts_of(step):
            for placeholder in placeholders(text):
                if placeholder.root in INTEGRATIONS:
                    named.setdefault(placeholder.root, f"{path}.{below}")
    return named


def listed_integrations(document: Mapping[str, Any]) -> list[str]:
    """Return the integrations that a document lists, as far as there are such."""
    listed = document.get("integrations")
    given = listed if isinstance(listed, list | tuple) else ()
    return list(dict.fromkeys(one for one in given if isinstance(one, str) and one in INTEGRATIONS))


def _trigger(document: Mapping[str, Any]) -> Iterator[Problem]:
    trigger = document.get("trigger")
    if subject_of(document) is Subject.ITEM:
        return
    if trigger is None:
        yield Problem("trigger", "a workflow needs a trigger: what starts it.", unfinished=True)
        return
    try:
        parse_trigger(trigger)
    except InvalidTriggerError as error:
        for one in error.details["errors"]:
            yield Problem(_below("trigger", one["path"]), one["message"])


def _actions(document: Mapping[str, Any]) -> Iterator[Problem]:
    kinds = [step.get("type") for _, step in steps_of(document)]
    if not any(
        isinstance(kind, str) and kind in STEP_TYPES and STEP_TYPES[kind].acts for kind in kinds
    ):
        example = "http_request" if subject_of(document) is Subject.ITEM else "send_email"
        yield Problem(
            "steps",
            f"a workflow needs a step that does something, such as {example}.",
            unfinished=True,
        )


def _ids(document: Mapping[str, Any]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for path, step in steps_of(document):
        step_id = step.get("id")
        if isinstance(step_id, str) and seen.setdefault(step_id, path) != path:
            yield Problem(f"{path}.id", f"{show(step_id)} is the id of {seen[step_id]} already.")


def _flow(document: Mapping[str, Any]) -> Iterator[Problem]:
    flow = flow_of(document.get("steps"), document.get("goals"))
    paths: dict[str, str] = {}
    for path, step in steps_of(document):
        if isinstance(step.get("id"), str):
            paths.setdefault(step["id"], path)
    for edge in flow.dangling():
        yield Problem(
            f"{paths[edge.from_step]}.{edge.key}",
            f"there is no step {show(edge.to_step)}.",
            unfinished=True,
        )
    led_to = [goal.get("then") for _, goal in entries(document, "goals")]
    for step_id in flow.unreachable([one for one in led_to if isinstance(one, str)]):
        yield Problem(paths[step_id], f"no way leads to the step {show(step_id)}.", unfinished=True)
    cycle = flow.restless_cycle()
    if cycle is not None:
        way = " -> ".join([*cycle, cycle[0]])
        yield Problem(
            paths[cycle[0]],
            f"the steps go round for ever: {way}. One of them must be a wait with a duration.",
            unfinished=True,
        )


def _conditions(document: Mapping[str, Any]) -> Iterator[Problem]:
    fields = replace(_fields(document), changes=False)
    asked = [
        (f"{path}.condition", step["condition"])
        for path, step in steps_of(document)
        if step.get("type") == "condition" and "condition" in step
    ]
    asked += [
        (f"{path}.condition", goal["condition"])
        for path, goal in entries(document, "goals")
        if goal.get("condition") is not None
    ]
    for path, tree in asked:
        if not isinstance(tree, Mapping):
            continue
        try:
            read = parse(tree, fields)
        except InvalidConditionError as error:
            for one in error.details["errors"]:
                # Without a trigger it is not known yet what an event says, and a step that answers
                # may still be to come.
                unfinished = document.get("trigger") is None
                yield Problem(_below(path, one["path"]), one["message"], unfinished=unfinished)
        else:
            if not read.conditions:
                yield Problem(path, "asks nothing: a condition is missing.", unfinished=True)


def _goals(document: Mapping[str, Any]) -> Iterator[Problem]:
    ids = {step.get("id") for _, step in steps_of(document) if isinstance(step.get("id"), str)}
    names: set[str] = set()
    for path, goal in entries(document, "goals"):
        name, then = goal.get("name"), goal.get("then")
        if isinstance(name, str):
            if name in names:
                yield Problem(f"{path}.name", f"there is a goal {show(name)} already.")
            names.add(name)
        if isinstance(then, str) and then not in ids:
            yield Problem(f"{path}.then", f"there is no step {show(then)}.", unfinished=True)
        yield from _reached(path, goal, subject_of(document))
    for path, step in steps_of(document):
        wanted = step.get("goal")
        if step.get("type") == "goal" and isinstance(wanted, str) and wanted not in names:
            yield Problem(f"{path}.goal", f"there is no goal {show(wanted)}.", unfinished=True)


def _reached(path: str, goal: Mapping[str, Any], subject: Subject) -> Iterator[Problem]:
    event = goal.get("event")
    if subject is Subject.ITEM:
        # An event is refused whatever it is called (`subject_rules`).
        if event is None and goal.get("condition") is None:
            yield Problem(path, "a goal of items needs a condition.", unfinished=True)
        return
    if event is None and goal.get("condition") is None:
        yield Problem(path, "a goal needs an event, a condition or both.", unfinished=True)
    if isinstance(event, str) and (event not in EVENT_TYPES or EVENT_TYPES[event].timed):
        yield Problem(
            f"{path}.event",
            f"{show(event)} is no event that can be waited for: enrollment triggers types",
        )


def _texts(document: Mapping[str, Any]) -> Iterator[Problem]:
    given = document.get("values")
    values = given if isinstance(given, Mapping) else {}
    names = Names(
        fields=_fields(document),
        values=[one for one in values if isinstance(one, str)],
        of_item=subject_of(document) is Subject.ITEM,
    )
    for path, step in steps_of(document):
        for below, text in texts_of(step):
            for fault in dict.fromkeys(faults(text, names)):
                yield Problem(f"{path}.{below}", fault, unfinished=True)
            if text.isspace() and below in _filled(step):
                yield Problem(f"{path}.{below}", "is empty.", unfinished=True)
    for name, text in values.items():
        if isinstance(text, str) and not text.strip():
            yield Problem(
                f"values.{name}", "is asked for and still empty.", unfinished=True, fill_in=True
            )


def _literal(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the placeholders where none is filled in: in the trigger and in conditions.

    Templates have them there, for what was personal.
    """
    asked = [("trigger", document.get("trigger"))]
    for key in ("steps", "goals"):
        asked += [
            (f"{path}.condition", one.get("condition")) for path, one in entries(document, key)
        ]
    for path, value in asked:
        for below, text in _texts_in(path, value, _DEEPEST_TEXT):
            if "{{" in text:
                yield Problem(
                    below,
                    f"{show(text)} is to be replaced: only texts of steps have placeholders.",
                    unfinished=True,
                    fill_in=True,
                )


def _filled(step: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields in which a text of blanks alone is none."""
    kind = step.get("type")
    model = STEP_TYPES.get(kind) if isinstance(kind, str) else None
    fields = {} if model is None else model.model_fields
    return frozenset(name for name, field in fields.items() if field.is_required())


def _listed(document: Mapping[str, Any]) -> Iterator[Problem]:
    listed = listed_integrations(document)
    for name, path in named_integrations(document).items():
        if name not in listed:
            yield Problem(
                path,
                f"needs the integration {name}, which integrations does not list.",
                unfinished=True,
            )


def _fields(document: Mapping[str, Any]) -> Fields:
    """Return the fields that conditions and placeholders of a document may name."""
    if subject_of(document) is Subject.ITEM:
        return item_fields([step for _, step in steps_of(document)])
    trigger = document.get("trigger")
    event = trigger.get("event") if isinstance(trigger, Mapping) else None
    known = EVENT_TYPES.get(event) if isinstance(event, str) else None
    return CONTACT_FIELDS if known is None else known.filters


def _texts_in(path: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif depth and isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts_in(f"{path}.{key}", one, depth - 1)
    elif depth and isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _texts_in(f"{path}[{index}]", one, depth - 1)


def _below(path: str, rest: str) -> str:
    return f"{path}.{rest}" if rest else path


_RULES: tuple[Callable[[Mapping[str, Any]], Iterator[Problem]], ...] = (
    shape_problems,
    subject_problems,
    _trigger,
    _actions,
    _ids,
    _flow,
    _conditions,
    _goals,
    _texts,
    _literal,
    _listed,
)
