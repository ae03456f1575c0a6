"""The ways through the steps of a workflow: what follows what, is never reached, never ends.

Pure, and for any list of steps: a draft may refer to steps that it does not have. Source: spec
"Workflow document".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from a step to another: `key` is the field that says so, None for the step below."""

    from_step: str
    key: str | None
    to_step: str


@dataclass(frozen=True, slots=True)
class Flow:
    """The steps of a workflow by id, in their order, and the ways between them."""

    order: tuple[str, ...]
    edges: tuple[Edge, ...]
    resting: frozenset[str]
    """Steps at which a contact surely stays for a while."""

    def dangling(self) -> Iterator[Edge]:
        """Yield the ways that lead to no step."""
        known = set(self.order)
        return (edge for edge in self.edges if edge.to_step not in known)

    def unreachable(self, entries: Sequence[str] = ()) -> list[str]:
        """Return the steps that no contact comes to, from the first one or the further entries."""
        following = self._following()
        reached: set[str] = set()
        waiting = [*self.order[:1], *entries]
        while waiting:
            step = waiting.pop()
            if step not in reached:
                reached.add(step)
                waiting += following.get(step, ())
        return [step for step in self.order if step not in reached]

    def restless_cycle(self) -> list[str] | None:
        """Return the steps of a way that comes back to itself without a rest, None if none does."""
        following = {
            step: [one for one in after if one not in self.resting]
            for step, after in self._following().items()
            if step not in self.resting
        }
        done: set[str] = set()
        for start in self.order:
            if start not in done and start not in self.resting:
                cycle = _cycle_from(start, following, done)
                if cycle:
                    return cycle
        return None

    def _following(self) -> dict[str, list[str]]:
        following: dict[str, list[str]] = {}
        for edge in self.edges:
            following.setdefault(edge.from_step, []).append(edge.to_step)
        return following


def flow_of(steps: object, goals: object = ()) -> Flow:
    """Return the flow of the steps of a document; entries that are no steps are passed over.

    From a step that asks for a goal, a way leads to where the goal leads.

    Of two steps with one id, the first counts.
    """
    known: dict[str, Mapping[str, Any]] = {}
    for step in steps if isinstance(steps, list | tuple) else ():
        if isinstance(step, Mapping) and isinstance(step.get("id"), str):
            known.setdefault(step["id"], step)
    order = tuple(known)
    below = dict(pairwise(order))
    edges = tuple(
        edge
        for step_id, step in known.items()
        for edge in _edges(step_id, step, below.get(step_id))
    )
    edges += tuple(_ways_to_goals(known, goals))
    resting = frozenset(
        step_id
        for step_id, step in known.items()
        if step.get("type") == "wait" and step.get("duration")
    )
    return Flow(order, edges, resting)


def _ways_to_goals(known: Mapping[str, Mapping[str, Any]], goals: object) -> Iterator[Edge]:
    targets = {
        goal["name"]: goal.get("then")
        for goal in (goals if isinstance(goals, list | tuple) else ())
        if isinstance(goal, Mapping) and isinstance(goal.get("name"), str)
    }
    for step_id, step in known.items():
        wanted = step.get("goal")
        target = targets.get(wanted) if isinstance(wanted, str) else None
        if step.get("type") == "goal" and isinstance(target, str) and target in known:
            yield Edge(step_id, "goal", target)


def _edges(step_id: str, step: Mapping[str, Any], below: str | None) -> Iterator[Edge]:
    kind = step.get("type")
    if kind == "end":
        return
    keys = ("then", "else") if kind == "condition" else ("next",)
    for key in keys:
        target = step.get(key)
        if isinstance(target, str):
            yield Edge(step_id, key, target)
        elif target is None and key != "then" and below is not None:
            yield Edge(step_id, None, below)


def _cycle_from(start: str, following: Mapping[str, list[str]], done: set[str]) -> list[str] | None:
    """Return a cycle that is reached from a step; what is looked through is added to `done`."""
    way: list[str] = []
    on_way: set[str] = set()
    stack: list[tuple[str, Iterator[str]]] = []

    def enter(step: str) -> None:
        way.append(step)
        on_way.add(step)
        stack.append((step, iter(following.get(step, ()))))

    enter(start)
    while stack:
        step, after = stack[-1]
        target = next(after, None)
        if target is None:
            stack.pop()
            way.pop()
            on_way.discard(step)
            done.add(step)
        elif target in on_way:
            return way[way.index(target) :]
        elif target not in done:
            enter(target)
    return None
