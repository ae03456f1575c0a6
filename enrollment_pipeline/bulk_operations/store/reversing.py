"""Statements that take back the changes of an operation, from the last to the first.

A piece is the next changes before a mark, which counts positions from behind the last one: all of
it is one range of the primary key. Every function works in the caller's transaction, which has its
account set and `use_one_zone`, and in which no other operation of the account writes contacts.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from enrollment_pipeline.bulk_operations.differences import COLUMNS, NO_LATER_TOUCH
from enrollment_pipeline.bulk_operations.reversal import Found
from enrollment_pipeline.bulk_operations.states import LOOSE_TO_STRICT, RowOutcome
from enrollment_pipeline.bulk_operations.store.changing import few
from enrollment_pipeline.bulk_operations.store.images import image_of

_NEXT = text(
    """
    select coalesce(min(position), 0) as first, count(*) as changes,
      coalesce(bool_or(created), false) as created,
      (select max(position) + 1 from enrollment.bulk_operation_changes
       where operation_id = :original_id) as top
    from (
      select position, before is null as created from enrollment.bulk_operation_changes
      where operation_id = :original_id and position < (
        select max(position) + 1 - :mark from enrollment.bulk_operation_changes
        where operation_id = :original_id
      )
      order by position desc
      limit :most
    ) piece
    """
)
_COUNT = text(
    "select count(*) from enrollment.bulk_operation_changes where operation_id = :original_id"
)
_IN_PIECE = """
    ch.operation_id = :original_id and ch.position >= :first and ch.position < :end
"""
_CHOSEN = f"{_IN_PIECE} and ch.position = any(:positions)"

_LOCK = text(
    f"""
    with ordered as materialized (
      select ch.contact_id from enrollment.bulk_operation_changes ch
      where {_IN_PIECE} order by ch.contact_id
    )
    select count(*) from ordered cross join lateral (
      select id from enrollment.contacts
      where id = ordered.contact_id and account_id = :account_id
      limit 1 for update
    ) locked
    """
)
# Of a workflow without enrollments, nobody need ask for each contact.
_WORKFLOWS = text(
    """
    select w.id, w.name from enrollment.workflows w
    where w.account_id = :account_id and (
      select true from enrollment.enrollments e
      where e.account_id = w.account_id and e.workflow_id = w.id
      order by e.account_id, e.workflow_id, e.contact_id limit 1
    )
    """
)
# One probe of an index for each question, and each is asked only where the answer counts.
_FACTS = text(
    f"""
    select ch.position, ch.contact_id, ch.before is null as created, c.id is not null as present,
      coalesce(c.deleted_at is not null and ch.after ->> 'deleted_at' is null, false)
        as deleted_since,
      coalesce(c.image - :touch = ch.after - :touch, false) as as_after,
      coalesce(c.image - :touch = ch.before - :touch, false) as as_before,
      coalesce(c.image -> :touch <> ch.after -> :touch
        and array_position(:strict, ch.before ->> 'status')
          < array_position(:strict, c.image ->> 'status'), false) as loosens,
      case when ch.before is null then array(
        select w.id from unnest(:workflows) w (id)
        where (
          select true from enrollment.enrollments e
          where e.account_id = :account_id and e.workflow_id = w.id
            and e.contact_id = ch.contact_id and e.status <> 'withdrawn'
          limit 1
        )
      ) end as enrolled_in,
      case when ch.before is null then coalesce(
        (select true from enrollment.contact_changes h
         where h.contact_id = ch.contact_id order by h.occurred_at limit 1),
        (select true from enrollment.trigger_evaluations h
         where h.contact_id = ch.contact_id order by h.number desc limit 1),
        (select true from unnest(:workflows) w (id) where (
          select true from enrollment.enrollments e
          where e.account_id = :account_id and e.workflow_id = w.id
            and e.contact_id = ch.contact_id
          limit 1
        ) limit 1),
        false
      ) end as has_history,
      former.key is not null as moves, (
        select o.id from enrollment.contacts o
        where o.account_id = :account_id and o.deleted_at is null and o.email_key = former.key
        limit 1
      ) as taken_by
    from enrollment.bulk_operation_changes ch
    left join lateral (
      select x.id, x.deleted_at, x.email_key, {image_of("x")} as image
      from enrollment.contacts x
      where x.id = ch.contact_id and x.account_id = :account_id
      limit 1
    ) c on true
    left join lateral (
      select lower(ch.before ->> 'email') as key
      where ch.before ->> 'deleted_at' is null
        and (c.deleted_at is not null or c.email_key is distinct from lower(ch.before ->> 'email'))
    ) former on true
    where {_IN_PIECE}
    order by ch.position desc
    """
).bindparams(
    bindparam("workflows", type_=ARRAY(Uuid)),
    bindparam("strict", list(LOOSE_TO_STRICT), type_=ARRAY(Text)),
)

_CHOSEN_CONTACTS = few(
    f"select ch.contact_id from enrollment.bulk_operation_changes ch where {_CHOSEN}"
)
_RESTORE = text(
    f"""
    update enrollment.contacts c set {", ".join(f"{name} = was.{name}" for name in COLUMNS)}
    from {few(f"select ch.position from enrollment.bulk_operation_changes ch where {_CHOSEN}")}
      as chosen (position)
      cross join lateral (
        select contact_id, before from enrollment.bulk_operation_changes
        where operation_id = :original_id and position = chosen.position
        limit 1
      ) ch
      cross join lateral jsonb_populate_record(null::enrollment.contacts, ch.before) as was
    where c.id = ch.contact_id and c.account_id = :account_id
    """
).bindparams(bindparam("positions", type_=ARRAY(BigInteger)))
_REMOVE = text(
    f"""
    delete from enrollment.contacts c using {_CHOSEN_CONTACTS} as chosen (id)
    where c.id = chosen.id and c.account_id = :account_id
    """
).bindparams(bindparam("positions", type_=ARRAY(BigInteger)))
_DELETE = text(
    f"""
    update enrollment.contacts c set deleted_at = now(), updated_at = now()
    from {_CHOSEN_CONTACTS} as chosen (id)
    where c.id = chosen.id and c.account_id = :account_id
    """
).bindparams(bindparam("positions", type_=ARRAY(BigInteger)))
_ACTIVE = f"""
    select active.id
    from enrollment.bulk_operation_changes ch cross join unnest(:workflows) w (id)
      cross join lateral (
        select x.id from enrollment.enrollments x
        where x.account_id = :account_id and x.workflow_id = w.id and x.contact_id = ch.contact_id
          and x.ended_at is null
        limit 1
      ) active
    where {_CHOSEN}
