"""Workflows with their triggers and integrations."""

from enrollment_pipeline.errors.base import InvalidRequestError, RefusedError


class WorkflowNotFoundError(RefusedError):
    """There is no such workflow in this account."""

    code = "WORKFLOW_NOT_FOUND"
    remedy = "List the workflows with: enrollment workflows list"


class WorkflowExistsError(RefusedError):
    """A workflow of that name exists in this account."""

    code = "WORKFLOW_EXISTS"
    remedy = "Choose another name."


class WorkflowInactiveError(RefusedError):
    """The workflow is not active and takes no enrollments."""

    code = "WORKFLOW_INACTIVE"
    remedy = "Activate it with: enrollment workflows activate NAME"


class WorkflowLimitError(RefusedError):
    """The account has as many workflows as it may have."""

    code = "WORKFLOW_LIMIT"
    remedy = "Archive one with enrollment workflows archive NAME, or have the limit raised."


class WorkflowChangedError(RefusedError):
    """The workflow was changed by somebody else meanwhile."""

    code = "WORKFLOW_CHANGED"
    remedy = "Look at it as it is now (enrollment workflows show NAME --document), and edit that."


class InvalidWorkflowError(InvalidRequestError):
    """The workflow is not valid."""

    code = "INVALID_WORKFLOW"
    remedy = (
        "Correct what is named, at its path; docs/workflows.md lists step types and fields, and "
        "enrollment workflows validate shows everything that is wrong."
    )


class WrongSubjectError(RefusedError):
    """The workflow is not for these."""

    code = "WRONG_SUBJECT"
    remedy = "Name a workflow whose settings.subject is what you have: contact, or item."


class IntegrationMissingError(RefusedError):
    """An integration that is needed is not connected."""

    code = "INTEGRATION_MISSING"
    remedy = "Connect it with: enrollment integrations connect NAME"


class InvalidTriggerError(InvalidRequestError):
    """The trigger is not valid."""

    code = "INVALID_TRIGGER"
    remedy = (
        "Correct what is named, at its path; docs/triggers.md lists event types and parameters, "
        "docs/conditions.md fields and operators."
    )


class TriggerNotFoundError(RefusedError):
    """There is no such trigger in this account."""

    code = "TRIGGER_NOT_FOUND"
    remedy = "List the triggers with: enrollment triggers list"


class TriggerExistsError(RefusedError):
    """The workflow has a trigger already."""

    code = "TRIGGER_EXISTS"
    remedy = "Change it with enrollment triggers update, or delete it first."


class TriggerLoopError(RefusedError):
    """The workflow would start itself again and again."""

    code = "TRIGGER_LOOP"
    remedy = "Break the cycle: let one of the steps do something else, or wait for another event."
