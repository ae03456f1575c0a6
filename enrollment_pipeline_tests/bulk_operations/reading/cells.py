"""Reads one row of named cells."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

from enrollment_pipeline.bulk_operations.reading.mapping import map_columns
from enrollment_pipeline.bulk_operations.reading.rows import (
    ContactRow,
    Reading,
    Rejection,
    read_row,
)
from enrollment_pipeline.files.rows import Row

ADDRESS = "ann@example.com"
ID = "0190a0b0-1234-7abc-8def-0123456789ab"
TODAY = date(2026, 11, 26)


def read(
    cells: dict[str, Any],
    *,
    key: str = "email",
    blank: Any = "keep",
    date_format: str | None = None,
) -> ContactRow | Rejection:
    """Read a row of the named cells on line 7; of an address as well where that is the key."""
    values = {"email": ADDRESS, **cells} if key == "email" else cells
    row = Row(7, tuple(values.values()))
    # How columns are recognised is tested elsewhere.
    mapping = map_columns(tuple(values), (), given={}, unmapped="keep", key=key)
    return read_row(row, mapping, Reading(key, blank, date_format, TODAY))


def good(cells: dict[str, Any], **how: Any) -> ContactRow:
    found = read(cells, **how)
    assert isinstance(found, ContactRow), found
    return found


def custom(cells: dict[str, Any], **how: Any) -> Any:
    text = good(cells, **how).custom_fields
    return None if text is None else json.loads(text, parse_float=Decimal)
