"""The first rows of a file as texts, by which its columns can be recognised."""

from collections.abc import Sequence
from typing import Any

from enrollment_pipeline.bulk_operations.reading.json_values import as_text, kind, trouble_in

SAMPLE_ROWS = 100


def sample_of(values: Sequence[Any]) -> tuple[str, ...]:
    """Return the values of a row as texts; what has none is said in words."""
    return tuple(
        "" if value is None else kind(value) if trouble_in(value) else as_text(value)
        for value in values
    )
