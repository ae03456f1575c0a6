"""The Python engine: one record held against a tree, with a sentence for every condition.

Never raises, whatever the record holds. Must answer as `sql` does; what a value means is therefore
in `values`, which both use.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any

from enrollment_pipeline.conditions.explain import Teller
from enrollment_pipeline.conditions.model import (
    CHANGES,
    Condition,
    Field,
    Group,
    Logic,
    Operator,
    members,
)
from enrollment_pipeline.conditions.values import (
    Duration,
    Wanted,
    canonical,
    fold,
    instant_of,
    number_of,
    same,
)

Record = Mapping[str, Any]

Answer = bool | None
"""Of one condition; None where the operator cannot apply, which counts as false."""

_Test = Callable[[object, datetime], Answer]
_Check = Callable[[Record, Record | None, datetime], tuple[Answer, object]]
_Decide = Callable[[Callable[[int], bool]], bool]


@dataclass(frozen=True, slots=True)
class ConditionVerdict:
    """What one condition found. `path` is its place in the document, `actual` the field's value."""

    path: str
    condition: Condition
    answer: Answer
    actual: object

    @property
    def matched(self) -> bool:
        """Whether the condition holds."""
        return self.answer is True

    @property
    def sentence(self) -> str:
        """The finding in words, such as `amount 120 is not greater_than 500`."""
        return Teller(self.condition).tell(self.actual, self.answer)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a whole tree, and what each of its conditions found, in document order."""

    matched: bool
    reasons: tuple[ConditionVerdict, ...]

    @property
    def explanation(self) -> str:
        """The sentences of the conditions that decided, joined; empty where there are none."""
        return "; ".join(one.sentence for one in self.reasons if one.matched == self.matched)


class Evaluator:
    """A tree made ready to be asked about many records."""

    def __init__(self, tree: Group) -> None:
        self._checks: list[tuple[str, Condition, _Check]] = []
        # Made when a record first fails them.
        self._tellers: dict[int, Teller] = {}
        self._decide = self._prepare(tree, "")

    def matches(self, record: Record, *, now: datetime, previous: Record | None = None) -> bool:
        """Return whether the record matches, stopping at the first condition that decides."""
        return self._decide(lambda at: self._checks[at][2](record, previous, now)[0] is True)

    def failures(
        self, record: Record, *, now: datetime, previous: Record | None = None
    ) -> list[str]:
        """Return the sentences of the conditions that do not hold, in document order."""
        found = []
        for at, (_, condition, check) in enumerate(self._checks):
            answer, actual = check(record, previous, now)
            if answer is not True:
                teller = self._tellers.get(at)
                if teller is None:
                    teller = self._tellers[at] = Teller(condition)
                found.append(teller.tell(actual, answer))
        return found

    def evaluate(self, record: Record, *, now: datetime, previous: Record | None = None) -> Verdict:
        """Return the verdict on the record and on every condition."""
        reasons = tuple(
            ConditionVerdict(path, condition, *check(record, previous, now))
            for path, condition, check in self._checks
        )
        return Verdict(self._decide(lambda at: reasons[at].matched), reasons)

    def _prepare(self, group: Group, path: str) -> _Decide:
        parts: list[_Decide] = []
        for at, member in members(group, path):
            if isinstance(member, Group):
                parts.append(self._prepare(member, at))
            else:
                parts.append(_nth(len(self._checks)))
                self._checks.append((at, member, _check(member)))
        if group.logic is Logic.OR and parts:
            return lambda ask: any(part(ask) for part in parts)
        return lambda ask: all(part(ask) for part in parts)


def _nth(index: int) -> _Decide:
    return lambda ask: ask(index)


def evaluate(
    tree: Group, record: Record, *, now: datetime, previous: Record | None = None
) -> Verdict:
    """Hold one record against a tree.

    `record` maps names to values, nested as the dotted paths are: a contact's columns, and for an
    event its `data` beside them. `previous` is the same record as it was before, whole: what it
    lacks was missing then. `now` is aware. Numbers are compared exactly, so JSON should be read
    with `parse_float=Decimal`.
    """
    return Evaluator(tree).evaluate(record, now=now, previous=previous)


def _check(condition: Condition) -> _Check:
    field = condition.field
    if condition.operator in CHANGES:
        return _change_check(condition)
    test = _TESTS[condition.operator](condition)

    def check(record: Record, _previous: Record | None, now: datetime) -> tuple[Answer, object]:
        actual = _look_up(record, field)
        return test(actual, now), actual

    return check


def _change_check(condition: Condition) -> _Check:
    field, folds = condition.field, condition.folds
    is_value = _sameness(condition) if condition.value is not None else None

    def check(record: Record, previous: Record | None, now: datetime) -> tuple[Answer, object]:
        after = _look_up(record, field)
        if previous is None:
            return None, after
        before = _look_up(previous, field)
        changed = not same(before, after, folds=folds)
        if is_value is None or not changed:
            return changed, after
        if condition.operator is Operator.CHANGED_FROM:
            return is_value(before, now) and not is_value(after, now), before
        return is_value(after, now) and not is_value(before, now), after

    return check


def _look_up(record: Record, field: Field) -> object:
    value: object = record
    for name in field.path:
        # Nearly always a dict, of which the other question costs ten times as much.
        if type(value) is not dict and not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return canonical(value, field.kind)


def _sameness(condition: Condition) -> _Test:
    field, folds = condition.field, condition.folds
    if not isinstance(condition.value, tuple):
        wanted = Wanted.of(condition.values, field.kind, folds=folds)
        return lambda actual, _now: wanted.holds(actual)
    in_order = [Wanted.of((one,), field.kind, folds=folds) for one in condition.values]
    return lambda actual, _now: (
        isinstance(actual, list)
        and len(actual) == len(in_order)
        and all(one.holds(value) for one, value in zip(in_order, actual, strict=True))
    )


def _membership(condition: Condition) -> _Test:
    wanted = Wanted.of(condition.values, condition.field.kind, folds=condition.folds)

    def test(actual: object, _now: datetime) -> Answer:
        if isinstance(actual, list):
            return any(wanted.holds(one) for one in actual)
        return wanted.holds(actual)

    return test


def _part(condition: Condition) -> _Test:
    """Substring of a text, member of a list."""
    member = _membership(condition)
    part = condition.value
    sought = fold(part) if isinstance(part, str) and condition.folds else part

    def test(actual: object, now: datetime) -> Answer:
        if isinstance(actual, str) and isinstance(sought, str):
            return sought in (fold(actual) if condition.folds else actual)
        return member(actual, now) if isinstance(actual, list) else None

    return test


def _affix(condition: Condition) -> _Test:
    texts = tuple(str(one) for one in condition.values)
    if condition.folds:
        texts = tuple(map(fold, texts))
    method = str.startswith if condition.operator is Operator.STARTS_WITH else str.endswith

    def test(actual: object, _now: datetime) -> Answer:
        if not isinstance(actual, str):
            return None
        return method(fold(actual) if condition.folds else actual, texts)

    return test


_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GREATER_THAN: gt,
    Operator.LESS_THAN: lt,
    Operator.GREATER_THAN_OR_EQUAL: ge,
    Operator.LESS_THAN_OR_EQUAL: le,
}


def _comparison(condition: Condition) -> _Test:
    """Numbers with numbers, dates with dates, other texts with other texts, nothing else."""
    compare = _COMPARE[condition.operator]
    value = condition.value
    number, instant = number_of(value), instant_of(value)
    text = fold(value) if isinstance(value, str) and condition.folds else value

    def test(actual: object, _now: datetime) -> Answer:
        if number is not None:
            found = number_of(actual)
            return None if found is None else compare(found, number)
        if instant is not None:
            moment = instant_of(actual)
            return None if moment is None else compare(moment, instant)
        if not isinstance(actual, str) or number_of(actual) is not None or instant_of(actual):
            return None
        return compare(fold(actual) if condition.folds else actual, text)

    return test


def _emptiness(condition: Condition) -> _Test:
    wanted = condition.operator is Operator.IS_EMPTY

    def test(actual: object, _now: datetime) -> Answer:
        empty = actual is None or (isinstance(actual, str | list | Mapping) and not len(actual))
        return empty is wanted

    return test


def _nearness(condition: Condition) -> _Test:
    duration = Duration.read(str(condition.value))
    ahead = condition.operator is Operator.WITHIN_NEXT

    def test(actual: object, now: datetime) -> Answer:
        moment = instant_of(actual)
        if moment is None or duration is None:
            return None
        edge = duration.after(now, sign=1 if ahead else -1)
        return now <= moment <= edge if ahead else edge <= moment <= now

    return test


def _negated(of: Callable[[Condition], _Test]) -> Callable[[Condition], _Test]:
    """The opposite where the operator applies; a missing value satisfies it (spec "Conditions")."""

    def build(condition: Condition) -> _Test:
        test = of(condition)

        def opposite(actual: object, now: datetime) -> Answer:
            if actual is None:
                return True
            answer = test(actual, now)
            return None if answer is None else not answer

        return opposite

    return build


_TESTS: dict[Operator, Callable[[Condition], _Test]] = {
    Operator.EQUALS: _sameness,
    Operator.NOT_EQUALS: _negated(_sameness),
    Operator.CONTAINS: _part,
    Operator.NOT_CONTAINS: _negated(_part),
    Operator.STARTS_WITH: _affix,
    Operator.ENDS_WITH: _affix,
    Operator.GREATER_THAN: _comparison,
    Operator.LESS_THAN: _comparison,
    Operator.GREATER_THAN_OR_EQUAL: _comparison,
    Operator.LESS_THAN_OR_EQUAL: _comparison,
    Operator.IN: _membership,
    Operator.NOT_IN: _negated(_membership),
    Operator.IS_EMPTY: _emptiness,
    Operator.IS_NOT_EMPTY: _emptiness,
    Operator.WITHIN_LAST: _nearness,
    Operator.WITHIN_NEXT: _nearness,
}
