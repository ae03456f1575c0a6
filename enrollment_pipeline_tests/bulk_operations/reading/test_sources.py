"""Which format a file has, its limits, and that the formats say the same."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.reading.rows import ContactRow
from enrollment_pipeline.bulk_operations.reading.sources import FORMATS_BY_SUFFIX, open_source
from enrollment_pipeline.errors import FileTooLargeError, InvalidFileError
from enrollment_pipeline.files.formulas import escape_formula
from enrollment_pipeline_tests.bulk_operations.reading.conftest import Open, json_lines

PEOPLE = [
    {"email": "ann@example.com", "First Name": "Ann", "plan": "free"},
    {"email": "bob@example.com", "First Name": "", "plan": "pro"},
]
CSV = b"email,First Name,plan\nann@example.com,Ann,free\nbob@example.com,,pro\n"
JSON_LINES = json_lines(PEOPLE)
PARQUET = """
    select * from (values ('ann@example.com', 'Ann', 'free'), ('bob@example.com', null, 'pro'))
    people (email, "First Name", plan)
"""

Parquet = Callable[[str], bytes]


@pytest.fixture
def contents(parquet: Parquet) -> dict[str, bytes]:
    return {"csv": CSV, "jsonl": JSON_LINES, "parquet": parquet(PARQUET)}


@pytest.mark.parametrize(("suffix", "known"), [*FORMATS_BY_SUFFIX.items(), (".JSONL", "jsonl")])
def test_the_suffix_of_the_name_tells_the_format(
    open_file: Open, contents: dict[str, bytes], suffix: str, known: str
) -> None:
    opened = open_file(contents[known], f"people{suffix}")

    assert opened.columns == ("email", "First Name", "plan")
    assert len(opened.good) == 2


@pytest.mark.parametrize("name", ["people", "people.dat", "people.2026", ""])
@pytest.mark.parametrize("known", ["csv", "jsonl", "parquet"])
def test_without_one_the_content_tells_it(
    open_file: Open, contents: dict[str, bytes], known: str, name: str
) -> None:
    assert len(open_file(contents[known], name).good) == 2
    if known == "jsonl":
        assert len(open_file(b"\xef\xbb\xbf\r\n  " + contents[known], name).good) == 2
        assert len(open_file(contents[known].decode().encode("utf-16"), name).good) == 2


@pytest.mark.parametrize("known", ["csv", "jsonl", "parquet"])
def test_a_format_that_is_given_counts_more_than_the_name(
    open_file: Open, contents: dict[str, bytes], known: Any
) -> None:
    for name in ("people.csv", "people.jsonl", "people.parquet"):
        assert len(open_file(contents[known], name, format=known).good) == 2


@pytest.mark.parametrize("name", ["people.csv", "people.jsonl", "people.parquet"])
def test_a_file_of_another_format_than_its_name_says_is_refused_in_words(
    open_file: Open, contents: dict[str, bytes], name: str
) -> None:
    for known, content in contents.items():
        if not name.endswith(known) and (known, name) != ("jsonl", "people.csv"):
            with pytest.raises(InvalidFileError) as refused:
                open_file(content, name)
            assert name in refused.value.message
            assert "\n" not in refused.value.message


@pytest.mark.parametrize("known", ["csv", "jsonl", "parquet"])
def test_the_limits_hold_in_each_format(
    open_file: Open, contents: dict[str, bytes], known: Any
) -> None:
    content = contents[known]
    size = len(content)
    assert len(open_file(content, format=known, max_lines=2, max_bytes=size).good) == 2

    with pytest.raises(FileTooLargeError, match=r"2 (lines|rows)") as lines:
        open_file(content, format=known, max_lines=1)
    with pytest.raises(FileTooLargeError, match="bytes") as bytes_:
        open_file(content, format=known, max_bytes=size - 1)

    assert lines.value.details == {"found": 2, "limit": 1}
    assert bytes_.value.details == {"found": size, "limit": size - 1}


@pytest.mark.parametrize("known", ["auto", "csv", "jsonl", "parquet"])
def test_what_is_no_file_is_refused_in_words(tmp_path: Path, known: Any) -> None:
    for path, told in (
        (tmp_path / "gone", "There is no file"),
        (tmp_path, "not a file"),
        (Path("/dev/null"), "not a file"),
        (tmp_path / ("x" * 300), "cannot be read"),
        (tmp_path / "a\0b", "cannot be read"),
    ):
        with (
            pytest.raises(InvalidFileError, match=told),
            open_source(path, format=known, max_bytes=9, max_lines=9, name="people"),
        ):
            pass


@pytest.mark.parametrize("known", ["csv", "jsonl", "parquet"])
def test_an_empty_file_is_refused(open_file: Open, known: Any) -> None:
    with pytest.raises(InvalidFileError, match="is empty"):
        open_file(b"", format=known)


def test_the_formats_say_the_same_about_each_contact(
    open_file: Open, contents: dict[str, bytes]
) -> None:
    read = {known: open_file(content, known).contacts() for known, content in contents.items()}

    assert [row.first_name for row in read["csv"] if isinstance(row, ContactRow)] == ["Ann", None]
    # The header of a CSV file is a line as well.
    assert read["csv"] == [row._replace(line=row.line + 1) for row in read["jsonl"]]
    assert read["jsonl"] == read["parquet"]


# Without control characters: a small CSV with several is refused as binary, by its own rule.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r\x85"), max_size=12
) | st.text("'=+-@\t a", max_size=4)


@given(
    rows=st.lists(
        st.tuples(texts, texts, texts, st.sampled_from(["", "active", "2001-02-03", "a;b"])),
        min_size=1,
        max_size=5,
    ),
    blank=st.sampled_from(["keep", "clear"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_texts_are_read_from_each_format_as_the_same_contacts(
    tmp_path: Path, open_file: Open, rows: list[tuple[str, ...]], blank: str
) -> None:
    names = ("email", "first_name", "=note", "tags", "status")
    table = [dict(zip(names, ("a@example.com", *row), strict=True)) for row in rows]
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([names, *(map(escape_formula, row.values()) for row in table)])

    delimited = open_file(written.getvalue().encode(), "people.csv").contacts(blank=blank)
    lines = open_file(json_lines(table), "people.jsonl").contacts(blank=blank)
    with_types = open_file(
        json_lines({**row, "first_name": row["first_name"] or None} for row in table),
        "people.jsonl",
    ).contacts(blank=blank)

    assert len(delimited) == len(lines) == len(rows)
    # A line break within a field makes the lines of a CSV file other ones.
    assert [row[1:] for row in delimited] == [row[1:] for row in lines]
    assert lines == with_types


def test_csv_cells_and_names_lose_the_escape_of_formulas_and_json_texts_do_not(
    open_file: Open,
) -> None:
    cells = {"email": "'-ann@example.com", "'=Note": "'+49 30 1", "Name": "'t Hooft"}
    content = "\n".join(",".join(row) for row in (cells.keys(), cells.values())).encode()

    delimited = open_file(content, "people.csv")
    lines = open_file(json_lines([cells]), "people.jsonl")

    assert delimited.columns == ("email", "=Note", "Name")
    assert delimited.good == [(2, ("-ann@example.com", "+49 30 1", "'t Hooft"))]
    assert delimited.sample == (("-ann@example.com", "+49 30 1", "'t Hooft"),)
    assert lines.columns == tuple(cells)
    assert lines.good == [(1, tuple(cells.values()))]


def test_names_that_would_become_one_stay_as_they_stand(open_file: Open) -> None:
    opened = open_file(b"email,=a,'=a\nx@example.com,1,'=2\n")

    assert opened.columns == ("email", "=a", "'=a")
    assert opened.good == [(2, ("x@example.com", "1", "=2"))]


def test_a_file_in_utf_16_with_cr_line_ends_is_read(open_file: Open) -> None:
    content = "email;Name\rann@example.com;Äöü\rbob@example.com;\U0001f600\r"

    assert open_file(content.encode("utf-16"), "people.csv").good == [
        (2, ("ann@example.com", "Äöü")),
        (3, ("bob@example.com", "\U0001f600")),
    ]


def test_a_csv_line_of_ten_megabytes_costs_only_itself(open_file: Open) -> None:
    content = b"email,Note\na@b.de," + b"x" * 10_000_000 + b"\nc@d.de,y\n"

    opened = open_file(content, "people.csv")

    assert opened.good == [(3, ("c@d.de", "y"))]
    ((line, reason),) = opened.rejected
    assert line == 2
    assert "is longer than 1,048,576 characters" in reason


def test_the_sample_is_the_first_hundred_rows(open_file: Open, parquet: Parquet) -> None:
    rows = [{"email": f"c{number}@example.com", "n": number} for number in range(150)]
    query = "select 'c' || n || '@example.com' as email, n from range(150) numbers (n)"

    for content, name in ((json_lines(rows), "a.jsonl"), (parquet(query), "a.parquet")):
        sample = open_file(content, name).sample
        assert sample == tuple((f"c{number}@example.com", str(number)) for number in range(100))


def test_the_document_of_an_object_column_is_the_same_from_each_format(
    open_file: Open, parquet: Parquet
) -> None:
    members = {"plan": "free", "n": 12.5, "tags": ["a", None], "nested": {"a": {"b": True}}}
    text = json.dumps(members)
    quoted = text.replace('"', '""')
    lines = json_lines([{"email": "a@b.de", "custom_fields": members}])
    query = f"select 'a@b.de' email, '{text}' custom_fields"

    found = [
        open_file(f'email,custom_fields\na@b.de,"{quoted}"\n'.encode(), "a.csv").contacts(),
        open_file(lines, "a.jsonl").contacts(),
        open_file(parquet(query), "a.parquet").contacts(),
    ]

    documents = [row.custom_fields for (row,) in found if isinstance(row, ContactRow)]
    assert len(documents) == 3
    assert len(set(documents)) == 1
    assert json.loads(str(documents[0])) == members
