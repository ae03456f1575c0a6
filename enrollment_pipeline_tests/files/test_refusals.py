"""Files that are refused as a whole, with what the refusal says."""

import gzip
import io
import os
import socket
import zipfile
from pathlib import Path

import pytest

from enrollment_pipeline.errors import FileTooLargeError, InvalidFileError
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline_tests.files.conftest import Read

TEXT = b"email,name\nann@example.com,Ann\n"


def archive(**members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for member, text in members.items():
            packed.writestr(member, text)
    return content.getvalue()


def refusal(path: Path, **limits: int) -> InvalidFileError:
    with pytest.raises(InvalidFileError) as caught, open_table(path, **limits):
        pass
    return caught.value


@pytest.mark.parametrize(
    ("content", "kind", "remedy"),
    [
        pytest.param(
            archive(**{"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"}),
            "an Excel workbook (.xlsx)",
            "CSV UTF-8",
            id="xlsx",
        ),
        pytest.param(
            archive(mimetype="application/vnd.oasis.opendocument.spreadsheet"),
            "an OpenDocument spreadsheet (.ods)",
            "CSV UTF-8",
            id="ods",
        ),
        pytest.param(archive(people="email"), "a ZIP archive", "Unpack it", id="zip"),
        pytest.param(
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "an old Excel workbook (.xls)",
            "CSV UTF-8",
            id="xls",
        ),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", "a PDF document", "Export", id="pdf"),
        pytest.param(gzip.compress(TEXT), "a gzip archive", "Unpack it", id="gzip"),
        pytest.param(b"PAR1\x15\x04\x15PAR1", "a Parquet file", "Export", id="parquet"),
        pytest.param(b"\xfd7zXZ\x00\x00\x04", "an xz archive", "Unpack it", id="xz"),
        pytest.param(b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive", "Unpack it", id="7z"),
        pytest.param(b"\x28\xb5\x2f\xfd\x04", "a zstd archive", "Unpack it", id="zstd"),
        pytest.param(b"Rar!\x1a\x07\x01\x00", "a RAR archive", "Unpack it", id="rar"),
        pytest.param(b"SQLite format 3\x00", "an SQLite database", "Export", id="sqlite"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG picture", "Export", id="png"),
        pytest.param(b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG picture", "Export", id="jpeg"),
        pytest.param(TEXT.decode().encode("utf-32"), "a UTF-32 text", "UTF-8", id="utf-32"),
        pytest.param(b"\n<!DOCTYPE html><html>", "a web page", "Export", id="html"),
        pytest.param(b'\xef\xbb\xbf<?xml version="1.0"?>', "an XML document", "CSV", id="xml"),
    ],
)
def test_another_kind_of_file_named_csv_is_refused(
    tmp_path: Path, content: bytes, kind: str, remedy: str
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    error = refusal(path)
    assert error.message == f'"people.csv" is {kind}, not a CSV file.'
    assert remedy in error.advice
    assert error.code == "INVALID_FILE"


def test_a_header_that_begins_like_parquet_is_a_header(read: Read) -> None:
    assert read(b"PAR1,email\n1,ann@example.com\n").good == [(2, ("1", "ann@example.com"))]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(bytes(range(256)) * 40, id="every byte"),
        pytest.param(bytes(10_000), id="zeros"),
        pytest.param(b"\x7fELF\x02\x01\x01\x03\x10\x11\x12" * 200, id="program"),
    ],
)
def test_binary_data_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    assert refusal(path).message == '"people.csv" holds binary data, not text.'


def test_a_file_of_0_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.touch()
    error = refusal(path)
    assert error.message == '"people.csv" is empty.'
    assert error.advice == ("Export the table again; the file must have at least one line of text.")


@pytest.mark.parametrize(
    "content",
    [b"\n", b"\r\n \r\n\t\r\n", b",,\n,,\n", b"\xef\xbb\xbf", b"\xff\xfe\n\x00", b"sep=;\n"],
)
def test_a_file_of_blank_lines_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    assert refusal(path).message == '"people.csv" holds only blank lines.'


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path / "people.csv")
    assert error.message == 'There is no file "people.csv".'
    assert error.advice == "Check the path and its spelling."


def test_a_path_through_a_file_is_refused_as_missing(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes(TEXT)
    assert refusal(tmp_path / "people.csv" / "x.csv").message == 'There is no file "x.csv".'


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).message == f'"{tmp_path.name}" is a folder, not a file.'


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    os.mkfifo(path)
    assert refusal(path).message == '"people.csv" is a device or a pipe, not a file.'


def test_a_device_is_refused() -> None:
    assert refusal(Path("/dev/zero")).message == '"zero" is a device or a pipe, not a file.'


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("people.csv")
        error = refusal(Path("people.csv"))
    assert error.message == '"people.csv" is a device or a pipe, not a file.'


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for the superuser")
def test_a_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(TEXT)
    path.chmod(0)
    assert refusal(path).message == '"people.csv" cannot be read: Permission denied.'


@pytest.mark.parametrize(
    ("name", "reason"),
    [("x" * 300, "File name too long"), ("a\0b", "its name is not valid")],
)
def test_an_impossible_name_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    assert refusal(tmp_path / name).message == f'"{name}" cannot be read: {reason}.'


def test_a_name_that_is_no_unicode_can_still_be_shown(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"p\xe9ople.csv")
    path.touch()
    assert refusal(path).message == '"p\N{REPLACEMENT CHARACTER}ople.csv" is empty.'


def test_the_largest_size_allowed_is_accepted_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"email\n" + b"x" * 1_994)
    with open_table(path, max_bytes=2_000) as table:
        assert table.size == 2_000
    error = refusal(path, max_bytes=1_999)
    assert isinstance(error, FileTooLargeError)
    assert error.message == '"people.csv" has 2,000 bytes; at most 1,999 are allowed.'
    assert error.details == {"found": 2_000, "limit": 1_999}
    assert error.code == "FILE_TOO_LARGE"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_header_and_blank_lines_do_not_count_against_the_most_lines(
    tmp_path: Path, end: str, encoding: str
) -> None:
    path = tmp_path / "people.csv"
    lines = ["sep=,", '"email","a', 'b"', "", *["ann@example.com,Ann"] * 2_500, "", " ", ""]
    path.write_bytes(end.join(lines).encode(encoding))
    with open_table(path, max_lines=2_500) as table:
        assert sum(1 for _ in table) == 2_500
    error = refusal(path, max_lines=2_499)
    assert isinstance(error, FileTooLargeError)
    assert error.message == '"people.csv" has 2,500 lines; at most 2,499 are allowed.'
    assert error.details == {"found": 2_500, "limit": 2_499}


def test_without_a_header_every_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"ann@example.com\n" * 3)
    assert "has 3 lines; at most 2" in refusal(path, max_lines=2).message
    with open_table(path, max_lines=3) as table:
        assert sum(1 for _ in table) == 3


