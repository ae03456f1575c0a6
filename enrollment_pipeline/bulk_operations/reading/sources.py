"""Opens a file of contacts, in whichever format it is, as rows under named columns.

Belongs here: which format a file has, and what the formats have in common. Does not belong here:
how each is read (`files.table`, `json_lines`, `parquet`), and what the columns mean (`mapping`).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, Protocol

from enrollment_pipeline.bulk_operations.reading.formats import PARQUET_MAGIC
from enrollment_pipeline.bulk_operations.reading.json_lines import open_json_lines
from enrollment_pipeline.files.content import SAMPLE_BYTES
from enrollment_pipeline.files.encoding import Encoding, announced_encoding
from enrollment_pipeline.files.formulas import unescape_formula
from enrollment_pipeline.files.opening import open_bytes
from enrollment_pipeline.files.rows import AnyRow, RejectedRow, Row
from enrollment_pipeline.files.table import Table, open_table

FileFormat = Literal["auto", "csv", "jsonl", "parquet"]
KnownFormat = Literal["csv", "jsonl", "parquet"]

FORMATS_BY_SUFFIX: dict[str, KnownFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class Source(Protocol):
    """A file that can be read any number of times, as long as it is open.

    `columns` has one name for each column, all different; `sample` holds texts of up to 100 of the
    first good rows, by which columns can be recognised.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        ...

    @property
    def sample(self) -> tuple[tuple[str, ...], ...]:
        """Some rows as texts."""
        ...

    def batches(self) -> Iterator[list[AnyRow]]:
        """Yield all rows, good or rejected, in their order.

        Values of CSV files are texts; those of other formats have the types of the file.
        `Row.line` is the physical line, in Parquet files the number of the row from 1.

        Raises:
            InvalidFileError: the file changed or turned out to be damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Delimited:
    """A delimited file whose cells are what they were before formulas were escaped."""

    columns: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    _table: Table

    def batches(self) -> Iterator[list[AnyRow]]:
        for batch in self._table.batches():
            yield list(map(_unescaped, batch))


@contextmanager
def open_source(
    path: Path,
    *,
    format: FileFormat = "auto",  # noqa: A002 -- as requests call it
    max_bytes: int,
    max_lines: int,
    name: str,
) -> Iterator[Source]:
    """Open a file of contacts for the time of a `with` block.

    Args:
        path: A regular file.
        format: Its format; `auto` goes by the suffix of `name`, or else by the content.
        max_bytes: The largest size accepted.
        max_lines: The most lines accepted, or rows of a Parquet file.
        name: What messages call the file.

    Raises:
        FileTooLargeError: the file is over one of the limits.
        InvalidFileError: the file cannot be read as a table.
    """
    known = format if format != "auto" else _format_of(path, name)
    opened: AbstractContextManager[Source]
    if known == "jsonl":
        opened = open_json_lines(path, max_bytes=max_bytes, max_lines=max_lines, name=name)
    elif known == "parquet":
        # DuckDB takes a fifth of a second to load, for which no other command should have to wait.
        from enrollment_pipeline.bulk_operations.reading.parquet import open_parquet

        opened = open_parquet(path, max_bytes=max_bytes, max_lines=max_lines, name=name)
    else:
        opened = _open_delimited(path, max_bytes=max_bytes, max_lines=max_lines, name=name)
    with opened as source:
        yield source


@contextmanager
def _open_delimited(
    path: Path, *, max_bytes: int, max_lines: int, name: str
) -> Iterator[_Delimited]:
    with open_table(path, max_bytes=max_bytes, max_lines=max_lines, name=name) as table:
        columns = tuple(map(unescape_formula, table.columns))
        yield _Delimited(
            # Should two names become one, they are better left as they stand.
            columns=columns if len(set(columns)) == len(columns) else table.columns,
            sample=tuple(tuple(map(unescape_formula, values)) for values in table.sample),
            _table=table,
        )


def _unescaped(row: AnyRow) -> AnyRow:
    # Nearly no row holds an apostrophe, and this runs for every row.
    if isinstance(row, RejectedRow) or "'" not in "".join(row.values):
        return row
    return Row(row.line, tuple(map(unescape_formula, row.values)))


def _format_of(path: Path, name: str) -> KnownFormat:
    by_suffix = FORMATS_BY_SUFFIX.get(PurePath(name).suffix.lower())
    if by_suffix is not None:
        return by_suffix
    with open_bytes(path, name) as handle:
        head = handle.read(SAMPLE_BYTES)
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    encoding = announced_encoding(head) or Encoding("utf-8")
    text, _ = encoding.decode(head[encoding.mark_bytes :], final=False)
    return "jsonl" if text.lstrip().startswith("{") else "csv"
