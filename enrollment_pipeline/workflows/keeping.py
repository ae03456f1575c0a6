"""Making, changing and finding workflows: name, document and trigger in one transaction.

Belongs here: what may be kept, limits, and what is written into the audit log. A draft may be
unfinished; an active workflow is valid at any time. Does not belong here: statuses (`moving`), and
what is wrong with a document (`validation`, `checking`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import Operation, operation
from enrollment_pipeline.errors import (
    InvalidStateError,
    InvalidWorkflowError,
    WorkflowChangedError,
    WorkflowExistsError,
    WorkflowLimitError,
    WorkflowNotFoundError,
    WrongSubjectError,
)
from enrollment_pipeline.records import Account, Permission, Subject, Workflow, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.storage.workflow_rows import find_workflow
from enrollment_pipeline.triggers import service as triggers
from enrollment_pipeline.workflows import store
from enrollment_pipeline.workflows.checking import problems_here, readable_trigger, refuse
from enrollment_pipeline.workflows.documents import KEYS, kept, whole
from enrollment_pipeline.workflows.problems import Problem
from enrollment_pipeline.workflows.request import LONGEST_NAME, WorkflowRequest
from enrollment_pipeline.workflows.store import Lineage, StoredWorkflow
from enrollment_pipeline.workflows.subjects import subject_of
from enrollment_pipeline.workflows.validation import problems_of, steps_of


@dataclass(frozen=True, slots=True)
class Shown:
    """A workflow with its whole document, and what keeps it from being active."""

    stored: StoredWorkflow
    document: dict[str, Any]
    problems: list[Problem]

    @property
    def workflow(self) -> Workflow:
        """What the rest of the product knows of it."""
        return self.stored.workflow


def create(
    database: Database, account: Account, request: WorkflowRequest, *, actor: str
) -> Workflow:
    """Create a workflow without steps, as a draft or active at once.

    Raises:
        ForbiddenError: whoever asks may not.
        WorkflowExistsError: the account has a workflow of that name, in whatever letter case.
        WorkflowLimitError: the account has as many as it may have.
    """
    status = WorkflowStatus.ACTIVE if request.active else WorkflowStatus.DRAFT
    with operation(
        database,
        account.id,
        actor=actor,
        action="workflow.create",
        needs=Permission.WORKFLOW_EDIT,
        subject=request.name,
    ) as doing:
        workflow_id = add(doing.connection, account, request.name, request.config, status=status)
        return _present(doing.connection, workflow_id).workflow


def create_from(
    database: Database, account: Account, document: object, *, active: bool = False, actor: str
) -> Shown:
    """Create a workflow from a whole document; as a draft, it may be unfinished.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidWorkflowError: the document cannot be kept or, with `active`, is not valid; every
            problem is listed.
        WorkflowExistsError: the account has a workflow of that name, in whatever letter case.
        WorkflowLimitError: the account has as many as it may have.
    """
    # With steps, however few, it is one that is validated.
    given = keepable(document)
    given["steps"] = given.get("steps") or []
    with operation(
        database,
        account.id,
        actor=actor,
        action="workflow.create",
        needs=Permission.WORKFLOW_EDIT,
        subject=given["name"],
    ) as doing:
        workflow_id = add_document(doing.connection, account, given, actor=actor)
        found = show_in(doing.connection, workflow_id)
        if active:
            refuse(found.problems, given["name"])
            store.set_status(doing.connection, workflow_id, WorkflowStatus.ACTIVE)
            found = show_in(doing.connection, workflow_id)
        doing.details = {"workflow_id": str(workflow_id), "steps": len(steps_of(given))}
        return found


def edit(
    database: Database,
    account: Account,
    reference: str,
    changes: object,
    *,
    version: int | None = None,
    actor: str,
) -> Shown:
    """Replace those parts of a workflow's document that are given; None takes a part away.

    With `version`, only where nobody has changed the workflow since it had that one.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidStateError: it is archived.
        InvalidWorkflowError: the document could not be kept, is not valid although the workflow is
            active, or lacks a step at which contacts are.
        WorkflowChangedError: somebody else has changed it.
        WorkflowExistsError: another workflow has the new name.
        WorkflowNotFoundError: the account has no such workflow.
        WrongSubjectError: it would be for others, and is no draft any more.
    """
    if not isinstance(changes, Mapping):
        raise InvalidWorkflowError("The changes of a workflow are an object.")
    workflow_id = find(database, account, reference).id
    with operation(
        database,
        account.id,
        actor=actor,
        action="workflow.edit",
        needs=Permission.WORKFLOW_EDIT,
        subject=workflow_id,
    ) as doing:
        present = locked(doing.connection, workflow_id)
        if version is not None and present.version != version:
            raise WorkflowChangedError(
                f"The workflow {present.workflow.name!r} is at version {present.version}; "
                f"the changes were made to version {version}."
            )
        return change(doing, account, present, changes, actor=actor)


def change(
    doing: Operation,
    account: Account,
    present: StoredWorkflow,
    changes: Mapping[str, Any],
    *,
    template_version: int | None = None,
    actor: str,
) -> Shown:
    """Do what `edit` does, to a locked workflow, within an operation that has begun."""
    if present.workflow.status is WorkflowStatus.ARCHIVED:
        raise InvalidStateError(
            f"The workflow {present.workflow.name!r} is archived; one that is archived stays so.",
            remedy="Create a new workflow.",
        )
    before = document_in(doing.connection, present)
    merged = {key: value for key, value in {**before, **changes}.items() if value is not None}
    if not present.plain or subject_of(merged) is Subject.ITEM:
        # Taken away, they are to be missed: it does not become one without steps. Nothing happens
        # elsewhere to an item, so that one for items has some.
        merged.setdefault("steps", [])
    if merged == before and template_version is None:
        doing.silent = True
        return show_in(doing.connection, present.id)
    after = keepable(merged)
    _refuse_others(present.workflow, subject_of(after))
    if not store.name_is_free(doing.connection, after["name"], present.id):
        raise WorkflowExistsError(f"The account has a workflow {after['name']!r} already.")
    refuse(_stranded(doing.connection, present.id, after), after["name"])
    store.rewrite(
        doing.connection, present.id, after["name"], kept(after), template_version=template_version
    )
    triggers.put_trigger(
        doing.connection, account.id, present.id, readable_trigger(after), actor=actor
    )
    found = show_in(doing.connection, present.id)
    if found.workflow.status is WorkflowStatus.ACTIVE:
        refuse(found.problems, after["name"])
    doing.details = {
        "workflow": after["name"],
        "changed": [key for key in KEYS if before.get(key) != after.get(key)],
        "version": found.stored.version,
    }
    was, is_now = before.get("trigger"), found.document.get("trigger")
    if was != is_now:
        doing.details |= {"before": was, "after": is_now}
    return found


def find(database: Database, account: Account, reference: str) -> Workflow:
    """Return the account's workflow of that id or name; the name in any letter case.

    Raises:
        WorkflowNotFoundError: the account has none.
    """
    with database.account(account.id) as connection:
        return find_workflow(connection, reference)


def show(database: Database, account: Account, reference: str) -> Shown:
    """Return the account's workflow with its document and its problems.

    Raises:
        WorkflowNotFoundError: the account has none.
    """
    with database.account(account.id) as connection:
        return show_in(connection, find_workflow(connection, reference).id)


def list_workflows(
    database: Database, account: Account, *, status: WorkflowStatus | None = None
) -> list[StoredWorkflow]:
    """Return the account's workflows, by name."""
    with database.account(account.id) as connection:
        return list(store.every(connection, status=status))


