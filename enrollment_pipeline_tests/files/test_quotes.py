"""Broken quoting: what it costs, and that it never costs more."""

import csv
from pathlib import Path

import pytest

from enrollment_pipeline.files.rows import Row
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline_tests.files.conftest import Read

NEVER_CLOSED = "has a quote that is never closed"
AFTER_CLOSING = "has text after a closing quote"


def test_an_unterminated_quote_costs_its_own_line_only(read: Read) -> None:
    reading = read(
        b'email,name\na@example.com,A\nb@example.com,"B\nc@example.com,C\nd@example.com,D\n'
    )
    assert [line for line, _ in reading.good] == [2, 4, 5]
    assert reading.rejected == [(3, NEVER_CLOSED)]
    assert reading.rows[1][1] == 'b@example.com,"B'


def test_an_unterminated_quote_on_the_last_line_is_rejected(read: Read) -> None:
    reading = read(b'email,name\na@example.com,A\nb@example.com,"B')
    assert reading.good == [(2, ("a@example.com", "A"))]
    assert reading.rejected == [(3, NEVER_CLOSED)]


def test_text_after_a_closing_quote_costs_its_own_line_only(read: Read) -> None:
    reading = read(b'email,name\na@example.com,"A" B\nb@example.com,"B"\n')
    assert reading.good == [(3, ("b@example.com", "B"))]
    assert reading.rejected == [(2, AFTER_CLOSING)]


def test_a_quote_left_open_does_not_swallow_quoted_rows(read: Read) -> None:
    reading = read(b'email,name\na@example.com,"A\nb@example.com,B\n"c@example.com","C"\n')
    assert reading.rejected == [(2, AFTER_CLOSING)]
    assert reading.good == [(3, ("b@example.com", "B")), (4, ("c@example.com", "C"))]


def test_the_row_at_which_a_broken_quote_shows_may_go_over_lines_itself(read: Read) -> None:
    reading = read(b'email,note\na@example.com,"A\nb@example.com,"one\ntwo"\nc@example.com,C\n')
    assert reading.rejected == [(2, AFTER_CLOSING)]
    assert reading.good == [(3, ("b@example.com", "one\ntwo")), (5, ("c@example.com", "C"))]


def test_the_inside_of_a_broken_quoted_field_never_becomes_a_row(read: Read) -> None:
    # Read on its own, line 3 has three fields: the address would land in the right column.
    reading = read(
        b'id,note,email\n1,"one\ntwo" x,wrong@example.com,c@example.com\n2,n,d@example.com\n'
    )
    assert reading.rejected == [(2, AFTER_CLOSING), (3, "may belong to the broken quote on line 2")]
    assert reading.good == [(4, ("2", "n", "d@example.com"))]


def test_a_well_formed_row_of_the_wrong_width_is_rejected_as_a_whole(read: Read) -> None:
    # Line 3 alone would be a row with a shifted value.
    reading = read(b'id,note,email\n1,"one\ntwo",x,c@example.com\n2,n,d@example.com\n')
    assert reading.rejected == [(2, "has 4 fields, the header has 3 (lines 2 to 3)")]
    assert reading.good == [(4, ("2", "n", "d@example.com"))]


def test_every_line_with_an_open_quote_is_rejected_by_itself(read: Read) -> None:
    rows = b"".join(b'u%d@example.com,"A\n' % number for number in range(50))
    reading = read(b"email,name\n" + rows + b"z@example.com,Z\n")
    assert [line for line, _ in reading.rejected] == list(range(2, 52))
    assert reading.good == [(52, ("z@example.com", "Z"))]


def test_a_file_in_which_every_line_leaves_a_quote_open_is_read_in_linear_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "people.csv"
    # Inside quotes each line closes one and opens another, and so does each line by itself.
    path.write_bytes(b"email,name\n" + b'a","b\n' * 20_000)
    with open_table(path) as table:
        assert [row.line for row in table] == list(range(2, 20_002))


@pytest.mark.parametrize("quote", [b'"', b""], ids=["quoted", "unquoted"])
@pytest.mark.parametrize(
    ("length", "reason"),
    [
        (131_073, "has a field longer than 131,072 characters"),
        (3_000_000, "is longer than 1,048,576 characters"),
    ],
)
def test_one_huge_field_is_a_rejected_row(
    read: Read, length: int, reason: str, quote: bytes
) -> None:
    huge = quote + b"x" * length + quote
    reading = read(b"email,note\na@example.com,A\nb@example.com," + huge + b"\nc@example.com,C\n")
    assert [line for line, _ in reading.good] == [2, 4]
    assert reading.rejected == [(3, reason)]


def test_a_field_of_exactly_131072_characters_is_read(read: Read) -> None:
    reading = read(b"email,note\na@example.com," + b"x" * 131_072 + b"\nb@example.com,B\n")
    assert [len(values[1]) for _, values in reading.good] == [131_072, 1]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (2_000, "has a field longer than 131,072 characters (lines 2 to 2,001)"),
        (20_000, "is longer than 1,048,576 characters (lines 2 to 20,001)"),
    ],
)
def test_one_huge_field_over_many_lines_is_one_rejected_row(
    read: Read, lines: int, reason: str
) -> None:
    huge = b"\n".join([b"x" * 99] * lines)
    reading = read(b'email,note\na@example.com,"' + huge + b'"\nb@example.com,B\n')
    assert reading.rejected == [(2, reason)]
    assert reading.good == [(lines + 2, ("b@example.com", "B"))]


def test_an_unterminated_quote_before_a_large_rest_costs_its_own_line_only(read: Read) -> None:
    rest = b"".join(b"user%d@example.com,x\n" % number for number in range(100_000))
    reading = read(b'email,name\na@example.com,"A\n' + rest)
    assert reading.rejected == [(2, NEVER_CLOSED)]
    assert len(reading.good) == 100_000
    assert reading.good[-1] == (100_002, ("user99999@example.com", "x"))


def test_quoted_rows_are_read_across_blocks(read: Read) -> None:
    rows = b"".join(b'user%d@example.com,"one\ntwo, ""%d"""\n' % (n, n) for n in range(9_000))
    reading = read(b"email,note\n" + rows)
    assert reading.rejected == []
    assert reading.good == [
        (2 + 2 * n, (f"user{n}@example.com", f'one\ntwo, "{n}"')) for n in range(9_000)
    ]


def test_the_limit_of_the_csv_module_is_obeyed_and_left_alone(read: Read) -> None:
    before = csv.field_size_limit(50)
    try:
        reading = read(b"email,note\na@example.com," + b"x" * 51 + b"\nb@example.com,B\n")
        assert csv.field_size_limit() == 50
    finally:
        csv.field_size_limit(before)
    assert reading.rejected == [(2, "has a field longer than 50 characters")]
    assert reading.rows[1] == Row(3, ("b@example.com", "B"))


def test_a_higher_limit_of_the_csv_module_changes_nothing(read: Read) -> None:
    before = csv.field_size_limit(2**31 - 1)
    try:
        reading = read(b"email,note\na@example.com," + b"x" * 131_073 + b"\nb@example.com,B\n")
    finally:
        csv.field_size_limit(before)
    assert reading.rejected == [(2, "has a field longer than 131,072 characters")]
