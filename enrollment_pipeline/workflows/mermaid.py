"""A workflow document as a Mermaid flowchart.

Pure, and for any document, be it a broken draft: whatever texts it holds, the outcome is valid
Mermaid. Belongs here: nodes, edges, and how a text becomes a label. Does not belong here: sentences
about single parts (`wording`), and a document in full (`tree`).

Nodes are numbered, and never called by the ids of steps: `end` and others mean something there.
"""

import re
from collections.abc import Iterator, Mapping

from enrollment_pipeline.workflows.wording import (
    ShownStep,
    condition,
    entries,
    literal,
    plain,
    steps_of,
    trigger,
    wait,
)

_LONGEST = 60
"""Characters of one line of a label."""

_DONE = "done"
_BREAK = "<br/>"

_SHAPES = {
    "wait": ("(", ")"),
    "condition": ("{", "}"),
    "goal": ("{{", "}}"),
    "end": ("([", "])"),
}
_BOX = ("[", "]")
_ROUND = ("([", "])")

_TELLING = ("subject", "tag", "title", "message", "field", "url", "goal", "body", "given")
"""Fields that say what a step is about, the first that it has."""

# Mermaid reads labels as Markdown, and signs of its own in them. What could be either is written as
# a number: all signs but for a comma and the like, and hyphens, dots and underscores within words.
# A line that holds `direction LR` is an order to it, even in quotes.
_signs = re.compile(
    r"[\"#$%&()*+/:;<=>@\[\\\]^`{|}~]"
    r"|(?<![^\W\d_])-"
    r"|\.(?!\s|$)|(?<![^\W\d_])\."
    r"|(?<![^\W_])_|_(?![^\W_])"
    r"|(?<=direction) "
)


def mermaid(document: object) -> str:
    """Return the flowchart, for any document: trigger, steps and the ways between them, goals."""
    return "\n".join(["flowchart TD", *(f"    {line}" for line in _Chart(document).lines()), ""])


class _Chart:
    """The steps of one document, and the nodes that stand for them and for what is missing."""

    def __init__(self, document: object) -> None:
        self._document = document
        self._steps = steps_of(document)
        self._nodes: dict[str, str] = {}
        for step in self._steps:
            if step.key:
                self._nodes.setdefault(step.key, _node(step))
        self._missing: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        edges = [*self._edges(), *self._goal_edges()]
        event, whom = trigger(self._document)
        yield _shown("trigger", _ROUND, f"Starts {event}", *([whom] if whom else []))
        for step in self._steps:
            yield _shown(_node(step), _SHAPES.get(step.kind, _BOX), *_label(step))
        for number, goal in enumerate(entries(self._document, "goals"), start=1):
            name = goal.get("name") if isinstance(goal, Mapping) else goal
            yield _shown(f"goal{number}", _SHAPES["goal"], f"Goal {plain(name or '(no name)')}")
        for key, node in self._missing.items():
            yield _shown(node, _BOX, plain(key) or literal(key), "no such step")
        if any(edge.endswith(f" {_DONE}") for edge in edges):
            yield _shown(_DONE, _ROUND, "Done")
        yield from edges

    def _edges(self) -> Iterator[str]:
        below = [*(_node(step) for step in self._steps), _DONE]
        yield f"trigger --> {below[0]}"
        for step, node, default in zip(self._steps, below, below[1:], strict=False):
            if step.kind == "condition":
                if step.target("then"):
                    yield f"{node} -->|yes| {self._target(step.target('then'), default)}"
                yield f"{node} -->|no| {self._target(step.target('else'), default)}"
            elif step.kind != "end":
                yield f"{node} --> {self._target(step.target('next'), default)}"
            if step.kind == "goal" and step.fields.get("otherwise") == "end":
                yield f"{node} -->|not reached| {_DONE}"

    def _goal_edges(self) -> Iterator[str]:
        for number, goal in enumerate(entries(self._document, "goals"), start=1):
            then = goal.get("then") if isinstance(goal, Mapping) else None
            target = then if isinstance(then, str) and then else None
            yield f"goal{number} -.-> {self._target(target, _DONE)}"

    def _target(self, key: str | None, default: str) -> str:
        if key is None:
            return default
        if key in self._nodes:
            return self._nodes[key]
        return self._missing.setdefault(key, f"missing{len(self._missing) + 1}")


def _node(step: ShownStep) -> str:
    return f"step{step.number}"


def _label(step: ShownStep) -> tuple[str, ...]:
    """Return the lines of a step's label: its id, and what it is about."""
    given = step.fields.get("label")
    if isinstance(given, str) and given:
        return step.name, plain(given)
    if step.kind == "wait":
        return step.name, f"wait {wait(step.fields)}"
    if step.kind == "condition":
        return step.name, f"{condition(step.fields.get('condition'))}?"
    if step.kind == step.name:
        return (step.name,)
    about = next((step.fields[key] for key in _TELLING if step.fields.get(key)), None)
    return step.name, step.kind if about is None else f"{step.kind} {plain(about)}"


def _shown(node: str, shape: tuple[str, str], *lines: str) -> str:
    begin, end = shape
    return f'{node}{begin}"{_BREAK.join(_escaped(line) for line in lines)}"{end}'


def _escaped(line: str) -> str:
    short = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    return _signs.sub(lambda sign: f"#{ord(sign[0])};", short.strip())
