"""What is particular to Parquet: names of columns, and memory for rows of any size."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars
import pytest

from enrollment_pipeline.bulk_operations.exporting.fields import check_fields
from enrollment_pipeline.bulk_operations.exporting.parquet import write_parquet
from enrollment_pipeline.bulk_operations.exporting.writing import Output


def lines(count: int, text: str) -> Iterator[bytes]:
    for number in range(count):
        yield json.dumps({"c0": str(number), "c1": text}).encode() + b"\n"


def test_names_that_differ_by_case_alone_are_told_apart_and_told_of(tmp_path: Path) -> None:
    output = Output(tmp_path / "file", lambda: False)
    fields = check_fields(("custom_fields.Plan", "custom_fields.plan"))

    assert write_parquet(lines(1, "b"), fields, output) == 1

    frame = polars.read_parquet(output.path)
    assert frame.rows() == [("0", "b")]
    assert frame.columns[0] == "custom_fields.Plan"
    (note,) = output.notes
    assert note.startswith(f"The column custom_fields.plan is called {frame.columns[1]}: ")


@pytest.mark.parametrize("name", ["a[b]c", "*", "a?b", 'it\'s "here"'])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    output = Output(folder / "file.partial", lambda: False)

    write_parquet(lines(2, "x"), check_fields(("id", "email")), output)

    assert polars.read_parquet(output.path.read_bytes())["email"].to_list() == ["x", "x"]
    assert list(folder.iterdir()) == [output.path]


def test_a_line_may_be_longer_than_duckdb_expects(tmp_path: Path) -> None:
    output = Output(tmp_path / "file", lambda: False)
    long = "x" * 20_000_000

    assert write_parquet(lines(2, long), check_fields(("id", "email")), output) == 2

    assert polars.read_parquet(output.path)["email"].str.len_bytes().to_list() == [len(long)] * 2


def test_rows_stand_in_groups_that_memory_has_room_for(tmp_path: Path) -> None:
    output = Output(tmp_path / "file", lambda: False)
    fields = check_fields(("id", "email"))

    def groups(text: str) -> int:
        assert write_parquet(lines(1_024, text), fields, output) == 1_024
        metadata = duckdb.sql(f"select row_group_id from parquet_metadata('{output.path}')")
        return len(set(metadata.fetchall()))

    assert groups("light") == 1
    # A hundred megabytes.
    assert groups("heavy" * 20_000) > 2
