"""Statements that withdraw the enrollments of a job, piece by piece.

The enrollments are listed once, as rows of `selected_contacts` under the operation: the only index
that knows a job's enrollments has no order, and to sort them anew for each piece would cost what
the job does. Every function works in the caller's transaction, which has its account set.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, text

from enrollment_pipeline.bulk_operations.store.changing import few
from enrollment_pipeline.records import Workflow
from enrollment_pipeline.storage.planning import allow_memory
from enrollment_pipeline.storage.schema import enrollment_jobs
from enrollment_pipeline.storage.workflow_rows import workflow_with_id

_LIST = text(
    """
    insert into enrollment.selected_contacts
      (account_id, job_id, position, identifier, contact_id)
    select :account_id, :operation_id, row_number() over (order by id), id::text, contact_id
    from enrollment.enrollments
    where source_id = :job_id and account_id = :account_id
    """
)

_PIECE = """
    piece as materialized (
      select position, identifier::bigint as enrollment_id, contact_id
      from enrollment.selected_contacts
      where job_id = :operation_id and position > :mark
      order by position
      limit :most
    )
"""
_LOCK = text(
    f"""
    with {_PIECE}, ordered as materialized (
      select enrollment_id from piece order by enrollment_id
    )
    select count(*) from ordered cross join lateral (
      select id from enrollment.enrollments where id = ordered.enrollment_id
      limit 1 for update
    ) locked
    """
)
_WITHDRAW = text(
    f"""
    with {_PIECE}, found as materialized (
      select piece.position, piece.contact_id, e.id, e.status, e.current_step,
        e.status = 'active' and e.current_step = :first_step as waits
      from piece cross join lateral (
        select x.id, x.status, x.current_step from enrollment.enrollments x
        where x.id = piece.enrollment_id
        limit 1
      ) e
    ), withdrawn as (
      update enrollment.enrollments e set status = 'withdrawn', ended_at = now()
      from {few("select id from found where waits")} as waiting (id)
      where e.id = waiting.id and e.status = 'active'
      returning e.id
    ), kept as (
      insert into enrollment.bulk_operation_rows
        (account_id, operation_id, position, identifier, contact_id, outcome, reason, details)
      select :account_id, :operation_id, f.position, coalesce(c.email, f.contact_id::text),
        f.contact_id, 'kept',
        case f.status
          when 'active' then format('has moved on to the step %s', quote_literal(f.current_step))
          when 'withdrawn' then 'was withdrawn before'
          else format('has ended as %s, at the step %s', f.status, quote_literal(f.current_step))
        end,
        jsonb_build_object('fields', jsonb_build_array(jsonb_build_object(
          'field', 'current_step', 'before', null, 'after', :first_step, 'now', f.current_step
        )))
      from found f left join lateral (
        select email from enrollment.contacts where id = f.contact_id limit 1
      ) c on true
      where not f.waits
      returning position
    )
    select (select count(*) from piece) as rows,
      (select max(position) from piece) as mark,
      (select count(*) from withdrawn) as withdrawn,
      (select count(*) from kept) as kept
    """
)
_GIVE_UP = text(
    f"""
    with {_PIECE}
    insert into enrollment.bulk_operation_rows
      (account_id, operation_id, position, identifier, contact_id, outcome, reason)
    select :account_id, :operation_id, position, coalesce(c.email, contact_id::text), contact_id,
      'errored', :reason
    from piece left join lateral (
      select email from enrollment.contacts where id = piece.contact_id limit 1
    ) c on true
    returning position
    """
)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Which operation withdraws the enrollments of which job, and whose they are."""

    account_id: UUID
    operation_id: UUID
    job_id: UUID


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What became of a piece: its rows, where it ends, and how many were withdrawn or kept."""

    rows: int
    mark: int
    withdrawn: int
    kept: int


def workflow_of(connection: Connection, job_id: UUID) -> Workflow | None:
    """Return the workflow of a job as it is now, None where the account has no such job."""
    column = enrollment_jobs.c
    workflow_id = connection.execute(
        select(column.workflow_id).where(column.id == job_id)
    ).scalar_one_or_none()
    return None if workflow_id is None else workflow_with_id(connection, workflow_id)


def list_enrollments(connection: Connection, withdrawal: Withdrawal) -> int:
    """List the enrollments of the job in the order in which they came; return how many."""
    allow_memory(connection)
    return connection.execute(_LIST, _values(withdrawal)).rowcount


def withdraw(
    connection: Connection, withdrawal: Withdrawal, first_step: str, *, mark: int, most: int
) -> Withdrawn:
    """Withdraw those of the next piece that are active and at the first step; list the others."""
    piece = {**_values(withdrawal), "mark": mark, "most": most}
    connection.execute(_LOCK, piece)
    row = connection.execute(_WITHDRAW, {**piece, "first_step": first_step}).one()
    return Withdrawn(row.rows, mark if row.mark is None else row.mark, row.withdrawn, row.kept)


def give_up(
    connection: Connection, withdrawal: Withdrawal, reason: str, *, mark: int
) -> int | None:
    """Let the next row end as errored; return its position, None where there is none."""
    values = {**_values(withdrawal), "mark": mark, "most": 1, "reason": reason}
    position = connection.execute(_GIVE_UP, values).scalar()
    return None if position is None else int(position)


def _values(withdrawal: Withdrawal) -> dict[str, Any]:
    return {
        "account_id": withdrawal.account_id,
        "operation_id": withdrawal.operation_id,
        "job_id": withdrawal.job_id,
    }
