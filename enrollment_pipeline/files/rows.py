"""Rows out of physical lines: the good ones with their values, the bad ones with their reason.

A row carries the number of the physical line that it begins on. A broken quote costs the line that
it stands on, never the lines behind it, and never shifts a value into another column:

* `csv.reader` reads whole blocks, fast, as long as it finds nothing wrong.
* From the first trouble on, the rest of the block is read record by record. A record whose quoting
  is broken, or never ends, loses only its first line; reading goes on with the next one.
* The lines that the broken record had run over are doubtful: they may be rows, or the inside of a
  quoted field. Each must be a complete row by itself, without a stray quote, or it is rejected.
  So every line is looked at three times at most, whatever the file holds.

Not here: headers, delimiters, refusing whole files (`table`).
"""

import csv
import re
from collections.abc import Iterator
from typing import NamedTuple

from enrollment_pipeline.files.lines import SURROGATE, LineCursor, Place
from enrollment_pipeline.files.quotes import Quoting, follow

MOST_FIELD_CHARACTERS = 131_072
MOST_RECORD_CHARACTERS = 1_048_576
_SHOWN_CHARACTERS = 500
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
# `Row(...)` runs a Python function for each row; this is the same tuple without it.
_new = tuple.__new__


class Row(NamedTuple):
    """A row: the number of its first physical line, and one value for each column."""

    line: int
    values: tuple[str, ...]

    @property
    def blank(self) -> bool:
        """Whether no value holds any text."""
        return not "".join(self.values).strip()


class RejectedRow(NamedTuple):
    """A row that cannot be used: its first physical line, its text, and why.

    `text` is at most 500 characters, with a replacement character for what no database stores.
    `reason` continues the sentence "This row ...".
    """

    line: int
    text: str
    reason: str


AnyRow = Row | RejectedRow


class _Doubt(NamedTuple):
    """Lines up to `last` may lie inside the quoted field that line `origin` broke."""

    origin: int
    last: int


class _Record(NamedTuple):
    """A record, or its beginning when it is too long, and where its second line begins."""

    line: int
    last_line: int
    text: str
    characters: int
    quoting: Quoting
    second_line: Place | None


def reject(line: int, text: str, reason: str) -> RejectedRow:
    """Return the rejection of a row, its text cut and made storable."""
    shown = text[:_SHOWN_CHARACTERS].rstrip("\r\n")
    return RejectedRow(line, _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", shown), reason)


class RowReader:
    """Reads rows of one width out of lines.

    `width` is the number of columns, given by `measure` (what the reason of a rejection names);
    without a width, rows of any length are good.
    """

    def __init__(
        self,
        lines: LineCursor,
        delimiter: str,
        *,
        width: int | None = None,
        measure: str = "the header",
    ) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._width = width
        self._measure = measure
        self._doubt = _Doubt(0, 0)

    def batches(self) -> Iterator[list[AnyRow]]:
        """Yield the rows in the order of their lines, in lists of about 64 KiB of text each."""
        while block := self._lines.block():
            rows: list[AnyRow] = []
            first, lines = self._lines.rest(block)
            if block.plain and (first > self._doubt.last or not block.quoted):
                self._lines.skip(self._read_plain(first, lines, rows))
            while self._lines.within(block):
                row = self._read_next()
                if row:
                    rows.append(row)
            if rows:
                yield rows

    def _read_plain(self, first: int, lines: list[str], rows: list[AnyRow]) -> int:
        """Read until something is wrong, and return how many lines were read."""
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        # A row of one column may be a blank line, and is always judged.
        width = self._width if self._width != 1 else None
        read = 0
        try:
            for fields in reader:
                start, read = read, reader.line_num
                if len(fields) == width:
                    rows.append(_new(Row, (first + start, tuple(fields))))
                    continue
                text = "".join(lines[start:read])
                row = self._judge(fields, text, first + start, first + read - 1)
                if row:
                    rows.append(row)
        except csv.Error:
            # `_read_next` reads this record again, and finds out what is wrong with it.
            return read
        return read

    def _read_next(self) -> AnyRow | None:
        record = self._read_record()
        if record.quoting in (Quoting.QUOTED, Quoting.BROKEN):
            return self._reject_first_line(record)
        reason = self._trouble(record)
        fields: list[str] = []
        if not reason:
            try:
                fields = next(csv.reader([record.text], delimiter=self._delimiter, strict=True))
            except csv.Error:
                # The quoting is sound, so a field is over the limit of the `csv` module. That
                # limit belongs to the whole process: it is obeyed, never changed.
                reason = _too_long("a field", min(csv.field_size_limit(), MOST_FIELD_CHARACTERS))
        if not reason and max(map(len, fields), default=0) > MOST_FIELD_CHARACTERS:
            reason = _too_long("a field", MOST_FIELD_CHARACTERS)
        if reason:
            reason += _span(record.line, record.last_line)
            return reject(record.line, record.text, reason)
        return self._judge(fields, record.text, record.line, record.last_line)

    def _read_record(self) -> _Record:
        piece = self._lines.next()
        line = last_line = piece[0] if piece else 0
        doubtful, alone = line <= self._doubt.last, line < self._doubt.last
        quoting = Quoting.FIELD_START
        kept: list[str] = []
        characters = 0
        second_line: Place | None = None
        while piece:
            last_line, text = piece
            quoting = follow(text, quoting, self._delimiter, refuse_stray_quotes=doubtful)
            if characters <= MOST_RECORD_CHARACTERS:
                kept.append(text)
            characters += len(text)
            if text.endswith(("\r", "\n")):
                second_line = second_line or self._lines.place
                if alone or quoting is not Quoting.QUOTED:
                    break
            piece = self._lines.next()
        return _Record(line, last_line, "".join(kept), characters, quoting, second_line)

    def _reject_first_line(self, record: _Record) -> RejectedRow:
        if record.line <= self._doubt.last:
            reason = f"may belong to the broken quote on line {self._doubt.origin:,}"
        elif record.quoting is Quoting.QUOTED:
            reason = "has a quote that is never closed"
        else:
            reason = "has text after a closing quote"
        if record.last_line > record.line:
            self._doubt = _Doubt(record.line, record.last_line)
        if record.second_line:
            self._lines.go_back(record.second_line)
        return reject(record.line, re.split(r"[\r\n]", record.text, maxsplit=1)[0], reason)

    def _trouble(self, record: _Record) -> str:
        if record.characters > MOST_RECORD_CHARACTERS:
            return f"is longer than {MOST_RECORD_CHARACTERS:,} characters"
        if "\0" in record.text:
            return "holds a NUL byte"
        if SURROGATE.search(record.text):
            return "holds bytes that are not text in the file's encoding"
        return ""

    def _judge(self, fields: list[str], text: str, line: int, last_line: int) -> AnyRow | None:
        if len(fields) < 2 and (not text or text.isspace()):
            return None
        if self._width is None or len(fields) == self._width:
            return Row(line, tuple(fields))
        if len(fields) > self._width and not "".join(fields[self._width :]).strip():
            return Row(line, tuple(fields[: self._width]))
        found = f"{len(fields):,} field" + ("s" if len(fields) != 1 else "")
        reason = f"has {found}, {self._measure} has {self._width:,}" + _span(line, last_line)
        return reject(line, text, reason)


def _too_long(what: str, limit: int) -> str:
    return f"has {what} longer than {limit:,} characters"


def _span(line: int, last_line: int) -> str:
    return f" (lines {line:,} to {last_line:,})" if last_line > line else ""
