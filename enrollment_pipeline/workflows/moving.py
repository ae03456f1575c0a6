"""The moves of a workflow between draft, active, paused and archived.

Belongs here: which move is asked for, and what must hold before. Which moves there are is `MOVES`
in `request`; what is wrong with a workflow is asked of `checking`.
"""

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.records import Account, Permission, Workflow, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import store
from enrollment_pipeline.workflows.checking import refuse
from enrollment_pipeline.workflows.keeping import find, locked, show_in
from enrollment_pipeline.workflows.request import MOVES


def activate(database: Database, account: Account, reference: str, *, actor: str) -> Workflow:
    """Let a valid workflow take enrollments; one that does already stays as it is.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidStateError: it is archived.
        InvalidWorkflowError: it is not valid; every problem is listed.
        WorkflowNotFoundError: the account has no such workflow.
    """
    return _move(database, account, reference, WorkflowStatus.ACTIVE, actor, "workflow.activate")


def pause(database: Database, account: Account, reference: str, *, actor: str) -> Workflow:
    """Let the workflow take no enrollments for a while; a paused one stays as it is.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidStateError: it is a draft or archived.
        WorkflowNotFoundError: the account has no such workflow.
    """
    return _move(database, account, reference, WorkflowStatus.PAUSED, actor, "workflow.pause")


def archive(database: Database, account: Account, reference: str, *, actor: str) -> Workflow:
    """Let the workflow take no enrollments ever again; it no longer counts for the limit.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidStateError: it is active.
        WorkflowNotFoundError: the account has no such workflow.
    """
    return _move(database, account, reference, WorkflowStatus.ARCHIVED, actor, "workflow.archive")


def _move(
    database: Database,
    account: Account,
    reference: str,
    wanted: WorkflowStatus,
    actor: str,
    action: str,
) -> Workflow:
    workflow_id = find(database, account, reference).id
    with operation(
        database,
        account.id,
        actor=actor,
        action=action,
        needs=Permission.WORKFLOW_EDIT,
        subject=workflow_id,
    ) as doing:
        present = locked(doing.connection, workflow_id)
        status = present.workflow.status
        if status is wanted:
            doing.silent = True
            return present.workflow
        if wanted not in MOVES[status]:
            raise InvalidStateError(
                f"The workflow {present.workflow.name!r} is {status}; it cannot become {wanted}.",
                remedy=_advice(status),
            )
        if wanted is WorkflowStatus.ACTIVE:
            refuse(show_in(doing.connection, workflow_id).problems, present.workflow.name)
        store.set_status(doing.connection, workflow_id, wanted)
        return show_in(doing.connection, workflow_id).workflow


def _advice(status: WorkflowStatus) -> str:
    possible = ", ".join(sorted(MOVES[status]))
    if not possible:
        return f"Create a new workflow: one that is {status} stays so."
    return f"A workflow that is {status} can become: {possible}."
