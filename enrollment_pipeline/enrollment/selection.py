"""From a request to the contacts it names: resolved once, kept for the life of the job.

Belongs here: reading each kind of selection and streaming it into the store, row by row and in
constant memory. Matching and counting are statements of the store.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection

from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.conditions.sql import compile_filter
from enrollment_pipeline.enrollment.store import inputs, selections
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.enrollment.store.selections import IncomingRow, SelectionCounts
from enrollment_pipeline.errors import InvalidRequestError, TooManyContactsError
from enrollment_pipeline.files.identifiers import (
    IdentifierColumn,
    find_identifier_column,
    parse_contact_id,
    read_identifier,
)
from enrollment_pipeline.files.rows import RejectedRow, reject
from enrollment_pipeline.files.table import Table, open_table
from enrollment_pipeline.records import AccountSettings
from enrollment_pipeline.storage.schema import contacts

# 1 MB: few enough pieces to be quick, small enough to hold one in memory.
CHUNK_BYTES = 1_000_000


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield a file in the pieces in which the store keeps it."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def chunks_of_ids(contact_ids: Iterable[str]) -> Iterator[bytes]:
    """Yield ids, one a line, in the form in which the store keeps them."""
    lines = (f"{' '.join(contact_id.split())}\n" for contact_id in contact_ids)
    yield "".join(lines).encode()


def resolve(
    connection: Connection,
    job: Job,
    *,
    limits: AccountSettings,
    scratch: Path,
    now: datetime,
) -> SelectionCounts:
    """Write the selected contacts of a job and return their counts.

    Raises:
        InvalidFileError: the file cannot be read as a table with an identifier column.
        InvalidConditionError: the filter is not valid.
        TooManyContactsError: more contacts than the account's limit.
        InvalidRequestError: a contact is named twice and the request does not allow it.
    """
    if job.selection_type == "csv":
        _resolve_csv(connection, job, limits=limits, scratch=scratch)
    elif job.selection_type == "manual":
        # Read before the COPY begins: a connection does one thing at a time.
        ids = b"".join(inputs.read_input(connection, job.id)).decode()
        selections.receive(connection, _manual_rows(ids))
        selections.take_ids(connection, job)
    else:
        _resolve_filter(connection, job, limits=limits, now=now)
    inputs.drop_input(connection, job.id)
    counts = selections.count(connection, job.id)
    if counts.total_contacts > limits.max_contacts_per_job:
        raise too_many(counts.total_contacts, limits)
    if counts.duplicate and not job.request["options"]["skip_duplicates"]:
        raise InvalidRequestError(
            f"The input names contacts more than once ({counts.duplicate} times), and the request "
            "does not allow duplicates.",
            remedy="Remove them from the input, or leave skip_duplicates on.",
        )
    return counts


def too_many(found: int, limits: AccountSettings) -> TooManyContactsError:
    """Return the refusal that names the number found and the limit."""
    limit = limits.max_contacts_per_job
    return TooManyContactsError(
        f"The selection holds {found:,} contacts; the limit of a job is {limit:,}.",
        details={"found": found, "limit": limit},
    )


def _resolve_filter(
    connection: Connection, job: Job, *, limits: AccountSettings, now: datetime
) -> None:
    tree = parse(job.request["selection"]["filter"])
    condition = compile_filter(tree, contacts, now=now)
    limit = limits.max_contacts_per_job
    selections.take_matching(connection, job, condition, limit=limit)
    if selections.count(connection, job.id).total_contacts > limit:
        raise too_many(selections.count_matching(connection, condition), limits)


def _resolve_csv(
    connection: Connection, job: Job, *, limits: AccountSettings, scratch: Path
) -> None:
    selection = job.request["selection"]
    with (
        _spooled(inputs.read_input(connection, job.id), scratch) as path,
        open_table(
            path,
            max_bytes=limits.csv_max_bytes,
            max_lines=limits.csv_max_lines,
            name=selection["file"],
        ) as table,
    ):
        column = find_identifier_column(table.columns, table.sample, selection["identifier_column"])
        selections.receive(connection, _csv_rows(table, column))
    if column.kind == "email":
        selections.match_emails(connection, job)
    else:
        selections.match_ids(connection, job)


def _csv_rows(table: Table, column: IdentifierColumn) -> Iterator[IncomingRow]:
    for batch in table.batches():
        for row in batch:
            found = row if isinstance(row, RejectedRow) else read_identifier(row, column)
            if isinstance(found, RejectedRow):
                yield found
            else:
                yield row.line, found, None


@contextmanager
def _spooled(chunks: Iterable[bytes], scratch: Path) -> Iterator[Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / "input.csv"
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        yield path


def _manual_rows(ids: str) -> Iterator[IncomingRow]:
    for number, text in enumerate(ids.split("\n")[:-1], start=1):
        contact_id = parse_contact_id(text)
        if contact_id is None:
            yield reject(number, text, "is not a contact id (a UUID)")
        else:
            yield number, str(contact_id), None
