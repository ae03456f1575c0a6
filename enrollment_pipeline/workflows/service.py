"""Making, finding, activating and pausing workflows, always within one account.

Does not belong here: what a workflow's steps do, and who may be enrolled (`enrollment`).
"""

from contextlib import AbstractContextManager
from uuid import UUID

from enrollment_pipeline.accounts.operations import Operation, operation
from enrollment_pipeline.errors import (
    InvalidStateError,
    WorkflowExistsError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.records import Account, Permission, Workflow, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import store
from enrollment_pipeline.workflows.request import MOVES, WorkflowRequest


def create(
    database: Database, account: Account, request: WorkflowRequest, *, actor: str
) -> Workflow:
    """Create a workflow, as a draft or active at once.

    Raises:
        WorkflowExistsError: the account has a workflow of that name, in whatever letter case.
    """
    status = WorkflowStatus.ACTIVE if request.active else WorkflowStatus.DRAFT
    with _operation(database, account, actor, "workflow.create", request.name) as doing:
        made = store.add(doing.connection, account.id, request.name, status, request.config)
        if made is None:
            raise WorkflowExistsError(f"The account has a workflow {request.name!r} already.")
    return made


def find(database: Database, account: Account, reference: str) -> Workflow:
    """Return the account's workflow of that id or name; the name in any letter case.

    Raises:
        WorkflowNotFoundError: the account has none.
    """
    workflow_id = _as_id(reference)
    found = None
    with database.account(account.id) as connection:
        if workflow_id is not None:
            found = store.with_id(connection, workflow_id)
        elif reference.isprintable():
            # No name holds anything else, and the database could not even be asked.
            found = store.named(connection, reference.strip())
    if found is None:
        raise WorkflowNotFoundError(f"There is no workflow {reference!r} in this account.")
    return found


def list_workflows(database: Database, account: Account) -> list[Workflow]:
    """Return the account's workflows, by name."""
    with database.account(account.id) as connection:
        return store.every(connection)


def activate(database: Database, account: Account, reference: str, *, actor: str) -> Workflow:
    """Let the workflow take enrollments; one that does already stays as it is.

    Raises:
        WorkflowNotFoundError: the account has no such workflow.
        InvalidStateError: it is archived.
    """
    return _move(database, account, reference, WorkflowStatus.ACTIVE, actor, "workflow.activate")


def pause(database: Database, account: Account, reference: str, *, actor: str) -> Workflow:
    """Let the workflow take no enrollments for a while; a paused one stays as it is.

    Raises:
        WorkflowNotFoundError: the account has no such workflow.
        InvalidStateError: it is a draft or archived.
    """
    return _move(database, account, reference, WorkflowStatus.PAUSED, actor, "workflow.pause")


def _move(
    database: Database,
    account: Account,
    reference: str,
    wanted: WorkflowStatus,
    actor: str,
    action: str,
) -> Workflow:
    workflow_id = find(database, account, reference).id
    with _operation(database, account, actor, action, str(workflow_id)) as doing:
        present = store.with_id(doing.connection, workflow_id, lock=True)
        if present is None:
            raise WorkflowNotFoundError(f"There is no workflow {reference!r} in this account.")
        if present.status is wanted:
            doing.silent = True
            return present
        if wanted not in MOVES[present.status]:
            raise InvalidStateError(
                f"The workflow {present.name!r} is {present.status}; it cannot become {wanted}.",
                remedy=_advice(present.status),
            )
        store.set_status(doing.connection, workflow_id, wanted)
    return find(database, account, str(workflow_id))


def _operation(
    database: Database, account: Account, actor: str, action: str, subject: str
) -> AbstractContextManager[Operation]:
    return operation(
        database,
        account.id,
        actor=actor,
        action=action,
        needs=Permission.WORKFLOW_EDIT,
        subject=subject,
    )


def _advice(status: WorkflowStatus) -> str:
    possible = ", ".join(sorted(MOVES[status]))
    if not possible:
        return f"Create a new workflow: one that is {status} stays so."
    return f"A workflow that is {status} can become: {possible}."


def _as_id(reference: str) -> UUID | None:
    try:
        return UUID(reference.strip())
    except ValueError:
        return None
