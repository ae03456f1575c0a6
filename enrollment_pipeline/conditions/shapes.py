"""Which value an operator takes, and on which kind of field: the refusals that concern a value.

Only shapes are judged here. A value of the right shape that a record's value cannot be compared
with is no error: that condition is false for that record.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import cast

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.model import (
    COMPARISONS,
    Field,
    FieldKind,
    Operator,
    Value,
)
from enrollment_pipeline.conditions.values import Duration, instant_of, number_of

MAX_TEXT = 10_000
"""Characters in one value."""

MAX_VALUES = 1_000
"""Values in one list."""

MAX_DIGITS = 1_000
"""Digits of a number, on either side of the point."""

ABSENT = object()
"""Stands for a key that the document does not have."""

Fault = tuple[str, str]
"""Where below the value (`[3]`, or nothing for the value itself), and what is wrong."""

_WITHOUT_VALUE = frozenset({Operator.IS_EMPTY, Operator.IS_NOT_EMPTY, Operator.CHANGED})
_MEMBERSHIP = frozenset({Operator.IN, Operator.NOT_IN})
_AFFIXES = frozenset({Operator.STARTS_WITH, Operator.ENDS_WITH})
_PARTS = frozenset({Operator.CONTAINS, Operator.NOT_CONTAINS})
_DURATIONS = frozenset({Operator.WITHIN_LAST, Operator.WITHIN_NEXT})
_SAMENESS = frozenset(
    {Operator.EQUALS, Operator.NOT_EQUALS, Operator.CHANGED_TO, Operator.CHANGED_FROM}
)

_USE_IS_EMPTY = 'To look for a missing value use "is_empty".'


def read_value(
    given: object, operator: Operator, field: Field | None
) -> tuple[Value, tuple[Fault, ...]]:
    """Return the value as the tree keeps it and everything that is wrong with it.

    `given` is `ABSENT` where the document has no value; `field` None where the field was refused.
    """
    faults = tuple(_faults(given, operator, field))
    if faults or given is ABSENT:
        return None, faults
    return cast("Value", tuple(given) if isinstance(given, list | tuple) else given), faults


def _faults(given: object, operator: Operator, field: Field | None) -> Iterator[Fault]:
    if operator in _WITHOUT_VALUE:
        if given is not ABSENT:
            yield "", f'"{operator}" takes no value: leave "value" out.'
    elif given is ABSENT or given is None:
        yield "", f'is {sort_of(given)}: "{operator}" needs {_needs(operator)}. {_USE_IS_EMPTY}'
    elif isinstance(given, list | tuple):
        yield from _list_faults(given, operator, field)
    elif fault := fault_of(given) or _misshapen(given, operator) or _unmet(given, operator, field):
        yield "", fault


def _list_faults(
    given: list[object] | tuple[object, ...], operator: Operator, field: Field | None
) -> Iterator[Fault]:
    if operator not in _MEMBERSHIP | _AFFIXES | _SAMENESS:
        yield "", f'"{operator}" needs {_needs(operator)}, not a list.'
    elif not given and operator not in _SAMENESS:
        yield "", f'"{operator}" needs a list of at least one value.'
    elif len(given) > MAX_VALUES:
        yield "", f"holds {len(given)} values; at most {MAX_VALUES} are allowed."
    else:
        for index, one in enumerate(given):
            fault = fault_of(one)
            if operator in _AFFIXES:
                fault = fault or _misshapen(one, operator)
            elif operator in _MEMBERSHIP:
                fault = fault or _unmet(one, operator, field)
            if fault:
                yield f"[{index}]", fault


def _misshapen(value: object, operator: Operator) -> str:
    """Return why an operator cannot take a single value of this sort, or an empty text."""
    if operator in _DURATIONS:
        if isinstance(value, str) and Duration.read(value):
            return ""
        return (
            f'"{operator}" needs {_needs(operator)}, not {show(value)}: a whole number and '
            "seconds, minutes, hours, days, weeks, months or years, at most a hundred years."
        )
    wrong = (
        operator in _MEMBERSHIP
        or (operator in _AFFIXES and not isinstance(value, str))
        or (operator in COMPARISONS and isinstance(value, bool))
    )
    return f'"{operator}" needs {_needs(operator)}, not {sort_of(value)}.' if wrong else ""


def _unmet(value: object, operator: Operator, field: Field | None) -> str:
    """Return why no value of a column could ever meet this one, or an empty text."""
    if field is None or field.kind is FieldKind.JSON:
        return ""
    if field.kind is FieldKind.TEXTS:
        if operator not in _SAMENESS:
            return ""
        return (
            f'{field.name} is a list: "{operator}" needs the whole list; to look for one value use '
            '"contains".'
        )
    if operator in _PARTS and not isinstance(value, str):
        return f"{field.name} is a text: write the value in quotes."
    timed = field.kind in (FieldKind.DATE, FieldKind.INSTANT)
    if timed and operator in _SAMENESS | _MEMBERSHIP | COMPARISONS and instant_of(value) is None:
        return (
            f"{field.name} is a date: compare it with one such as 2026-01-31 or "
            f"2026-01-31T09:30:00Z, not with {show(value)}."
        )
    return ""


def _needs(operator: Operator) -> str:
    if operator in _MEMBERSHIP:
        return 'a list of values, such as ["a", "b"]'
    if operator in _AFFIXES:
        return "a text or a list of texts"
    if operator in _DURATIONS:
        return 'a length of time, such as "7 days"'
    if operator in COMPARISONS:
        return "a number, a date or a text"
    return "a text, a number, or true or false"


def fault_of(value: object) -> str:
    """Return what makes a single value unusable with any operator, or an empty text."""
    if isinstance(value, str):
        return _text_fault(value)
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float | Decimal):
        return _number_fault(value)
    if value is None:
        return f"is null. {_USE_IS_EMPTY}"
    return f"must be a text, a number, or true or false, not {sort_of(value)}."


def _text_fault(text: str) -> str:
    if len(text) > MAX_TEXT:
        return f"is {len(text)} characters long; at most {MAX_TEXT} are allowed."
    if "\0" in text:
        return "holds a NUL character, which no text in the database can."
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "holds half a character (a lone surrogate), which no text in the database can."
    return ""


def _number_fault(value: int | float | Decimal) -> str:
    too_long = f"has more than {MAX_DIGITS} digits."
    if isinstance(value, int) and value.bit_length() > 4 * MAX_DIGITS:
        return too_long
    number = number_of(value)
    if number is None:
        return "is not a number that can be compared."
    digits = len(number.as_tuple().digits)
    return too_long if max(digits, abs(number.adjusted())) > MAX_DIGITS else ""


def sort_of(value: object) -> str:
    """Return what sort of value this is, in words, without looking into it."""
    if value is ABSENT:
        return "left out"
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        (str, "a text"),
        ((int, float, Decimal), "a number"),
        ((list, tuple), "a list"),
        (Mapping, "an object"),
        (type(None), "null"),
    )
    return next((name for sort, name in names if isinstance(value, sort)), "an unknown value")
