"""Reads bytes as a table, the way every test here looks at one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from enrollment_pipeline.files.rows import AnyRow, RejectedRow, Row
from enrollment_pipeline.files.table import Table, open_table


@dataclass(frozen=True)
class Reading:
    """A table, and everything that it yielded."""

    table: Table
    rows: list[AnyRow]

    @property
    def good(self) -> list[tuple[int, tuple[str, ...]]]:
        return [(row.line, row.values) for row in self.rows if isinstance(row, Row)]

    @property
    def rejected(self) -> list[tuple[int, str]]:
        return [(row.line, row.reason) for row in self.rows if isinstance(row, RejectedRow)]


Read = Callable[[bytes], Reading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_bytes(content: bytes) -> Reading:
        path = tmp_path / "people.csv"
        path.write_bytes(content)
        with open_table(path) as table:
            return Reading(table, list(table))

    return read_bytes
