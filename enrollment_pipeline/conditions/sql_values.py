"""What a single value means, in SQL: the counterpart of `values` for the SQL engine.

Every cast stands behind a pattern that only castable texts match, so nothing here raises, and every
value is a bound parameter. What conditions and trees mean is `sql`.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import (
    TIMESTAMP,
    ColumnElement,
    Numeric,
    Text,
    Uuid,
    and_,
    any_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from enrollment_pipeline.conditions.model import FieldKind
from enrollment_pipeline.conditions.values import (
    FIRST_INSTANT,
    FOLDED_FROM,
    FOLDED_TO,
    ISO,
    ISO_ZONED,
    LAST_INSTANT,
    NUMERIC,
    Wanted,
    instant_of,
    is_uuid,
)

INSTANT = TIMESTAMP(timezone=True)


class SqlText:
    """A text that is not null, in SQL, and what can be asked of it without an error."""

    def __init__(self, expression: ColumnElement[Any]) -> None:
        self.raw = expression

    def folded(self, *, folds: bool) -> ColumnElement[Any]:
        """`values.fold`; most texts are ASCII, for which `lower` is quick and the same."""
        if not folds:
            return self.raw
        lowered = func.lower(self.raw.collate("C"))
        ascii_only = func.octet_length(self.raw) == func.char_length(self.raw)
        letters = literal(FOLDED_FROM, Text()), literal(FOLDED_TO, Text())
        return case((ascii_only, lowered), else_=func.translate(lowered, *letters))

    def number(self) -> ColumnElement[Any]:
        """`values.number_of`, or null."""
        return case((self._like(NUMERIC), cast(self.raw, Numeric())))

    def moment(self) -> ColumnElement[Any]:
        """`values.instant_of`, or null."""
        zoned = case((self._like(ISO_ZONED), self.raw), else_=func.concat(self.raw, "Z"))
        # Postgres would round what lies beyond microseconds, Python cuts it.
        cut = func.regexp_replace(zoned, r"(\.[0-9]{6})[0-9]+", r"\1")
        instant = cast(cut, INSTANT)
        bounds = literal(FIRST_INSTANT, INSTANT), literal(LAST_INSTANT, INSTANT)
        return case((self._like(ISO), case((instant.between(*bounds), instant))))

    def is_one_of(self, wanted: Wanted) -> ColumnElement[bool]:
        """`Wanted.holds` of a text."""
        found = []
        if wanted.texts:
            found.append(among(self.folded(folds=wanted.folds), wanted.texts, Text()))
        if wanted.numbers:
            same = among(self.number(), wanted.numbers, Numeric())
            found.append(func.coalesce(same, false()))
        return or_(*found) if found else false()

    def _like(self, pattern: str) -> ColumnElement[bool]:
        return self.raw.op("~", is_comparison=True)(literal(pattern, Text()))


class _Email(SqlText):
    """The e-mail column, beside which there is one with `lower(email)` and an index."""

    def __init__(self, kept: ColumnElement[Any], key: ColumnElement[Any]) -> None:
        super().__init__(kept)
        self._key = key

    def is_one_of(self, wanted: Wanted) -> ColumnElement[bool]:
        """Let the index find the candidates, where the alphabet leaves no doubt about `lower`."""
        exact = super().is_one_of(wanted)
        if wanted.numbers or not wanted.texts or not all(map(str.isascii, wanted.texts)):
            return exact
        return and_(among(self._key, wanted.texts, Text()), exact)


class _Identifier(SqlText):
    """A uuid column."""

    def __init__(self, kept: ColumnElement[Any]) -> None:
        super().__init__(cast(kept, Text()))
        self._kept = kept

    def is_one_of(self, wanted: Wanted) -> ColumnElement[bool]:
        """Compare as uuid, for the sake of the primary key's index."""
        return among(self._kept, {UUID(text) for text in wanted.texts if is_uuid(text)}, Uuid())


class SqlTime(SqlText):
    """A date or instant column: read as text, compared as an instant."""

    def __init__(self, kept: ColumnElement[Any], pattern: str, instant: ColumnElement[Any]) -> None:
        # `to_char` has no text for infinity.
        super().__init__(func.coalesce(func.to_char(kept, pattern), ""))
        self._instant = instant

    def moment(self) -> ColumnElement[Any]:
        """The column itself."""
        return self._instant

    def is_one_of(self, wanted: Wanted) -> ColumnElement[bool]:
        """Compare as instants; folding had made the letters of the instants small."""
        instants = {instant_of(text.upper()) for text in wanted.texts} - {None}
        return among(self._instant, instants, INSTANT)


def sql_text(
    kept: ColumnElement[Any], kind: FieldKind, *, key: ColumnElement[Any] | None = None
) -> SqlText:
    """Return the way to ask a column that is not a list; only the e-mail has a `key` beside it."""
    if kind is FieldKind.IDENTIFIER:
        return _Identifier(kept)
    if kind is FieldKind.DATE:
        midnight = func.timezone("UTC", cast(kept, TIMESTAMP()))
        return SqlTime(kept, "YYYY-MM-DD", midnight)
    if kind is FieldKind.INSTANT:
        utc = func.timezone("UTC", kept)
        return SqlTime(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"', kept)
    return SqlText(kept) if key is None else _Email(kept, key)


def among(found: ColumnElement[Any], values: Collection[Any], sort: Any) -> ColumnElement[bool]:
    """Return whether a value is one of several, by `=` for one so that an index serves."""
    if len(values) == 1:
        return found == literal(next(iter(values)), sort)
    return found == any_(literal(sorted(values), ARRAY(sort))) if values else false()
