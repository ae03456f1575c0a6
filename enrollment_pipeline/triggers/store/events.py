"""Rows of `events`: kept once, claimed once, listed.

Every function works in the caller's transaction, which has its account set.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    case,
    extract,
    func,
    select,
    text,
)

from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.schema import events
from enrollment_pipeline.triggers.events import Event, RejectedEvent
from enrollment_pipeline.triggers.store import exact_json


@dataclass(slots=True)
class ClaimedEvent:
    """An event whose turn has come: nobody else evaluates it.

    What was written into the table itself may hold anything in place of `data` and
    `previous_state`. `dated` is whether it happened at a time that there is a calendar for.
    """

    number: int
    type: str
    contact_id: UUID | None
    email: str | None
    external_id: str | None
    dated: bool
    data: dict[str, Any]
    previous_state: dict[str, Any] | None


_ONE_INTAKE_AT_A_TIME = text(
    "select pg_advisory_xact_lock("
    "hashtextextended('intake of events ' || enrollment.current_account(), 0))"
)
_CREATE_INCOMING = text(
    """
    create temporary table incoming_events (
      place integer generated always as identity,
      event_id text not null, type text not null, contact_id uuid, email text, external_id text,
      occurred_at timestamptz not null, data jsonb not null, previous_state jsonb, rejection text
    ) on commit drop
    """
)
_COPY_INCOMING = (
    "copy incoming_events (event_id, type, contact_id, email, external_id, occurred_at, data, "
    "previous_state, rejection) from stdin"
)
# Of two with one id, in what comes in or before, the first counts, unless it was rejected and this
# one is right; of two rejected ones, the later says why. In the order in which they came, which is
# the one in which they are evaluated.
_KEEP = text(
    """
    with kept as (
      insert into enrollment.events (account_id, event_id, type, contact_id, email, external_id,
        occurred_at, data, previous_state, source, processed_at, rejection)
      select :account_id, event_id, type, contact_id, email, external_id, occurred_at, data,
        previous_state, :source, case when rejection is not null then now() end, rejection
      from (
        select distinct on (event_id) * from incoming_events
        order by event_id, rejection is not null, place
      ) first
      order by place
      on conflict (account_id, event_id) do update set type = excluded.type,
        contact_id = excluded.contact_id, email = excluded.email,
        external_id = excluded.external_id, occurred_at = excluded.occurred_at,
        data = excluded.data, previous_state = excluded.previous_state,
        source = excluded.source, received_at = now(), processed_at = excluded.processed_at,
        rejection = excluded.rejection
      where events.rejection is not null
        and excluded.rejection is distinct from events.rejection
      returning rejection
    )
    select count(*) filter (where rejection is null) as accepted,
      count(*) filter (where rejection is not null) as rejected from kept
    """
)

# Claimed and marked by one statement: all of the evaluation is in its transaction. Of the time only
# whether Python has it: infinity, which the database takes, cannot even be read.
_CLAIM = text(
    """
    with claimed as materialized (
      select number from enrollment.events
      where account_id = :account_id and processed_at is null
      order by number
      limit :most
      for update skip locked
    )
    update enrollment.events set processed_at = now() from claimed
    where events.account_id = :account_id and events.number = claimed.number
    returning events.number, type, contact_id, email, external_id,
      extract(year from occurred_at at time zone 'UTC') between 1 and 9999 as dated,
      data::text, previous_state::text
    """
)
_STORED = text(
    """
    select number, type, contact_id, email, external_id,
      extract(year from occurred_at at time zone 'UTC') between 1 and 9999 as dated,
      data::text, previous_state::text
    from enrollment.events
    where received_at >= :since and isfinite(received_at)
      and rejection is null and number > :after
      and type = any(cast(:types as text[]))
    order by number
    limit :most
    """
)
_REJECT = text(
    """
    update enrollment.events e set rejection = r.reason
    from unnest(cast(:numbers as bigint[]), cast(:reasons as text[])) r (number, reason)
    where e.account_id = (select enrollment.current_account()) and e.number = r.number
    """
)


def keep(
    connection: Connection,
    account_id: UUID,
    incoming: Iterable[Event | RejectedEvent],
    *,
    now: datetime,
    source: str,
) -> tuple[int, int]:
    """Insert events that are new by their id; return how many were accepted and rejected.

    Neither counts what changed nothing.
    """
    connection.execute(text("drop table if exists pg_temp.incoming_events"))
    connection.execute(_CREATE_INCOMING)
    with driver_cursor(connection) as cursor, cursor.copy(_COPY_INCOMING) as copy:
        for one in incoming:
            copy.write_row(_row(one, now))
    # One after the other, once all has been read: two with the same events in another order would
    # wait for each other.
    connection.execute(_ONE_INTAKE_AT_A_TIME)
    row = connection.execute(_KEEP, {"account_id": account_id, "source": source}).one()
    return row.accepted, row.rejected


def claim(connection: Connection, account_id: UUID, *, most: int) -> list[ClaimedEvent]:
    """Take up to `most` pending events, oldest first, that nobody else has; mark them processed."""
    rows = connection.execute(_CLAIM, {"account_id": account_id, "most": most})
    found = [_event(row) for row in rows]
    # An update answers in the order in which it meets the rows.
    found.sort(key=lambda one: one.number)
    return found


def reject(connection: Connection, reasons: Sequence[tuple[int, str]]) -> None:
    """Say of claimed events why they cannot be understood."""
    asked = {"numbers": [one[0] for one in reasons], "reasons": [one[1] for one in reasons]}
    connection.execute(_REJECT, asked)


def pending(connection: Connection) -> int:
    """Return how many events wait to be evaluated."""
    return connection.execute(
        select(func.count()).select_from(events).where(events.c.processed_at.is_(None))
    ).scalar_one()


def page(
    connection: Connection, *, status: str | None, type_: str | None, limit: int, offset: int
) -> tuple[Sequence[Row[Any]], int]:
    """Return one page of the events, newest first, each with its `status`, and how many there are.

    A status is `pending`, `processed` or `rejected`. Times are naive, in UTC; None is one that no
    calendar has.
    """
    column = events.c
    state = case(
        (column.rejection.is_not(None), "rejected"),
        (column.processed_at.is_(None), "pending"),
        else_="processed",
    )
    conditions = [] if status is None else [state == status]
    if type_ is not None:
        conditions.append(column.type == type_)
    total = connection.execute(
        select(func.count()).select_from(events).where(*conditions)
    ).scalar_one()
    # Neither `data` nor `previous_state`: they may hold what cannot be read.
    shown = ("event_id", "type", "contact_id", "email", "external_id", "source", "rejection")
    statement = (
        select(
            *(column[name] for name in shown),
            *map(_readable, (column.occurred_at, column.received_at, column.processed_at)),
            state.label("status"),
        )
        .where(*conditions)
        .order_by(column.number.desc())
        .limit(limit)
        .offset(offset)
    )
    found: Any = connection.execute(statement).all()
    return found, total


def has_type(connection: Connection, name: str | None) -> bool:
    """Return whether an event came in under that type, whether or not there is such a type."""
    return connection.execute(
        select(select(events.c.number).where(events.c.type == name).exists())
    ).scalar_one()


def stored(
    connection: Connection, *, since: datetime, types: Sequence[str], after: int, most: int
) -> list[ClaimedEvent]:
    """Return events of these types received since then, by number, from beyond `after`.

    But for those that could not be understood.
    """
    rows = connection.execute(
        _STORED, {"since": since, "types": list(types), "after": after, "most": most}
    )
    return [_event(row) for row in rows]


def _readable(instant: Column[Any]) -> ColumnElement[Any]:
    # Without its offset: by the clock of the session, the last day of the calendar may be past it.
    naive = func.timezone("UTC", instant)
    return case((extract("year", naive).between(1, 9999), naive)).label(instant.name)


def _event(row: Any) -> ClaimedEvent:
    number, kind, contact_id, email, external_id, dated, data, before = row
    return ClaimedEvent(
        number,
        kind,
        contact_id,
        email,
        external_id,
        bool(dated),
        exact_json.read(data),
        None if before is None else exact_json.read(before),
    )


def _row(one: Event | RejectedEvent, now: datetime) -> tuple[Any, ...]:
    if isinstance(one, RejectedEvent):
        kept = json.dumps(one.content)
        return (one.event_id, one.type, None, None, None, now, kept, None, one.reason)
    return (
        one.event_id,
        one.type,
        one.contact_id,
        one.email,
        one.external_id,
        one.occurred_at,
        json.dumps(one.data),
        None if one.previous_state is None else json.dumps(one.previous_state),
        None,
    )


# What an operation has done to contacts, as events: an id for each, so that a piece that is done
# once more raises none twice.
_OF_CHANGES = text(
    """
    insert into enrollment.events (account_id, event_id, type, contact_id, email, occurred_at,
      data, previous_state, source)
    select g.account_id, format('operation:%s:%s', g.operation_id, g.position),
      case when g.before is null then 'contact_created' else 'contact_updated' end,
      g.contact_id, g.after ->> 'email', now(),
      case when g.before is null then jsonb_build_object('source', g.after -> 'source')
        else jsonb_build_object('changed_fields', (
          select coalesce(jsonb_agg(a.key order by a.key), '[]') from jsonb_each(g.after) a
          where a.key <> 'updated_at' and g.before -> a.key is distinct from a.value)) end,
      g.before, :source
    from enrollment.bulk_operation_changes g
    where g.operation_id = :operation_id and g.position > :mark and g.position <= :last
    order by g.position
    on conflict (account_id, event_id) do nothing
    """
)


def keep_changes(
    connection: Connection, operation_id: UUID, mark: int, last: int, *, source: str
) -> int:
    """Keep an event for each change of an operation behind `mark` up to `last`; return how many."""
    connection.execute(_ONE_INTAKE_AT_A_TIME)
    return connection.execute(
        _OF_CHANGES,
        {"operation_id": operation_id, "mark": mark, "last": last, "source": source},
    ).rowcount
