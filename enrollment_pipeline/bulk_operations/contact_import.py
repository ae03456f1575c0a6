"""Importing contacts from a CSV file: create and update by e-mail address.

Belongs here: the way from the file to the counts, in constant memory, and the file of the rows that
were not imported. What a row means is in `contact_rows`, what it does to a contact in `store`.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.bulk_operations import store
from enrollment_pipeline.bulk_operations.contact_rows import (
    ContactRow,
    Rejection,
    map_columns,
    read_row,
)
from enrollment_pipeline.files.formulas import escape_formula
from enrollment_pipeline.files.table import Table, open_table
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of the rows of a file.

    `rows` is the sum of the five counts. `duplicate` counts rows whose address stands again on a
    later line, which then counts. `rejected_file` lists the rejected rows, where there are any.
    """

    rows: int
    created: int
    updated: int
    unchanged: int
    duplicate: int
    rejected: int
    rejected_file: Path | None


def import_contacts(
    database: Database, account: Account, path: Path, *, reports: Path, actor: str
) -> ImportResult:
    """Create and update the account's contacts from a CSV file; all in one transaction.

    Args:
        database: Where the contacts are.
        account: Whose contacts, and whose limits on files.
        path: The file.
        reports: Folder below which the file of rejected rows is written.
        actor: Who asks.

    Raises:
        ForbiddenError: whoever asks may not.
        FileTooLargeError: the file is over a limit of the account.
        InvalidFileError: the file cannot be read as a table, or has no e-mail addresses.
    """
    limits = account.settings
    rejects = _Rejects(reports / "imports" / f"{uuid4()}.csv")
    with (
        rejects,
        open_table(path, max_bytes=limits.csv_max_bytes, max_lines=limits.csv_max_lines) as table,
        operation(
            database,
            account.id,
            actor=actor,
            action="contacts.import",
            needs=Permission.CONTACTS_MANAGE,
            subject=path.name.encode("utf-8", "replace").decode(),
        ) as doing,
    ):
        store.receive(doing.connection, _usable(table, rejects))
        done = store.apply(doing.connection, account.id)
        doing.details = {"created": done.created, "updated": done.updated}
    return ImportResult(
        rows=done.received + rejects.count,
        created=done.created,
        updated=done.updated,
        unchanged=done.addresses - done.created - done.updated,
        duplicate=done.received - done.addresses,
        rejected=rejects.count,
        rejected_file=rejects.path if rejects.count else None,
    )


def _usable(table: Table, rejects: "_Rejects") -> Iterator[ContactRow]:
    mapping = map_columns(table.columns, table.sample)
    for batch in table.batches():
        for row in batch:
            read = read_row(row, mapping)
            if isinstance(read, Rejection):
                rejects.add(read)
            else:
                yield read


class _Rejects:
    """A CSV file that begins with its first row, and is removed when the import fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if self._file is None:
            return
        self._file.close()
        if failure is not None:
            self.path.unlink()

    def add(self, rejection: Rejection) -> None:
        """Write one row; what a spreadsheet would run as a formula is escaped."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(Rejection._fields)
        csv.writer(self._file).writerow(
            [
                rejection.line,
                escape_formula(rejection.column),
                escape_formula(rejection.value),
                rejection.reason,
            ]
        )
        self.count += 1
