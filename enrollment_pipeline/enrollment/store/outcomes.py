"""The outcomes of a job, read from the view that derives them; checked, counted, written out.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from enrollment_pipeline.errors import Reason
from enrollment_pipeline.records import Outcome
from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.formulas import safe_cell
from enrollment_pipeline.storage.planning import allow_memory, without_nested_loops

# One pass over the view for all that is asked of it: its joins cost about 3 s for a million rows,
# a scan of the result a tenth of that.
_COLLECT = text(
    """
    create temporary table outcome on commit drop as
    select position, line, identifier, contact_id, outcome, code, message, batch_number
    from enrollment.enrollment_outcomes
    where job_id = :job_id
    """
)

_COUNT_DERIVED = text(
    """
    select outcome, code, count(*) as number
    from enrollment.enrollment_outcomes
    where job_id = :job_id
    group by outcome, code
    """
)
_COUNT = text("select outcome, code, count(*) as number from outcome group by outcome, code")

# A cell that a spreadsheet would run as a formula gets an apostrophe in front.
_WRITE = """
    copy (
      select line, {identifier} as identifier, contact_id, outcome, code, {message} as message
      from outcome
      where outcome in ({outcomes})
      order by position
    ) to stdout with (format csv, header true)
"""

_SAMPLE = text(
    """
    select line, identifier, contact_id, outcome, code, message from (
      select *, row_number() over (partition by outcome order by position) as place from outcome
    ) ranked
    where place <= :size
    order by outcome, position
    """
)

_FAILED_CONTACTS = text(
    """
    select contact_id from enrollment.enrollment_outcomes
    where job_id = :job_id and outcome in ('failed', 'unprocessed') and contact_id is not null
      and (cast(:codes as text[]) is null or code = any(:codes))
    order by position
    """
).bindparams(bindparam("codes", type_=ARRAY(Text)))

_DOUBLED = text(
    """
    select count(*) from (
      select contact_id from enrollment.enrollments
      where source_id = :job_id group by contact_id having count(*) > 1
    ) doubled
    """
)

_FOREIGN = text(
    """
    select count(*)
    from enrollment.enrollments e
    left join enrollment.contacts c on c.id = e.contact_id and c.account_id = e.account_id
    where e.source_id = :job_id and c.id is null
    """
)


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """How many rows ended how, and for which code."""

    outcomes: dict[Outcome, int]
    reasons: dict[str, int]

    @property
    def total(self) -> int:
        """All rows that have an outcome."""
        return sum(self.outcomes.values())


def count(connection: Connection, job_id: UUID) -> OutcomeCounts:
    """Derive the outcome of every input row, and count."""
    allow_memory(connection)
    with without_nested_loops(connection):
        return _counts(connection.execute(_COUNT_DERIVED, {"job_id": job_id}))


def collect(connection: Connection, job_id: UUID) -> OutcomeCounts:
    """Derive the outcome of every input row into a temporary table `outcome`, and count.

    `as_csv` and `sample` read that table.
    """
    connection.execute(text("drop table if exists pg_temp.outcome"))
    allow_memory(connection)
    with without_nested_loops(connection):
        connection.execute(_COLLECT, {"job_id": job_id})
    return _counts(connection.execute(_COUNT))


def _counts(rows: Iterable[Row[Any]]) -> OutcomeCounts:
    outcomes = dict.fromkeys(Outcome, 0)
    reasons: dict[str, int] = {}
    for row in rows:
        outcomes[Outcome(row.outcome)] += row.number
        if row.code is not None:
            reasons[row.code] = reasons.get(row.code, 0) + row.number
    return OutcomeCounts(outcomes, dict(sorted(reasons.items(), key=lambda item: -item[1])))


def as_csv(connection: Connection, outcomes: Sequence[Outcome]) -> Iterator[bytes]:
    """Yield the rows with one of these outcomes as CSV, in the order of the input."""
    statement = _WRITE.format(
        identifier=safe_cell("identifier"),
        message=safe_cell("message"),
        outcomes=", ".join(f"'{outcome}'" for outcome in outcomes),
    )
    with driver_cursor(connection) as cursor, cursor.copy(statement) as copy:
        for block in copy:
            yield bytes(block)


def sample(connection: Connection, *, size: int) -> dict[str, list[dict[str, Any]]]:
    """Return the first `size` rows of each outcome."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(_SAMPLE, {"size": size}):
        found.setdefault(row.outcome, []).append(
            {
                "line": row.line,
                "identifier": row.identifier,
                "contact_id": str(row.contact_id) if row.contact_id else None,
                "code": row.code,
                "message": row.message,
            }
        )
    return found


def failed_contacts(
    connection: Connection, job_id: UUID, *, codes: Sequence[Reason] | None
) -> list[UUID]:
    """Return the contacts that failed or stayed unprocessed, with one of these codes or with any.

    In the order of the input.
    """
    allow_memory(connection)
    with without_nested_loops(connection):
        rows = connection.execute(
            _FAILED_CONTACTS, {"job_id": job_id, "codes": None if codes is None else list(codes)}
        )
        return [row.contact_id for row in rows]


def count_enrolled_twice(connection: Connection, job_id: UUID) -> int:
    """Return how many contacts this job enrolled more than once."""
    return int(connection.execute(_DOUBLED, {"job_id": job_id}).scalar_one())


def count_foreign(connection: Connection, job_id: UUID) -> int:
    """Return how many enrollments of this job name a contact that the account does not have."""
    return int(connection.execute(_FOREIGN, {"job_id": job_id}).scalar_one())
