"""What a job does with its selected contacts: marks those that a rule excludes, and cuts the rest.

Every function works in the caller's transaction, which has its account set, and is one statement
over the whole selection.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnClause, Connection, column, func, select, text, update

from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.records import EligibilityRule
from enrollment_pipeline.selections.store import ANALYZE_FROM
from enrollment_pipeline.storage.facts import exclusion_code, exclusion_message, fact_columns
from enrollment_pipeline.storage.planning import allow_memory
from enrollment_pipeline.storage.schema import contacts, selected_contacts

# Where a row lies; good for one statement.
_ADDRESS: ColumnClause[str] = column("ctid")
_ADDRESS.table = selected_contacts

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
    if written * batch_size >= ANALYZE_FROM:
        connection.execute(text("analyze enrollment.enrollment_batches"))
    return written
