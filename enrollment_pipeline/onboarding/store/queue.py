"""Items of all accounts, by the functions of the schema that answer with ids alone."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection, bindparam, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ARRAY

from enrollment_pipeline.work.queueing import QueuedWork

KIND = "item"

WORK_TAG = "enrollment/work"
"""The tag that all runs of items have; `dagster.yaml` says how many may be at work at once."""

COMPANY_TAG = "enrollment/company"
"""The tag that the runs of one company share; the same."""

WORK = "onboarding"

MOST_OF_A_COMPANY = 20
"""Items of a company that one look at the queue sees: more than may be at work at once."""

_IN_QUEUE = text("select * from enrollment.queue_onboarding_items(:most)")
_AMONG = text("select id from enrollment.onboarding_items_among(:items)").bindparams(
    bindparam("items", type_=ARRAY(UuidType))
)


def in_queue(connection: Connection) -> list[QueuedWork]:
    """Return the items that the queue has to see to, oldest first."""
    rows = connection.execute(_IN_QUEUE, {"most": MOST_OF_A_COMPANY})
    return [
        QueuedWork(
            kind=KIND,
            account_id=row.account_id,
            account_name=row.account_name,
            work_id=row.item_id,
            attempt=row.run_number,
            cancelling=False,
            due_at=row.due_at,
            alive_at=row.alive_at,
            priority=row.priority,
            tags=tags_of(row.account_name, row.company_key),
        )
        for row in rows
    ]


def tags_of(account_name: str, company_key: str) -> dict[str, str]:
    """Return the tags of the runs of a company's items.

    With the account: two accounts may have a company of one name, which share no places.
    """
    return {WORK_TAG: WORK, COMPANY_TAG: f"{account_name} / {company_key}"}


def among(connection: Connection, item_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these ids are items."""
    return set(connection.execute(_AMONG, {"items": list(item_ids)}).scalars())
