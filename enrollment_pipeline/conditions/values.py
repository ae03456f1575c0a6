"""What a single value means, the same in both engines: numbers, instants, durations, letter case.

The patterns are plain enough for Python's and Postgres' regular expressions to agree on them, and
strict enough that whatever matches can be converted without an error. Nothing here knows about
operators or records.
"""

import re
from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Self
from uuid import UUID

from enrollment_pipeline.conditions.model import FieldKind, Scalar

NUMERIC = r"^[+-]?(?:[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100})(?:[eE][+-]?[0-9]{1,3})?$"
"""A text that is a number: bounded, so that no exponent can ask for a gigabyte of digits."""

_DAY = (
    r"(?!0000)(?:[0-9]{4}-(?:"
    r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"

ISO = f"^{_DAY}(?:[T ]{_TIME}{_ZONE}?)?$"
"""A day of the calendar, leap years included, or a day and a time, with or without a zone."""

ISO_ZONED = f":.*{_ZONE}$"
"""Of the texts that match `ISO`, those that name their zone."""

FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)

_CAPITALS = "".join(
    letter
    for block in (range(0xC0, 0x250), range(0x370, 0x590), range(0x1E00, 0x2000))
    for letter in map(chr, block)
    if len(letter.lower()) == 1 and letter.lower() != letter
)

FOLDED_FROM = _CAPITALS + "\N{GREEK SMALL LETTER FINAL SIGMA}"
"""The letters beyond A to Z that have another case: Latin, Greek, Cyrillic, Armenian.

A fixed alphabet, because `lower()` answers differently in Python, in each collation provider of
Postgres, and in each version of Unicode.
"""

FOLDED_TO = "".join(map(str.lower, _CAPITALS)) + "\N{GREEK SMALL LETTER SIGMA}"

_FOLD = str.maketrans(
    FOLDED_FROM + "ABCDEFGHIJKLMNOPQRSTUVWXYZ", FOLDED_TO + "abcdefghijklmnopqrstuvwxyz"
)

# Named here because `isinstance(value, int | float)` builds the union at every call.
_NUMBERS = (int, float, Decimal)
_LISTS = (tuple, set, frozenset)
_TIMES = (FieldKind.DATE, FieldKind.INSTANT)

_numeric = re.compile(NUMERIC)
_iso = re.compile(ISO)
_uuid = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_duration = re.compile(r"([1-9][0-9]{0,4}) *(second|minute|hour|day|week|month|year)s?")


def fold(text: str) -> str:
    """Return the text with capitals made small, for Latin, Greek, Cyrillic and Armenian letters."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def number_of(value: object) -> Decimal | None:
    """Return the exact number that a number or a numeric text stands for; `true` is none."""
    if isinstance(value, str):
        return Decimal(value) if _numeric.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return number if number.is_finite() else None


def instant_of(value: object) -> datetime | None:
    """Return the instant, in UTC, that an ISO text stands for; a day alone is its midnight in UTC.

    Digits beyond microseconds are cut. None for days the calendar does not have and for instants
    outside the years 1 to 9999.
    """
    if not isinstance(value, str) or not _iso.fullmatch(value):
        return None
    found = datetime.fromisoformat(value)
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        return None


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID as Postgres prints it."""
    return _uuid.fullmatch(text) is not None


def text_of_instant(instant: datetime) -> str:
    """Return the one text form of an instant; a naive one is UTC."""
    try:
        utc = instant if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError:
        utc = instant
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def canonical(value: object, kind: FieldKind) -> object:
    """Return a field's value, or a value asked of it, in the one form that `kind` compares.

    Shapes: None, str, bool, int, float, Decimal, list, or mapping; anything else is an object that
    equals nothing. Dates, instants and UUIDs become texts.
    """
    if isinstance(value, str):
        if kind is FieldKind.IDENTIFIER:
            return value.lower()
        return _canonical_time(value, kind) if kind in _TIMES else value
    if isinstance(value, _LISTS):
        return list(value)
    if isinstance(value, datetime):
        return _shortest(text_of_instant(value), kind)
    if isinstance(value, date):
        text = value.isoformat()
        return _canonical_time(text, kind) if kind is FieldKind.INSTANT else text
    return str(value) if isinstance(value, UUID) else value


