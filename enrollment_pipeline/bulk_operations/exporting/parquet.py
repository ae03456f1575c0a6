"""Contacts as a Parquet file.

Belongs here: the types of the columns, and what DuckDB may take while it writes them. Does not
belong here: the rows, which come as JSON lines.
"""

from collections.abc import Iterator, Sequence
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from enrollment_pipeline.bulk_operations.exporting.fields import Field, Kind
from enrollment_pipeline.bulk_operations.exporting.writing import (
    PIECE,
    Output,
    go_on_unless,
    write_rows,
)

_TYPES = {
    Kind.TAGS: "VARCHAR[]",
    Kind.DAY: "DATE",
    Kind.INSTANT: "TIMESTAMPTZ",
}
# Bytes of a line that DuckDB makes room for unless there is a longer one.
_LINE = 1 << 20
# Megabytes for DuckDB, and how many more for each megabyte of the longest line.
_MEMORY, _MEMORY_FOR_LINE = 512, 16
# Rows of a group, which are held in memory together: DuckDB's own number, and fewer where their
# lines could come to more bytes than these. At three times as many it has failed for memory.
_GROUP, _GROUP_BYTES = 122_880, 32 << 20
# Lines that are weighed together: a single long one shall not make all groups small.
_BLOCK = 1_024


def column_names(fields: Sequence[Field]) -> list[str]:
    """Return what the columns are called in the JSON lines that `write_parquet` reads."""
    return [f"c{index}" for index in range(len(fields))]


def write_parquet(lines: Iterator[bytes], fields: Sequence[Field], output: Output) -> int:
    """Write JSON lines, each with the values of `fields` by their column names; return how many.

    They go through a file beside the result, as large as that of an export as JSON lines: how much
    memory they take must be known before DuckDB begins.
    """
    with TemporaryDirectory(dir=output.path.parent) as scratch:
        spool = Path(scratch) / "rows.json"
        weighed = _Weighed(lines)
        with spool.open("wb", buffering=PIECE) as file:
            count = write_rows(weighed, file, output.stop)
        go_on_unless(output.stop)
        names = _convert(spool, weighed, fields, output.path)
    output.notes.extend(
        f"The column {field.name} is called {name}: the names of columns in a Parquet file must "
        "differ by more than upper and lower case."
        for field, name in zip(fields, names, strict=True)
        if field.name != name
    )
    return count


class _Weighed:
    """Lines on their way, and what they weigh: the longest, and the heaviest block, in bytes."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self.longest = 0
        self.heaviest = 0

    def __iter__(self) -> Iterator[bytes]:
        block = 0
        for number, line in enumerate(self._lines):
            if number % _BLOCK == 0:
                block = 0
            size = len(line)
            block += size
            if size > self.longest:
                self.longest = size
            if block > self.heaviest:
                self.heaviest = block
            yield line


def _convert(spool: Path, weighed: _Weighed, fields: Sequence[Field], path: Path) -> list[str]:
    """Write the Parquet file, and return what its columns are called."""
    columns = {
        name: _TYPES.get(field.kind, "VARCHAR")
        for name, field in zip(column_names(fields), fields, strict=True)
    }
    with duckdb.connect(
        config={
            "threads": 2,
            "memory_limit": f"{_MEMORY + _MEMORY_FOR_LINE * (weighed.longest >> 20)}MB",
            "temp_directory": str(spool.parent),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    ) as database:
        rows = database.read_json(
            # The name is taken for a pattern.
            escape(str(spool)),
            format="newline_delimited",
            columns=columns,
            maximum_object_size=max(weighed.longest + 1, _LINE),
        )
        named = rows.select(
            *(
                duckdb.ColumnExpression(name).alias(field.name)
                for name, field in zip(columns, fields, strict=True)
            )
        )
        named.write_parquet(
            str(path),
            compression="zstd",
            row_group_size=min(_GROUP, _BLOCK * _GROUP_BYTES // (weighed.heaviest + 1) + 1),
        )
        return database.read_parquet(escape(str(path))).columns
