"""What holds for every file: nothing lost, nothing shifted, true lines, constant memory."""

import codecs
import csv
import io
import re
import tracemalloc
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.files.encoding import Encoding
from enrollment_pipeline.files.lines import LineCursor, LineSource
from enrollment_pipeline.files.rows import AnyRow, RejectedRow, Row, RowReader
from enrollment_pipeline.files.table import open_table

LINE_END = re.compile("\r\n|\r|\n")
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('",;\t|\r\n ')
LATIN_1 = st.characters(max_codepoint=255, exclude_categories=["Cc"]) | st.sampled_from(
    '",;\t|\r\n '
)
MARKS = {
    "utf-8": b"",
    "utf-8-sig": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "latin-1": b"",
}


@dataclass(frozen=True)
class Written:
    """A file, and for each record its line, its fields and whether it is as wide as the header."""

    content: bytes
    width: int
    records: list[tuple[int, tuple[str, ...]]]


@st.composite
def written_files(draw: st.DrawFn) -> Written:
    encoding = draw(st.sampled_from(list(MARKS)))
    delimiter = draw(st.sampled_from(",;\t|"))
    width = draw(st.integers(2, 4))
    value = st.text(LATIN_1 if encoding == "latin-1" else CHARACTERS, max_size=12)
    # The last name is no UTF-8 in Latin-1, whatever the rows hold.
    header = ["email", *(f"c{number}" for number in range(width - 2)), "größe"]
    text = draw(st.sampled_from(["", "\n", "\r\n\r\n"])) + delimiter.join(header) + "\n"
    records = []
    for fields in draw(st.lists(st.lists(value, min_size=1, max_size=width + 2), max_size=15)):
        end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
        blank_lines = draw(st.sampled_from(["", "", "\n", " \r\n"]))
        all_quoted = draw(st.booleans()) or len(fields) == 1 or LINE_END.search("".join(fields))
        out = io.StringIO(newline="")
        csv.writer(
            out,
            delimiter=delimiter,
            lineterminator=end,
            quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL,
        ).writerow(fields)
        text += blank_lines
        records.append((1 + len(LINE_END.findall(text)), tuple(fields)))
        text += out.getvalue()
    encoded = text.encode(encoding.removesuffix("-sig"))
    return Written(MARKS[encoding] + encoded, width, records)


