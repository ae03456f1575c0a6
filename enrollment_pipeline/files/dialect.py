"""Which character stands between the fields of a file.

Not here: what ends a line (`lines`) and how quotes are read (`quotes`, `rows`): these are the same
for every file.
"""

import re
from itertools import dropwhile, islice

from enrollment_pipeline.files.identifiers import is_identifier
from enrollment_pipeline.files.lines import LineCursor, LineSource
from enrollment_pipeline.files.rows import Row, RowReader

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 100
_ANNOUNCEMENT = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)


def announced_delimiter(source: LineSource) -> str | None:
    """Return the delimiter that a first line such as `sep=;`, as Excel writes it, announces."""
    first = LineCursor(source).next()
    announcement = _ANNOUNCEMENT.fullmatch(first[1]) if first else None
    return announcement[1] if announcement else None


def detect_delimiter(source: LineSource) -> str:
    """Return the delimiter under which most of the first 100 rows are as wide as the first one.

    Between equals, the one wins that leaves more addresses and UUIDs standing alone in a cell,
    then the one that makes more columns. When none makes two columns, it is the comma.
    """
    head = source.head()
    return max(DELIMITERS, key=lambda delimiter: _fit(head, delimiter))


def _fit(head: LineSource, delimiter: str) -> tuple[float, int, int]:
    reader = RowReader(LineCursor(head), delimiter)
    found = (row for batch in reader.batches() for row in batch)
    rows = list(
        islice(dropwhile(lambda row: isinstance(row, Row) and row.blank, found), _SAMPLE_ROWS)
    )
    widths = [len(row.values) if isinstance(row, Row) else 0 for row in rows]
    if not widths or widths[0] < 2:
        return 0.0, 0, 0
    identified = sum(isinstance(row, Row) and any(map(is_identifier, row.values)) for row in rows)
    return widths.count(widths[0]) / len(widths), identified, widths[0]
