"""Reads bytes as contacts, the way every test here looks at a file."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import pytest

from enrollment_pipeline.bulk_operations.reading.mapping import ColumnMapping, map_columns
from enrollment_pipeline.bulk_operations.reading.rows import (
    ContactRow,
    Reading,
    Rejection,
    read_row,
)
from enrollment_pipeline.bulk_operations.reading.sources import FileFormat, open_source
from enrollment_pipeline.files.rows import AnyRow, RejectedRow, Row

AnyContact = ContactRow | Rejection


@dataclass(frozen=True)
class Opened:
    """A file, and everything that it yielded."""

    columns: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    batches: list[list[AnyRow]]

    @property
    def rows(self) -> list[AnyRow]:
        return [row for batch in self.batches for row in batch]

    @property
    def good(self) -> list[tuple[int, tuple[Any, ...]]]:
        return [(row.line, row.values) for row in self.rows if isinstance(row, Row)]

    @property
    def rejected(self) -> list[tuple[int, str]]:
        return [(row.line, row.reason) for row in self.rows if isinstance(row, RejectedRow)]

    def mapped(
        self,
        *,
        given: Mapping[str, str] | None = None,
        unmapped: Literal["keep", "drop"] = "keep",
        key: str = "email",
    ) -> ColumnMapping:
        return map_columns(self.columns, self.sample, given=given or {}, unmapped=unmapped, key=key)

    def contacts(self, key: str = "email", **how: Any) -> list[AnyContact]:
        mapping = self.mapped(key=key)
        return [read_row(row, mapping, Reading(key, **how)) for row in self.rows]


Open = Callable[..., Opened]


@pytest.fixture
def open_file(tmp_path: Path) -> Open:
    def run(
        content: bytes,
        name: str = "contacts.csv",
        *,
        format: FileFormat = "auto",  # noqa: A002
        max_bytes: int = 100_000_000,
        max_lines: int = 1_000_000,
    ) -> Opened:
        path = tmp_path / "spooled"
        path.write_bytes(content)
        with open_source(
            path, format=format, max_bytes=max_bytes, max_lines=max_lines, name=name
        ) as source:
            first, again = list(source.batches()), list(source.batches())
            # As text: no number that is none equals itself.
            assert repr(first) == repr(again)
            return Opened(source.columns, source.sample, first)

    return run


def json_lines(objects: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in objects).encode()


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[[str], bytes]:
    """Return the Parquet file with the rows of a query."""

    def run(query: str) -> bytes:
        path = tmp_path / "written.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"copy ({query}) to '{path}' (format parquet)")
        return path.read_bytes()

    return run
