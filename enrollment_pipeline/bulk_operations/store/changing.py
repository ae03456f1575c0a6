"""Statements that update and delete the contacts of a selection, piece by piece.

A piece is the next rows of `selected_contacts` behind a mark. Its contacts are locked first, in the
order of their ids as everywhere; the statement that changes them then sees what is locked, and
writes the images and the rows that name nobody in the same breath.

Every function works in the caller's transaction, which has its account set and `use_one_zone`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from enrollment_pipeline.bulk_operations.states import LOOSE_TO_STRICT, RowOutcome
from enrollment_pipeline.bulk_operations.store.images import image_of
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord


def few(query: str) -> str:
    """Return the rows of a query as a table expression that is joined by looking each row up.

    The planner takes an array for ten rows. It is right to look ten rows up by their keys in a
    table of any size, and would not do so for the thousands of a piece: the rows of an operation
    are younger than the statistics, by which the account has hardly a contact. Measured: 70 s for
    a piece of 10,000, instead of 0.6 s.
    """
    return f"unnest(array({query}))"


# One probe for each id: a manual selection takes ids as they are, known or not. By the id alone,
# here and below: with the account and `deleted_at` beside it, the planner reads all of an account
# that is younger than the statistics, for each of its contacts.
_MARK_UNKNOWN = text(
    """
    update enrollment.selected_contacts s set exclusion = 'UNMATCHED'
    where job_id = :operation_id and exclusion is null and (
      select c.deleted_at is null from enrollment.contacts c where c.id = s.contact_id limit 1
    ) is not true
    """
)
_RECORD_EXCLUDED = text(
    """
    with recorded as (
      insert into enrollment.bulk_operation_rows
        (account_id, operation_id, position, line, identifier, contact_id, outcome, reason)
      select account_id, job_id, position, line, identifier, contact_id, lower(exclusion),
        case exclusion
          when 'DUPLICATE' then 'names a contact that an earlier row names'
          when 'UNMATCHED' then 'names no contact of this account'
          else message
        end
      from enrollment.selected_contacts
      where job_id = :operation_id and exclusion is not null
      returning outcome
    )
    select outcome, count(*) as number from recorded group by outcome
    """
)

_PIECE = """
    piece as materialized (
      select position, line, identifier, contact_id from enrollment.selected_contacts
      where job_id = :operation_id and position > :mark and exclusion is null
      order by position
      limit :most
    )
"""
_FOUND = f"""
    found as materialized (
      select piece.*, c.* from piece left join lateral (
        select x.id, {image_of("x")} as before, x.status, x.tags, x.custom_fields, x.deleted_at
        from enrollment.contacts x
        where x.id = piece.contact_id
        limit 1
      ) c on c.deleted_at is null
    )
"""
_WRITTEN = """
    imaged as (
      insert into enrollment.bulk_operation_changes
        (account_id, operation_id, position, contact_id, before, after)
      select :account_id, :operation_id, position, id, before, after from changed
    ), missing as (
      insert into enrollment.bulk_operation_rows
        (account_id, operation_id, position, line, identifier, contact_id, outcome, reason)
      select :account_id, :operation_id, position, line, identifier, contact_id, 'unmatched',
        'names a contact that was deleted meanwhile'
      from found where id is null
      returning position
    )
    select (select count(*) from piece) as rows,
      (select max(position) from piece) as mark,
      (select count(*) from changed) as changed,
      (select count(*) from missing) as missing
