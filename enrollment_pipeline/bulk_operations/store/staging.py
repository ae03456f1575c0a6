"""Rows of `import_rows`: what a file says, each key once, until the import is closed.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from enrollment_pipeline.bulk_operations.reading.rows import ContactRow, Rejection
from enrollment_pipeline.bulk_operations.states import LOOSE_TO_STRICT, RowOutcome
from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.planning import allow_memory

_NAMES = ContactRow._fields[1:]
_FIELDS = ", ".join(_NAMES)
_CREATE = text(
    """
    create temporary table incoming_rows (
      position integer generated always as identity,
      line integer not null, key text, email text, first_name text, last_name text, phone text,
      status text, tags text[], birthday date, timezone text, custom_fields jsonb,
      column_name text, value text, reason text
    ) on commit drop
    """
)
_COPY_ROWS = f"copy incoming_rows (line, {_FIELDS}, column_name, value, reason) from stdin"
_NO_FIELDS = (None,) * (len(ContactRow._fields) - 1)
_NO_REASON = (None, None, None)
_TAGS = ContactRow._fields.index("tags")

# Below, looking costs more than it brings.
_ANALYZE_FROM = 1_000

# Keys that stand in several rows, with the row that counts; few or none in most files. Whichever
# that is: where one of them says that somebody has unsubscribed, that counts.
_REPEATED = """
create temporary table repeated_keys on commit drop as
select {folded} as key, {winner}(position) as winner,
  (array_agg(status order by array_position(:strict, status) desc nulls last))[1] as strictest
from pg_temp.incoming_rows where reason is null group by 1 having count(*) > 1
"""
_STAGE = """
insert into enrollment.import_rows (account_id, operation_id, position, line, {fields})
select :account_id, :operation_id, i.position, i.line, {said}
from pg_temp.incoming_rows i left join pg_temp.repeated_keys k on k.key = {folded}
where i.reason is null and (k.key is null or k.winner = i.position)
"""
_LIST = """
insert into enrollment.bulk_operation_rows
  (account_id, operation_id, position, line, identifier, outcome, column_name, value, reason)
select :account_id, :operation_id, position, line, key, 'rejected', column_name, value, reason
from pg_temp.incoming_rows where reason is not null
union all
select :account_id, :operation_id, i.position, i.line, i.key, :duplicate, null, i.key,
  format(:told, w.line)
from pg_temp.repeated_keys k
join pg_temp.incoming_rows i on {folded} = k.key and i.reason is null and i.position <> k.winner
join pg_temp.incoming_rows w on w.position = k.winner
"""
# With a key that is no address, an address can stand in one row only; the first has it.
_RIVALS = text(
    """
    with addressed as (
      select position, line, key, email,
        first_value(line) over same as first_line, min(position) over same as first
      from enrollment.import_rows where operation_id = :operation_id and email is not null
      window same as (partition by lower(email) order by position
        rows between unbounded preceding and unbounded following)
    ), gone as (
      delete from enrollment.import_rows r using addressed a
      where r.operation_id = :operation_id and r.position = a.position and a.position > a.first
    )
    insert into enrollment.bulk_operation_rows
      (account_id, operation_id, position, line, identifier, outcome, column_name, value, reason)
    select :account_id, :operation_id, position, line, key, 'rejected', 'email', email,
      format('has the same e-mail address as line %s, and another key', first_line)
    from addressed where position > first
    """
)
_COUNT = text(
    """
    select outcome, count(*) as number from enrollment.bulk_operation_rows
    where operation_id = :operation_id group by outcome
    """
)
_LAST = text(
    """
    select max(position) from (
      select position from enrollment.import_rows
      where operation_id = :operation_id and position > :mark order by position limit :most
    ) piece
    """
)
_FAIL = text(
    """
    insert into enrollment.bulk_operation_rows
      (account_id, operation_id, position, line, identifier, outcome, reason)
    select account_id, operation_id, position, line, key, 'failed', :reason
    from enrollment.import_rows where operation_id = :operation_id and position = :position
    """
)


def receive(connection: Connection, rows: Iterable[ContactRow | Rejection]) -> None:
    """Stream the rows of a file into a temporary table of this transaction.

    COPY cannot write into a table with row-level security, hence the way round.
    """
    connection.execute(text("drop table if exists pg_temp.incoming_rows, pg_temp.repeated_keys"))
    connection.execute(_CREATE)
    with driver_cursor(connection) as cursor, cursor.copy(_COPY_ROWS) as copy:
        for row in rows:
            if isinstance(row, ContactRow):
                tags = None if row.tags is None else _array_of(row.tags)
                copy.write_row((*row[:_TAGS], tags, *row[_TAGS + 1 :], *_NO_REASON))
            else:
                copy.write_row((row.line, *_NO_FIELDS, row.column, row.value, row.reason))


def _array_of(texts: list[str]) -> str:
    """Return the literal of an array: the driver takes three times as long for a row with one."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def stage(
    connection: Connection,
    account_id: UUID,
    operation_id: UUID,
    *,
    by_email: bool,
    last_wins: bool,
    loosen: bool,
) -> tuple[int, dict[RowOutcome, int]]:
    """Keep what was received, each key once, and list the rest with its reason.

    Of the statuses that rows with one key say, the strictest counts; with `loosen`, that of the row
    that counts.

    Returns how many rows there were, and how many of them are listed by outcome.
    """
    allow_memory(connection)
    values = {
        "account_id": account_id,
        "operation_id": operation_id,
        "duplicate": str(RowOutcome.DUPLICATE if last_wins else RowOutcome.REJECTED),
        "told": f"has the same key as line %s{', which counts' if last_wins else ''}",
    }
    folded = "lower(i.key)" if by_email else "i.key"
    repeated = _REPEATED.format(
        folded="lower(key)" if by_email else "key", winner="max" if last_wins else "min"
    )
    connection.execute(
        text(repeated).bindparams(bindparam("strict", list(LOOSE_TO_STRICT), ARRAY(Text)))
    )
    status = "i.status" if loosen else "coalesce(k.strictest, i.status)"
    said = ", ".join({"key": folded, "status": status}.get(name, f"i.{name}") for name in _NAMES)
    staged = connection.execute(
        text(_STAGE.format(fields=_FIELDS, said=said, folded=folded)), values
    ).rowcount
    connection.execute(text(_LIST.format(folded=folded)), values)
    if staged >= _ANALYZE_FROM:
        # An account that is younger than the statistics looks like a contact or two, and pieces
        # then read all of it for each row.
        connection.execute(text("analyze enrollment.import_rows"))
        connection.execute(text("analyze enrollment.contacts"))
    if not by_email:
        staged -= connection.execute(_RIVALS, values).rowcount
    counts = {
        RowOutcome(row.outcome): row.number
        for row in connection.execute(_COUNT, {"operation_id": operation_id})
    }
    return staged + sum(counts.values()), counts


def last_of_piece(connection: Connection, operation_id: UUID, mark: int, most: int) -> int | None:
    """Return the last position of the next `most` staged rows behind `mark`; None for none."""
    values = {"operation_id": operation_id, "mark": mark, "most": most}
    found: int | None = connection.execute(_LAST, values).scalar_one()
    return found


def fail(connection: Connection, operation_id: UUID, position: int, reason: str) -> None:
    """List a staged row as failed."""
    values = {"operation_id": operation_id, "position": position, "reason": reason}
    connection.execute(_FAIL, values)