def test_a_line_longer_than_a_block_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"email,name\n" + b"x" * 300_000 + b"\nann@example.com,Ann\n\n")
    assert "has 2 lines; at most 1" in refusal(path, max_lines=1).message


def test_1001_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"email" + b",x" * 1_000 + b"\n")
    error = refusal(path)
    assert error.message == '"people.csv" has 1,001 columns; at most 1,000 are read.'
    assert error.advice == "Remove the columns that are not needed and try again."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b'\nemail,"name\nann@example.com,Ann\n',
            'The first row of "people.csv" (line 2) has a quote that is never closed.',
        ),
        (
            b"email,na\0me\nann@example.com,Ann\n",
            'The first row of "people.csv" (line 1) holds a NUL byte.',
        ),
    ],
)
def test_a_first_row_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    assert refusal(path).message == message


@pytest.mark.parametrize("blocks", [0, 3, 4, 5])
def test_a_header_of_more_than_a_million_characters_is_refused(tmp_path: Path, blocks: int) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"email," + b"x" * 1_048_576 + b"," * (blocks * 65_536) + b"\na,b\n")
    assert refusal(path).message == (
        'The first row of "people.csv" (line 1) is longer than 1,048,576 characters.'
    )


def test_a_header_behind_a_lot_of_blank_lines_is_found(read: Read) -> None:
    reading = read(b"\n" * 300_000 + TEXT)
    assert reading.table.header == ("email", "name")
    assert reading.good == [(300_002, ("ann@example.com", "Ann"))]


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"email\n" + b"ann@example.com\n" * 20_000)
    with open_table(path) as table:
        batches = table.batches()
        next(batches)
        os.truncate(path, 100_000)
        with pytest.raises(InvalidFileError, match="became shorter while it was being read"):
            list(batches)


def test_what_is_added_to_a_file_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"email\nann@example.com\n")
    with open_table(path) as table:
        with path.open("ab") as more:
            more.write(b"\xff\xff\xff\n")
        assert [row.line for row in table] == [2]


def test_an_error_of_the_reader_of_a_table_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(TEXT)
    with pytest.raises(PermissionError), open_table(path):
        raise PermissionError