def _canonical_time(text: str, kind: FieldKind) -> str:
    instant = instant_of(text)
    return text if instant is None else _shortest(text_of_instant(instant), kind)


def _shortest(text: str, kind: FieldKind) -> str:
    midnight = kind is FieldKind.DATE and text.endswith("T00:00:00.000000Z")
    return text[:10] if midnight else text


@dataclass(frozen=True, slots=True)
class Wanted:
    """A set of values to look for, sorted by how they are compared.

    `texts` are folded where case does not count. `text_numbers` are the numbers that some of the
    texts stand for: they count against a number, never against another text.
    """

    texts: frozenset[str]
    numbers: frozenset[Decimal]
    text_numbers: frozenset[Decimal]
    booleans: frozenset[bool]
    folds: bool

    @classmethod
    def of(cls, values: Iterable[Scalar], kind: FieldKind, *, folds: bool) -> Self:
        """Sort the values of a condition on a field of that kind."""
        texts: list[str] = []
        numbers: list[Decimal] = []
        booleans: list[bool] = []
        for value in values:
            if isinstance(value, bool):
                booleans.append(value)
            elif isinstance(value, str):
                texts.append(str(canonical(value, kind)))
            elif (number := number_of(value)) is not None:
                numbers.append(number)
        return cls(
            texts=frozenset(fold(text) if folds else text for text in texts),
            numbers=frozenset(numbers),
            text_numbers=frozenset(n for n in map(number_of, texts) if n is not None),
            booleans=frozenset(booleans),
            folds=folds,
        )

    def holds(self, value: object) -> bool:
        """Whether a field's scalar value is one of them (spec "Conditions", equals)."""
        if isinstance(value, str):
            if (fold(value) if self.folds else value) in self.texts:
                return True
            return bool(self.numbers) and number_of(value) in self.numbers
        if isinstance(value, bool):
            return value in self.booleans
        number = number_of(value)
        return number is not None and (number in self.numbers or number in self.text_numbers)


def same(left: object, right: object, *, folds: bool) -> bool:
    """Whether two values of a record are the same: as `equals` has it, through lists and objects.

    Walks without recursion, so that no depth of nesting can exhaust the stack.
    """
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            if one.keys() != other.keys():
                return False
            pairs.extend((one[key], other[key]) for key in one)
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pairs.extend(zip(one, other, strict=True))
        elif not _same_scalar(one, other, folds=folds):
            return False
    return True


def _same_scalar(one: object, other: object, *, folds: bool) -> bool:
    if one is None or other is None:
        return one is other
    if not isinstance(one, (str, *_NUMBERS)):
        return False
    return Wanted.of((one,), FieldKind.JSON, folds=folds).holds(other)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time such as `7 days`; months and years follow the calendar."""

    amount: int
    unit: str

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read `N seconds|minutes|hours|days|weeks|months|years`; None for anything else.

        At most a hundred years.
        """
        found = _duration.fullmatch(text)
        if found is None:
            return None
        amount, unit = int(found[1]), found[2]
        return cls(amount, unit) if amount <= _MOST.get(unit, amount) else None

    def after(self, instant: datetime, *, sign: int = 1) -> datetime:
        """Return the instant that lies this far ahead, or behind with `sign=-1`.

        A day that the month does not have becomes its last day.
        """
        amount = sign * self.amount
        if self.unit not in ("month", "year"):
            return instant + timedelta(**{f"{self.unit}s": amount})
        months = instant.year * 12 + instant.month - 1 + amount * (12 if self.unit == "year" else 1)
        year, month = divmod(months, 12)
        day = min(instant.day, monthrange(year, month + 1)[1])
        return instant.replace(year=year, month=month + 1, day=day)


_MOST = {"day": 36_500, "week": 5_200, "month": 1_200, "year": 100}
