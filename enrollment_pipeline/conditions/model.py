"""The condition tree: what a filter or a trigger asks, once it has been read and found valid.

Frozen values only. How a document becomes a tree is `parse`, what a tree answers is `evaluate` (one
record) and `sql` (a set); neither belongs here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

MAX_CONDITIONS = 20
"""Conditions in one tree, over all its groups (spec "Conditions")."""

MAX_LEVELS = 5
"""Groups within groups, the outermost counted (spec "Conditions")."""

Scalar = str | int | float | Decimal | bool
Value = Scalar | tuple[Scalar, ...] | None


class Logic(StrEnum):
    """How the members of a group are joined."""

    AND = "AND"
    OR = "OR"


class Operator(StrEnum):
    """What a condition asks of its field (spec "Conditions")."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"
    GREATER_THAN_OR_EQUAL = "greater_than_or_equal"
    LESS_THAN_OR_EQUAL = "less_than_or_equal"
    IN = "in"
    NOT_IN = "not_in"
    IS_EMPTY = "is_empty"
    IS_NOT_EMPTY = "is_not_empty"
    CHANGED = "changed"
    CHANGED_TO = "changed_to"
    CHANGED_FROM = "changed_from"
    WITHIN_LAST = "within_last"
    WITHIN_NEXT = "within_next"


CHANGES = frozenset({Operator.CHANGED, Operator.CHANGED_TO, Operator.CHANGED_FROM})
"""The operators that look at the record as it was before."""

COMPARISONS = frozenset(
    {
        Operator.GREATER_THAN,
        Operator.LESS_THAN,
        Operator.GREATER_THAN_OR_EQUAL,
        Operator.LESS_THAN_OR_EQUAL,
    }
)


class FieldKind(Enum):
    """How a field's value is kept, which decides how both engines read it."""

    TEXT = "text"
    IDENTIFIER = "identifier"  # uuid; read as its lower-case text
    TEXTS = "texts"  # a list of texts
    DATE = "date"  # read as the text 2026-01-31
    INSTANT = "instant"  # read as the text 2026-01-31T09:30:00.000000Z, in UTC
    JSON = "json"  # whatever the document holds


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a condition may name.

    `path` is the way through the record, one name a step. `folds` says that letter case never
    counts; `sensitive` that its values are masked in sentences.
    """

    path: tuple[str, ...]
    kind: FieldKind
    folds: bool = False
    sensitive: bool = False

    @property
    def name(self) -> str:
        """The dotted path, as conditions spell it."""
        return ".".join(self.path)

    @property
    def label(self) -> str:
        """The name that sentences use: the path without the container it begins with."""
        return ".".join(self.path[1:]) or self.path[0]


@dataclass(frozen=True, slots=True)
class Condition:
    """One question about one field; lists of values are tuples."""

    field: Field
    operator: Operator
    value: Value = None
    ignore_case: bool = False

    @property
    def folds(self) -> bool:
        """Whether letter case does not count, because it was asked for or because of the field."""
        return self.ignore_case or self.field.folds

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The value as a tuple, whether one or several were given."""
        if self.value is None:
            return ()
        return self.value if isinstance(self.value, tuple) else (self.value,)


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions and groups joined by one logic; without any it matches everything."""

    logic: Logic = Logic.AND
    conditions: "tuple[Condition | Group, ...]" = ()


EVERYTHING = Group()
"""The tree that matches every record."""


def members(group: Group, path: str = "") -> Iterator[tuple[str, Condition | Group]]:
    """Yield each direct member with its path, such as `conditions[2].conditions[0]`."""
    prefix = f"{path}." if path else ""
    for index, member in enumerate(group.conditions):
        yield f"{prefix}conditions[{index}]", member


def dump(tree: Group) -> dict[str, Any]:
    """Return the document that `parse` reads back as the same tree."""
    return {"logic": tree.logic.value, "conditions": [_dump(member) for member in tree.conditions]}


def _dump(member: Condition | Group) -> dict[str, Any]:
    if isinstance(member, Group):
        return dump(member)
    document: dict[str, Any] = {"field": member.field.name, "operator": member.operator.value}
    if member.value is not None:
        document["value"] = list(member.value) if isinstance(member.value, tuple) else member.value
    if member.ignore_case:
        document["ignore_case"] = True
    return document
