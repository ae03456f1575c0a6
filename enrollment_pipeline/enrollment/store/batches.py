"""Rows of `enrollment_batches` and `enrollment_failures`: claimed, moved on, retried, given up.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import Integer

from enrollment_pipeline.errors import Reason

_CLAIM = text(
    """
    select number, cardinality(contact_ids) - processed as remaining
    from enrollment.enrollment_batches
    where job_id = :job_id and status = 'queued'
      and (next_attempt_at is null or next_attempt_at <= now())
    order by number
    limit :size
    for update skip locked
    """
)

_ADVANCE = text(
    """
    update enrollment.enrollment_batches
    set processed = least(processed + :contacts, cardinality(contact_ids)),
        status = case
          when processed + :contacts >= cardinality(contact_ids) then 'completed' else status
        end,
        completed_at = case
          when processed + :contacts >= cardinality(contact_ids) then clock_timestamp()
        end
    where job_id = :job_id and number = any(:numbers) and status in ('queued', 'processing')
    """
).bindparams(bindparam("numbers", type_=ARRAY(Integer)))

_POSTPONE = text(
    """
    update enrollment.enrollment_batches
    set attempts = attempts + 1,
        status = case when attempts + 1 > cardinality(cast(:waits as integer[]))
          then 'failed' else 'queued' end,
        next_attempt_at = now()
          + (cast(:waits as integer[]))[attempts + 1] * interval '1 second',
        completed_at = case when attempts + 1 > cardinality(cast(:waits as integer[]))
          then now() end,
        error = :error
    where job_id = :job_id and number = :number and status = 'queued'
    returning status
    """
).bindparams(bindparam("waits", type_=ARRAY(Integer)), bindparam("error", type_=JSONB))

_OPEN = text(
    """
    select count(*) as batches, min(next_attempt_at) as next_attempt_at
    from enrollment.enrollment_batches
    where job_id = :job_id and status in ('queued', 'processing')
    """
)

_FAIL_NEXT = text(
    """
    insert into enrollment.enrollment_failures
      (account_id, job_id, batch_number, contact_id, code, message)
    select account_id, job_id, number, contact_ids[processed + 1], :code, :message
    from enrollment.enrollment_batches
    where job_id = :job_id and number = :number
    """
)

_REMAINING = text(
    """
    select cardinality(contact_ids) - processed from enrollment.enrollment_batches
    where job_id = :job_id and number = :number
    """
)

_RECENT = text(
    """
    select coalesce(sum(processed), 0) from enrollment.enrollment_batches
    where job_id = :job_id and completed_at > :since
    """
)

_CLOSE = text(
    """
    update enrollment.enrollment_batches set status = :status, completed_at = now()
    where job_id = :job_id and status in ('queued', 'processing')
    returning cardinality(contact_ids) - processed
    """
)


@dataclass(frozen=True, slots=True)
class OpenBatches:
    """What is left of a job: how many batches, and when the first postponed one is due."""

    batches: int
    next_attempt_at: datetime | None


def claim(connection: Connection, job_id: UUID, size: int) -> dict[int, int]:
    """Take the next batches that are due and that nobody else holds, until the transaction ends.

    Return how many contacts are left in each, in order.
    """
    rows = connection.execute(_CLAIM, {"job_id": job_id, "size": size})
    return {row.number: row.remaining for row in rows}


def advance(connection: Connection, job_id: UUID, numbers: Sequence[int], *, contacts: int) -> None:
    """Move each batch on by up to `contacts`; one that has none left is completed."""
    connection.execute(_ADVANCE, {"job_id": job_id, "numbers": list(numbers), "contacts": contacts})


def postpone(
    connection: Connection,
    job_id: UUID,
    number: int,
    *,
    code: Reason,
    message: str,
    waits: Sequence[int],
) -> bool:
    """Count a failed attempt and set the next; return whether there is none left."""
    status = connection.execute(
        _POSTPONE,
        {
            "job_id": job_id,
            "number": number,
            "waits": list(waits),
            "error": {"code": str(code), "message": message},
        },
    ).scalar_one_or_none()
    return status == "failed"


def open_batches(connection: Connection, job_id: UUID) -> OpenBatches:
    """Return what is left of a job."""
    row = connection.execute(_OPEN, {"job_id": job_id}).one()
    return OpenBatches(row.batches, row.next_attempt_at)


def remaining(connection: Connection, job_id: UUID, number: int) -> int:
    """Return how many contacts of a batch have no outcome yet."""
    return int(connection.execute(_REMAINING, {"job_id": job_id, "number": number}).scalar_one())


def fail_next(
    connection: Connection, job_id: UUID, number: int, *, code: Reason, message: str
) -> None:
    """Record that the next contact of a batch cannot be enrolled."""
    connection.execute(
        _FAIL_NEXT,
        {"job_id": job_id, "number": number, "code": str(code), "message": message},
    )


def recently_processed(connection: Connection, job_id: UUID, since: datetime) -> int:
    """Return how many contacts are in batches completed after `since`."""
    return int(connection.execute(_RECENT, {"job_id": job_id, "since": since}).scalar_one())


def close(connection: Connection, job_id: UUID, *, status: str) -> int:
    """End all batches that are open; return how many contacts had no outcome in them."""
    return sum(connection.scalars(_CLOSE, {"job_id": job_id, "status": status}))


def failures_page(
    connection: Connection, job_id: UUID, *, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """Return one page of the contacts that failed or turned ineligible late, and their number."""
    total = connection.execute(
        text("select count(*) from enrollment.enrollment_failures where job_id = :job_id"),
        {"job_id": job_id},
    ).scalar_one()
    rows = connection.execute(_FAILURES_PAGE, {"job_id": job_id, "limit": limit, "offset": offset})
    return [dict(row._mapping) for row in rows], total


def failure_codes(connection: Connection, job_id: UUID) -> dict[str, int]:
    """Return how many contacts failed or turned ineligible late, by code."""
    rows = connection.execute(
        text(
            "select code, count(*) as number from enrollment.enrollment_failures "
            "where job_id = :job_id group by code"
        ),
        {"job_id": job_id},
    )
    return {row.code: row.number for row in rows}


_FAILURES_PAGE = text(
    """
    with page as materialized (
      select id, contact_id, code, message, batch_number, created_at
      from enrollment.enrollment_failures
      where job_id = :job_id
      order by id
      limit :limit offset :offset
    )
    select p.contact_id, s.identifier, p.code, p.message, p.batch_number, p.created_at
    from page p
    join enrollment.selected_contacts s
      on s.job_id = :job_id and s.contact_id = p.contact_id and s.exclusion is null
    order by p.id
    """
)