@SAME_FOLDER
@given(written_files())
def test_what_a_csv_writer_writes_is_read_back_line_by_line(
    tmp_path: Path, written: Written
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(written.content)
    with open_table(path) as table:
        rows = list(table)
    assert [row.line for row in rows] == [line for line, _ in written.records]
    for row, (_, fields) in zip(rows, written.records, strict=True):
        surplus = "".join(fields[written.width :]).strip()
        if len(fields) < written.width or surplus:
            assert isinstance(row, RejectedRow)
            assert row.reason.startswith(f"has {len(fields)} field")
        else:
            assert isinstance(row, Row)
            assert row.values == fields[: written.width]


def read_rows(content: bytes, block_bytes: int, encoding: Encoding | None = None) -> list[AnyRow]:
    source = LineSource(
        io.BytesIO(content), encoding or Encoding("utf-8"), len(content), block_bytes=block_bytes
    )
    reader = RowReader(LineCursor(source), ",", width=2)
    return [row for batch in reader.batches() for row in batch]


MESSY = st.text(st.sampled_from('aé,"\r\n\0 '), max_size=60) | st.lists(
    st.sampled_from(["a,b", '"a,b', 'a,"b"', 'a,"b\nc"', 'a","b', '"a""', "", "a", 'a"b,c']),
    max_size=20,
).map("\n".join)


@settings(deadline=None)
@given(MESSY, st.integers(8, 40))
@example('a,"b\nc,d\ne,"f" g\nh,i', 8)
def test_the_size_of_a_block_changes_nothing(text: str, block_bytes: int) -> None:
    content = text.encode()
    assert read_rows(content, block_bytes) == read_rows(content, 65_536)


@settings(deadline=None)
@given(MESSY, st.integers(8, 40))
def test_utf_16_reads_like_utf_8(text: str, block_bytes: int) -> None:
    utf_16 = read_rows(text.encode("utf-16-le"), block_bytes, Encoding("utf-16-le"))
    assert utf_16 == read_rows(text.encode(), 65_536)


@settings(deadline=None)
@given(MESSY)
def test_every_line_is_in_one_row_and_lines_only_increase(text: str) -> None:
    lines = io.StringIO(text, newline="").readlines()
    rows = read_rows(text.encode(), 65_536)
    starts = [row.line for row in rows]
    assert starts == sorted(set(starts))
    assert not "".join(lines[: starts[0] - 1] if starts else lines).strip()
    for start, following in pairwise([*starts, len(lines) + 1]):
        first, *more = lines[start - 1 : following - 1]
        assert first.strip()
        if "".join(more).strip():
            # Further lines are left to a row only when they are the inside of its quotes.
            record = io.StringIO("".join([first, *more]).rstrip(), newline="")
            assert len(list(csv.reader(record, strict=True))) == 1


@settings(deadline=None)
@given(MESSY)
def test_what_the_csv_module_reads_without_an_error_is_read_the_same(text: str) -> None:
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, strict=True)
    expected = []
    line = 1
    try:
        for fields in reader:
            if "".join(fields).strip(" \0") or len(fields) > 1:
                expected.append((line, fields))
            line = reader.line_num + 1
    except csv.Error:
        return
    found = {row.line: row for row in read_rows(text.encode(), 65_536)}
    for line, fields in expected:
        row = found[line]
        if isinstance(row, Row):
            assert list(row.values) == fields[:2]
        else:
            assert len(fields) != 2 or row.reason.startswith("holds a NUL byte")


BYTES = st.binary(max_size=300)


@SAME_FOLDER
@given(
    BYTES
    | BYTES.map(lambda some: codecs.BOM_UTF16_LE + some)
    | BYTES.map(lambda some: codecs.BOM_UTF16_BE + some)
    | BYTES.map(lambda some: codecs.BOM_UTF8 + b"email,name\n" + some)
    | BYTES.map(lambda some: b"email,name\nann@example.com,Ann\n" * 9 + some)
    | MESSY.map(lambda text: f"email,name\n{text}".encode())
)
def test_no_bytes_do_more_than_be_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    try:
        with open_table(path, max_lines=1_000) as table:
            rows = list(table)
    except InvalidFileError:
        return
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    for row in rows:
        if isinstance(row, Row):
            assert len(row.values) == len(table.columns)
            # What is yielded can be stored in a database.
            assert "\0" not in "".join(row.values)
            "".join(row.values).encode()
        else:
            assert row.reason
            assert "\0" not in row.text
            row.text.encode()


MEGABYTE = 1_048_576
NORMAL_ROW = b"ann@example.com,Ann,Example Street 1,12345 Exampletown," + b"a note " * 30 + b",%d\n"


@pytest.mark.parametrize(
    ("content", "most_rows"),
    [
        pytest.param(NORMAL_ROW % 7 * 75_000, 75_000, id="rows"),
        pytest.param(b"x" * (20 * MEGABYTE), 1, id="one line"),
        pytest.param(b'"' + (b"x" * 999 + b"\n") * 20_000 + b'"\n', 1, id="one quoted field"),
        pytest.param(b'"' + (b"x" * 999 + b"\n") * 20_000, 20_000, id="one open quote"),
    ],
)
def test_memory_stays_constant(tmp_path: Path, content: bytes, most_rows: int) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(b"email,name,street,town,note,number\n" + content)
    del content
    rows = 0
    tracemalloc.start()
    try:
        with open_table(path) as table:
            for batch in table.batches():
                rows += len(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == most_rows
    assert peak < 4 * MEGABYTE
