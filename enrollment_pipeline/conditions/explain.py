"""Conditions and values in words: for refusals, for logs, for whoever tests a trigger.

Every text that came from outside is shortened, stripped of control characters and, in a sensitive
field, masked. What is true or false is decided elsewhere.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from enrollment_pipeline.conditions.model import CHANGES, Condition, Operator

_LONGEST = 60
_SHOWN_MEMBERS = 5

_address = re.compile(r"([^@\s]{1,64})@([^@\s]{1,255})")

_PHRASES = {
    Operator.EQUALS: ("equals", "does not equal"),
    Operator.NOT_EQUALS: ("does not equal", "equals"),
    Operator.CONTAINS: ("contains", "does not contain"),
    Operator.NOT_CONTAINS: ("does not contain", "contains"),
    Operator.STARTS_WITH: ("starts with", "does not start with"),
    Operator.ENDS_WITH: ("ends with", "does not end with"),
    Operator.IN: ("is in", "is not in"),
    Operator.NOT_IN: ("is not in", "is in"),
    Operator.IS_EMPTY: ("is empty", "is not empty"),
    Operator.IS_NOT_EMPTY: ("is not empty", "is empty"),
    Operator.CHANGED: ("changed", "did not change"),
    Operator.CHANGED_TO: ("changed to", "did not change to"),
    Operator.CHANGED_FROM: ("changed from", "did not change from"),
    Operator.WITHIN_LAST: ("is within the last", "is not within the last"),
    Operator.WITHIN_NEXT: ("is within the next", "is not within the next"),
}


def show(value: object, *, masked: bool = False) -> str:
    """Return a value as a sentence may hold it: quoted if a text, one line, at most 60 characters.

    E-mail addresses are always masked, everything is with `masked`.
    """
    if isinstance(value, str):
        text = mask(value) if masked else value[:1_000]
        if "@" in text and not masked:
            text = _address.sub(lambda found: mask(found[0]), text)
        return f'"{_one_line(text)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        more = ", ..." if len(value) > _SHOWN_MEMBERS else ""
        return f"[{', '.join(_member(one, masked) for one in value[:_SHOWN_MEMBERS])}{more}]"
    if isinstance(value, int | float | Decimal):
        return "a number" if masked else _number(value)
    if value is None:
        return "null"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def mask(text: str) -> str:
    """Return an address as `a***@example.com` and any other text as stars and its last two."""
    name, at, domain = text.rpartition("@")
    if at:
        return f"{name[:1]}***@{domain}"
    return "***" + text[-2:] if len(text) > 4 else "***"


class Teller:
    """Says what a condition found, such as `amount 120 is not in [1, 2]`.

    What is the same for all records is put into words once.
    """

    def __init__(self, condition: Condition) -> None:
        self._masked = condition.field.sensitive
        self._operator = condition.operator
        self._label = _one_line(condition.field.label)
        asked = "" if condition.value is None else " " + _asked(condition, self._masked)
        self._asked = asked
        operator = condition.operator
        holds, fails = _PHRASES.get(operator, (f"is {operator}", f"is not {operator}"))
        self._holds, self._fails = f"{holds}{asked}", f"{fails}{asked}"

    def tell(self, actual: object, answer: bool | None) -> str:
        """Return the sentence.

        `actual` is the field's value in its canonical form; an `answer` of None means that the
        operator cannot apply to it.
        """
        label = self._label
        if answer is None and self._operator in CHANGES:
            needed = f"{self._operator}{self._asked} needs the previous state"
            return f"{label}: {needed}, and there is none"
        found = "missing" if actual is None else show(actual, masked=self._masked)
        if answer is None:
            return f"{label} is {found}: {self._operator}{self._asked} cannot apply"
        subject = f"{label}, which is missing," if actual is None else f"{label} {found}"
        return f"{subject} {self._holds if answer else self._fails}"


def _asked(condition: Condition, masked: bool) -> str:
    if condition.operator in (Operator.WITHIN_LAST, Operator.WITHIN_NEXT):
        return str(condition.value)
    return show(condition.value, masked=masked)


def _member(value: object, masked: bool) -> str:
    return "[...]" if isinstance(value, list | tuple) else show(value, masked=masked)


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very large number"
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _one_line(text: str) -> str:
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    if short.isprintable() and '"' not in short:
        return short
    return "".join(
        letter if letter.isprintable() and letter != '"' else f"\\u{ord(letter):04x}"
        for letter in short
    )
