"""Making, changing, finding and ending triggers: validated, checked for loops, audited.

Each of these asked for twice is done once: what is already as wanted stays, and nothing is written.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import Operation, operation
from enrollment_pipeline.errors import (
    InvalidRequestError,
    InvalidStateError,
    InvalidTriggerError,
    TriggerExistsError,
    TriggerLoopError,
    TriggerNotFoundError,
    WorkflowNotFoundError,
    WrongSubjectError,
)
from enrollment_pipeline.records import Account, Permission, Subject, Workflow, WorkflowStatus
from enrollment_pipeline.storage.paging import offset_of
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.storage.workflow_rows import find_workflow
from enrollment_pipeline.triggers.asking import next_firings
from enrollment_pipeline.triggers.attached import loop_of
from enrollment_pipeline.triggers.documents import TriggerDocument, parse_trigger
from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline.triggers.store import triggers
from enrollment_pipeline.triggers.store.triggers import Trigger


def create(
    database: Database, account: Account, workflow: str, document: object, *, actor: str
) -> tuple[Trigger, bool]:
    """Give a workflow its trigger; return it, and False where it had this very one already.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidTriggerError: the document is not valid; every error is listed.
        TriggerExistsError: the workflow has another trigger.
        TriggerLoopError: the workflow would start itself, directly or through others.
        WorkflowNotFoundError: the account has no such workflow.
        WrongSubjectError: the workflow is for items, which no event is about.
    """
    wanted = parse_trigger(document)
    _refuse_ended(account, wanted)
    with database.account(account.id) as connection:
        found = find_workflow(connection, workflow)
    with _operation(database, account, actor, "trigger.create", found.id) as doing:
        triggers.lock_all(doing.connection)
        _refuse_items(find_workflow(doing.connection, str(found.id)))
        present = triggers.of_workflow(doing.connection, found.id, lock=True)
        if present is not None:
            if present.document.as_dict() == wanted.as_dict():
                doing.silent = True
                return present, False
            raise TriggerExistsError(
                f"The workflow {found.name!r} has a trigger on {present.document.event.name}.",
                details={"trigger_id": str(present.id)},
            )
        _refuse_loop(doing.connection, found, wanted)
        trigger_id = triggers.add(doing.connection, account.id, found.id, wanted, actor=actor)
        doing.subject = str(trigger_id)
        doing.details = {"workflow": found.name, "before": None, "after": wanted.as_dict()}
        return _present(doing.connection, trigger_id), True


def update(
    database: Database, account: Account, reference: str, changes: object, *, actor: str
) -> Trigger:
    """Change what a trigger says; what the document leaves out stays as it is.

    Raises:
        ForbiddenError: whoever asks may not.
        InvalidTriggerError: the trigger would not be valid; every error is listed.
        InvalidStateError: its active workflow has steps, and it would wait for something else.
        TriggerLoopError: the workflow would start itself, directly or through others.
        TriggerNotFoundError: the account has no such trigger.
    """
    if not isinstance(changes, Mapping):
        raise InvalidTriggerError("The changes of a trigger are an object.")
    for name in ("parameters", "filters", "settings"):
        if name in changes and changes[name] is None:
            # As the default, it would activate the trigger, or let everybody through.
            raise InvalidTriggerError(
                f"The trigger is not valid (1 error). {name}: must be an object, not null; what is "
                "left out stays as it is.",
                details={"errors": [{"path": name, "message": "must be an object, not null."}]},
            )
    trigger_id = find(database, account, reference).id
    with _operation(database, account, actor, "trigger.update", trigger_id) as doing:
        present = _present(doing.connection, trigger_id, lock=True)
        _refuse_unreadable(present)
        wanted = parse_trigger(_merged(present.document.as_dict(), dict(changes)))
        if wanted.waits_for != present.document.waits_for:
            _refuse_ended(account, wanted)
            _refuse_in_part(doing.connection, present)
        _change(doing, present, wanted)
        return _present(doing.connection, trigger_id)


def activate(database: Database, account: Account, reference: str, *, actor: str) -> Trigger:
    """Let a trigger wait for its event, from now on.

    Raises:
        TriggerLoopError: the workflow would start itself, directly or through others.
        TriggerNotFoundError: the account has no such trigger.
    """
    return _set_active(database, account, reference, actor, "trigger.activate", active=True)


def deactivate(database: Database, account: Account, reference: str, *, actor: str) -> Trigger:
    """Let a trigger wait for nothing.

    Raises:
        TriggerNotFoundError: the account has no such trigger.
    """
    return _set_active(database, account, reference, actor, "trigger.deactivate", active=False)


def delete(database: Database, account: Account, reference: str, *, actor: str) -> Trigger:
    """End a trigger; its log stays, and its workflow may have another one.

    Raises:
        InvalidStateError: its workflow is active and has steps.
        TriggerNotFoundError: the account has no such trigger.
    """
    trigger_id = find(database, account, reference).id
    with _operation(database, account, actor, "trigger.delete", trigger_id) as doing:
        present = _present(doing.connection, trigger_id, lock=True)
        _refuse_in_part(doing.connection, present)
        triggers.delete(doing.connection, trigger_id)
        doing.details = {
            "workflow": present.workflow.name,
            "before": present.document.as_dict(),
            "after": None,
        }
        return present


def find(database: Database, account: Account, reference: str) -> Trigger:
    """Return a trigger by its id, or by the name or id of its workflow.

    Raises:
        TriggerNotFoundError: the account has none.
    """
    found: Trigger | None = None
    try:
        trigger_id = UUID(reference.strip())
    except ValueError:
        pass
    else:
        with database.account(account.id) as connection:
            found = triggers.with_id(connection, trigger_id)
    if found is None:
        with database.account(account.id) as connection:
            try:
                workflow = find_workflow(connection, reference)
            except WorkflowNotFoundError:
                raise TriggerNotFoundError(
                    f"There is no trigger {reference!r} in this account, and no workflow of that "
                    "name."
                ) from None
            found = triggers.of_workflow(connection, workflow.id)
        if found is None:
            raise TriggerNotFoundError(
                f"The workflow {workflow.name!r} has no trigger.",
                remedy="Give it one with: enrollment triggers create",
            )
    return found


def list_triggers(
    database: Database,
    account: Account,
    *,
    event: str | None = None,
    active: bool | None = None,
    limit: int = 50,
    page: int = 1,
) -> tuple[list[Trigger], int]:
    """Return one page of the account's triggers, by the name of their workflow, and the number.

    Raises:
        InvalidRequestError: there is no such event type, or no such page.
    """
    if event is not None and event not in EVENT_TYPES:
        raise InvalidRequestError(
            f"There is no event type {event!r}.", remedy="List them: enrollment triggers types"
        )
    offset = offset_of(limit, page)
    with database.account(account.id) as connection:
        return triggers.page(connection, event=event, active=active, limit=limit, offset=offset)


def document_of(trigger: Trigger) -> dict[str, Any]:
    """Return everything about a trigger, as plain values; `trouble` where it cannot be read."""
    trouble = trigger.document.trouble
    return {
        "trigger_id": str(trigger.id),
        "workflow_id": str(trigger.workflow.id),
        "workflow_name": trigger.workflow.name,
        "workflow_status": str(trigger.workflow.status),
        **trigger.document.as_dict(),
        **({} if trouble is None else {"trouble": trouble}),
        "waiting": trigger.active and trigger.workflow.status is WorkflowStatus.ACTIVE,
        "version": trigger.version,
        "active_since": trigger.active_since.isoformat(),
        "created_by": trigger.created_by,
        "created_at": trigger.created_at.isoformat(),
        "updated_at": trigger.updated_at.isoformat(),
    }


def _set_active(
    database: Database,
    account: Account,
    reference: str,
    actor: str,
    action: str,
    *,
    active: bool,
) -> Trigger:
    trigger_id = find(database, account, reference).id
    with _operation(database, account, actor, action, trigger_id) as doing:
        present = _present(doing.connection, trigger_id, lock=True)
        _refuse_unreadable(present)
        _change(doing, present, present.document.activated(active))
        return _present(doing.connection, trigger_id)


def _change(doing: Operation, present: Trigger, wanted: TriggerDocument) -> None:
    before, after = present.document.as_dict(), wanted.as_dict()
    if before == after:
        doing.silent = True
        return
    _refuse_loop(doing.connection, present.workflow, wanted)
    triggers.change(doing.connection, present, wanted)
    doing.details = {"workflow": present.workflow.name, "before": before, "after": after}


def _merged(present: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a document with changes: parameters and settings one by one, all else as a whole.

    Another event begins with parameters of its own.
    """
    merged = {**present, **changes}
    same_event = merged["event"] == present["event"]
    for name in ("parameters", "settings"):
        given = changes.get(name)
        if isinstance(given, dict) and (same_event or name == "settings"):
            merged[name] = {**present[name], **given}
    if not same_event and "parameters" not in changes:
        merged["parameters"] = {}
    return merged


