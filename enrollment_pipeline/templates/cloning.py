"""Making a workflow of a template: a draft with an id and a name of its own, and its lineage.

Belongs here: what must hold before, in one transaction with the workflow; whatever is refused has
created nothing. Source: spec "Template library", `clone`.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.errors import (
    IntegrationMissingError,
    InvalidRequestError,
    InvalidTemplateError,
    RequestIdUsedError,
)
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates.documents import Template, template_problems
from enrollment_pipeline.templates.finding import document_in, find_in
from enrollment_pipeline.templates.store import library, usage
from enrollment_pipeline.workflows.service import (
    Lineage,
    Shown,
    add_document,
    free_name,
    lock_new,
    missing_integrations,
    refuse,
    show_in,
)


def clone(
    database: Database,
    account: Account,
    reference: str,
    *,
    name: str | None = None,
    values: Mapping[str, str] | None = None,
    request_id: str | None = None,
    actor: str,
) -> Shown:
    """Return a new draft with everything that the template's newest version has.

    Without a name it has the template's, with a number where that is taken. `values` are for texts
    that the template asks for. Under a `request_id` that was used before, the workflow that was
    made then is returned as it is now.

    Raises:
        ForbiddenError: whoever asks may not.
        IntegrationMissingError: integrations are not connected; the message names them.
        InvalidRequestError: the template asks for no such value.
        InvalidTemplateError: it is not valid (any more), such as by a step type that is deprecated.
        InvalidWorkflowError: the name or a value cannot be used.
        RequestIdUsedError: the request id stands for a clone of another template.
        TemplateNotFoundError: the account sees no such template.
        WorkflowExistsError: the account has a workflow of that name.
        WorkflowLimitError: the account has as many workflows as it may have.
    """
    with operation(
        database,
        account.id,
        actor=actor,
        action="template.clone",
        needs=Permission.WORKFLOW_EDIT,
        subject=reference,
    ) as doing:
        template = find_in(doing.connection, account, reference)
        lock_new(doing.connection)
        made = _made(doing.connection, account, template, request_id)
        if made is not None:
            doing.silent = True
            return show_in(doing.connection, made)
        original = document_in(doing.connection, template)
        refuse(template_problems(original), template.name, InvalidTemplateError, "The template")
        missing = missing_integrations(doing.connection, original)
        if missing:
            raise IntegrationMissingError(
                f"The template {template.name!r} needs what is not connected: "
                f"{', '.join(missing)}.",
                remedy=f"Connect it with: enrollment integrations connect {missing[0]}",
                details={"missing": missing},
            )
        document = _filled(template, original, values or {})
        document["name"] = free_name(doing.connection, template.name) if name is None else name
        workflow_id = add_document(
            doing.connection,
            account,
            document,
            lineage=Lineage(template.id, template.version, template.category),
            actor=actor,
        )
        library.add_version(
            doing.connection, account.id, template.id, template.version, original, actor=actor
        )
        usage.add(
            doing.connection,
            account.id,
            template.id,
            template.version,
            template.account_id,
            workflow_id,
            request_id=request_id,
            actor=actor,
        )
        doing.subject = str(template.id)
        doing.details = {
            "template": template.name,
            "version": template.version,
            "workflow_id": str(workflow_id),
            "workflow": document["name"],
        }
        return show_in(doing.connection, workflow_id)


def _made(
    connection: Connection, account: Account, template: Template, request_id: str | None
) -> UUID | None:
    """Return the workflow that was made under a request id, None where there is none yet."""
    found = None if request_id is None else usage.of_request(connection, account.id, request_id)
    if found is None:
        return None
    if found.template_id != template.id:
        raise RequestIdUsedError(
            f"The request id {str(request_id)[:100]!r} stands for a clone of another template."
        )
    workflow_id: UUID = found.workflow_id
    return workflow_id


def _filled(
    template: Template, original: Mapping[str, Any], values: Mapping[str, str]
) -> dict[str, Any]:
    known = original.get("values") or {}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise InvalidRequestError(
            f"The template {template.name!r} asks for no value {unknown[0][:60]!r}.",
            remedy=f"It asks for: {', '.join(known) or 'nothing'}.",
        )
    document = dict(original)
    if known:
        document["values"] = {**known, **values}
    return document
