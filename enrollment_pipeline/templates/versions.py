"""Versions of templates: their history, what differs, and what a clone takes over of a newer one.

Belongs here: which documents are compared. Does not belong here: the comparison (`changes`), and
making versions (`saving`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation
from enrollment_pipeline.errors import InvalidRequestError, TemplateNotFoundError
from enrollment_pipeline.records import Account, Permission
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import changes
from enrollment_pipeline.templates.changes import Change, Update
from enrollment_pipeline.templates.documents import Template, canonical
from enrollment_pipeline.templates.finding import document_in, find_by_id, find_in
from enrollment_pipeline.templates.store import library
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline.workflows.service import Lineage, Shown, StoredWorkflow


@dataclass(frozen=True, slots=True)
class Offer:
    """What the newest version of its template has for a clone."""

    workflow: StoredWorkflow
    template: Template
    updates: tuple[Update, ...]


def history(database: Database, account: Account, reference: str) -> dict[str, Any]:
    """Return the versions of a template that are kept, the newest first.

    Of a shipped one, those are the newest and the ones that the account has cloned.

    Raises:
        TemplateNotFoundError: the account sees no such template.
    """
    with database.account(account.id) as connection:
        template = find_in(connection, account, reference)
        kept = [
            {
                "version": row.version,
                "note": row.note,
                "created_by": row.created_by,
                "created_at": row.created_at,
            }
            for row in library.versions(connection, template.id)
        ]
    if template.version not in [one["version"] for one in kept]:
        kept.insert(
            0,
            {
                "version": template.version,
                "note": "",
                "created_by": template.created_by,
                "created_at": template.created_at,
            },
        )
    return {"template_id": str(template.id), "name": template.name, "versions": kept}


def compare(
    database: Database,
    account: Account,
    reference: str,
    *,
    older: int | None = None,
    newer: int | None = None,
) -> tuple[Template, int, int, tuple[Change, ...]]:
    """Return template, the two versions, and what differs; by default of the last two.

    Raises:
        TemplateNotFoundError: the account sees no such template, or that version is not kept.
    """
    with database.account(account.id) as connection:
        template = find_in(connection, account, reference)
        last = template.version if newer is None else newer
        first = max(1, last - 1) if older is None else older
        before, after = (
            canonical(document_in(connection, template, version)) for version in (first, last)
        )
    return template, first, last, changes.diff(before, after)


def offer(database: Database, account: Account, workflow: str) -> Offer:
    """Return what the newest version of its template would change in a cloned workflow.

    Raises:
        InvalidRequestError: the workflow was not cloned.
        TemplateNotFoundError: its template is gone, or no longer shared.
        WorkflowNotFoundError: the account has no such workflow.
    """
    found = workflows.show(database, account, workflow)
    with database.account(account.id) as connection:
        return _offer(connection, account, found)


def merge(
    database: Database,
    account: Account,
    workflow: str,
    chosen: Collection[str] | None,
    *,
    settle: bool = False,
    actor: str,
) -> tuple[Shown, tuple[Update, ...]]:
    """Take the chosen changes of its template over into a clone, and leave all else as it is.

    `chosen` are ids as `offer` has them; None takes all that the clone has not changed itself.
    Returns the workflow, and what is still offered. When nothing is, or with `settle`, the clone
    counts as one of the newest version from now on.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidRequestError: there is no such change, or the workflow was not cloned.
        InvalidWorkflowError: the workflow is active and would not be valid.
        TemplateNotFoundError: its template is gone, or no longer shared.
        WorkflowNotFoundError: the account has no such workflow.
    """
    workflow_id = workflows.find(database, account, workflow).id
    with operation(
        database,
        account.id,
        actor=actor,
        action="template.merge",
        needs=Permission.WORKFLOW_EDIT,
        subject=workflow_id,
    ) as doing:
        present = workflows.locked(doing.connection, workflow_id)
        found = workflows.show_in(doing.connection, workflow_id)
        offered = _offer(doing.connection, account, found)
        wanted = (
            [one.change.id for one in offered.updates if not one.conflict]
            if chosen is None
            else list(dict.fromkeys(chosen))
        )
        base, newest = _documents(doing.connection, offered.template, present.lineage)
        merged = _merged(base, found.document, newest, wanted)
        left = changes.updates(base, canonical(merged), newest)
        settled = settle or not left
        behind = present.lineage is not None and (
            present.lineage.version != offered.template.version
        )
        changed = workflows.change(
            doing,
            account,
            present,
            {**dict.fromkeys(found.document), **merged},
            template_version=offered.template.version if settled and behind else None,
            actor=actor,
        )
        if settled:
            # What it is compared with from now on.
            library.add_version(
                doing.connection,
                account.id,
                offered.template.id,
                offered.template.version,
                newest,
                actor=actor,
            )
        doing.details |= {"template": offered.template.name, "taken": wanted}
        return changed, () if settled else left


def offers(database: Database, account: Account) -> list[Offer]:
    """Return the clones whose template has a newer version, with what it would change."""
    with database.account(account.id) as connection:
        found = []
        for stored in workflows.clones(connection):
            template = _newer(connection, account, stored)
            if template is not None:
                shown = workflows.show_in(connection, stored.id)
                found.append(_offer(connection, account, shown))
    return found


def update_of(
    database: Database, account: Account, stored: StoredWorkflow
) -> dict[str, Any] | None:
    """Return the newer version of the template that a workflow was cloned from, None without."""
    with database.account(account.id) as connection:
        template = _newer(connection, account, stored)
    if template is None:
        return None
    return {
        "template_id": str(template.id),
        "template_name": template.name,
        "version": template.version,
    }


def _newer(connection: Connection, account: Account, stored: StoredWorkflow) -> Template | None:
    if stored.lineage is None:
        return None
    template = find_by_id(connection, account, stored.lineage.template_id)
    if template is None or template.version <= stored.lineage.version:
        return None
    return template


def _offer(connection: Connection, account: Account, found: Shown) -> Offer:
    lineage = found.stored.lineage
    if lineage is None:
        raise InvalidRequestError(
            f"The workflow {found.workflow.name!r} was not cloned from a template.",
            remedy="List those that were, and have updates, with: enrollment templates updates",
        )
    template = find_by_id(connection, account, lineage.template_id)
    if template is None:
        raise TemplateNotFoundError(
            f"The template that {found.workflow.name!r} was cloned from is gone, or is no longer "
            "shared with this account.",
            remedy="The workflow lives on; there is nothing to take over.",
        )
    base, newest = _documents(connection, template, lineage)
    return Offer(found.stored, template, changes.updates(base, canonical(found.document), newest))


def _documents(
    connection: Connection, template: Template, lineage: Lineage | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the version that a clone was made from, and the newest one."""
    version = template.version if lineage is None else lineage.version
    base = canonical(document_in(connection, template, version))
    return base, canonical(document_in(connection, template))


def _merged(
    base: Mapping[str, Any],
    mine: Mapping[str, Any],
    newest: Mapping[str, Any],
    chosen: Collection[str],
) -> dict[str, Any]:
    try:
        return changes.merge(base, mine, newest, chosen)
    except KeyError as error:
        raise InvalidRequestError(
            f"The template offers no change {str(error.args[0])[:100]!r}.",
            remedy="Name changes as enrollment templates diff shows them.",
        ) from None
