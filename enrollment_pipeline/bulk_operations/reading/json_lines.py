"""A file with one JSON object a line, read as a table in constant memory.

Belongs here: lines, and their keys as columns. Does not belong here: what is JSON (`json_values`),
and where lines end and bytes are text (`files.lines`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from enrollment_pipeline.bulk_operations.reading.json_values import (
    NOT_STORABLE,
    NOT_TEXT,
    Unusable,
    parse_object,
)
from enrollment_pipeline.bulk_operations.reading.sampling import SAMPLE_ROWS, sample_of
from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.files.content import SAMPLE_BYTES
from enrollment_pipeline.files.encoding import Encoding, announced_encoding, survey
from enrollment_pipeline.files.header import column_names
from enrollment_pipeline.files.lines import BLOCK_BYTES, SURROGATE, LineCursor, LineSource
from enrollment_pipeline.files.opening import (
    checked_size,
    open_bytes,
    refuse_too_many,
    refuse_too_wide,
)
from enrollment_pipeline.files.rows import MOST_RECORD_CHARACTERS, AnyRow, RejectedRow, Row, reject
from enrollment_pipeline.files.table import MOST_COLUMNS

MOST_KEY_CHARACTERS = 1_000

_SEARCHED_ROWS = 1_000
_TOO_LONG = f"is longer than {MOST_RECORD_CHARACTERS:,} characters"
_LONG_KEY = f"of more than {MOST_KEY_CHARACTERS:,} characters"
_ONE_A_LINE = "Write one JSON object a line, or a CSV file."


@dataclass(frozen=True, slots=True)
class JsonLines:
    """An open file of JSON lines; see `sources.Source`."""

    columns: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    _source: LineSource
    _keys: tuple[str, ...]

    def batches(self) -> Iterator[list[AnyRow]]:
        """Yield the rows in lists of about 64 KiB of text; a key that a line lacks is None."""
        return _batches(self._source, self._keys)


@contextmanager
def open_json_lines(
    path: Path, *, max_bytes: int, max_lines: int, name: str
) -> Iterator[JsonLines]:
    """Open a file of JSON lines for the time of a `with` block.

    The columns are the keys of all lines, in the order in which they first appear.

    Raises:
        FileTooLargeError: it is over one of the limits; blank lines do not count.
        InvalidFileError: it cannot be read, has more than 1,000 keys, or no line is an object.
    """
    with open_bytes(path, name) as handle:
        size = checked_size(handle, name, max_bytes)
        announced = announced_encoding(handle.read(SAMPLE_BYTES))
        found = survey(handle, size, announced, name).encoding
        # A line that is not UTF-8 is rejected, not read as something else.
        encoding = found if found.name != "cp1252" else Encoding("utf-8", flawless=False)
        source = LineSource(handle, encoding, size)
        keys = _keys(source, name, max_lines)
        rows = (row for batch in _batches(source, keys) for row in batch)
        good = (row for row in islice(rows, _SEARCHED_ROWS) if isinstance(row, Row))
        yield JsonLines(
            columns=column_names(keys, len(keys)),
            sample=tuple(sample_of(row.values) for row in islice(good, SAMPLE_ROWS)),
            _source=source,
            _keys=keys,
        )


def _keys(source: LineSource, name: str, max_lines: int) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    lines = 0
    refused: RejectedRow | None = None
    for number, text in _lines(source):
        lines += 1
        found = _read(number, text, keys)
        if isinstance(found, RejectedRow):
            refused = refused or found
        elif not found.keys() <= keys.keys():
            keys.update(dict.fromkeys(found))
            if len(keys) > MOST_COLUMNS:
                refuse_too_wide(name, len(keys), MOST_COLUMNS)
    if lines > max_lines:
        refuse_too_many(name, lines, max_lines, "lines")
    if not keys:
        told = f"line {refused.line:,} {refused.reason}" if refused else "there is none"
        raise InvalidFileError(
            f'No line of "{name}" holds a JSON object with a key: {told}.', remedy=_ONE_A_LINE
        )
    return tuple(keys)


def _batches(source: LineSource, keys: tuple[str, ...]) -> Iterator[list[AnyRow]]:
    known = dict.fromkeys(keys)
    rows: list[AnyRow] = []
    characters = 0
    for number, text in _lines(source):
        found = _read(number, text, known)
        if isinstance(found, RejectedRow):
            rows.append(found)
        else:
            values: tuple[Any, ...] = tuple(map(found.get, keys))
            rows.append(Row(number, values))
        characters += len(text)
        if characters >= BLOCK_BYTES:
            yield rows
            rows, characters = [], 0
    if rows:
        yield rows


def _lines(source: LineSource) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank; of a too long one its beginning."""
    cursor = LineCursor(source)
    while piece := cursor.next():
        number, text = piece
        last = text
        while not last.endswith(("\n", "\r")) and (piece := cursor.next()):
            last = piece[1]
            if len(text) <= MOST_RECORD_CHARACTERS:
                text += last
        # The beginning of a long line says nothing about the rest of it.
        if len(text) > MOST_RECORD_CHARACTERS or not text.isspace():
            yield number, text


def _read(number: int, text: str, known: dict[str, None]) -> dict[str, Any] | RejectedRow:
    if len(text) > MOST_RECORD_CHARACTERS:
        return reject(number, text, _TOO_LONG)
    if not text.isascii() and SURROGATE.search(text):
        return reject(number, text, "holds bytes that are not text in the file's encoding")
    found = parse_object(text)
    if isinstance(found, Unusable):
        return reject(number, text, found.reason)
    if not found.keys() <= known.keys():
        # What no column can be called is no key of any good line.
        for key in found:
            if len(key) > MOST_KEY_CHARACTERS:
                return reject(number, text, f"has a key {_LONG_KEY}")
            if NOT_STORABLE.search(key):
                return reject(number, text, NOT_TEXT)
    return found
