"""Parquet files: values keep their types, rows their numbers, and a damaged file is refused."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from enrollment_pipeline.bulk_operations.reading.rows import ContactRow, Rejection
from enrollment_pipeline.bulk_operations.reading.sources import open_source
from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline_tests.bulk_operations.reading.conftest import Open

Parquet = Callable[[str], bytes]
NAME = "people.parquet"


def test_values_have_the_types_of_the_file(open_file: Open, parquet: Parquet) -> None:
    content = parquet(
        "select 'a@b.de' email, 5 n, 12.50::decimal(9, 2) d, true b, null z, ['a', null] l, "
        "{'x': {'y': [1]}} s, date '2001-02-03' a, timestamp '2001-02-03 04:05:06' t, 0.5 f"
    )

    opened = open_file(content, NAME)

    assert opened.columns == ("email", "n", "d", "b", "z", "l", "s", "a", "t", "f")
    ((line, values),) = opened.good
    assert line == 1
    assert values[:5] == ("a@b.de", 5, Decimal("12.50"), True, None)
    assert values[5:7] == (["a", None], {"x": {"y": [1]}})
    assert values[7:9] == (date(2001, 2, 3), datetime(2001, 2, 3, 4, 5, 6))
    assert str(values[2]) == "12.50"
    assert opened.sample[0][:4] == ("a@b.de", "5", "12.50", "true")


def test_a_contact_is_read_from_typed_columns(open_file: Open, parquet: Parquet) -> None:
    content = parquet(
        "select 'a@b.de' email, ['a', ' b', 'a'] tags, timestamp '2001-02-03' birthday, "
        "4930123::bigint phone, 12.50::decimal(9, 2) score, {'x': [1, null]} nested, "
        "map {'k': 1} pairs, timestamptz '2001-02-03 10:00:00+02' seen"
    )

    (contact,) = open_file(content, NAME).contacts()

    assert isinstance(contact, ContactRow)
    assert (contact.tags, contact.birthday) == (["a", "b"], "2001-02-03")
    assert contact.phone == "4930123"
    assert contact.custom_fields == (
        '{"score":12.50,"nested":{"x":[1,null]},"pairs":{"k":1},"seen":"2001-02-03T08:00:00+00:00"}'
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("'x'::blob", "has bytes where JSON is expected"),
        ("interval 1 day", "has a value of a type that is not read where JSON is expected"),
        ("'nan'::double", "holds a number that is infinite or none"),
        ("'inf'::float", "holds a number that is infinite or none"),
        ("['inf'::float]", "holds a number that is infinite or none"),
        ("'a' || chr(0)", "holds a NUL"),
        ("repeat('x', 131073)", "has a text of more than 131,072 characters"),
    ],
)
def test_a_value_that_cannot_be_kept_rejects_its_row_only(
    open_file: Open, parquet: Parquet, value: str, reason: str
) -> None:
    content = parquet(f"select 'a@b.de' email, {value} x union all select 'c@d.de', null")

    rejection, contact = open_file(content, NAME).contacts()

    assert isinstance(rejection, Rejection)
    assert (rejection.line, rejection.column) == (1, "x")
    assert rejection.reason.startswith(reason)
    assert isinstance(contact, ContactRow)


@pytest.mark.parametrize("value", ["date '12000-01-01'", "date 'infinity'", "time '10:00'"])
def test_values_beyond_the_calendar_are_no_birthdays(
    open_file: Open, parquet: Parquet, value: str
) -> None:
    (found,) = open_file(parquet(f"select 'a@b.de' email, {value} birthday"), NAME).contacts()

    assert isinstance(found, Rejection)
    assert found.column == "birthday"


def test_rows_are_numbered_through_all_batches_in_their_order(
    open_file: Open, parquet: Parquet
) -> None:
    opened = open_file(parquet("select n from range(1, 5001) numbers (n)"), NAME)

    assert [row.line for row in opened.rows] == list(range(1, 5001))
    assert [values for _, values in opened.good] == [(number,) for number in range(1, 5001)]
    assert max(map(len, opened.batches)) <= 1_000


def test_a_file_without_rows_has_its_columns(open_file: Open, parquet: Parquet) -> None:
    opened = open_file(parquet("select 'a' email, 1 n where false"), NAME)

    assert (opened.columns, opened.sample, opened.rows) == (("email", "n"), (), [])


def test_more_than_a_thousand_columns_are_refused(open_file: Open, parquet: Parquet) -> None:
    columns = ", ".join(f"{number} c{number}" for number in range(1_001))

    with pytest.raises(InvalidFileError, match="1,001 columns; at most 1,000"):
        open_file(parquet(f"select {columns}"), NAME)


@pytest.mark.parametrize(
    "content",
    [
        b"email,Name\n",
        b"PAR1",
        b"PAR1 and some more text, PAR1",
        b"PAR1" + b"\0" * 100 + b"\x10\0\0\0PAR1",
        b"PAR1" + b"\xff" * 100 + b"\xff\xff\xff\x7fPAR1",
        b"PARE" + b"\0" * 100 + b"\x10\0\0\0PARE",
        # The magic, a schema of a root without columns, no rows and no row groups.
        b"PAR1\x15\x02\x19\x1c\x48\x04root\x15\x00\x00\x16\x00\x19\x0c\x00\x12\x00\x00\x00PAR1",
    ],
)
def test_what_is_no_table_in_parquet_is_refused_in_words(open_file: Open, content: bytes) -> None:
    with pytest.raises(InvalidFileError) as refused:
        open_file(content, NAME)

    assert refused.value.message.startswith(f'"{NAME}" cannot be read as a Parquet file: ')
    # Nothing of the statement or of the folder that the file lies in.
    assert not any(word in refused.value.message for word in ("\n", "read_parquet", "spooled"))


def test_a_file_that_is_damaged_in_the_middle_is_refused(open_file: Open, parquet: Parquet) -> None:
    content = bytearray(parquet("select md5(n::text) email from range(10000) numbers (n)"))
    content[1_000:2_000] = b"\xa5" * 1_000
    content[100_000:101_000] = b"\xa5" * 1_000

    with pytest.raises(InvalidFileError, match="cannot be read as a Parquet file"):
        open_file(bytes(content), NAME)


@pytest.mark.parametrize("folder", ["a*b", "q?", "[1]", "a'b", "year=2024", "{a,b}", "~", "a b"])
def test_no_character_of_the_path_means_anything(
    tmp_path: Path, parquet: Parquet, folder: str
) -> None:
    path = tmp_path / folder / f"{folder}.parquet"
    path.parent.mkdir()
    path.write_bytes(parquet("select 1 a"))
    # What the name would also mean as a pattern.
    for other in ("axb", "qx", "1", "a", "b"):
        (tmp_path / other).mkdir()
        (tmp_path / other / f"{other}.parquet").write_bytes(parquet("select 2 a"))

    with open_source(path, max_bytes=10_000, max_lines=1, name=NAME) as source:
        assert source.columns == ("a",)
        assert [row for batch in source.batches() for row in batch] == [(1, (1,))]


def test_instants_are_those_of_utc_wherever_the_machine_is(
    open_file: Open, parquet: Parquet, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = parquet("select 'a@b.de' email, timestamptz '2001-02-03 10:00:00+02' seen")
    monkeypatch.setenv("TZ", "America/New_York")

    (contact,) = open_file(content, NAME).contacts()

    assert isinstance(contact, ContactRow)
    assert contact.custom_fields == '{"seen":"2001-02-03T08:00:00+00:00"}'
