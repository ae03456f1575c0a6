"""What looking before leaping asks of the tables; nothing here writes.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, DateTime, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from enrollment_pipeline.records import EligibilityRule
from enrollment_pipeline.storage.facts import fact_columns
from enrollment_pipeline.storage.schema import contacts, events, trigger_evaluations

_contact = contacts.c
_A_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Person:
    """A contact, as far as a sample shows it; the address is not masked yet."""

    id: UUID
    email: str | None
    first_name: str | None


def count_matching(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Return how many living contacts meet a condition."""
    return connection.execute(
        select(func.count()).select_from(contacts).where(_contact.deleted_at.is_(None), condition)
    ).scalar_one()


def first_matching(
    connection: Connection,
    condition: ColumnElement[bool],
    *,
    most: int,
    until: datetime | None = None,
) -> list[Person]:
    """Return the oldest living contacts that meet a condition; with `until`, that came by then."""
    statement = select(_contact.id, _contact.email, _contact.first_name).where(
        _contact.deleted_at.is_(None), condition
    )
    if until is not None:
        statement = statement.where(_contact.created_at <= until)
    rows = connection.execute(statement.order_by(_contact.created_at, _contact.id).limit(most))
    return [Person(*row) for row in rows]


def count_matching_at(
    connection: Connection, condition: ColumnElement[bool], instants: Sequence[datetime]
) -> list[int]:
    """Return how many living contacts that meet a condition were there at each instant.

    The instants ascend, and all of them together are one pass over the contacts.
    """
    # How many of the instants a contact came too late for.
    missed = func.width_bucket(
        _contact.created_at - literal(_A_MOMENT),
        literal(list(instants), ARRAY(DateTime(timezone=True))),
    ).label("missed")
    rows = connection.execute(
        select(missed, func.count())
        .where(_contact.deleted_at.is_(None), condition)
        .group_by(missed)
    )
    came = {row[0]: row[1] for row in rows}
    return list(accumulate(came.get(place, 0) for place in range(len(instants))))


def exclusions(
    connection: Connection, contact_id: UUID, workflow_id: UUID, rules: Sequence[EligibilityRule]
) -> list[EligibilityRule]:
    """Return those of the rules that keep a contact out of a workflow."""
    facts = connection.execute(
        select(*fact_columns(rules, contacts, workflow_id)).where(_contact.id == contact_id)
    ).one()
    return [rule for rule, applies in zip(rules, facts, strict=True) if applies]


def has_fired(connection: Connection, trigger_id: UUID, contact_id: UUID, occurrence: str) -> bool:
    """Return whether an occurrence has fired, or waits for the business hours."""
    kept = trigger_evaluations.c
    return connection.execute(
        select(
            select(literal(1))
            .where(kept.trigger_id == trigger_id, kept.contact_id == contact_id)
            .where(kept.occurrence == occurrence, kept.result.in_(("fired", "queued")))
            .exists()
        )
    ).scalar_one()


def arrivals(connection: Connection, numbers: Sequence[int]) -> dict[int, tuple[str, datetime]]:
    """Return the sender's id of events, and when they came in, by number."""
    column = events.c
    rows = connection.execute(
        select(column.number, column.event_id, column.received_at).where(
            column.number == func.any(list(numbers))
        )
    )
    return {row.number: (row.event_id, row.received_at) for row in rows}
