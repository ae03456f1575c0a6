import codecs

import pytest

from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline_tests.files.conftest import Read

TEXT = "email,name\njosé@example.com,José\nzoë@example.com,Zoë\n"
ROWS = [(2, ("josé@example.com", "José")), (3, ("zoë@example.com", "Zoë"))]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        pytest.param(TEXT.encode(), "utf-8", id="UTF-8"),
        pytest.param(codecs.BOM_UTF8 + TEXT.encode(), "utf-8", id="UTF-8 with BOM"),
        pytest.param(
            codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16-le", id="UTF-16 LE with BOM"
        ),
        pytest.param(
            codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16-be", id="UTF-16 BE with BOM"
        ),
        pytest.param(TEXT.encode("utf-16-le"), "utf-16-le", id="UTF-16 LE without BOM"),
        pytest.param(TEXT.encode("utf-16-be"), "utf-16-be", id="UTF-16 BE without BOM"),
        pytest.param(TEXT.encode("latin-1"), "cp1252", id="Latin-1"),
    ],
)
def test_each_encoding_is_recognised(read: Read, content: bytes, encoding: str) -> None:
    reading = read(content)
    assert reading.table.encoding == encoding
    assert reading.table.header == ("email", "name")
    assert reading.good == ROWS


def test_windows_1252_is_read_as_such(read: Read) -> None:
    reading = read("email,price\nann@example.com,“5 €”\n".encode("cp1252"))
    assert reading.good == [(2, ("ann@example.com", "“5 €”"))]


def test_bytes_that_windows_1252_leaves_undefined_do_no_harm(read: Read) -> None:
    reading = read(b"email,name\nann@example.com,\x81\x8d\xfc\n")
    assert reading.good == [(2, ("ann@example.com", "\x81\x8dü"))]


def test_one_latin_1_byte_at_the_very_end_decides(read: Read) -> None:
    filler = b"".join(b"user%d@example.com,x\n" % number for number in range(100_000))
    reading = read(b"email,name\n" + filler + b"last@example.com,Andr\xe9")
    assert reading.table.encoding == "cp1252"
    assert reading.good[-1] == (100_002, ("last@example.com", "André"))


def test_utf_8_is_recognised_when_the_only_wide_character_is_far_behind(read: Read) -> None:
    filler = b"".join(b"user%d@example.com,x\n" % number for number in range(100_000))
    reading = read(b"email,name\n" + filler + "last@example.com,André".encode())
    assert reading.table.encoding == "utf-8"
    assert reading.good[-1] == (100_002, ("last@example.com", "André"))


def test_a_character_cut_off_at_the_end_makes_it_no_utf_8(read: Read) -> None:
    assert read(b"email,name\nann@example.com,Andr\xc3").table.encoding == "cp1252"


def test_an_unreadable_byte_behind_a_utf_8_mark_rejects_its_row_only(read: Read) -> None:
    content = codecs.BOM_UTF8 + "email,name\na@example.com,Zoë\nb@example.com,Zo".encode()
    reading = read(content + b"\xeb\nc@example.com,C\n")
    assert reading.table.encoding == "utf-8"
    assert [line for line, _ in reading.good] == [2, 4]
    assert reading.rejected == [(3, "holds bytes that are not text in the file's encoding")]
    assert reading.rows[1][1] == "b@example.com,Zo\N{REPLACEMENT CHARACTER}"


def test_half_a_character_in_utf_16_rejects_its_row_only(read: Read) -> None:
    text = "email,name\na@example.com,A\ud83d\nb@example.com,😀\n"
    reading = read(codecs.BOM_UTF16_LE + text.encode("utf-16-le", "surrogatepass"))
    assert reading.good == [(3, ("b@example.com", "😀"))]
    assert reading.rejected == [(2, "holds bytes that are not text in the file's encoding")]


def test_a_nul_in_utf_16_rejects_its_row_only(read: Read) -> None:
    reading = read("email,name\na@example.com,\0\nb@example.com,B\n".encode("utf-16"))
    assert reading.good == [(3, ("b@example.com", "B"))]
    assert reading.rejected == [(2, "holds a NUL byte")]


def test_characters_that_contain_line_end_bytes_end_no_line_in_utf_16(read: Read) -> None:
    reading = read("email,name\na@example.com,Ċčഊ਍\nb@example.com,B\n".encode("utf-16"))
    assert [line for line, _ in reading.good] == [2, 3]
    assert reading.good[0][1][1] == "Ċčഊ਍"


def test_long_utf_16_files_are_cut_between_characters(read: Read) -> None:
    rows = [f"user{number}@example.com,😀ഊ{'é' * (number % 7)}" for number in range(5_000)]
    reading = read("\r\n".join(["email,name", *rows]).encode("utf-16"))
    assert [",".join(values) for _, values in reading.good] == rows
    assert [line for line, _ in reading.good] == list(range(2, 5_002))


def test_utf_16_with_half_a_unit_is_refused(read: Read) -> None:
    with pytest.raises(InvalidFileError, match="was cut off: it has an odd number of bytes"):
        read(codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le") + b"x")


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_cr_and_lf_end_a_line(read: Read, character: str) -> None:
    reading = read(f"email,name\nann@example.com,A{character}B\nbob@example.com,B\n".encode())
    assert reading.good[0] == (2, ("ann@example.com", f"A{character}B"))
    assert reading.good[1][0] == 3