def _refuse_loop(connection: Connection, workflow: Workflow, wanted: TriggerDocument) -> None:
    """Do nothing for a trigger under which no workflow starts itself.

    Raises:
        TriggerLoopError: it would; the message shows the way round.
    """
    config = triggers.workflow_config(connection, workflow.id)
    cycle = loop_of(connection, workflow.id, workflow.name, config, wanted)
    if cycle is not None:
        raise TriggerLoopError(
            f"The workflow {workflow.name!r} would start itself: {cycle}.",
            details={"cycle": cycle},
        )


def _refuse_unreadable(present: Trigger) -> None:
    # What cannot be read would be changed to a trigger without filters.
    if present.document.trouble is not None:
        raise InvalidTriggerError(
            f"It cannot be changed: {present.document.trouble}.",
            remedy="Delete it, and give the workflow another one.",
        )


def _refuse_ended(account: Account, wanted: TriggerDocument) -> None:
    if wanted.event.name != "recurring_schedule":
        return
    if not next_firings(account, wanted, datetime.now(UTC), 1):
        message = "The schedule has ended already: it would never fire."
        raise InvalidTriggerError(
            f"The trigger is not valid (1 error). parameters: {message}",
            details={"errors": [{"path": "parameters", "message": message}]},
        )


def _refuse_items(workflow: Workflow) -> None:
    if workflow.subject is not Subject.CONTACT:
        raise WrongSubjectError(
            f"The workflow {workflow.name!r} takes items, which no event is about.",
            remedy="Give the trigger to a workflow for contacts; items are submitted with: "
            "enrollment onboarding submit",
        )


def _refuse_in_part(connection: Connection, present: Trigger) -> None:
    """Do nothing where the workflow needs not be valid with the trigger, or has no steps.

    Raises:
        InvalidStateError: steps may ask for what only the present event says.
    """
    active = present.workflow.status is WorkflowStatus.ACTIVE
    if active and triggers.workflow_config(connection, present.workflow.id).get("steps"):
        raise InvalidStateError(
            f"The workflow {present.workflow.name!r} is active, and its steps go with its trigger.",
            remedy="Change both with: enrollment workflows edit; or pause the workflow first.",
        )


def _present(connection: Connection, trigger_id: UUID, *, lock: bool = False) -> Trigger:
    if lock:
        # Of two changes at a time, each might be without the loop that both make.
        triggers.lock_all(connection)
    found = triggers.with_id(connection, trigger_id, lock=lock)
    if found is None:
        raise TriggerNotFoundError(f"There is no trigger {trigger_id} in this account.")
    return found


def _operation(
    database: Database, account: Account, actor: str, action: str, subject: UUID
) -> AbstractContextManager[Operation]:
    return operation(
        database,
        account.id,
        actor=actor,
        action=action,
        needs=Permission.WORKFLOW_EDIT,
        subject=subject,
    )
