"""Opens a file as a table, or refuses it with what to do about it.

A file is refused as a whole only when no row of it could be trusted: it is missing, too large, no
text, or has no columns to go by. A bad row is rejected by itself (`rows`), and the others go on.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from enrollment_pipeline.errors import FileTooLargeError, InvalidFileError
from enrollment_pipeline.files.content import SAMPLE_BYTES, is_binary, refuse_foreign
from enrollment_pipeline.files.dialect import announced_delimiter, detect_delimiter
from enrollment_pipeline.files.encoding import EncodingName, Survey, announced_encoding, survey
from enrollment_pipeline.files.header import column_names, is_header
from enrollment_pipeline.files.lines import LineCursor, LineSource
from enrollment_pipeline.files.opening import open_bytes
from enrollment_pipeline.files.rows import AnyRow, RejectedRow, Row, RowReader

MOST_COLUMNS = 1_000
"""The widest table that is read (spec "CSV files in the wild")."""

_SAMPLE_ROWS = 100
_SEARCHED_ROWS = 1_000
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Table:
    """A file that can be read as a table, any number of times, as long as it is open.

    `header` holds the cells of the first row as they stand, or is None when the first row is a
    contact; `columns` has one name for each column, all different; `size` is in bytes; `sample`
    holds the values of up to 100 of the first rows, which are yielded all the same.
    """

    encoding: EncodingName
    delimiter: str
    header: tuple[str, ...] | None
    columns: tuple[str, ...]
    size: int
    sample: tuple[tuple[str, ...], ...]
    _source: LineSource
    _first_line: int

    def __iter__(self) -> Iterator[AnyRow]:
        """Yield every row behind the header, good or rejected, in the order of their lines."""
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[AnyRow]]:
        """Yield the same rows in lists, of about 64 KiB of text each: faster for large files."""
        return _batches(self._source, self.delimiter, self.header, self.columns, self._first_line)


@contextmanager
def open_table(
    path: Path,
    *,
    max_bytes: int | None = None,
    max_lines: int | None = None,
    name: str | None = None,
) -> Iterator[Table]:
    """Open a delimited file for the time of a `with` block.

    Args:
        path: A regular file.
        max_bytes: The largest size accepted.
        max_lines: The most physical lines accepted; the header and blank lines do not count.
        name: What messages call the file. Default: the name in its path.

    Raises:
        FileTooLargeError: The file is over one of the limits.
        InvalidFileError: The file cannot be read as a table.
    """
    name = name or os.fsencode(path.name).decode("utf-8", "replace")
    with open_bytes(path, name) as handle:
        yield _read_table(handle, name, max_bytes, max_lines)


def _read_table(handle: BinaryIO, name: str, max_bytes: int | None, max_lines: int | None) -> Table:
    try:
        size, found = _survey(handle, name, max_bytes)
    except OSError as error:
        raise InvalidFileError(f'"{name}" cannot be read: {error.strerror}.') from error
    source = LineSource(handle, found.encoding, size)
    announced = announced_delimiter(source)
    delimiter = announced or detect_delimiter(source)
    first = _first_row(source, delimiter, 1 if announced else 0, name)
    header = first.values if is_header(first.values) else None
    first_line = first.line if header is None else _line_behind(first)
    if max_lines is not None and found.most_lines > max_lines:
        _refuse_too_many_lines(source, first_line, max_lines, name)
    columns = column_names(header, len(first.values))
    batches = _batches(source.head(), delimiter, header, columns, first_line)
    rows = islice((row for batch in batches for row in batch), _SEARCHED_ROWS)
    good = (row.values for row in rows if isinstance(row, Row))
    return Table(
        encoding=found.encoding.name,
        delimiter=delimiter,
        header=header,
        columns=columns,
        size=size,
        sample=tuple(islice(good, _SAMPLE_ROWS)),
        _source=source,
        _first_line=first_line,
    )


def _survey(handle: BinaryIO, name: str, max_bytes: int | None) -> tuple[int, Survey]:
    size = os.fstat(handle.fileno()).st_size
    if not size:
        raise _empty(f'"{name}" is empty.')
    if max_bytes is not None and size > max_bytes:
        raise FileTooLargeError(
            f'"{name}" has {size:,} bytes; at most {max_bytes:,} are allowed.',
            details={"found": size, "limit": max_bytes},
        )
    head = handle.read(SAMPLE_BYTES)
    handle.seek(max(0, size - 4))
    refuse_foreign(name, head, handle.read(4))
    announced = announced_encoding(head)
    if (announced is None or announced.unit_bytes == 1) and is_binary(head):
        raise InvalidFileError(
            f'"{name}" holds binary data, not text.',
            remedy="Export the table as CSV (UTF-8, one header line) and use that file.",
        )
    return size, survey(handle, size, announced, name)


def _empty(message: str) -> InvalidFileError:
    return InvalidFileError(
        message, remedy="Export the table again; the file must have at least one line of text."
    )


def _first_row(source: LineSource, delimiter: str, skipped_lines: int, name: str) -> Row:
    # A quote left open further down is followed to the end of what is read: the head suffices for
    # a good row, but only the whole file tells why there is none.
    first = _first_filled_row(source.head(), delimiter, skipped_lines)
    if not isinstance(first, Row):
        first = _first_filled_row(source, delimiter, skipped_lines)
    if first is None:
        raise _empty(f'"{name}" holds only blank lines.')
    if isinstance(first, RejectedRow):
        raise InvalidFileError(f'The first row of "{name}" (line {first.line:,}) {first.reason}.')
    if len(first.values) > MOST_COLUMNS:
        raise InvalidFileError(
            f'"{name}" has {len(first.values):,} columns; at most {MOST_COLUMNS:,} are read.',
            remedy="Remove the columns that are not needed and try again.",
            details={"found": len(first.values), "limit": MOST_COLUMNS},
        )
    return first


def _first_filled_row(source: LineSource, delimiter: str, skipped_lines: int) -> AnyRow | None:
    for batch in RowReader(LineCursor(source), delimiter).batches():
        for row in batch:
            blank = isinstance(row, Row) and row.blank
            if row.line > skipped_lines and not blank:
                return row
    return None


def _line_behind(row: Row) -> int:
    return row.line + 1 + len(_LINE_END.findall(",".join(row.values)))


def _refuse_too_many_lines(source: LineSource, first_line: int, limit: int, name: str) -> None:
    lines = LineCursor(source)
    found = last = 0
    while piece := lines.next():
        line, text = piece
        if line >= first_line and line != last and not text.isspace():
            found += 1
            last = line
    if found > limit:
        raise FileTooLargeError(
            f'"{name}" has {found:,} lines; at most {limit:,} are allowed.',
            details={"found": found, "limit": limit},
        )


def _batches(
    source: LineSource,
    delimiter: str,
    header: tuple[str, ...] | None,
    columns: tuple[str, ...],
    first_line: int,
) -> Iterator[list[AnyRow]]:
    reader = RowReader(
        LineCursor(source),
        delimiter,
        width=len(columns),
        measure="the first row" if header is None else "the header",
    )
    for batch in reader.batches():
        rows = batch
        if batch[0].line < first_line:
            rows = [row for row in batch if row.line >= first_line]
        if rows:
            yield rows
