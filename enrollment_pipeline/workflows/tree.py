"""A workflow document as a tree of lines, with all that it holds.

Pure, and for any document, be it a broken draft. Belongs here: how the lines hang together. Does
not belong here: sentences about single parts (`wording`), and the flow as a drawing (`mermaid`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from enrollment_pipeline.records import Subject
from enrollment_pipeline.workflows.wording import (
    ShownStep,
    clean,
    condition,
    entries,
    field,
    lines_of,
    literal,
    part,
    plain,
    steps_of,
    subject,
    trigger,
    wait,
)

_FORK, _LAST, _DOWN, _ALONG = "├── ", "└── ", "│   ", "    "

_TOLD = frozenset({"id", "type", "label", "next", "then", "else"})
_TOLD_OF_WAITS = frozenset({"duration", "until", "offset", "business_hours"})
_WAITING = "wait"
_FORKING = "condition"
_ENDING = "end"


@dataclass(frozen=True, slots=True)
class _Branch:
    """A line, further lines that belong to it, and what hangs below it."""

    text: str
    lines: tuple[str, ...] = ()
    branches: tuple["_Branch", ...] = ()


def tree(document: object) -> list[str]:
    """Return the lines of the tree, for any document; control characters come as escapes."""
    known = {step.key for step in steps_of(document) if step.key}
    root = _Branch(
        plain(field(document, "name") or "A workflow without a name"),
        tuple(lines_of(field(document, "description") or "")),
        tuple(_parts(document, known)),
    )
    return [root.text, *_below(root, "")]


def _parts(document: object, known: Collection[str]) -> Iterator[_Branch]:
    event, whom = trigger(document)
    given = part(document, "trigger")
    yield _Branch(
        f"Trigger: starts {event}", (*([whom] if whom else []), *_fields(part(given, "settings")))
    )
    steps = steps_of(document)
    who = subject(document)
    shown = tuple(_step(step, below, known, who) for step, below in zip_longest(steps, steps[1:]))
    yield _Branch("Steps" if shown else "Steps: none", branches=shown)
    goals = tuple(_goal(goal, known, who) for goal in entries(document, "goals"))
    if goals:
        yield _Branch("Goals", branches=goals)
    integrations = entries(document, "integrations")
    if integrations:
        yield _Branch(f"Integrations: {', '.join(plain(one) for one in integrations)}")
    values, settings = part(document, "values"), part(document, "settings")
    if values:
        filled = {key: one or "(to be filled in)" for key, one in values.items()}
        yield _Branch("Values", _fields(filled))
    if settings:
        yield _Branch("Settings", _fields(settings))


def _step(
    step: ShownStep, below: ShownStep | None, known: Collection[str], who: Subject
) -> _Branch:
    label = step.fields.get("label")
    head = f"{step.name} ({step.kind})" + (f": {plain(label)}" if label else "")
    told = _TOLD
    lines: list[str] = []
    if step.kind == _WAITING:
        told = _TOLD | _TOLD_OF_WAITS
        lines.append(wait(step.fields))
    elif step.kind == _FORKING:
        told = _TOLD | {"condition"}
        lines.append(f"if {condition(step.fields.get('condition'))}")
    lines += _fields({key: value for key, value in step.fields.items() if key not in told})
    return _Branch(head, (*lines, *_ways(step, below, known, who)))


def _ways(
    step: ShownStep, below: ShownStep | None, known: Collection[str], who: Subject
) -> Iterator[str]:
    """Yield where a step leads, the plain way to the step below only where there is a fork."""
    default = f"the step below, {below.name}" if below else f"the {who} is done"
    if step.kind == _FORKING:
        yield f"yes: {_to(step.fields.get('then'), '(nothing)', known)}"
        yield f"no: {_to(step.fields.get('else'), default, known)}"
    elif step.kind != _ENDING and step.fields.get("next") is not None:
        yield f"next: {_to(step.fields['next'], default, known)}"


def _to(target: object, default: str, known: Collection[str]) -> str:
    if target is None:
        return default
    if isinstance(target, str) and target in known:
        return f"to {plain(target)}"
    return f"to {literal(target)}, which is no step"


def _goal(goal: object, known: Collection[str], who: Subject) -> _Branch:
    if not isinstance(goal, Mapping):
        return _Branch(f"(no goal) {literal(goal)}")
    lines = []
    if goal.get("event") is not None:
        lines.append(f"reached at {plain(goal['event'])}")
    if goal.get("condition") is not None:
        lines.append(f"reached if {condition(goal['condition'])}")
    lines.append(f"then: {_to(goal.get('then'), f'the {who} leaves the workflow', known)}")
    return _Branch(plain(goal.get("name") or "(no name)"), tuple(lines))


def _fields(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return fields as lines, what does not fit on one behind the name on those below it."""
    lines: list[str] = []
    for name, value in fields.items():
        inner = _lines(value)
        if len(inner) == 1 and not isinstance(value, Mapping):
            lines.append(f"{plain(name)}: {inner[0]}")
        else:
            lines.append(f"{plain(name)}:{'' if inner else ' (empty)'}")
            lines += [f"{_ALONG}{line}" for line in inner]
    return tuple(lines)


def _lines(value: object) -> list[str]:
    """Return a value line by line: lists and mappings of short texts as such, others as JSON."""
    if isinstance(value, list | tuple) and _are_lines(value):
        return [", ".join(map(clean, value))] if value else []
    if isinstance(value, Mapping) and _are_lines(value.values()):
        return [f"{plain(name)}: {clean(one)}" for name, one in value.items()]
    return lines_of(value)


def _are_lines(values: Iterable[object]) -> bool:
    return all(isinstance(one, str) and len(one.splitlines()) == 1 for one in values)


def _below(branch: _Branch, indent: str) -> Iterator[str]:
    along = _DOWN if branch.branches else _ALONG
    for line in branch.lines:
        yield f"{indent}{along}{line}" if line.strip() else f"{indent}{along}".rstrip()
    for one in branch.branches:
        last = one is branch.branches[-1]
        yield f"{indent}{_LAST if last else _FORK}{one.text}"
        yield from _below(one, indent + (_ALONG if last else _DOWN))
