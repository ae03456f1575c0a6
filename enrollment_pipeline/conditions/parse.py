"""From a document (JSON as Python objects) to a condition tree, or to every error in it at once.

Decides how conditions are put together; which value an operator takes is `shapes`, which fields
there are is `fields`, what the answer is belongs to the engines. Bounded work whatever comes in: no
recursion deeper than the levels allowed, no reading past the last condition allowed.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from rapidfuzz import fuzz, process

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS, Fields
from enrollment_pipeline.conditions.model import (
    CHANGES,
    EVERYTHING,
    MAX_CONDITIONS,
    MAX_LEVELS,
    Condition,
    Field,
    Group,
    Logic,
    Operator,
    Value,
)
from enrollment_pipeline.conditions.shapes import ABSENT, fault_of, read_value, sort_of
from enrollment_pipeline.errors import InvalidConditionError

_MAX_NODES = MAX_CONDITIONS * MAX_LEVELS + 1
_SHOWN_ERRORS = 10
_SHOWN_KEYS = 5

_GROUP_KEYS = ("logic", "conditions")
_CONDITION_KEYS = ("field", "operator", "value", "ignore_case")

_OPERATORS = tuple(one.value for one in Operator)
_WITHOUT_CHANGES = tuple(one.value for one in Operator if one not in CHANGES)

_MEANT = {
    "=": Operator.EQUALS,
    "==": Operator.EQUALS,
    "is": Operator.EQUALS,
    "eq": Operator.EQUALS,
    "!=": Operator.NOT_EQUALS,
    "<>": Operator.NOT_EQUALS,
    "ne": Operator.NOT_EQUALS,
    ">": Operator.GREATER_THAN,
    "gt": Operator.GREATER_THAN,
    "after": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
    "lt": Operator.LESS_THAN,
    "before": Operator.LESS_THAN,
    ">=": Operator.GREATER_THAN_OR_EQUAL,
    "gte": Operator.GREATER_THAN_OR_EQUAL,
    "<=": Operator.LESS_THAN_OR_EQUAL,
    "lte": Operator.LESS_THAN_OR_EQUAL,
    "exists": Operator.IS_NOT_EMPTY,
    "missing": Operator.IS_EMPTY,
}
"""Operators as other tools spell them, for the suggestion in a refusal."""


def parse(document: object, fields: Fields = CONTACT_FIELDS) -> Group:
    """Return the tree that a document describes; a single condition becomes a tree of one.

    Shapes: `{"logic": "AND"|"OR", "conditions": [...]}`, or `{"field", "operator", "value",
    "ignore_case"}`; None, {} and a tree without conditions match everything.

    Raises:
        InvalidConditionError: `details["errors"]` lists every `{"path", "message"}`.
    """
    if document is None or document == {}:
        return EVERYTHING
    reader = _Reader(fields)
    tree = reader.root(document)
    if reader.errors or tree is None:
        _refuse(reader.errors)
    return tree


def load(document: Mapping[str, Any], find: Callable[[str], Field | None]) -> Group:
    """Return the tree that `dump` has written down, without a second look at whether it is valid.

    A fifth of the time of `parse`, for who has thousands to read. `find` returns the field of a
    name, as `Fields.find` does.

    Raises:
        LookupError: the document is of another making.
        ValueError: likewise.
    """
    return Group(
        Logic(document["logic"]),
        tuple(
            load(one, find) if "conditions" in one else _load_condition(one, find)
            for one in document["conditions"]
        ),
    )


def _load_condition(document: Mapping[str, Any], find: Callable[[str], Field | None]) -> Condition:
    field = find(document["field"])
    if field is None:
        raise LookupError(document["field"])
    value = document.get("value")
    return Condition(
        field,
        Operator(document["operator"]),
        tuple(value) if isinstance(value, list) else value,
        document.get("ignore_case", False),
    )


def _refuse(errors: list[dict[str, str]]) -> NoReturn:
    shown = [f"{one['path'] or 'filter'}: {one['message']}" for one in errors[:_SHOWN_ERRORS]]
    if len(errors) > _SHOWN_ERRORS:
        shown.append(f"And {len(errors) - _SHOWN_ERRORS} more.")
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    raise InvalidConditionError(
        f"The filter is not valid ({count}). {' '.join(shown)}", details={"errors": errors}
    )


class _Reader:
    """One pass over one document; collects errors and goes on."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.errors: list[dict[str, str]] = []
        self._conditions = 0
        self._nodes = 0

    def error(self, path: str, message: str) -> None:
        self.errors.append({"path": path, "message": message})

    def root(self, document: object) -> Group | None:
        if not isinstance(document, Mapping):
            self.error("", f"a filter is an object, not {sort_of(document)}.")
            return None
        if any(key in document for key in _GROUP_KEYS):
            return self.group(document, "", 1)
        condition = self.condition(document, "")
        return Group(Logic.AND, (condition,)) if condition else None

    def group(self, node: Mapping[Any, Any], path: str, level: int) -> Group | None:
        before = len(self.errors)
        self._keys(node, path, _GROUP_KEYS)
        logic = self._logic(node, path)
        members: list[Condition | Group] = []
        at = _join(path, "conditions")
        listed = node.get("conditions", ABSENT)
        if not isinstance(listed, list | tuple):
            self.error(at, f"must be a list of conditions, not {sort_of(listed)}.")
        elif not listed and path:
            self.error(at, "a group within a group needs at least one condition.")
        else:
            for index, member in enumerate(listed):
                if self._exhausted(at):
                    break
                read = self._member(member, f"{at}[{index}]", level)
                if read is not None:
                    members.append(read)
        return Group(logic, tuple(members)) if len(self.errors) == before else None

    def condition(self, node: Mapping[Any, Any], path: str) -> Condition | None:
        before = len(self.errors)
        self._conditions += 1
        self._keys(node, path, _CONDITION_KEYS)
        field = self._field(node, path)
        operator = self._operator(node, path)
        ignore_case = node.get("ignore_case", False)
        if not isinstance(ignore_case, bool):
            self.error(_join(path, "ignore_case"), "must be true or false.")
        value: Value = None
        if operator is not None:
            value = self._value(node, operator, field, _join(path, "value"))
        if len(self.errors) > before or field is None or operator is None:
            return None
        return Condition(field, operator, value, ignore_case)

    def _exhausted(self, path: str) -> bool:
        """Stop at the first condition too many, however the rest of the document is shaped."""
        self._nodes += 1
        if self._conditions < MAX_CONDITIONS and self._nodes <= _MAX_NODES:
            return False
        if self._conditions <= MAX_CONDITIONS:
            self._conditions = MAX_CONDITIONS + 1
            self.error(
                path, f"a filter has at most {MAX_CONDITIONS} conditions; the rest was not read."
            )
        return True

    def _member(self, member: object, path: str, level: int) -> Condition | Group | None:
        if not isinstance(member, Mapping):
            self.error(path, f"must be a condition or a group, not {sort_of(member)}.")
            return None
        if not any(key in member for key in _GROUP_KEYS):
            return self.condition(member, path)
        if level == MAX_LEVELS:
            self.error(path, f"groups can be nested {MAX_LEVELS} levels deep, not deeper.")
            return None
        return self.group(member, path, level + 1)

    def _keys(self, node: Mapping[Any, Any], path: str, known: tuple[str, ...]) -> None:
        unknown = [key for key in node if key not in known]
        for key in unknown[:_SHOWN_KEYS]:
            name = key if isinstance(key, str) else sort_of(key)
            meant = process.extractOne(name[:50], known, scorer=fuzz.ratio, score_cutoff=60)
            hint = f'Did you mean "{meant[0]}"?' if meant else f"The keys are {', '.join(known)}."
            self.error(path, f"unknown key {show(name)}. {hint}")
        if len(unknown) > _SHOWN_KEYS:
            self.error(path, f"and {len(unknown) - _SHOWN_KEYS} more unknown keys.")

    def _logic(self, node: Mapping[Any, Any], path: str) -> Logic:
        given = node.get("logic", Logic.AND.value)
        if given in ("AND", "OR"):
            return Logic(given)
        self.error(_join(path, "logic"), f'must be "AND" or "OR", not {show(given)}.')
        return Logic.AND

    def _field(self, node: Mapping[Any, Any], path: str) -> Field | None:
        at = _join(path, "field")
        name = node.get("field", ABSENT)
        if not isinstance(name, str) or not name:
            self.error(at, f"must be the name of a field, not {sort_of(name)}.")
            return None
        if fault := fault_of(name):
            self.error(at, fault)
            return None
        field = self.fields.find(name)
        if field is None:
            self.error(at, self.fields.refusal(name))
        return field

    def _operator(self, node: Mapping[Any, Any], path: str) -> Operator | None:
        at = _join(path, "operator")
        given = node.get("operator", ABSENT)
        if not isinstance(given, str):
            self.error(at, f"must be the name of an operator, not {sort_of(given)}.")
            return None
        allowed = _OPERATORS if self.fields.changes else _WITHOUT_CHANGES
        if given in allowed:
            return Operator(given)
        if given in CHANGES:
            self.error(
                at,
                f'"{given}" compares with the state before an update: only triggers on update '
                "events can use it, a filter cannot.",
            )
            return None
        best = process.extractOne(given.lower()[:50], allowed, scorer=fuzz.WRatio, score_cutoff=75)
        meant = _MEANT.get(given.lower()) or (best[0] if best else None)
        hint = f'Did you mean "{meant}"?' if meant else f"The operators are {', '.join(allowed)}."
        self.error(at, f"there is no operator {show(given)}. {hint}")
        return None

    def _value(
        self, node: Mapping[Any, Any], operator: Operator, field: Field | None, path: str
    ) -> Value:
        value, faults = read_value(node.get("value", ABSENT), operator, field)
        for place, message in faults:
            self.error(f"{path}{place}", message)
        return value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
