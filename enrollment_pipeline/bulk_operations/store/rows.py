"""Rows of `bulk_operation_rows`: what did not simply go through, with the reason.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.formulas import safe_cell
from enrollment_pipeline.storage.schema import bulk_operation_rows

_COLUMNS = bulk_operation_rows.c


# Parameters of the driver, because COPY takes none of the server's.
_ROWS = f"""
copy (
  select line, {safe_cell("identifier")} as identifier, contact_id,
    {safe_cell("column_name")} as "column", {safe_cell("value")} as value,
    {safe_cell("reason")} as reason
  from enrollment.bulk_operation_rows
  where operation_id = %(operation_id)s and outcome = %(outcome)s
  order by position
) to stdout (format csv, header)
"""
# What a rollback has kept is told field by field.
_KEPT = f"""
copy (
  select contact_id, {safe_cell("identifier")} as identifier, {safe_cell("reason")} as reason,
    {safe_cell("field ->> 'field'")} as field, {safe_cell("field ->> 'before'")} as before,
    {safe_cell("field ->> 'after'")} as after, {safe_cell("field ->> 'now'")} as now
  from enrollment.bulk_operation_rows
  left join lateral jsonb_array_elements(details -> 'fields') as field on true
  where operation_id = %(operation_id)s and outcome = %(outcome)s
  order by position
) to stdout (format csv, header)
"""


def outcomes_of(connection: Connection, operation_id: UUID) -> list[RowOutcome]:
    """Return which outcomes have rows."""
    found = connection.scalars(
        select(_COLUMNS.outcome).where(_COLUMNS.operation_id == operation_id).distinct()
    )
    return sorted(RowOutcome(outcome) for outcome in found)


def as_csv(connection: Connection, operation_id: UUID, outcome: RowOutcome) -> Iterator[bytes]:
    """Yield the rows with one outcome as CSV, in the order of the input."""
    statement = _KEPT if outcome is RowOutcome.KEPT else _ROWS
    values = {"operation_id": operation_id, "outcome": str(outcome)}
    with driver_cursor(connection) as cursor, cursor.copy(statement, values) as copy:
        for block in copy:
            yield bytes(block)


def page(
    connection: Connection, operation_id: UUID, *, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """Return one page of the rows as plain values, in the order of the input, and their number."""
    of_operation = _COLUMNS.operation_id == operation_id
    total = connection.execute(
        select(func.count()).select_from(bulk_operation_rows).where(of_operation)
    ).scalar_one()
    found = connection.execute(
        select(
            _COLUMNS.line,
            _COLUMNS.identifier,
            _COLUMNS.contact_id,
            _COLUMNS.outcome,
            _COLUMNS.column_name.label("column"),
            _COLUMNS.value,
            _COLUMNS.reason,
            _COLUMNS.details,
        )
        .where(of_operation)
        .order_by(_COLUMNS.position)
        .limit(limit)
        .offset(offset)
    )
    return [
        {**row._mapping, "contact_id": row.contact_id and str(row.contact_id)} for row in found
    ], total
