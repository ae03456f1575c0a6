"""What is kept of a selection until it is resolved: its description, and its input in pieces.

Belongs here: from the request to rows. Does not belong here: resolving (`resolving`).
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.errors import TooManyContactsError
from enrollment_pipeline.files.identifiers import parse_contact_id
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline.records import AccountSettings
from enrollment_pipeline.selections.request import (
    CsvSelection,
    FilterSelection,
    ManualSelection,
    Selection,
)

# 1 MB: few enough pieces to be quick, small enough to hold one in memory.
CHUNK_BYTES = 1_000_000


def to_be_kept(
    selection: Selection, limits: AccountSettings, *, most: int | None
) -> tuple[dict[str, Any], Iterable[bytes]]:
    """Return what the row of the work keeps of its selection, and the input kept beside it.

    Raises:
        TooManyContactsError: more ids than `most` are given.
        InvalidConditionError: the filter is not valid.
        InvalidFileError: there is no such file, or it is too large.
    """
    match selection:
        case ManualSelection(contact_ids=contact_ids):
            different = len({parse_contact_id(one) for one in contact_ids} - {None})
            if most is not None and different > most:
                raise too_many(different, most)
            return {"type": "manual", "contact_ids": len(contact_ids)}, chunks_of_ids(contact_ids)
        case FilterSelection(filter=document):
            parse(document)
            return {"type": "filter", "filter": document}, ()
        case CsvSelection(path=path, identifier_column=column):
            size = size_of_file(path, limits.csv_max_bytes)
            kept = {
                "type": "csv",
                "file": storable_name(path),
                "bytes": size,
                "identifier_column": column,
            }
            return kept, chunks_of(path)


def too_many(found: int, most: int) -> TooManyContactsError:
    """Return the refusal that names the number found and the limit."""
    return TooManyContactsError(
        f"The selection holds {found:,} contacts; the limit of a job is {most:,}.",
        details={"found": found, "limit": most},
    )


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield a file in the pieces in which the store keeps it."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def chunks_of_ids(contact_ids: Iterable[str]) -> Iterator[bytes]:
    """Yield ids, one a line, in the form in which the store keeps them."""
    lines = (f"{' '.join(contact_id.split())}\n" for contact_id in contact_ids)
    yield "".join(lines).encode()


def storable_name(path: Path) -> str:
    """Return a file's name; one that is no Unicode cannot be kept in the database as it is."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def size_of_file(path: Path, limit: int) -> int:
    """Return the size of a file that can be read, in bytes.

    Raises:
        InvalidFileError: there is no such file, or it cannot be read.
        FileTooLargeError: it is over the limit.
    """
    with suppress(OSError, ValueError):
        if path.is_file() and os.access(path, os.R_OK) and path.stat().st_size <= limit:
            return path.stat().st_size
    # Refuses the file, and says why.
    with open_table(path, max_bytes=limit) as table:
        return table.size
