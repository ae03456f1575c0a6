"""Statements on workflows and on the integrations they need, in a transaction of the account."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from enrollment_pipeline.records import Workflow, WorkflowStatus
from enrollment_pipeline.storage.schema import enrollments, integrations, workflows

_column = workflows.c
_ONE_NEW_AT_A_TIME = text(
    "select pg_advisory_xact_lock("
    "hashtextextended('new workflow ' || enrollment.current_account(), 0))"
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """The template that a workflow was cloned from, as it was then."""

    template_id: UUID
    version: int
    category: str
    cloned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    """A row of `workflows`, with the document that is kept of it."""

    workflow: Workflow
    config: dict[str, Any]
    version: int
    lineage: Lineage | None
    created_at: datetime
    updated_at: datetime

    @property
    def id(self) -> UUID:
        """The workflow's id."""
        return self.workflow.id

    @property
    def plain(self) -> bool:
        """Whether it has no steps: it records who is enrolled, and what follows is done elsewhere.

        There is nothing to validate then.
        """
        return "steps" not in self.config


def add(
    connection: Connection,
    account_id: UUID,
    name: str,
    status: WorkflowStatus,
    config: Mapping[str, Any],
    lineage: Lineage | None = None,
) -> UUID | None:
    """Insert a workflow and return its id; None where the account has one of that name."""
    values: dict[str, Any] = {
        "account_id": account_id,
        "name": name,
        "status": status.value,
        "config": dict(config),
    }
    if lineage is not None:
        values |= {
            "template_id": lineage.template_id,
            "template_version": lineage.version,
            "template_category": lineage.category,
            "cloned_at": func.now(),
        }
    statement = insert(workflows).values(values).on_conflict_do_nothing().returning(_column.id)
    found: UUID | None = connection.scalar(statement)
    return found


def lock_new(connection: Connection) -> None:
    """Let one new workflow of the account at a time pass, so that the limit holds."""
    connection.execute(_ONE_NEW_AT_A_TIME)


def count_in_use(connection: Connection) -> int:
    """Return how many workflows are not archived."""
    return connection.execute(
        select(func.count()).where(_column.status != WorkflowStatus.ARCHIVED)
    ).scalar_one()


def with_id(
    connection: Connection, workflow_id: UUID, *, lock: bool = False
) -> StoredWorkflow | None:
    """Return the workflow; with `lock`, nobody else changes it until the commit."""
    statement = select(workflows).where(_column.id == workflow_id)
    if lock:
        # Key share: rows that refer to the workflow may be written meanwhile.
        statement = statement.with_for_update(key_share=True)
    row = connection.execute(statement).first()
    return None if row is None else _stored(row)


def every(
    connection: Connection, *, status: WorkflowStatus | None = None
) -> Sequence[StoredWorkflow]:
    """Return the workflows of the account, by name; only those of a status, where one is given."""
    statement = select(workflows).order_by(func.lower(_column.name))
    if status is not None:
        statement = statement.where(_column.status == status.value)
    return [_stored(row) for row in connection.execute(statement)]


def clones(connection: Connection) -> Sequence[StoredWorkflow]:
    """Return the workflows that were cloned and are not archived, by name."""
    statement = select(workflows).where(
        _column.template_id.is_not(None), _column.status != WorkflowStatus.ARCHIVED
    )
    rows = connection.execute(statement.order_by(func.lower(_column.name)))
    return [_stored(row) for row in rows]


def set_status(connection: Connection, workflow_id: UUID, status: WorkflowStatus) -> None:
    """Write a status."""
    connection.execute(
        update(workflows)
        .where(_column.id == workflow_id)
        .values(status=status.value, updated_at=func.now())
    )


def rewrite(
    connection: Connection,
    workflow_id: UUID,
    name: str,
    config: Mapping[str, Any],
    *,
    template_version: int | None = None,
) -> None:
    """Replace name and document; with a template version, it follows that one from now on."""
    values: dict[str, Any] = {
        "name": name,
        "config": dict(config),
        "version": _column.version + 1,
        "updated_at": func.now(),
    }
    if template_version is not None:
        values["template_version"] = template_version
    connection.execute(update(workflows).where(_column.id == workflow_id).values(values))


def name_is_free(connection: Connection, name: str, workflow_id: UUID | None = None) -> bool:
    """Return whether no workflow, but for the one named, has the name, in any letter case."""
    statement = select(_column.id).where(func.lower(_column.name) == func.lower(name))
    if workflow_id is not None:
        statement = statement.where(_column.id != workflow_id)
    return connection.execute(statement).first() is None


def stranded(
    connection: Connection, workflow_id: UUID, step_ids: Collection[str]
) -> dict[str, int]:
    """Return how many contacts stand at steps other than these, by step."""
    column = enrollments.c
    statement = (
        select(column.current_step, func.count())
        .where(
            column.workflow_id == workflow_id,
            column.ended_at.is_(None),
            column.current_step.not_in(list(step_ids)),
        )
        .group_by(column.current_step)
        .order_by(column.current_step)
    )
    return {step: number for step, number in connection.execute(statement)}


@dataclass(frozen=True, slots=True)
class Connected:
    """An integration that an account has connected."""

    name: str
    details: dict[str, str]
    connected_by: str
    connected_at: datetime


def connected(connection: Connection) -> dict[str, Connected]:
    """Return the integrations of the account, by name."""
    rows = connection.execute(select(integrations).order_by(integrations.c.name))
    return {
        row.name: Connected(row.name, row.details, row.connected_by, row.connected_at)
        for row in rows
    }


def connect(
    connection: Connection, account_id: UUID, name: str, details: Mapping[str, str], *, actor: str
) -> None:
    """Insert an integration, or replace its details."""
    values = {"details": dict(details), "connected_by": actor, "connected_at": func.now()}
    connection.execute(
        insert(integrations)
        .values(account_id=account_id, name=name, **values)
        .on_conflict_do_update(
            index_elements=[integrations.c.account_id, integrations.c.name], set_=values
        )
    )


def disconnect(connection: Connection, name: str) -> bool:
    """Delete an integration; return False where the account has none of that name."""
    statement = delete(integrations).where(integrations.c.name == name)
    return connection.execute(statement.returning(integrations.c.name)).first() is not None


def _stored(row: Row[Any]) -> StoredWorkflow:
    lineage = None
    if row.template_id is not None:
        lineage = Lineage(
            row.template_id, row.template_version, row.template_category, row.cloned_at
        )
    return StoredWorkflow(
        workflow=Workflow.from_config(row.id, row.name, row.status, row.config),
        config=row.config,
        version=row.version,
        lineage=lineage,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
