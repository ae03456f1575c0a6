"""What the log adds up to, day by day; and removing what is old.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Text, bindparam, text
from sqlalchemy.types import Uuid

from enrollment_pipeline.storage.planning import without_nested_loops

# What did not fire is told by its result, because its reason names values; what fired, by the code
# for which it was not enrolled.
_COUNTS = text(
    """
    select day, matched, enrolled, why, count(*) as number
    from (
      select (l.evaluated_at at time zone :zone)::date as day, l.matched, l.enrolled,
        case when l.enrolled then null when l.result = 'fired' then l.reason else l.result end
          as why
      from enrollment.trigger_log l
      where l.evaluated_at >= :since and l.evaluated_at < :until
        and (:only is null or l.trigger_id = :only)
    ) counted
    group by day, matched, enrolled, why
    """
).bindparams(bindparam("only", type_=Uuid), bindparam("zone", type_=Text))

_DELETE_EVENTS = text(
    """
    delete from enrollment.events
    where account_id = :account_id and number in (
      select number from enrollment.events
      where account_id = :account_id and received_at < :before and processed_at is not null
      limit :most
    )
    """
)
_DELETE_EVALUATIONS = text(
    """
    delete from enrollment.trigger_evaluations
    where account_id = :account_id and number in (
      select number from enrollment.trigger_evaluations
      where account_id = :account_id and result <> 'queued' and evaluated_at < :before
        and (occurrence is null or evaluated_at < :occurrences_before)
      limit :most
    )
    """
)


def counts(
    connection: Connection, *, since: datetime, until: datetime, zone: str, only: UUID | None
) -> Sequence[Row[Any]]:
    """Return day, whether matched, whether enrolled, why not, and the number of such rows.

    Days are those of a zone; `only` is a trigger, None for all of them.
    """
    asked = {"since": since, "until": until, "zone": zone, "only": only}
    # All rows of whole days on every side: the estimates are far off, see the function.
    with without_nested_loops(connection):
        return connection.execute(_COUNTS, asked).all()


def delete_events(connection: Connection, account_id: UUID, *, before: datetime, most: int) -> int:
    """Delete up to `most` processed events received before then; return how many."""
    asked = {"account_id": account_id, "before": before, "most": most}
    return connection.execute(_DELETE_EVENTS, asked).rowcount


def delete_evaluations(
    connection: Connection,
    account_id: UUID,
    *,
    before: datetime,
    occurrences_before: datetime,
    most: int,
) -> int:
    """Delete up to `most` rows of the log from before then; return how many.

    Occurrences have a limit of their own, and who still waits for an opening stays.
    """
    return connection.execute(
        _DELETE_EVALUATIONS,
        {
            "account_id": account_id,
            "before": before,
            "occurrences_before": occurrences_before,
            "most": most,
        },
    ).rowcount
