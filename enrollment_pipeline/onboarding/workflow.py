"""The workflow that an item goes through, as it is when the item comes to it."""

from sqlalchemy import Connection

from enrollment_pipeline.errors import WorkflowInactiveError, WrongSubjectError
from enrollment_pipeline.onboarding.store.items import ItemRecord
from enrollment_pipeline.records import Subject, WorkflowStatus
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline.workflows.documents import WorkflowDocument


def workflow_of(
    connection: Connection, item: ItemRecord, *, beginning: bool = False
) -> tuple[WorkflowDocument, str]:
    """Return the workflow of an item as it is now, and its name.

    Raises:
        WorkflowNotFoundError: there is none any more.
        WorkflowInactiveError: it takes no items; only asked of one that begins.
        WrongSubjectError: it takes contacts.
        InvalidWorkflowError: it was changed since, and is not finished.
    """
    workflow, document = workflows.document_of(connection, item.workflow_id)
    if workflow.subject is not Subject.ITEM:
        raise WrongSubjectError(f"The workflow {workflow.name!r} takes contacts, not items.")
    if beginning and workflow.status is not WorkflowStatus.ACTIVE:
        raise WorkflowInactiveError(f"The workflow {workflow.name!r} is {workflow.status}.")
    workflows.refuse(workflows.validate(document), workflow.name)
    return WorkflowDocument.model_validate(document), workflow.name