"""
_WITHDRAW = text(
    f"""
    update enrollment.enrollments e set status = 'withdrawn', ended_at = now()
    from {few(_ACTIVE)} as active (id)
    where e.id = active.id
    """
).bindparams(
    bindparam("positions", type_=ARRAY(BigInteger)), bindparam("workflows", type_=ARRAY(Uuid))
)

_IMAGES = text(
    f"""
    select ch.position, ch.contact_id, ch.before, ch.after, c.image as now
    from enrollment.bulk_operation_changes ch
    left join lateral (
      select {image_of("x")} as image from enrollment.contacts x
      where x.id = ch.contact_id and x.account_id = :account_id
      limit 1
    ) c on true
    where {_CHOSEN}
    """
).bindparams(bindparam("positions", type_=ARRAY(BigInteger)))
_RECORD = text(
    """
    insert into enrollment.bulk_operation_rows
      (account_id, operation_id, position, identifier, contact_id, outcome, reason, details)
    select :account_id, :operation_id, position, identifier, contact_id, outcome, reason, details
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (position bigint, identifier text,
      contact_id uuid, outcome text, reason text, details jsonb)
    """
)


@dataclass(frozen=True, slots=True)
class Rollback:
    """Which operation takes back which other, and whose contacts they are."""

    account_id: UUID
    operation_id: UUID
    original_id: UUID


@dataclass(frozen=True, slots=True)
class Piece:
    """Changes of the original: from `first` to before `end`, and how many they are.

    `mark` is what the operation's mark becomes with it; `created` whether it holds a contact that
    the original has created.
    """

    first: int
    end: int
    changes: int
    mark: int
    created: bool

    @property
    def range(self) -> dict[str, int]:
        """The positions, as parameters of a statement."""
        return {"first": self.first, "end": self.end}


@dataclass(frozen=True, slots=True)
class Images:
    """A contact before and after a change, and as it is now; None where it is not there."""

    position: int
    contact_id: UUID
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    now: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class LeftRow:
    """A change that was not taken back, as it is written down."""

    position: int
    identifier: str
    contact_id: UUID
    outcome: RowOutcome
    reason: str
    details: dict[str, Any] | None


def count(connection: Connection, original_id: UUID) -> int:
    """Return how many changes an operation has made."""
    return int(connection.execute(_COUNT, {"original_id": original_id}).scalar_one())


def next_piece(connection: Connection, rollback: Rollback, *, mark: int, most: int) -> Piece | None:
    """Return the next piece of at most `most` changes before a mark, None where none is left."""
    values = {"original_id": rollback.original_id, "mark": mark, "most": most}
    row = connection.execute(_NEXT, values).one()
    if not row.changes:
        return None
    return Piece(row.first, row.top - mark, row.changes, row.top - row.first, row.created)


def lock(connection: Connection, rollback: Rollback, piece: Piece) -> None:
    """Lock the contacts of a piece, deleted ones too, in the order of their ids."""
    connection.execute(_LOCK, _values(rollback, piece))


def workflow_names(connection: Connection, account_id: UUID) -> dict[UUID, str]:
    """Return the workflows of the account that anybody was ever in, by id."""
    rows = connection.execute(_WORKFLOWS, {"account_id": account_id})
    return {row.id: row.name for row in rows}


def facts(
    connection: Connection, rollback: Rollback, piece: Piece, workflows: Iterable[UUID]
) -> list[Found]:
    """Return what is known of each change of a piece, the last one first."""
    values = {**_values(rollback, piece), "touch": NO_LATER_TOUCH, "workflows": list(workflows)}
    rows = connection.execute(_FACTS, values)
    return [
        Found(
            position=row.position,
            contact_id=row.contact_id,
            created=row.created,
            present=row.present,
            deleted_since=row.deleted_since,
            as_after=row.as_after,
            as_before=row.as_before,
            loosens=row.loosens,
            enrolled_in=tuple(row.enrolled_in or ()),
            has_history=bool(row.has_history),
            moves=row.moves,
            taken_by=row.taken_by,
        )
        for row in rows
    ]


def restore(
    connection: Connection, rollback: Rollback, piece: Piece, positions: Sequence[int]
) -> None:
    """Let contacts be what they were before, in every column."""
    _do(connection, rollback, piece, positions, _RESTORE)


def remove(
    connection: Connection, rollback: Rollback, piece: Piece, positions: Sequence[int]
) -> None:
    """Remove the rows of contacts that nothing tells of."""
    _do(connection, rollback, piece, positions, _REMOVE)


def delete(
    connection: Connection,
    rollback: Rollback,
    piece: Piece,
    positions: Sequence[int],
    workflows: Iterable[UUID],
) -> None:
    """Delete contacts that have a history, and end their enrollments as withdrawn."""
    _do(connection, rollback, piece, positions, _WITHDRAW, workflows=list(workflows))
    _do(connection, rollback, piece, positions, _DELETE)


def images(
    connection: Connection, rollback: Rollback, piece: Piece, positions: Sequence[int]
) -> list[Images]:
    """Return the images of changes, and their contacts as they are now, in no order."""
    values = {**_values(rollback, piece), "positions": list(positions)}
    rows = connection.execute(_IMAGES, values)
    return [Images(*row) for row in rows]


def record(connection: Connection, rollback: Rollback, left: Iterable[LeftRow]) -> None:
    """Write down changes that were not taken back."""
    rows = [
        {
            "position": row.position,
            "identifier": row.identifier,
            "contact_id": str(row.contact_id),
            "outcome": str(row.outcome),
            "reason": row.reason,
            "details": row.details,
        }
        for row in left
    ]
    connection.execute(
        _RECORD,
        {
            "account_id": rollback.account_id,
            "operation_id": rollback.operation_id,
            "rows": json.dumps(rows),
        },
    )


def _do(
    connection: Connection,
    rollback: Rollback,
    piece: Piece,
    positions: Sequence[int],
    statement: Any,
    **values: Any,
) -> None:
    if positions:
        chosen = {**_values(rollback, piece), "positions": list(positions), **values}
        connection.execute(statement, chosen)


def _values(rollback: Rollback, piece: Piece) -> dict[str, Any]:
    return {
        "account_id": rollback.account_id,
        "original_id": rollback.original_id,
        **piece.range,
    }