def add(
    connection: Connection,
    account: Account,
    name: str,
    config: Mapping[str, Any],
    *,
    status: WorkflowStatus = WorkflowStatus.DRAFT,
    lineage: Lineage | None = None,
) -> UUID:
    """Insert a workflow within the account's limit and return its id.

    Raises:
        WorkflowExistsError: the account has a workflow of that name, in whatever letter case.
        WorkflowLimitError: the account has as many as it may have.
    """
    store.lock_new(connection)
    most = account.settings.max_workflows
    if store.count_in_use(connection) >= most:
        raise WorkflowLimitError(f"The account has {most:,} workflows, which is its limit.")
    workflow_id = store.add(connection, account.id, name, status, config, lineage)
    if workflow_id is None:
        raise WorkflowExistsError(f"The account has a workflow {name!r} already.")
    return workflow_id


def add_document(
    connection: Connection,
    account: Account,
    document: Mapping[str, Any],
    *,
    lineage: Lineage | None = None,
    actor: str,
) -> UUID:
    """Insert a document with its trigger, as a draft, and return the workflow's id.

    Raises:
        InvalidWorkflowError: the document cannot be kept.
        WorkflowExistsError: the account has a workflow of that name, in whatever letter case.
        WorkflowLimitError: the account has as many as it may have.
    """
    given = keepable(document)
    workflow_id = add(connection, account, given["name"], kept(given), lineage=lineage)
    trigger = readable_trigger(given)
    triggers.put_trigger(connection, account.id, workflow_id, trigger, actor=actor)
    return workflow_id


