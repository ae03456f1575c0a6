"""Removing what a closed job no longer needs.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Connection, Table, bindparam, delete, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from enrollment_pipeline.storage.schema import (
    enrollment_batches,
    enrollment_failures,
    kept_inputs,
    selected_contacts,
)

_DETAILS = (selected_contacts, enrollment_batches, enrollment_failures, kept_inputs)
TABLES = tuple(table.name for table in _DETAILS)

# Each question is a probe of one index, held to it by the order: an EXISTS may be planned as a hash
# of the whole table, and a bare LIMIT 1 as a scan that finds nothing for a job without rows.
_DUE = text(
    """
    select j.id from enrollment.enrollment_jobs j
    where j.completed_at < :history_before and coalesce(
        (select true from enrollment.selected_contacts d
         where d.job_id = j.id order by d.position limit 1),
        (select true from enrollment.enrollment_batches d
         where d.job_id = j.id order by d.number limit 1),
        (select true from enrollment.enrollment_failures d
         where d.job_id = j.id order by d.contact_id limit 1),
        (select true from enrollment.kept_inputs d
         where d.work_id = j.id order by d.chunk limit 1),
        false)
      or j.completed_at < :failures_before and coalesce(
        (select true from enrollment.enrollment_failures d
         where d.job_id = j.id order by d.contact_id offset :most limit 1),
        false)
    order by j.completed_at, j.id
    """
)

_TRIM = text(
    """
    delete from enrollment.enrollment_failures
    where job_id = :job_id and id in (
      select id from enrollment.enrollment_failures where job_id = :job_id order by id offset :most
    )
    """
)

_CLOSED_BEFORE = text(
    """
    select id from enrollment.enrollment_jobs where id = any(:ids) and completed_at < :before
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def due(
    connection: Connection, *, history_before: datetime, failures_before: datetime, most: int
) -> list[UUID]:
    """Return the jobs that have something to be removed, the longest closed first.

    All details of those closed before `history_before`; failures beyond `most` of those closed
    before `failures_before`.
    """
    values = {"history_before": history_before, "failures_before": failures_before, "most": most}
    return list(connection.scalars(_DUE, values))


def remove_details(connection: Connection, job_id: UUID) -> dict[str, int]:
    """Delete all rows that only tell how a job's counts came about; return how many by table."""
    return {
        table.name: connection.execute(delete(table).where(_owner(table) == job_id)).rowcount
        for table in _DETAILS
    }


def trim_failures(connection: Connection, job_id: UUID, *, most: int) -> dict[str, int]:
    """Delete all failures of a job but the first `most`; return how many by table."""
    removed = connection.execute(_TRIM, {"job_id": job_id, "most": most}).rowcount
    return {enrollment_failures.name: removed}


def closed_before(connection: Connection, job_ids: Sequence[UUID], before: datetime) -> list[UUID]:
    """Return which of these are jobs of the account that were closed before that time."""
    return list(connection.scalars(_CLOSED_BEFORE, {"ids": list(job_ids), "before": before}))


def _owner(table: Table) -> Column[UUID]:
    return table.c.work_id if table is kept_inputs else table.c.job_id
