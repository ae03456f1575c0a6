"""From a kept selection to the contacts it names: resolved once, kept for the life of the work.

Belongs here: reading each kind of selection and streaming it into the store, row by row and in
constant memory. Matching and counting are statements of the store.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.files.identifiers import (
    IdentifierColumn,
    find_identifier_column,
    parse_contact_id,
    read_identifier,
)
from enrollment_pipeline.files.rows import RejectedRow, reject
from enrollment_pipeline.files.table import Table, open_table
from enrollment_pipeline.records import AccountSettings
from enrollment_pipeline.selections import store
from enrollment_pipeline.selections.keeping import too_many
from enrollment_pipeline.selections.store import IncomingRow, Owner, SelectionCounts
from enrollment_pipeline.storage.schema import contacts
from enrollment_pipeline.work import inputs
from enrollment_pipeline.work.spooling import spooled


def resolve(
    connection: Connection,
    owner: Owner,
    kept: dict[str, Any],
    *,
    limits: AccountSettings,
    most: int | None,
    scratch: Path,
    now: datetime,
) -> SelectionCounts:
    """Write the selected contacts of a piece of work and return their counts.

    Args:
        connection: A transaction of the account.
        owner: Whose selection it is.
        kept: What `keeping.to_be_kept` has returned for it.
        limits: Those of the account, on files.
        most: The limit of contacts, None for none.
        scratch: Folder for the file while it is read.
        now: What a filter takes for the present.

    Raises:
        InvalidFileError: the file cannot be read as a table with an identifier column.
        InvalidConditionError: the filter is not valid.
        TooManyContactsError: more contacts than `most`.
    """
    if kept["type"] == "csv":
        _resolve_csv(connection, owner, kept, limits=limits, scratch=scratch)
    elif kept["type"] == "manual":
        # Read before the COPY begins: a connection does one thing at a time.
        ids = b"".join(inputs.read_input(connection, owner.id)).decode()
        store.receive(connection, _manual_rows(ids))
        store.take_ids(connection, owner)
    else:
        _resolve_filter(connection, owner, kept, most=most, now=now)
    inputs.drop_input(connection, owner.id)
    counts = store.count(connection, owner.id)
    if most is not None and counts.total_contacts > most:
        raise too_many(counts.total_contacts, most)
    return counts


def _resolve_filter(
    connection: Connection, owner: Owner, kept: dict[str, Any], *, most: int | None, now: datetime
) -> None:
    condition = compile_filter(parse(kept["filter"]), contacts, now=now)
    store.take_matching(connection, owner, condition, limit=most)
    if most is not None and store.count(connection, owner.id).total_contacts > most:
        raise too_many(store.count_matching(connection, condition), most)


def _resolve_csv(
    connection: Connection,
    owner: Owner,
    kept: dict[str, Any],
    *,
    limits: AccountSettings,
    scratch: Path,
) -> None:
    with (
        spooled(inputs.read_input(connection, owner.id), scratch) as path,
        open_table(
            path,
            max_bytes=limits.csv_max_bytes,
            max_lines=limits.csv_max_lines,
            name=kept["file"],
        ) as table,
    ):
        column = find_identifier_column(table.columns, table.sample, kept["identifier_column"])
        store.receive(connection, _csv_rows(table, column))
    if column.kind == "email":
        store.match_emails(connection, owner)
    else:
        store.match_ids(connection, owner)


def _csv_rows(table: Table, column: IdentifierColumn) -> Iterator[IncomingRow]:
    for batch in table.batches():
        for row in batch:
            found = row if isinstance(row, RejectedRow) else read_identifier(row, column)
            if isinstance(found, RejectedRow):
                yield found
            else:
                yield row.line, found, None


def _manual_rows(ids: str) -> Iterator[IncomingRow]:
    for number, text in enumerate(ids.split("\n")[:-1], start=1):
        contact_id = parse_contact_id(text)
        if contact_id is None:
            yield reject(number, text, "is not a contact id (a UUID)")
        else:
            yield number, str(contact_id), None
