"""Statements on the table of workflows, each in a transaction of the account."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from enrollment_pipeline.records import Workflow, WorkflowStatus
from enrollment_pipeline.storage.schema import workflows

_COLUMNS = (workflows.c.id, workflows.c.name, workflows.c.status, workflows.c.config)


def add(
    connection: Connection,
    account_id: UUID,
    name: str,
    status: WorkflowStatus,
    config: dict[str, Any],
) -> Workflow | None:
    """Insert a workflow and return it; None where the account has one of that name."""
    statement = (
        insert(workflows)
        .values(account_id=account_id, name=name, status=status.value, config=config)
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    )
    row = connection.execute(statement).first()
    return None if row is None else _workflow(row)


def with_id(connection: Connection, workflow_id: UUID, *, lock: bool = False) -> Workflow | None:
    """Return the workflow; with `lock`, nobody else changes it until the commit."""
    statement = select(*_COLUMNS).where(workflows.c.id == workflow_id)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return None if row is None else _workflow(row)


def named(connection: Connection, name: str) -> Workflow | None:
    """Return the workflow of that name in any letter case."""
    statement = select(*_COLUMNS).where(func.lower(workflows.c.name) == func.lower(name))
    row = connection.execute(statement).first()
    return None if row is None else _workflow(row)


def every(connection: Connection) -> list[Workflow]:
    """Return all workflows of the account, by name."""
    rows = connection.execute(select(*_COLUMNS).order_by(func.lower(workflows.c.name)))
    return [_workflow(row) for row in rows]


def set_status(connection: Connection, workflow_id: UUID, status: WorkflowStatus) -> None:
    """Write a status."""
    connection.execute(
        update(workflows)
        .where(workflows.c.id == workflow_id)
        .values(status=status.value, updated_at=func.now())
    )


def _workflow(row: Row[Any, Any, Any, Any]) -> Workflow:
    return Workflow.from_config(row.id, row.name, row.status, row.config)