def keepable(document: object) -> dict[str, Any]:
    """Return the document where a draft may hold it.

    Raises:
        InvalidWorkflowError: what is there is not of the right kind; all such problems are listed.
    """
    wrong = [problem for problem in problems_of(document) if not problem.unfinished]
    name = document.get("name") if isinstance(document, Mapping) else None
    refuse(wrong, name if isinstance(name, str) else "")
    found = dict(document) if isinstance(document, Mapping) else {}
    found["name"] = str(name).strip()
    return found


def show_in(connection: Connection, workflow_id: UUID) -> Shown:
    """Return a workflow with its document and its problems, in the caller's transaction."""
    stored = _present(connection, workflow_id)
    document = document_in(connection, stored)
    problems = [] if stored.plain else problems_here(connection, workflow_id, document)
    return Shown(stored, document, problems)


def document_of(connection: Connection, workflow_id: UUID) -> tuple[Workflow, dict[str, Any]]:
    """Return a workflow and its whole document, without asking what is wrong with it.

    Raises:
        WorkflowNotFoundError: the account has no such workflow.
    """
    stored = _present(connection, workflow_id)
    return stored.workflow, document_in(connection, stored)


def document_in(connection: Connection, stored: StoredWorkflow) -> dict[str, Any]:
    """Return the whole document of a workflow: what is kept of it, its name and its trigger."""
    trigger = triggers.trigger_of(connection, stored.id)
    return whole(
        stored.workflow.name, stored.config, None if trigger is None else trigger.as_dict()
    )


def lock_new(connection: Connection) -> None:
    """Let no other workflow be created in the account until the commit."""
    store.lock_new(connection)


def free_name(connection: Connection, wanted: str) -> str:
    """Return a name that no workflow of the account has: the one wanted, or that with a number.

    Until the commit, no other workflow is created in the account.
    """
    lock_new(connection)
    if store.name_is_free(connection, wanted):
        return wanted
    # Room for a number in the longest name.
    beginning = wanted[: LONGEST_NAME - len(" 1000000")].rstrip()
    numbered = (f"{beginning} {number}" for number in count(2))
    return next(name for name in numbered if store.name_is_free(connection, name))


def locked(connection: Connection, workflow_id: UUID) -> StoredWorkflow:
    """Return a workflow that nobody else changes until the commit.

    Raises:
        WorkflowNotFoundError: the account has none of that id.
    """
    # In this order everywhere: names, triggers, the workflow.
    store.lock_new(connection)
    triggers.lock_changes(connection)
    return _present(connection, workflow_id, lock=True)


def validate(document: object) -> list[Problem]:
    """Return everything that is wrong with a document, whatever account it is for."""
    return problems_of(document)


def _refuse_others(workflow: Workflow, wanted: Subject) -> None:
    # Contacts or items may be in one that was ever active, or be on their way to it.
    if workflow.subject is not wanted and workflow.status is not WorkflowStatus.DRAFT:
        raise WrongSubjectError(
            f"The workflow {workflow.name!r} is {workflow.status}, and takes {workflow.subject}s; "
            "only that of a draft can be changed.",
            remedy="Create a new workflow for the others.",
        )


def _stranded(
    connection: Connection, workflow_id: UUID, document: Mapping[str, Any]
) -> list[Problem]:
    """Return the steps that contacts are at, and that a document no longer has."""
    step_ids = [str(step.get("id")) for _, step in steps_of(document)]
    return [
        Problem("steps", f"{number:,} contacts are at the step {step!r}, which must stay.")
        for step, number in store.stranded(connection, workflow_id, step_ids).items()
    ]


def _present(connection: Connection, workflow_id: UUID, *, lock: bool = False) -> StoredWorkflow:
    found = store.with_id(connection, workflow_id, lock=lock)
    if found is None:
        raise WorkflowNotFoundError(f"There is no workflow {workflow_id} in this account.")
    return found
