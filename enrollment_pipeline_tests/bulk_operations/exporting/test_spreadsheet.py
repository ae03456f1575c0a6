"""What becomes of values in cells, and what happens at Excel's limits."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from enrollment_pipeline.bulk_operations.exporting.fields import check_fields
from enrollment_pipeline.bulk_operations.exporting.spreadsheet import MOST_UNITS, write_spreadsheet
from enrollment_pipeline.bulk_operations.exporting.writing import Output


def written(
    tmp_path: Path, names: tuple[str, ...], rows: list[tuple[Any, ...]], **options: Any
) -> tuple[Any, Output]:
    """Write rows, and return the workbook as it is read."""
    output = Output(tmp_path / "book.xlsx", lambda: False)
    assert write_spreadsheet(iter(rows), check_fields(names), output, **options) == len(rows)
    assert list(tmp_path.iterdir()) == [output.path]
    return openpyxl.load_workbook(output.path), output


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('"text"', "text"),
        ('"=1+1"', "=1+1"),
        ('"12"', "12"),
        ('"\\u00e9\\n"', "é\n"),
        ("12", 12),
        ("-0.5", -0.5),
        ("12.50", 12.5),
        ("123456789012345", 123456789012345),
        ("1234567890123456", "1234567890123456"),
        ("0.1234567890123456", "0.1234567890123456"),
        ("1" + "0" * 400, "1" + "0" * 400),
        ("0." + "0" * 400 + "1", "0." + "0" * 400 + "1"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("[1, 2]", "[1, 2]"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
def test_a_custom_field_is_what_it_was_where_a_cell_can_be_that(
    tmp_path: Path, document: str, expected: Any
) -> None:
    book, _ = written(tmp_path, ("custom_fields.x", "email"), [(document, "a@example.com")])

    cell = book.active["A2"]
    assert (cell.value, type(cell.value)) == (expected, type(expected))
    assert cell.data_type != "f"


def test_days_and_times_are_dates_from_1900_on(tmp_path: Path) -> None:
    rows = [
        (date(1899, 12, 31), datetime(2026, 1, 2, 3, 4, 5)),
        (date(1900, 1, 1), None),
        (date(1900, 2, 28), None),
        (date(1900, 3, 1), None),
        (date(9999, 12, 31), None),
    ]

    book, _ = written(tmp_path, ("birthday", "created_at"), rows)

    days = [cell.value for cell in book.active["A"][1:]]
    assert days[0] == "1899-12-31"
    assert [day.date() for day in days[1:]] == [row[0] for row in rows[1:]]
    assert book.active["A3"].number_format == "yyyy-mm-dd"
    assert book.active["B2"].value == datetime(2026, 1, 2, 3, 4, 5)


def test_a_full_sheet_is_followed_by_another_with_its_header(tmp_path: Path) -> None:
    rows = [(f"{number}",) for number in range(7)]

    book, _ = written(tmp_path, ("first_name",), rows, most_rows=4)

    assert [[cell.value for cell in sheet["A"]] for sheet in book.worksheets] == [
        ["first_name", "0", "1", "2"],
        ["first_name", "3", "4", "5"],
        ["first_name", "6"],
    ]


@pytest.mark.parametrize("character", ["x", "é", "🎉"])
def test_a_text_is_cut_where_excel_would_refuse_it_and_told_of(
    tmp_path: Path, character: str
) -> None:
    units = len(character.encode("utf-16-le")) // 2
    most = MOST_UNITS // units
    rows = [(character * most,), (character * (most + 1),), ("=" + character * most,)]

    book, output = written(tmp_path, ("first_name",), rows)

    fits, cut, formula = (cell.value for cell in book.active["A"][1:])
    assert fits == cut == character * most
    assert formula == ("=" + character * most)[: len(formula)]
    assert len(formula.encode("utf-16-le")) // 2 <= MOST_UNITS
    (note,) = output.notes
    # The third one has room for its first character where the emoji leave one over.
    assert note.startswith("1 text is" if units == 2 else "2 texts are")


def test_markup_stays_text(tmp_path: Path) -> None:
    texts = ["<r><t>x</t></r>", "<r>&</r>", "<r></r>", "<b>", "&amp;", "]]>"]

    book, output = written(tmp_path, ("first_name",), [(text,) for text in texts])

    assert [cell.value for cell in book.active["A"][1:]] == texts
    assert output.notes == []
