"""Rows of `selected_contacts`: what a selection has named, written once when it is resolved.

The column `job_id` holds the id of the work, a job's or an operation's.

Every function works in the caller's transaction, which has its account set, and is one statement
over the whole selection.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Text,
    Uuid,
    cast,
    func,
    insert,
    literal,
    select,
    text,
)

from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.planning import allow_memory
from enrollment_pipeline.storage.schema import contacts, selected_contacts

# Line number, identifier, and the reason for which the row was rejected.
IncomingRow = tuple[int | None, str, str | None]
# Tables that grow by this many rows at once get fresh statistics; below, they cost more than they
# bring (about 0.1 s).
ANALYZE_FROM = 20_000

_CREATE_INCOMING = text(
    """
    create temporary table incoming (
      position integer generated always as identity,
      line integer,
      identifier text not null,
      reason text
    ) on commit drop
    """
)

_MATCH_EMAILS = text(
    """
    insert into enrollment.selected_contacts
      (account_id, job_id, position, line, identifier, contact_id, exclusion, message)
    select :account_id, :job_id, i.position, i.line, i.identifier, c.id,
      case
        when i.reason is not null then 'REJECTED'
        when c.id is null then 'UNMATCHED'
        when row_number() over (partition by c.id order by i.position) > 1 then 'DUPLICATE'
      end,
      i.reason
    from incoming i
    left join enrollment.contacts c
      on i.reason is null and c.account_id = :account_id and c.deleted_at is null
      and c.email_key = lower(i.identifier)
    """
)

_MATCH_IDS = text(
    """
    insert into enrollment.selected_contacts
      (account_id, job_id, position, line, identifier, contact_id, exclusion, message)
    select :account_id, :job_id, i.position, i.line, i.identifier, c.id,
      case
        when i.reason is not null then 'REJECTED'
        when c.id is null then 'UNMATCHED'
        when row_number() over (partition by c.id order by i.position) > 1 then 'DUPLICATE'
      end,
      i.reason
    from (
      select *, case when reason is null and is_uuid then identifier::uuid end as wanted
      from incoming, lateral (
        select identifier ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
          as is_uuid
      ) shape
    ) i
    left join enrollment.contacts c
      on c.id = i.wanted and c.account_id = :account_id and c.deleted_at is null
    """
)

_TAKE_IDS = text(
    """
    insert into enrollment.selected_contacts
      (account_id, job_id, position, line, identifier, contact_id, exclusion, message)
    select :account_id, :job_id, position, line, identifier, wanted,
      case
        when reason is not null then 'REJECTED'
        when row_number() over (partition by wanted order by position) > 1 then 'DUPLICATE'
      end,
      reason
    from (select *, case when reason is null then identifier::uuid end as wanted from incoming) i
    """
)

_COUNT = text(
    """
    select count(*) as input_rows,
      count(*) filter (where exclusion = 'DUPLICATE') as duplicate,
      count(*) filter (where exclusion = 'UNMATCHED') as unmatched,
      count(*) filter (where exclusion = 'REJECTED') as rejected
    from enrollment.selected_contacts
    where job_id = :job_id
    """
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The work that a selection belongs to: a job or an operation, and its account."""

    account_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class SelectionCounts:
    """What a resolved selection holds, in rows; `total_contacts` is what may be enrolled of it."""

    input_rows: int
    total_contacts: int
    duplicate: int
    unmatched: int
    rejected: int


def receive(connection: Connection, rows: Iterable[IncomingRow]) -> None:
    """Stream identifiers into a temporary table of this transaction.

    By COPY, which takes about a second for a million rows. It cannot write into a table with
    row-level security, hence the way round.
    """
    connection.execute(text("drop table if exists pg_temp.incoming"))
    connection.execute(_CREATE_INCOMING)
    with (
        driver_cursor(connection) as cursor,
        cursor.copy("copy incoming (line, identifier, reason) from stdin") as copy,
    ):
        for row in rows:
            copy.write_row(row)
    connection.execute(text("analyze incoming"))
    allow_memory(connection)


def match_emails(connection: Connection, owner: Owner) -> None:
    """Turn what was received into selected contacts, matched by e-mail address in any case."""
    connection.execute(_MATCH_EMAILS, {"account_id": owner.account_id, "job_id": owner.id})


def match_ids(connection: Connection, owner: Owner) -> None:
    """Turn what was received into selected contacts, matched by contact id."""
    connection.execute(_MATCH_IDS, {"account_id": owner.account_id, "job_id": owner.id})


def take_ids(connection: Connection, owner: Owner) -> None:
    """Turn what was received into selected contacts, known or not: they were asked for one by one.

    Whether they exist is left to the eligibility rules, which call an unknown one by its code.
    """
    connection.execute(_TAKE_IDS, {"account_id": owner.account_id, "job_id": owner.id})


def take_matching(
    connection: Connection, owner: Owner, condition: ColumnElement[bool], *, limit: int | None
) -> None:
    """Select the contacts that meet a condition, oldest first; deleted ones never do.

    One more than `limit` at most, which is enough to know that there are too many.
    """
    column = contacts.c
    found = (
        select(column.id, column.email)
        .add_columns(func.row_number().over(order_by=(column.created_at, column.id)).label("place"))
        .where(column.account_id == owner.account_id, column.deleted_at.is_(None), condition)
        .limit(None if limit is None else limit + 1)
        .subquery("found")
    )
    target = ["account_id", "job_id", "position", "identifier", "contact_id"]
    connection.execute(
        insert(selected_contacts).from_select(
            target,
            select(
                literal(owner.account_id, Uuid),
                literal(owner.id, Uuid),
                cast(found.c.place, Integer),
                func.coalesce(found.c.email, cast(found.c.id, Text)),
                found.c.id,
            ),
        )
    )


def count_matching(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Return how many contacts meet a condition."""
    return connection.execute(
        select(func.count()).select_from(contacts).where(contacts.c.deleted_at.is_(None), condition)
    ).scalar_one()


def count(connection: Connection, work_id: UUID) -> SelectionCounts:
    """Count what was selected."""
    row = connection.execute(_COUNT, {"job_id": work_id}).one()
    if row.input_rows >= ANALYZE_FROM:
        connection.execute(text("analyze enrollment.selected_contacts"))
    outside = row.duplicate + row.unmatched + row.rejected
    return SelectionCounts(
        row.input_rows, row.input_rows - outside, row.duplicate, row.unmatched, row.rejected
    )
