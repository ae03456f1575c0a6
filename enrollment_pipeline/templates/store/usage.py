"""Who has used which template, and what became of the contacts in the workflows made of it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, case, func, select, text
from sqlalchemy.dialects.postgresql import insert

from enrollment_pipeline.storage.schema import enrollments, template_usage, workflows

_column = template_usage.c


def add(
    connection: Connection,
    account_id: UUID,
    template_id: UUID,
    version: int,
    owner_id: UUID | None,
    workflow_id: UUID,
    *,
    request_id: str | None,
    actor: str,
) -> None:
    """Write down that a workflow was cloned; `owner_id` is the account of the template."""
    connection.execute(
        insert(template_usage).values(
            account_id=account_id,
            template_id=template_id,
            template_version=version,
            template_account_id=owner_id,
            workflow_id=workflow_id,
            used_by=actor,
            request_id=request_id,
        )
    )


def of_request(connection: Connection, account_id: UUID, request_id: str) -> Row[UUID, UUID] | None:
    """Return template and workflow of the clone that was asked for under this id."""
    return connection.execute(
        select(_column.template_id, _column.workflow_id).where(
            _column.account_id == account_id, _column.request_id == request_id
        )
    ).first()


def counts(connection: Connection) -> dict[UUID, int]:
    """Return how often each template was used, as far as the account may know."""
    statement = select(_column.template_id, func.count()).group_by(_column.template_id)
    return {template_id: number for template_id, number in connection.execute(statement)}


def count_of(connection: Connection, template_id: UUID) -> int:
    """Return how often a template was used, as far as the account may know."""
    return connection.execute(
        select(func.count()).where(_column.template_id == template_id)
    ).scalar_one()


def page(
    connection: Connection, template_id: UUID, *, limit: int, offset: int
) -> Sequence[Row[Any]]:
    """Return the use of a template, newest first; the workflow's name where it is the account's."""
    statement = (
        select(template_usage, workflows.c.name, workflows.c.status)
        .outerjoin(workflows, workflows.c.id == _column.workflow_id)
        .where(_column.template_id == template_id)
        .order_by(_column.used_at.desc(), _column.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return connection.execute(statement).all()


def completion(
    connection: Connection, template_id: UUID | None = None
) -> dict[UUID, tuple[UUID, int, int]]:
    """Return template, completed and ended enrollments of the account's clones, by workflow.

    Of all templates or of one, and only of those clones in which somebody has come to an end. A
    withdrawn enrollment is none.
    """
    one = enrollments.c
    statement = (
        select(
            workflows.c.id,
            workflows.c.template_id,
            func.sum(case((one.status == "completed", 1), else_=0)),
            func.count(),
        )
        .join(enrollments, one.workflow_id == workflows.c.id)
        .where(workflows.c.template_id.is_not(None), one.status.in_(("completed", "exited")))
        .group_by(workflows.c.id, workflows.c.template_id)
    )
    if template_id is not None:
        statement = statement.where(workflows.c.template_id == template_id)
    return {row[0]: (row[1], int(row[2]), row[3]) for row in connection.execute(statement)}


_KNOWN_NAMES = text(
    """
    with words as materialized (select word from unnest(cast(:words as text[])) w (word))
    select first_name from enrollment.contacts
    where lower(first_name) in (select word from words)
    union
    select last_name from enrollment.contacts where lower(last_name) in (select word from words)
    """
)


def known_names(connection: Connection, words: Sequence[str]) -> list[str]:
    """Return those of the words, given in lower case, that are names of contacts."""
    asked = {"words": list(words)}
    return list(connection.scalars(_KNOWN_NAMES, asked))
