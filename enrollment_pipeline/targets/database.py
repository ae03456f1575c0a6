"""The product's own workflows: an enrollment is a row of `enrollments`.

Everything happens in the caller's transaction, so that either the contacts of a batch are enrolled
and the batch has moved on, or neither.
"""

from collections.abc import Sequence
from typing import Any

from psycopg.errors import UniqueViolation
from sqlalchemy import (
    ARRAY,
    CTE,
    Connection,
    FromClause,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from enrollment_pipeline.errors import Reason
from enrollment_pipeline.storage.contact_presence import hold_contacts
from enrollment_pipeline.storage.facts import exclusion_code, exclusion_message, fact_columns
from enrollment_pipeline.storage.schema import contacts as contact
from enrollment_pipeline.storage.schema import (
    enrollment_batches,
    enrollment_failures,
    enrollments,
)
from enrollment_pipeline.targets.base import EnrollmentOrder, EnrollmentResult

_MEANWHILE = f"{Reason.ALREADY_ENROLLED}: the contact was enrolled by somebody else meanwhile"

# Rows are locked in the order of their ids, as everywhere, so that two jobs that tag the same
# contacts cannot wait for each other. Each contact is looked up by its key: left to the planner, a
# claim of 5,000 was compared with all enrollments of the job, which took up to 25 s.
_ADD_TAGS = text(
    """
    with claimed as materialized (
      select unnest(contact_ids[processed + 1 : processed + :contacts]) as contact_id
      from enrollment.enrollment_batches
      where job_id = :source_id and number = any(:numbers)
    ), enrolled as materialized (
      select contact_id from claimed
      where (
        select e.source_id from enrollment.enrollments e
        where e.account_id = :account_id and e.workflow_id = :workflow_id
          and e.contact_id = claimed.contact_id and e.ended_at is null
        limit 1
      ) = :source_id
      order by contact_id
    ), wanted as materialized (
      select c.id, array(
        select tag from unnest(cast(:tags as text[])) as tag where tag <> all (c.tags)
      ) as missing
      from enrolled cross join lateral (
        select id, tags from enrollment.contacts where id = enrolled.contact_id
        limit 1 for no key update
      ) c
    ), tagged as (
      update enrollment.contacts c set tags = c.tags || w.missing, updated_at = now()
      from wanted w where w.id = c.id and w.missing <> '{}'
      returning c.id, w.missing
    )
    insert into enrollment.contact_changes
      (account_id, contact_id, kind, details, source, source_id)
    select :account_id, id, 'tag_added', jsonb_build_object('tag', tag), :source, :source_id
    from tagged, unnest(missing) as tag
    """
).bindparams(bindparam("numbers", type_=ARRAY(Integer)), bindparam("tags", type_=ARRAY(Text)))


class DatabaseTarget:
    """Enrolls with one statement for all contacts of all claimed batches."""

    def enroll(
        self,
        connection: Connection,
        order: EnrollmentOrder,
        numbers: Sequence[int],
        *,
        contacts: int,
    ) -> EnrollmentResult:
        """Enroll, and record who may not be; see `Target.enroll`."""
        claimed = {"numbers": list(numbers), "contacts": contacts}
        # A rollback that removes contacts for good waits, or its removal is seen by what follows.
        hold_contacts(connection, order.account_id)
        handed_in, enrolled = _insert(connection, order, claimed)
        refused: dict[str, int] = {}
        if enrolled < handed_in:
            rows = connection.execute(_record_refused(order), claimed)
            refused = {row.code: row.number for row in rows}
        if order.add_tags and enrolled:
            connection.execute(
                _ADD_TAGS,
                {
                    "account_id": order.account_id,
                    "workflow_id": order.workflow_id,
                    "source": order.source,
                    "source_id": order.source_id,
                    "tags": list(order.add_tags),
                    **claimed,
                },
            )
        return EnrollmentResult(handed_in, enrolled, refused)


def _insert(
    connection: Connection, order: EnrollmentOrder, claimed: dict[str, Any]
) -> tuple[int, int]:
    """Return how many contacts were handed in and how many of them were enrolled."""
    try:
        # Looking for conflicts costs as much as the insert itself, and there are none unless
        # somebody enrolls the same contact at this very moment.
        with connection.begin_nested():
            row = connection.execute(_enroll(order, insert(enrollments)), claimed).one()
    except IntegrityError as error:
        if not _is_second_active(error):
            raise
        tolerant = upsert(enrollments).on_conflict_do_nothing()
        row = connection.execute(_enroll(order, tolerant), claimed).one()
    return row.handed_in, row.enrolled


def _is_second_active(error: IntegrityError) -> bool:
    return (
        isinstance(error.orig, UniqueViolation)
        and error.orig.diag.constraint_name == "enrollments_one_active"
    )


def _members(order: EnrollmentOrder) -> CTE:
    batch = enrollment_batches
    following = func.unnest(
        batch.c.contact_ids[
            batch.c.processed + 1 : batch.c.processed + bindparam("contacts", type_=Integer)
        ]
    )
    return (
        select(batch.c.number, following.label("contact_id"))
        .where(batch.c.job_id == order.source_id)
        .where(batch.c.number == func.any(bindparam("numbers", type_=ARRAY(Integer))))
        .cte("member")
        .prefix_with("materialized")
    )


def _contact_of(member: CTE) -> FromClause:
    """Return the contact that a member names, to be looked up by its key.

    The limit keeps the planner to that. A plain join of an account that is younger than the
    statistics was turned round: all contacts of the account were judged, for each claim anew.
    """
    column = contact.c
    return (
        select(
            column.id,
            column.account_id,
            column.status,
            column.deleted_at,
            column.email,
            column.phone,
        )
        .where(column.id == member.c.contact_id)
        .limit(1)
        .lateral("contact")
    )


def _enroll(order: EnrollmentOrder, into: Insert | Any) -> Select[tuple[int, int]]:
    member = _members(order)
    found = _contact_of(member)
    enrolled = (
        into.from_select(
            ["account_id", "workflow_id", "contact_id", "current_step", "source", "source_id"],
            select(
                literal(order.account_id, Uuid),
                literal(order.workflow_id, Uuid),
                found.c.id,
                literal(order.first_step),
                literal(order.source),
                literal(order.source_id, Uuid),
            )
            .select_from(member.join(found, true()))
            .where(~or_(*fact_columns(order.rules, found, order.workflow_id)))
            # Two jobs that enroll the same contacts take the keys in the same order and cannot
            # deadlock; and neighbours in the index are written together.
            .order_by(found.c.id),
        )
        .returning(enrollments.c.contact_id)
        .cte("enrolled")
    )
    return select(
        select(func.count()).select_from(member).scalar_subquery().label("handed_in"),
        select(func.count()).select_from(enrolled).scalar_subquery().label("enrolled"),
    )


def _record_refused(order: EnrollmentOrder) -> Select[tuple[str, int]]:
    """Record the contacts that the insert passed over, each with its code."""
    member = _members(order)
    found = _contact_of(member)
    # One probe of the unique index per contact. Asked by the job alone, which is younger than the
    # statistics, the planner may read all enrollments of the job for each of them.
    active_by = (
        select(enrollments.c.source_id)
        .where(enrollments.c.account_id == order.account_id)
        .where(enrollments.c.workflow_id == order.workflow_id)
        .where(enrollments.c.contact_id == member.c.contact_id)
        .where(enrollments.c.ended_at.is_(None))
        .limit(1)
        .scalar_subquery()
    )
    asked = (
        select(
            member.c.number,
            member.c.contact_id,
            *fact_columns(order.rules, found, order.workflow_id),
        )
        .select_from(member.outerjoin(found, true()))
        .where(active_by.is_distinct_from(literal(order.source_id, Uuid)))
        .cte("asked")
        .prefix_with("materialized")
    )
    late = (
        insert(enrollment_failures)
        .from_select(
            ["account_id", "job_id", "batch_number", "contact_id", "code", "message"],
            select(
                literal(order.account_id, Uuid),
                literal(order.source_id, Uuid),
                asked.c.number,
                asked.c.contact_id,
                func.coalesce(
                    exclusion_code(order.rules, asked), literal(str(Reason.ALREADY_ENROLLED))
                ),
                func.coalesce(
                    func.nullif(exclusion_message(order.rules, asked), ""), literal(_MEANWHILE)
                ),
            ),
        )
        .returning(enrollment_failures.c.code)
        .cte("late")
    )
    return select(late.c.code, func.count().label("number")).group_by(late.c.code)
