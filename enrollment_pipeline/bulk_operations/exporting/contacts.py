"""The contacts of an account as one file, in the format that was asked for.

Belongs here: which formats there are, and what the export of each comes to. Does not belong here:
what is in a row (`store/exporting`), and where the file goes then (`destinations`).
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.exporting.fields import Field, Kind, check_fields
from enrollment_pipeline.bulk_operations.exporting.writing import (
    PIECE,
    Output,
    whole,
    write_rows,
)
from enrollment_pipeline.bulk_operations.store import exporting as store
from enrollment_pipeline.bulk_operations.store.exporting import Wanted
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.files.formulas import escape_formula
from enrollment_pipeline.storage.schema import contacts

ExportFormat = Literal["csv", "jsonl", "parquet", "xlsx"]

NAME = "contacts"
"""What the file is called, in `Exported.files` and, with the format behind a dot, in its folder."""

_QUOTED = frozenset('",\r\n')


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. `notes` are sentences on what a file could not hold as it was."""

    rows: int
    files: dict[str, Path]
    notes: tuple[str, ...] = ()


def export_contacts(
    connection: Connection,
    account_id: UUID,
    *,
    condition: dict[str, Any] | None,
    fields: tuple[str, ...],
    format: ExportFormat,  # noqa: A002
    folder: Path,
    now: datetime,
    stop: Callable[[], bool],
) -> Exported:
    """Write the contacts that meet a condition into a file in `folder`.

    They come in the order of `created_at`, then of `id`; deleted ones never. The rows are those of
    one moment, that of the one statement which reads them. Memory does not grow with their number.

    Raises:
        InvalidConditionError: `condition` is no condition tree.
        InvalidRequestError: `fields` are none that can be exported.
        StoppedError: `stop` said so; the file is not there, and the transaction is of no more use.
    """
    chosen = check_fields(fields)
    wanted = Wanted(account_id, compile_filter(parse(condition), contacts, now=now), chosen)
    path = folder / f"{NAME}.{format}"
    store.allow_idling(connection)
    with whole(path) as partial:
        output = Output(partial, stop)
        rows = _WRITERS[format](connection, wanted, output)
    return Exported(rows, {NAME: path}, tuple(output.notes))


def _write_csv(connection: Connection, wanted: Wanted, output: Output) -> int:
    output.notes.extend(_about_tags(connection, wanted))
    with (
        output.path.open("wb", buffering=PIECE) as file,
        closing(store.csv_rows(connection, wanted)) as rows,
    ):
        file.write(_header(wanted.fields))
        return write_rows(rows, file, output.stop)


def _write_json_lines(connection: Connection, wanted: Wanted, output: Output) -> int:
    names = [field.name for field in wanted.fields]
    lines = store.json_rows(connection, wanted, names=names, nested=True)
    with output.path.open("wb", buffering=PIECE) as file, closing(lines) as rows:
        return write_rows(rows, file, output.stop)


def _write_parquet(connection: Connection, wanted: Wanted, output: Output) -> int:
    # A tenth of a second to import, for no other format and no other command to wait for.
    from enrollment_pipeline.bulk_operations.exporting.parquet import column_names, write_parquet

    names = column_names(wanted.fields)
    with closing(store.json_rows(connection, wanted, names=names, nested=False)) as lines:
        return write_parquet(lines, wanted.fields, output)


def _write_spreadsheet(connection: Connection, wanted: Wanted, output: Output) -> int:
    # As with Parquet.
    from enrollment_pipeline.bulk_operations.exporting.spreadsheet import write_spreadsheet

    output.notes.extend(_about_tags(connection, wanted))
    with closing(store.typed_rows(connection, wanted)) as rows:
        return write_spreadsheet(rows, wanted.fields, output)


_WRITERS: dict[ExportFormat, Callable[[Connection, Wanted, Output], int]] = {
    "csv": _write_csv,
    "jsonl": _write_json_lines,
    "parquet": _write_parquet,
    "xlsx": _write_spreadsheet,
}


def _header(fields: Sequence[Field]) -> bytes:
    """The line with the names; by Python, because a column in the database has a shorter one."""
    names = (escape_formula(field.name) for field in fields)
    # `csv.writer` leaves a carriage return bare where lines end otherwise, until Python 3.13.
    cells = (
        '"{}"'.format(name.replace('"', '""')) if _QUOTED & {*name} else name for name in names
    )
    return f"{','.join(cells)}\n".encode()


def _about_tags(connection: Connection, wanted: Wanted) -> list[str]:
    """Tell of tags that look like two where tags are joined."""
    if all(field.kind is not Kind.TAGS for field in wanted.fields):
        return []
    count = store.count_split_tags(connection, wanted)
    if not count:
        return []
    whose = "1 contact has" if count == 1 else f"{count:,} contacts have"
    return [
        f"{whose} a tag with a semicolon or a bar in it, which separate tags; it is written with "
        "a comma there. JSON lines and Parquet files hold it as it is."
    ]
