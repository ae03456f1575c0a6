"""The loop guard before saving: does a workflow cause the event that its own trigger waits for?

Belongs here: which events the steps of a workflow cause, the shortest way from a workflow back to
itself, and that way in words. Does not belong here: which workflows are looked at (the caller takes
those with active triggers, and the one to be saved), the refusal itself, and the guard while
workflows run, which counts starts. Source: spec "Loop guard".

Filters of triggers and conditions, waits and goals within workflows are not looked at: whether they
break a loop depends on data, so a loop is refused even where they might.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from enrollment_pipeline.conditions.explain import show

_TAG_ADDED = "tag_added"
_TAG_REMOVED = "tag_removed"
_FIELD_CHANGED = "custom_field_changed"
_UPDATED = "contact_updated"

_CAUSED = {
    "add_tag": (_TAG_ADDED, ("tag", "tags")),
    "remove_tag": (_TAG_REMOVED, ("tag", "tags")),
    "update_field": (_FIELD_CHANGED, ("field",)),
}
"""By step type: the event it causes, and where the step names the event's key.

Each of them changes the contact, and so causes `contact_updated`, too.
"""

_SAYS = {
    _TAG_ADDED: "adds tag {key}",
    _TAG_REMOVED: "removes tag {key}",
    _FIELD_CHANGED: "changes custom field {key}",
    _UPDATED: "updates the contact by {step_type}",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """An event as triggers wait for it: its type, and the tag or the field that it is about."""

    event: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """An event that a step causes.

    `step_id` is `#2` for a second step that has no id.
    """

    cause: Cause
    step_id: str
    step_type: str


@dataclass(frozen=True, slots=True)
class Node:
    """A workflow: what its trigger waits for, and what its steps cause.

    Without a `key` the trigger waits for any event of its type, without an `event` for nothing.
    """

    workflow_id: UUID
    name: str
    event: str | None
    key: str | None
    effects: frozenset[Effect]

    @property
    def cause(self) -> Cause | None:
        """What starts the workflow."""
        return None if self.event is None else _cause(self.event, self.key)


@dataclass(frozen=True, slots=True)
class Link:
    """One workflow starting another by what it does; workflows are given by name."""

    from_workflow: str
    effect: Effect
    to_workflow: str


def effects_of(config: Mapping[str, Any]) -> frozenset[Effect]:
    """Return the events that the steps of a workflow document cause.

    Shape: `{"steps": [{"id", "type", "config": {"tag" | "tags" | "field"}}]}`, where a step may
    also hold the fields of its `config` itself. Whatever is shaped differently causes nothing; a
    draft need not be valid.

    Only tags and fields are changed by the step itself. A step that sends an e-mail or an SMS does
    not cause `email_opened`, `email_clicked` or `sms_received`: those are acts of a person, who may
    be answered. What a program does that a `webhook` or an `http_request` calls cannot be known
    here, so that a loop through it is left to the guard while workflows run.
    """
    steps = config.get("steps")
    if not isinstance(steps, list | tuple):
        return frozenset()
    return frozenset(
        effect
        for number, step in enumerate(steps, start=1)
        if isinstance(step, Mapping)
        for effect in _effects_of_step(step, number)
    )


def find_cycle(start: UUID, nodes: Sequence[Node]) -> tuple[Link, ...] | None:
    """Return the shortest way from a workflow back to itself, or None if there is none.

    Of several shortest ones the same is returned whatever the order of `nodes`. The work grows with
    the workflows and their effects, not with the pairs of them.

    Raises:
        ValueError: `start` is none of the nodes, or a workflow is given twice.
    """
    by_id = {node.workflow_id: node for node in nodes}
    if start not in by_id:
        raise ValueError(f"Workflow {start} is none of the {len(nodes)} given ones.")
    if len(by_id) != len(nodes):
        raise ValueError("A workflow has one trigger; at least one workflow was given twice.")
    waiting = _by_cause(nodes)
    reached: dict[UUID, tuple[Node, Effect]] = {}
    queue = deque([by_id[start]])
    while queue and start not in reached:
        node = queue.popleft()
        for effect, following in _started_by(node, waiting):
            reached[following.workflow_id] = (node, effect)
            queue.append(following)
    return _way_back(by_id[start], reached) if start in reached else None


def describe(cycle: Sequence[Link]) -> str:
    """Return a cycle as one line, such as `A -> adds tag "lead" (step s1) -> A`."""
    parts = [_plain(cycle[0].from_workflow)]
    for link in cycle:
        parts += [_sentence(link.effect), _plain(link.to_workflow)]
    return " -> ".join(parts)


def _effects_of_step(step: Mapping[Any, Any], number: int) -> Iterator[Effect]:
    step_type = step.get("type")
    if not isinstance(step_type, str) or step_type not in _CAUSED:
        return
    event, places = _CAUSED[step_type]
    causes = [_cause(event, key) for key in _keys(step, places)]
    if causes:
        causes.append(Cause(_UPDATED))
    given = step.get("id")
    step_id = given if isinstance(given, str) and given else f"#{number}"
    for cause in causes:
        yield Effect(cause, step_id, step_type)


def _keys(step: Mapping[Any, Any], places: Sequence[str]) -> Iterator[str]:
    config = step.get("config")
    for holder in (step, config) if isinstance(config, Mapping) else (step,):
        for place in places:
            value = holder.get(place)
            several = value if isinstance(value, list | tuple) else (value,)
            yield from (key for key in several if isinstance(key, str) and key)


def _cause(event: str, key: str | None) -> Cause:
    """Return the cause with a custom field spelled one way: conditions name it by its path."""
    if event == _FIELD_CHANGED and key is not None:
        key = key.removeprefix("custom_fields.")
    return Cause(event, key)


def _by_cause(nodes: Sequence[Node]) -> dict[Cause, list[Node]]:
    waiting: dict[Cause, list[Node]] = {}
    for node in sorted(nodes, key=lambda node: (node.name, node.workflow_id.int)):
        if node.cause is not None:
            waiting.setdefault(node.cause, []).append(node)
    return waiting


def _started_by(node: Node, waiting: dict[Cause, list[Node]]) -> Iterator[tuple[Effect, Node]]:
    """Yield the workflows that a workflow starts, and take them out of those that still wait.

    A workflow waits for one cause only. So whoever comes to that cause first has reached all who
    wait for it on the shortest way, and nobody has to look at them again.
    """
    for effect in sorted(node.effects, key=_order):
        for cause in (effect.cause, Cause(effect.cause.event)):
            for following in waiting.pop(cause, ()):
                yield effect, following


def _order(effect: Effect) -> tuple[str, str, str, str]:
    return effect.cause.event, effect.cause.key or "", effect.step_id, effect.step_type


def _way_back(start: Node, reached: Mapping[UUID, tuple[Node, Effect]]) -> tuple[Link, ...]:
    links: list[Link] = []
    following = start
    while not links or following is not start:
        node, effect = reached[following.workflow_id]
        links.append(Link(node.name, effect, following.name))
        following = node
    return tuple(reversed(links))


def _sentence(effect: Effect) -> str:
    does = _SAYS[effect.cause.event].format(
        key=show(effect.cause.key), step_type=_plain(effect.step_type)
    )
    return f"{does} (step {_plain(effect.step_id)})"


def _plain(text: str) -> str:
    """Return a text from outside on one line and not too long, without the quotes around it."""
    return show(text)[1:-1]
