"""Rows of `selected_contacts`: written once when a job is resolved, marked once when it is checked.

Every function works in the caller's transaction, which has its account set, and is one statement
over the whole selection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    Integer,
    Text,
    Uuid,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    text,
    update,
)

from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.records import EligibilityRule
from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.facts import exclusion_code, exclusion_message, fact_columns
from enrollment_pipeline.storage.planning import allow_memory
from enrollment_pipeline.storage.schema import contacts, selected_contacts

# Where a row lies; good for one statement.
_ADDRESS: ColumnClause[str] = column("ctid")
_ADDRESS.table = selected_contacts
# Line number, identifier, and the reason for which the row was rejected.
IncomingRow = tuple[int | None, str, str | None]
# Tables that grow by this many rows at once get fresh statistics; below, they cost more than they
# bring (about 0.1 s).
_ANALYZE_FROM = 20_000

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

_PARTITION = text(
    """
    insert into enrollment.enrollment_batches (account_id, job_id, number, contact_ids)
    select :account_id, :job_id, (place - 1) / :batch_size + 1, array_agg(contact_id order by place)
    from (
      select contact_id, row_number() over (order by position)::integer as place
      from enrollment.selected_contacts
      where job_id = :job_id and exclusion is null
    ) eligible
    group by (place - 1) / :batch_size
    """
)


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


def match_emails(connection: Connection, job: Job) -> None:
    """Turn what was received into selected contacts, matched by e-mail address in any case."""
    connection.execute(_MATCH_EMAILS, {"account_id": job.account_id, "job_id": job.id})


def match_ids(connection: Connection, job: Job) -> None:
    """Turn what was received into selected contacts, matched by contact id."""
    connection.execute(_MATCH_IDS, {"account_id": job.account_id, "job_id": job.id})


def take_ids(connection: Connection, job: Job) -> None:
    """Turn what was received into selected contacts, known or not: they were asked for one by one.

    Whether they exist is left to the eligibility rules, which call an unknown one by its code.
    """
    connection.execute(_TAKE_IDS, {"account_id": job.account_id, "job_id": job.id})


def take_matching(
    connection: Connection, job: Job, condition: ColumnElement[bool], *, limit: int
) -> None:
    """Select the contacts that meet a condition, oldest first; deleted ones never do.

    One more than `limit` at most, which is enough to know that there are too many.
    """
    column = contacts.c
    found = (
        select(column.id, column.email)
        .add_columns(func.row_number().over(order_by=(column.created_at, column.id)).label("place"))
        .where(column.account_id == job.account_id, column.deleted_at.is_(None), condition)
        .limit(limit + 1)
        .subquery("found")
    )
    target = ["account_id", "job_id", "position", "identifier", "contact_id"]
    connection.execute(
        insert(selected_contacts).from_select(
            target,
            select(
                literal(job.account_id, Uuid),
                literal(job.id, Uuid),
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


def count(connection: Connection, job_id: UUID) -> SelectionCounts:
    """Count what was selected."""
    row = connection.execute(_COUNT, {"job_id": job_id}).one()
    if row.input_rows >= _ANALYZE_FROM:
        connection.execute(text("analyze enrollment.selected_contacts"))
    outside = row.duplicate + row.unmatched + row.rejected
    return SelectionCounts(
        row.input_rows, row.input_rows - outside, row.duplicate, row.unmatched, row.rejected
    )


def exclude(connection: Connection, job: Job, rules: Sequence[EligibilityRule]) -> dict[str, int]:
    """Mark every selected contact that a rule excludes; return how many by code.

    Contacts that no rule excludes are not touched.
    """
    allow_memory(connection)
    row = selected_contacts
    asked = (
        select(_ADDRESS.label("address"), *fact_columns(rules, contacts, job.workflow.id))
        .select_from(row.outerjoin(contacts, contacts.c.id == row.c.contact_id))
        .where(row.c.job_id == job.id, row.c.exclusion.is_(None))
        .cte("asked")
        .prefix_with("materialized")
    )
    code = exclusion_code(rules, asked)
    # Looked up again by their place in the table: a job younger than the statistics looks like one
    # row to the planner, which by any other key compares every row with every other (70 s for
    # 10,000 contacts instead of 0.2 s).
    excluded = (
        select(asked.c.address, code.label("code"), exclusion_message(rules, asked).label("told"))
        .where(code.is_not(None))
        .cte("excluded")
        .prefix_with("materialized")
    )
    marked = (
        update(row)
        .where(excluded.c.address == _ADDRESS)
        .values(exclusion=excluded.c.code, message=excluded.c.told)
        .returning(row.c.exclusion)
        .cte("marked")
    )
    counted = select(marked.c.exclusion, func.count()).group_by(marked.c.exclusion)
    return {row[0]: row[1] for row in connection.execute(counted)}


def partition(connection: Connection, job: Job, batch_size: int) -> int:
    """Cut the contacts that no rule excludes into batches, in order; return how many batches."""
    allow_memory(connection)
    written = connection.execute(
        _PARTITION,
        {"account_id": job.account_id, "job_id": job.id, "batch_size": batch_size},
    ).rowcount
    if written * batch_size >= _ANALYZE_FROM:
        connection.execute(text("analyze enrollment.enrollment_batches"))
    return written
