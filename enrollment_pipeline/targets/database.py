"""The product's own workflows: an enrollment is a row of `enrollments`.

Everything happens in the caller's transaction, so that either the contacts of a batch are enrolled
and the batch has moved on, or neither.
"""

from collections.abc import Sequence

from sqlalchemy import (
    ARRAY,
    CTE,
    Connection,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from enrollment_pipeline.errors import Reason
from enrollment_pipeline.storage.facts import exclusion_code, exclusion_message, fact_columns
from enrollment_pipeline.storage.schema import (
    contacts as contact,
)
from enrollment_pipeline.storage.schema import (
    enrollment_batches,
    enrollment_failures,
    enrollments,
)
from enrollment_pipeline.targets.base import EnrollmentOrder, EnrollmentResult

_MEANWHILE = f"{Reason.ALREADY_ENROLLED}: the contact was enrolled by somebody else meanwhile"

# Rows are locked in the order of their ids, as everywhere, so that two jobs that tag the same
# contacts cannot wait for each other.
_ADD_TAGS = text(
    """
    with wanted as (
      select c.id, array(
        select tag from unnest(cast(:tags as text[])) as tag where tag <> all (c.tags)
      ) as missing
      from enrollment.contacts c
      where c.id in (
        select e.contact_id from enrollment.enrollments e
        where e.source_id = :source_id and e.contact_id in (
          select unnest(contact_ids[processed + 1 : processed + :contacts])
          from enrollment.enrollment_batches
          where job_id = :source_id and number = any(:numbers)
        )
      )
      order by c.id
      for no key update
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
        row = connection.execute(
            _statement(order), {"numbers": list(numbers), "contacts": contacts}
        ).one()
        if order.add_tags and row.enrolled:
            connection.execute(
                _ADD_TAGS,
                {
                    "account_id": order.account_id,
                    "source": order.source,
                    "source_id": order.source_id,
                    "numbers": list(numbers),
                    "contacts": contacts,
                    "tags": list(order.add_tags),
                },
            )
        return EnrollmentResult(row.contacts, row.enrolled, row.refused or {})


def _statement(order: EnrollmentOrder) -> Select[tuple[int, int, dict[str, int]]]:
    judged = _judged(order)
    enrolled = _enrolled(order, judged)
    late = _late(order, judged, enrolled)
    by_code = select(late.c.code, func.count().label("number")).group_by(late.c.code).subquery()
    return select(
        select(func.count()).select_from(judged).scalar_subquery().label("contacts"),
        select(func.count()).select_from(enrolled).scalar_subquery().label("enrolled"),
        select(func.jsonb_object_agg(by_code.c.code, by_code.c.number, type_=JSONB))
        .scalar_subquery()
        .label("refused"),
    )


def _judged(order: EnrollmentOrder) -> CTE:
    batch = enrollment_batches
    following = func.unnest(
        batch.c.contact_ids[
            batch.c.processed + 1 : batch.c.processed + bindparam("contacts", type_=Integer)
        ]
    )
    member = (
        select(batch.c.number, following.label("contact_id"))
        .where(batch.c.job_id == order.source_id)
        .where(batch.c.number == func.any(bindparam("numbers", type_=ARRAY(Integer))))
        .cte("member")
    )
    asked = (
        select(
            member.c.number,
            member.c.contact_id,
            *fact_columns(order.rules, contact, order.workflow_id),
        )
        .select_from(member.outerjoin(contact, contact.c.id == member.c.contact_id))
        .cte("asked")
        .prefix_with("materialized")
    )
    return (
        select(
            asked.c.number,
            asked.c.contact_id,
            exclusion_code(order.rules, asked).label("code"),
            exclusion_message(order.rules, asked).label("message"),
        )
        .cte("judged")
        .prefix_with("materialized")
    )


def _enrolled(order: EnrollmentOrder, judged: CTE) -> CTE:
    # In the order of contact ids: two jobs that enroll the same contacts take the keys in the same
    # order and cannot deadlock; and neighbours in the index are written together.
    return (
        upsert(enrollments)
        .from_select(
            ["account_id", "workflow_id", "contact_id", "current_step", "source", "source_id"],
            select(
                literal(order.account_id, Uuid),
                literal(order.workflow_id, Uuid),
                judged.c.contact_id,
                literal(order.first_step),
                literal(order.source),
                literal(order.source_id, Uuid),
            )
            .where(judged.c.code.is_(None))
            .order_by(judged.c.contact_id),
        )
        .on_conflict_do_nothing()
        .returning(enrollments.c.contact_id)
        .cte("enrolled")
    )


def _late(order: EnrollmentOrder, judged: CTE, enrolled: CTE) -> CTE:
    code = func.coalesce(judged.c.code, str(Reason.ALREADY_ENROLLED))
    return (
        insert(enrollment_failures)
        .from_select(
            ["account_id", "job_id", "batch_number", "contact_id", "code", "message"],
            select(
                literal(order.account_id, Uuid),
                literal(order.source_id, Uuid),
                judged.c.number,
                judged.c.contact_id,
                code,
                func.coalesce(func.nullif(judged.c.message, ""), cast(_MEANWHILE, Text)),
            ).where(~exists().where(enrolled.c.contact_id == judged.c.contact_id)),
        )
        .returning(enrollment_failures.c.code)
        .cte("late")
    )