"""

_LOCK = text(
    f"""
    with {_PIECE}, ordered as materialized (select contact_id from piece order by contact_id)
    select count(*) from ordered cross join lateral (
      select id from enrollment.contacts where id = ordered.contact_id
      limit 1 for no key update
    ) locked
    """
)
_DELETE = text(
    f"""
    with {_PIECE}, {_FOUND}, changed as (
      update enrollment.contacts c set deleted_at = now(), updated_at = now()
      from {few("select (position, id, before) from found where id is not null")}
        as gone (position integer, id uuid, before jsonb)
      where c.id = gone.id
      returning gone.position, c.id, gone.before, {image_of("c")} as after
    ), {_WRITTEN}
    """
)
_UPDATED = (
    "first_name",
    "last_name",
    "phone",
    "status",
    "tags",
    "custom_fields",
    "birthday",
    "timezone",
)
# The image as it is to be, made from the one that is: what does not differ is not written.
_UPDATE = text(
    f"""
    with {_PIECE}, {_FOUND}, wanted as materialized (
      select position, id, before, before || cast(:fields as jsonb) || jsonb_build_object(
        'status', case
          when :any_status or array_position(:loose_to_strict, cast(:status as text))
            > array_position(:loose_to_strict, status) then coalesce(:status, status)
          else status
        end,
        'tags', array(
          select tag from unnest(tags) with ordinality kept (tag, place)
          where coalesce(tag <> all (:remove_tags), true) order by place
        ) || array(
          select tag from unnest(:add_tags) with ordinality added (tag, place)
          where coalesce(tag <> all (tags), true) order by place
        ),
        'custom_fields', (custom_fields - :remove_members) || cast(:members as jsonb)
      ) as wish
      from found where id is not null
    ), changed as (
      update enrollment.contacts c
      set {", ".join(f"{name} = wish.{name}" for name in _UPDATED)}, updated_at = now()
      from {few("select (position, id, before, wish) from wanted where wish <> before")}
          as other (position integer, id uuid, before jsonb, wish jsonb)
        cross join lateral jsonb_populate_record(null::enrollment.contacts, other.wish) as wish
      where c.id = other.id
      returning other.position, c.id, other.before, {image_of("c")} as after
    ), {_WRITTEN}
    """
).bindparams(
    *(
        bindparam(name, type_=ARRAY(Text))
        for name in ("loose_to_strict", "add_tags", "remove_tags", "remove_members")
    ),
    bindparam("status", type_=Text),
)
_GIVE_UP = text(
    f"""
    with {_PIECE}
    insert into enrollment.bulk_operation_rows
      (account_id, operation_id, position, line, identifier, contact_id, outcome, reason)
    select :account_id, :operation_id, position, line, identifier, contact_id, 'failed', :reason
    from piece
    returning position
    """
)


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a piece: its rows, where it ends, and how many it changed or found gone."""

    rows: int
    mark: int
    changed: int
    missing: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What an update does to each contact.

    `fields` are columns by name; `members` and `remove_members` the custom fields that are set and
    taken away. A status that would be looser counts only with `any_status`.
    """

    fields: Mapping[str, Any]
    members: Mapping[str, Any]
    remove_members: Sequence[str]
    add_tags: Sequence[str]
    remove_tags: Sequence[str]
    status: str | None
    any_status: bool


def mark_unknown(connection: Connection, operation: OperationRecord) -> None:
    """Exclude selected ids that no living contact of the account has."""
    connection.execute(_MARK_UNKNOWN, _of(operation))


def record_excluded(connection: Connection, operation: OperationRecord) -> dict[RowOutcome, int]:
    """Write the selected rows that are no contact to be changed; return their number by outcome."""
    rows = connection.execute(_RECORD_EXCLUDED, _of(operation))
    return {RowOutcome(row.outcome): row.number for row in rows}


def update(
    connection: Connection, operation: OperationRecord, changes: Changes, *, most: int
) -> Changed:
    """Change the contacts of the next piece, each of which may be as it is to be already."""
    values = {
        "fields": json.dumps(changes.fields),
        "members": json.dumps(changes.members),
        "remove_members": list(changes.remove_members),
        "add_tags": list(changes.add_tags),
        "remove_tags": list(changes.remove_tags),
        "status": changes.status,
        "any_status": changes.any_status,
        "loose_to_strict": list(LOOSE_TO_STRICT),
    }
    return _change(connection, operation, _UPDATE, values, most=most)


def delete(connection: Connection, operation: OperationRecord, *, most: int) -> Changed:
    """Delete the contacts of the next piece; their rows stay, as deleted ones."""
    return _change(connection, operation, _DELETE, {}, most=most)


def give_up(connection: Connection, operation: OperationRecord, reason: str) -> int | None:
    """Let the next row end as failed; return its position, None where there is none."""
    position = connection.execute(
        _GIVE_UP, {**_of(operation), "mark": operation.mark, "most": 1, "reason": reason}
    ).scalar()
    return None if position is None else int(position)


def _change(
    connection: Connection,
    operation: OperationRecord,
    statement: TextClause,
    values: dict[str, Any],
    *,
    most: int,
) -> Changed:
    piece = {**_of(operation), "mark": operation.mark, "most": most}
    connection.execute(_LOCK, piece)
    row = connection.execute(statement, {**piece, **values}).one()
    mark = operation.mark if row.mark is None else row.mark
    return Changed(row.rows, mark, row.changed, row.missing)


def _of(operation: OperationRecord) -> dict[str, Any]:
    return {"account_id": operation.account_id, "operation_id": operation.id}
