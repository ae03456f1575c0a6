import csv
import io
from pathlib import Path

import pytest

from enrollment_pipeline.files.rows import Row
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline_tests.files.conftest import Read

TWO = [(2, ("ann@example.com", "Ann")), (3, ("bob@example.com", "Bob"))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_is_found(read: Read, delimiter: str) -> None:
    text = "email,name\nann@example.com,Ann\nbob@example.com,Bob\n".replace(",", delimiter)
    reading = read(text.encode())
    assert reading.table.delimiter == delimiter
    assert reading.table.header == ("email", "name")
    assert reading.good == TWO
    assert reading.rejected == []


def test_a_delimiter_is_found_by_consistency_and_not_by_number(read: Read) -> None:
    reading = read(b"email;note\nann@example.com;a,b,c,d\nbob@example.com;a\n")
    assert reading.table.delimiter == ";"
    assert reading.good[0] == (2, ("ann@example.com", "a,b,c,d"))


def test_delimiters_between_quotes_do_not_count(read: Read) -> None:
    reading = read(b'"a;b;c","email"\n"1;2;3","ann@example.com"\n')
    assert reading.table.delimiter == ","
    assert reading.good == [(2, ("1;2;3", "ann@example.com"))]


def test_between_equal_delimiters_the_one_that_frees_the_addresses_wins(read: Read) -> None:
    reading = read(b"last, first;email\nDoe, Jo;jo@example.com\nRoe, Al;al@example.com\n")
    assert reading.table.delimiter == ";"
    assert reading.table.columns == ("last, first", "email")


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_a_sep_line_as_excel_writes_it_is_honoured_and_is_no_row(read: Read, line: str) -> None:
    reading = read(f"{line}\r\nemail;a,b\r\nann@example.com;1,2\r\n".encode())
    assert reading.table.delimiter == ";"
    assert reading.table.header == ("email", "a,b")
    assert reading.rows == [Row(3, ("ann@example.com", "1,2"))]


def test_a_sep_line_may_announce_any_character(read: Read) -> None:
    reading = read(b"sep=^\nemail^name\nann@example.com^Ann\n")
    assert reading.good == [(3, ("ann@example.com", "Ann"))]


def test_a_one_column_file_is_read(read: Read) -> None:
    reading = read(b"email\nann@example.com\nbob@example.com\n")
    assert reading.table.columns == ("email",)
    assert reading.good == [(2, ("ann@example.com",)), (3, ("bob@example.com",))]


def test_a_long_row_of_a_one_column_file_is_rejected(read: Read) -> None:
    reading = read(b"email\nann@example.com\nbob@example.com,Bob\ncy@example.com\n")
    assert [line for line, _ in reading.good] == [2, 4]
    assert reading.rejected == [(3, "has 2 fields, the header has 1")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_each_line_end_is_read_with_true_lines(read: Read, end: str) -> None:
    lines = ["email,name", "ann@example.com,Ann", "bob@example.com,Bob", ""]
    assert read(end.join(lines).encode()).good == TWO


def test_mixed_line_ends_are_read_with_true_lines(read: Read) -> None:
    reading = read(
        b"email,name\r\na@example.com,A\rb@example.com,B\nc@example.com,C\r\r\nd@example.com,D"
    )
    assert [line for line, _ in reading.good] == [2, 3, 4, 6]


def test_the_last_line_needs_no_line_end(read: Read) -> None:
    assert read(b"email,name\nann@example.com,Ann\nbob@example.com,Bob").good == TWO


def test_a_quoted_line_break_stays_in_its_value_and_counts_as_a_line(read: Read) -> None:
    reading = read(b'email,note\na@example.com,"one\ntwo\r\nthree\rfour"\nb@example.com,x\n')
    assert reading.good == [
        (2, ("a@example.com", "one\ntwo\r\nthree\rfour")),
        (6, ("b@example.com", "x")),
    ]


def test_a_header_over_two_lines_moves_the_rows(read: Read) -> None:
    reading = read(b'email,"first\nname"\nann@example.com,Ann\n')
    assert reading.table.header == ("email", "first\nname")
    assert reading.good == [(3, ("ann@example.com", "Ann"))]


def test_doubled_quotes_are_one_quote(read: Read) -> None:
    reading = read(b'email,name\na@example.com,"Ann ""Ace"" A"\nb@example.com,""""\n')
    assert [values[1] for _, values in reading.good] == ['Ann "Ace" A', '"']


def test_a_stray_quote_in_an_unquoted_field_is_text(read: Read) -> None:
    reading = read(b'email,size\na@example.com,12" pipe\nb@example.com,5\'9"\n')
    assert [values[1] for _, values in reading.good] == ['12" pipe', "5'9\""]
    assert reading.rejected == []


def test_a_short_row_is_rejected_with_its_line(read: Read) -> None:
    reading = read(b"email,first,last\na@example.com,A,B\nb@example.com,B\n,\nc@example.com,C,D\n")
    assert [line for line, _ in reading.good] == [2, 5]
    assert reading.rejected == [
        (3, "has 2 fields, the header has 3"),
        (4, "has 2 fields, the header has 3"),
    ]


def test_a_row_of_one_field_is_counted_in_the_singular(read: Read) -> None:
    assert read(b"email,name\nann\n").rejected == [(2, "has 1 field, the header has 2")]


def test_a_long_row_is_rejected_with_its_text(read: Read) -> None:
    reading = read(b"email,name\nann@example.com,Doe, Ann\nbob@example.com,Bob\n")
    assert reading.rejected == [(2, "has 3 fields, the header has 2")]
    assert reading.rows[0][1] == "ann@example.com,Doe, Ann"
    assert reading.good == [TWO[1]]


def test_empty_fields_behind_the_last_column_are_dropped(read: Read) -> None:
    reading = read(b"email,name\nann@example.com,Ann,,\nbob@example.com,Bob, \n")
    assert reading.good == TWO
    assert reading.rejected == []


def test_a_bad_row_over_several_lines_names_them(read: Read) -> None:
    reading = read(b'email,name\n"a\nb\nc"\nbob@example.com,Bob\n')
    assert reading.rejected == [(2, "has 1 field, the header has 2 (lines 2 to 4)")]
    assert reading.good == [(5, ("bob@example.com", "Bob"))]


def test_blank_lines_are_no_rows_but_count_as_lines(read: Read) -> None:
    reading = read(b"\n  \nemail,name\n\nann@example.com,Ann\n   \n\t\nbob@example.com,Bob\n\n\n")
    assert reading.rows == [
        Row(5, ("ann@example.com", "Ann")),
        Row(8, ("bob@example.com", "Bob")),
    ]


def test_blank_lines_of_a_one_column_file_are_no_rows(read: Read) -> None:
    reading = read(b'email\n\na@example.com\n   \n""\nb@example.com\n')
    assert reading.rows == [Row(3, ("a@example.com",)), Row(5, ("",)), Row(6, ("b@example.com",))]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_empty_rows_above_the_header_are_no_rows(read: Read, delimiter: str) -> None:
    text = ",,\n,,\nemail,name,\nann@example.com,Ann,\n".replace(",", delimiter)
    reading = read(text.encode())
    assert reading.table.header == ("email", "name", "")
    assert reading.rows == [Row(4, ("ann@example.com", "Ann", ""))]


def test_a_row_of_empty_fields_is_a_row(read: Read) -> None:
    assert read(b"email,name\n,\n").good == [(2, ("", ""))]


def test_duplicate_and_blank_headers_get_names_of_their_own(read: Read) -> None:
    reading = read(b"email,,email, email ,email_2,\xc2\xa0\na@example.com,1,2,3,4,5\n")
    assert reading.table.columns == (
        "email",
        "column_2",
        "email_3",
        "email_4",
        "email_2",
        "column_6",
    )
    assert reading.table.header == ("email", "", "email", " email ", "email_2", "\xa0")
    assert reading.good == [(2, ("a@example.com", "1", "2", "3", "4", "5"))]


def test_a_file_without_a_header_starts_with_its_first_row(read: Read) -> None:
    reading = read(b"ann@example.com,Ann\nbob@example.com\n")
    assert reading.table.header is None
    assert reading.table.columns == ("column_1", "column_2")
    assert reading.good == [(1, ("ann@example.com", "Ann"))]
    assert reading.rejected == [(2, "has 1 field, the first row has 2")]


def test_a_first_row_with_a_uuid_is_no_header(read: Read) -> None:
    reading = read(b"8C4E9A52-4A6B-4C39-9D57-0E6B8F3B6A11\n")
    assert reading.table.header is None
    assert len(reading.rows) == 1


def test_a_first_row_with_a_known_name_is_a_header_whatever_else_it_holds(read: Read) -> None:
    reading = read(b"E-Mail,owner@example.com\nann@example.com,x\n")
    assert reading.table.header == ("E-Mail", "owner@example.com")


def test_a_first_row_without_address_or_uuid_is_a_header(read: Read) -> None:
    assert read(b"Kontakt,Stadt\nann@example.com,Ulm\n").table.header == ("Kontakt", "Stadt")


@pytest.mark.parametrize("content", [b"email,name", b"email,name\n", b"email,name\r\n\r\n"])
def test_a_header_only_has_no_rows(read: Read, content: bytes) -> None:
    reading = read(content)
    assert reading.table.columns == ("email", "name")
    assert reading.table.sample == ()
    assert reading.rows == []


def test_a_nul_byte_rejects_its_row_only(read: Read) -> None:
    reading = read(b"email,name\na@example.com,A\nb@example.com,B\0B\nc@example.com,C\n")
    assert [line for line, _ in reading.good] == [2, 4]
    assert reading.rejected == [(3, "holds a NUL byte")]
    assert reading.rows[1][1] == "b@example.com,B\N{REPLACEMENT CHARACTER}B"


def test_exactly_1000_columns_work(read: Read) -> None:
    header = ",".join(["email", *(f"c{number}" for number in range(999))])
    row = ",".join(["ann@example.com", *map(str, range(999))])
    reading = read(f"{header}\n{row}\nshort\n".encode())
    assert len(reading.good[0][1]) == 1000
    assert reading.good[0][1][999] == "998"
    assert reading.rejected == [(3, "has 1 field, the header has 1,000")]


def test_rows_wider_than_a_block_are_read(read: Read) -> None:
    names = ["email", *(f"{'c' * 150}{number}" for number in range(999))]
    values = ["ann@example.com", *(f"{'v' * 99}{number}" for number in range(999))]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([names, values, values])
    reading = read(text.getvalue().encode())
    assert reading.table.header == tuple(names)
    assert reading.good == [(2, tuple(values)), (3, tuple(values))]


def test_the_text_of_a_rejected_row_is_cut_at_500_characters(read: Read) -> None:
    reading = read(b"email,name\n" + b"x" * 2_000 + b"\n")
    assert len(reading.rows[0][1]) == 500


def test_reading_a_sample_takes_no_rows_away(read: Read) -> None:
    lines = [f"user{number}@example.com,{number}" for number in range(150)]
    reading = read("\n".join(["email,name", *lines]).encode())
    assert len(reading.table.sample) == 100
    assert reading.table.sample[0] == ("user0@example.com", "0")
    assert [row.line for row in reading.rows] == list(range(2, 152))


def test_a_table_can_be_read_again_and_by_two_readers_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email\n" + "".join(f"user{number}@example.com\n" for number in range(9_000)))
    with open_table(path) as table:
        assert len(list(table.batches())) > 2
        assert all(one == other for one, other in zip(table, table, strict=True))
        assert sum(1 for _ in table) == 9_000


def test_size_is_in_bytes(read: Read) -> None:
    assert read("email\nmüller@example.com\n".encode()).table.size == 26
