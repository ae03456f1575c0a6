"""Ordered eligibility rules as SQL: which code a contact gets, and the sentences of all that apply.

Belongs here: how each fact is asked of the database. Which rules apply, in which order and with
which words, is decided in `enrollment/eligibility.py`. The selection's check and the enrolling
statement use the same expressions, so they cannot disagree.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    and_,
    case,
    func,
    literal,
    null,
    select,
)

from enrollment_pipeline.records import ContactStatus, EligibilityRule
from enrollment_pipeline.storage.schema import enrollments

Fact = Callable[[FromClause, UUID], ColumnElement[bool]]


def fact_columns(
    rules: Sequence[EligibilityRule], contact: FromClause, workflow_id: UUID
) -> list[ColumnElement[bool]]:
    """Return a yes-or-no column per rule, named after its fact.

    `contact` is the contacts table or an alias, outer-joined: no row there is the fact `missing`.
    Put them into a materialized CTE and build code and message on that: each is asked once.
    """
    return [FACTS[rule.fact](contact, workflow_id).label(rule.fact) for rule in rules]


def exclusion_code(
    rules: Sequence[EligibilityRule], facts: FromClause
) -> ColumnElement[str | None]:
    """Return the code of the first rule that applies, null for none."""
    return case(*((facts.c[rule.fact], literal(str(rule.code))) for rule in rules), else_=null())


def exclusion_message(rules: Sequence[EligibilityRule], facts: FromClause) -> ColumnElement[str]:
    """Return the sentences of all rules that apply, in their order, each with its code."""
    told = [
        case((facts.c[rule.fact], literal(f"{rule.code}: {rule.sentence}")), else_=null())
        for rule in rules
    ]
    return func.concat_ws("; ", *told, type_=Text)


def _missing(contact: FromClause, _: UUID) -> ColumnElement[bool]:
    return contact.c.id.is_(None)


def _deleted(contact: FromClause, _: UUID) -> ColumnElement[bool]:
    return contact.c.deleted_at.is_not(None)


def _has_status(status: ContactStatus) -> Fact:
    return lambda contact, _: contact.c.status == str(status)


def _blank(column: str) -> Fact:
    # Of a contact that is missing nothing else is said.
    return lambda contact, _: and_(
        contact.c.id.is_not(None), func.coalesce(func.btrim(contact.c[column]), "") == ""
    )


def _enrolled(contact: FromClause, workflow_id: UUID, *, active: bool) -> ColumnElement[bool]:
    found = (
        select(literal(1))
        .where(enrollments.c.account_id == contact.c.account_id)
        .where(enrollments.c.workflow_id == workflow_id)
        .where(enrollments.c.contact_id == contact.c.id)
        .limit(1)
    )
    if active:
        found = found.where(enrollments.c.ended_at.is_(None))
    else:
        # One that was taken back, with the job or the import that it came from, never was.
        found = found.where(enrollments.c.status != "withdrawn")
    # A scalar subquery and not EXISTS: that may be planned as a hash of the whole workflow, built
    # anew for every claim; this is one probe of the index per contact.
    return found.scalar_subquery().is_not(None)


FACTS: dict[str, Fact] = {
    "missing": _missing,
    "deleted": _deleted,
    "blocked": _has_status(ContactStatus.BLOCKED),
    "bounced": _has_status(ContactStatus.BOUNCED),
    "unsubscribed": _has_status(ContactStatus.UNSUBSCRIBED),
    "enrolled_now": lambda contact, workflow: _enrolled(contact, workflow, active=True),
    "enrolled_ever": lambda contact, workflow: _enrolled(contact, workflow, active=False),
    "email_blank": _blank("email"),
    "phone_blank": _blank("phone"),
}
