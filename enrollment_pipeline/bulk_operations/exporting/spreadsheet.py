"""Contacts as an XLSX workbook.

Belongs here: what becomes of a value in a cell, and Excel's limits. Does not belong here: which
rows there are.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from tempfile import TemporaryDirectory
from typing import Any

from xlsxwriter import Workbook  # type: ignore[import-untyped]

from enrollment_pipeline.bulk_operations.exporting.fields import Field, Kind
from enrollment_pipeline.bulk_operations.exporting.writing import Output, go_on_unless

MOST_ROWS = 1_048_576
"""Rows of a sheet with its header (Microsoft, "Excel specifications and limits")."""

MOST_UNITS = 32_767
"""Characters of a cell, counted in UTF-16 as Excel counts them (same source)."""

MOST_DIGITS = 15
"""Digits of a number (same source); what has more would be rounded, and is written as text."""

_FIRST_DAY = date(1900, 1, 1)
# About a megabyte of the sheet.
_ROWS_PER_PIECE = 1_000
_WIDTHS = {Kind.DAY: 11, Kind.INSTANT: 20, Kind.IDENTIFIER: 38}
_NUMBER_START = frozenset("-0123456789")

# A sheet, its row, its column, the value.
_Write = Callable[[Any, int, int, Any], None]


def write_spreadsheet(
    rows: Iterator[Sequence[Any]],
    fields: Sequence[Field],
    output: Output,
    *,
    most_rows: int = MOST_ROWS,
) -> int:
    """Write typed rows, as many sheets as they need, each with its header; return how many rows.

    No cell is a formula or a link, whatever it says. The sheets lie in the folder of the file until
    the end, uncompressed, ten times as large and twice for a moment.
    """
    with TemporaryDirectory(dir=output.path.parent) as scratch:
        book = Workbook(
            str(output.path),
            {
                "constant_memory": True,
                "tmpdir": scratch,
                "use_zip64": True,
                "strings_to_formulas": False,
                "strings_to_numbers": False,
                "strings_to_urls": False,
            },
        )
        try:
            sheets = _Sheets(book, fields, most_rows)
            go_on_unless(output.stop)
            for count, row in enumerate(rows, start=1):
                sheets.add(row)
                if count % _ROWS_PER_PIECE == 0:
                    go_on_unless(output.stop)
        except BaseException:
            # `close` would write the workbook first.
            for sheet in book.worksheets():
                sheet.row_data_fh.close()
            raise
        book.close()
    if sheets.cut:
        texts = "1 text is" if sheets.cut == 1 else f"{sheets.cut:,} texts are"
        output.notes.append(
            f"{texts} longer than the {MOST_UNITS:,} characters that a cell can hold, and cut off "
            "there. The other formats hold all of it."
        )
    return sheets.rows


class _Sheets:
    """The sheets of a workbook, filled one after the other."""

    def __init__(self, book: Workbook, fields: Sequence[Field], most_rows: int) -> None:
        self.rows = 0
        self.cut = 0
        self._book = book
        self._fields = fields
        self._most_rows = most_rows
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        self._instant = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._bare = book.add_format()
        self._writes = [self._write_of(field) for field in fields]
        self._begin()

    def add(self, row: Sequence[Any]) -> None:
        if self._place == self._most_rows:
            self._begin()
        for column, (write, value) in enumerate(zip(self._writes, row, strict=True)):
            if value is not None:
                write(self._sheet, self._place, column, value)
        self._place += 1
        self.rows += 1

    def _begin(self) -> None:
        self._sheet = self._book.add_worksheet()
        for column, field in enumerate(self._fields):
            width = _WIDTHS.get(field.kind)
            if width:
                self._sheet.set_column(column, column, width)
        self._sheet.freeze_panes(1, 0)
        for column, field in enumerate(self._fields):
            self._write_text(self._sheet, 0, column, field.name)
        self._place = 1

    def _write_of(self, field: Field) -> _Write:
        match field.kind:
            case Kind.DAY:
                return self._write_day
            case Kind.INSTANT:
                return self._write_instant
            case Kind.CUSTOM:
                return self._write_json
            case _:
                return self._write_text

    def _write_text(self, sheet: Any, row: int, column: int, text: str) -> None:
        # No text of half as many characters can have too many units.
        if len(text) > MOST_UNITS // 2:
            text = self._fitting(text)
        # A text like this is taken for markup and would go into the sheet as it is; as two pieces
        # of one cell it is escaped.
        if text.startswith("<r>") and text.endswith("</r>"):
            sheet.write_rich_string(row, column, text[:1], self._bare, text[1:])
        else:
            sheet.write_string(row, column, text)

    def _fitting(self, text: str) -> str:
        units = text.encode("utf-16-le")
        if len(units) <= 2 * MOST_UNITS:
            return text
        self.cut += 1
        return units[: 2 * MOST_UNITS].decode("utf-16-le", errors="ignore")

    def _write_day(self, sheet: Any, row: int, column: int, day: date) -> None:
        if day < _FIRST_DAY:
            sheet.write_string(row, column, day.isoformat())
        else:
            sheet.write_datetime(row, column, day, self._day)

    def _write_instant(self, sheet: Any, row: int, column: int, instant: datetime) -> None:
        sheet.write_datetime(row, column, instant, self._instant)

    def _write_json(self, sheet: Any, row: int, column: int, document: str) -> None:
        """Write the text of a JSON value: as what it is, where a cell can be that."""
        first = document[0]
        if first == '"':
            self._write_text(sheet, row, column, json.loads(document))
        elif first in _NUMBER_START and _fits(document):
            sheet.write_number(row, column, float(document))
        elif document in ("true", "false"):
            sheet.write_boolean(row, column, document == "true")
        elif document != "null":
            self._write_text(sheet, row, column, document)


def _fits(number: str) -> bool:
    return sum(map(str.isdigit, number.lstrip("-0."))) <= MOST_DIGITS and len(number) <= 300
