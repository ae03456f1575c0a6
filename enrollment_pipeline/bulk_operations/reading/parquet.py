"""A Parquet file, read as a table in constant memory, by DuckDB.

Belongs here: what DuckDB is asked and how its refusals are said. Does not belong here: what the
values mean. Nothing is downloaded: the reader of Parquet is part of DuckDB itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from enrollment_pipeline.bulk_operations.reading.formats import PARQUET_MAGIC
from enrollment_pipeline.bulk_operations.reading.sampling import SAMPLE_ROWS, sample_of
from enrollment_pipeline.errors import InvalidFileError
from enrollment_pipeline.files.header import column_names
from enrollment_pipeline.files.opening import (
    checked_size,
    open_bytes,
    refuse_too_many,
    refuse_too_wide,
)
from enrollment_pipeline.files.rows import AnyRow, Row
from enrollment_pipeline.files.table import MOST_COLUMNS

# One thread and half a gigabyte are enough for row groups of any usual size; what needs more is
# refused, not spilled.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "512MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_FETCHED_ROWS = 1_000
_SELECT = "select * from read_parquet(?, hive_partitioning = false)"
_COUNT = "select coalesce(sum(num_rows), 0) from parquet_file_metadata(?)"


@dataclass(frozen=True, slots=True)
class ParquetRows:
    """An open Parquet file; see `sources.Source`."""

    columns: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    _connection: duckdb.DuckDBPyConnection
    _pattern: str
    _name: str

    def batches(self) -> Iterator[list[AnyRow]]:
        """Yield the rows, numbered from 1, in lists of up to 1,000.

        Raises:
            InvalidFileError: the file turns out to be damaged.
        """
        number = 0
        with self._connection.cursor() as cursor:
            with _refusals(self._name):
                cursor.execute(_SELECT, [self._pattern])
            while True:
                with _refusals(self._name):
                    values = cursor.fetchmany(_FETCHED_ROWS)
                if not values:
                    return
                yield [Row(line, row) for line, row in enumerate(values, start=number + 1)]
                number += len(values)


@contextmanager
def open_parquet(path: Path, *, max_bytes: int, max_lines: int, name: str) -> Iterator[ParquetRows]:
    """Open a Parquet file for the time of a `with` block.

    Raises:
        FileTooLargeError: it is over one of the limits.
        InvalidFileError: it cannot be read, is no Parquet, or has more than 1,000 columns.
    """
    with open_bytes(path, name) as handle:
        checked_size(handle, name, max_bytes)
        if handle.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC:
            raise _refused(name)
    pattern = "".join(
        f"[{character}]" if character in "*?[" else character for character in str(path.absolute())
    )
    with duckdb.connect(":memory:", config=_SETTINGS) as connection:
        connection.execute("set global TimeZone = 'UTC'")
        with _refusals(name):
            (found,) = connection.execute(_COUNT, [pattern]).fetchone() or (0,)
            description = connection.execute(f"{_SELECT} limit 0", [pattern]).description
        if found > max_lines:
            refuse_too_many(name, int(found), max_lines, "rows")
        names = [column[0] for column in description or ()]
        if len(names) > MOST_COLUMNS:
            refuse_too_wide(name, len(names), MOST_COLUMNS)
        with _refusals(name):
            first = connection.execute(f"{_SELECT} limit {SAMPLE_ROWS}", [pattern]).fetchall()
        yield ParquetRows(
            columns=column_names(names, len(names)),
            sample=tuple(map(sample_of, first)),
            _connection=connection,
            _pattern=pattern,
            _name=name,
        )


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise InvalidFileError(
            f'"{name}" has row groups too large to be read.',
            remedy="Write it again with smaller row groups, or as CSV.",
        ) from error
    except duckdb.Error as error:
        raise _refused(name) from error


def _refused(name: str) -> InvalidFileError:
    # What DuckDB says names the path of a scratch file, and parts of its own.
    return InvalidFileError(
        f'"{name}" cannot be read as a Parquet file: it is damaged, encrypted or something else.',
        remedy="Write the file again, or export the contacts as CSV.",
    )
