"""Import: contacts created and updated from a file.

Belongs here: the way from the kept file to staged rows, in constant memory, and which statements
make a piece. Does not belong here: what a row means (`reading`), and the statements themselves
(`store.staging`, `store.importing`).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import Executor, Prepared, Step, Surroundings
from enrollment_pipeline.bulk_operations.reading.mapping import ColumnMapping, map_columns
from enrollment_pipeline.bulk_operations.reading.rows import (
    ContactRow,
    Reading,
    Rejection,
    read_row,
)
from enrollment_pipeline.bulk_operations.reading.sources import Source, open_source
from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store import importing, staging
from enrollment_pipeline.bulk_operations.store.importing import ImportRules
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.errors import PathNotAllowedError
from enrollment_pipeline.selections.keeping import chunks_of, size_of_file
from enrollment_pipeline.triggers import service as triggers
from enrollment_pipeline.work.inputs import drop_input, read_input
from enrollment_pipeline.work.spooling import spooled

SOURCE = "import"


class ImportContacts(Executor):
    """The executor of imports."""

    def prepare(
        self, connection: Connection, operation: OperationRecord, around: Surroundings
    ) -> Prepared:
        """Read the file into staged rows, each key once.

        Raises:
            RefusedError: the file cannot be read, or has no column for the key.
        """
        request = operation.request
        with (
            _input(connection, operation, around) as path,
            _source(path, request, around) as source,
        ):
            mapping = map_columns(
                source.columns,
                source.sample,
                given=request["mapping"],
                unmapped=request["unmapped"],
                key=request["key"],
            )
            reading = Reading(
                key=request["key"],
                blank=request["blanks"],
                date_format=request["date_format"],
                today=around.now.date(),
            )
            staging.receive(connection, _rows(source, mapping, reading))
        drop_input(connection, operation.id)
        total, counts = staging.stage(
            connection,
            operation.account_id,
            operation.id,
            by_email=request["key"] == "email",
            last_wins=request["duplicates"] == "last",
            loosen=request["allow_resubscribe"],
        )
        return Prepared(total, counts, {"fields": list(mapping.fields)})

    def apply(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, most: int
    ) -> Step:
        """Create and update the contacts of the next staged rows."""
        last = staging.last_of_piece(connection, operation.id, operation.mark, most)
        if last is None:
            return Step(operation.mark, {}, done=True)
        piece = importing.Piece(operation.account_id, operation.id, operation.mark, last)
        counts = importing.apply(connection, piece, _rules(operation))
        if operation.request["fire_triggers"]:
            triggers.raise_for_changes(
                connection, operation.id, operation.mark, last, source=SOURCE
            )
        return Step(last, counts, done=False)

    def end_of_piece(
        self, connection: Connection, operation: OperationRecord, most: int
    ) -> int | None:
        """Return where the next piece ends; rows known by their address share no contact."""
        if operation.request["key"] != "email":
            return None
        return staging.last_of_piece(connection, operation.id, operation.mark, most)

    def give_up(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, reason: str
    ) -> Step:
        """Let the next staged row end as failed."""
        last = staging.last_of_piece(connection, operation.id, operation.mark, 1)
        if last is None:
            return Step(operation.mark, {}, done=True)
        staging.fail(connection, operation.id, last, f"was refused by the database: {reason}")
        return Step(last, {RowOutcome.FAILED: 1}, done=False)


def _rules(operation: OperationRecord) -> ImportRules:
    request = operation.request
    fields = (operation.result or {}).get("fields", [])
    clears = request["blanks"] == "clear"
    return ImportRules(
        key=request["key"],
        mode=request["mode"],
        loosen=request["allow_resubscribe"],
        cleared=frozenset(fields) if clears else frozenset(),
        clears_members=clears,
        source=SOURCE,
    )


def _input(
    connection: Connection, operation: OperationRecord, around: Surroundings
) -> AbstractContextManager[Path]:
    kept = operation.request.get("path")
    chunks = read_input(connection, operation.id)
    if kept is not None:
        chunks = _file_below(around, kept)
    return spooled(chunks, around.settings.scratch)


def _file_below(around: Surroundings, kept: str) -> Iterator[bytes]:
    data = around.settings.data.resolve()
    path = (data / kept).resolve()
    if not path.is_relative_to(data):
        raise PathNotAllowedError(f"{kept!r} lies outside of the data folder.")
    size_of_file(path, around.account.settings.csv_max_bytes)
    return chunks_of(path)


def _source(
    path: Path, request: dict[str, Any], around: Surroundings
) -> AbstractContextManager[Source]:
    limits = around.account.settings
    return open_source(
        path,
        format=request["format"],
        max_bytes=limits.csv_max_bytes,
        max_lines=limits.csv_max_lines,
        name=request["file"],
    )


def _rows(
    source: Source, mapping: ColumnMapping, reading: Reading
) -> Iterator[ContactRow | Rejection]:
    for batch in source.batches():
        for row in batch:
            yield read_row(row, mapping, reading)
