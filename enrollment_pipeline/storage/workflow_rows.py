"""The workflow that a name or an id means: what every capability asks before anything else.

In the caller's transaction, which has its account set. Does not belong here: making and changing
workflows, which is `workflows`.
"""

from uuid import UUID

from sqlalchemy import Connection, func, select

from enrollment_pipeline.errors import WorkflowNotFoundError
from enrollment_pipeline.records import Workflow
from enrollment_pipeline.storage.schema import workflows

_COLUMNS = (workflows.c.id, workflows.c.name, workflows.c.status, workflows.c.config)


def find_workflow(connection: Connection, reference: str) -> Workflow:
    """Return the account's workflow of that id or name; the name in any letter case.

    Raises:
        WorkflowNotFoundError: the account has none.
    """
    found: Workflow | None = None
    try:
        workflow_id = UUID(reference.strip())
    except ValueError:
        # No name holds anything that is not printable, and the database could not even be asked.
        if reference.isprintable():
            found = _named(connection, reference.strip())
    else:
        found = workflow_with_id(connection, workflow_id)
    if found is None:
        raise WorkflowNotFoundError(f"There is no workflow {reference!r} in this account.")
    return found


def workflow_with_id(connection: Connection, workflow_id: UUID) -> Workflow | None:
    """Return the workflow of that id, None where the account has none."""
    row = connection.execute(select(*_COLUMNS).where(workflows.c.id == workflow_id)).first()
    return None if row is None else Workflow.from_config(*row)


def _named(connection: Connection, name: str) -> Workflow | None:
    # A name never reads like an id.
    statement = select(*_COLUMNS).where(func.lower(workflows.c.name) == func.lower(name))
    row = connection.execute(statement).first()
    return None if row is None else Workflow.from_config(*row)
