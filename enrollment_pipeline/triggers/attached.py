"""The trigger of a workflow, as whoever keeps workflows handles it: in the caller's transaction.

Belongs here: reading, putting and removing the trigger together with its workflow, and asking for
loops with the workflow as it is to become. Does not belong here: triggers that are changed by
themselves, each with its own permission and audit row (`keeping`).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.triggers.documents import TriggerDocument
from enrollment_pipeline.triggers.loops import Node, describe, effects_of, find_cycle
from enrollment_pipeline.triggers.store import triggers


def trigger_of(connection: Connection, workflow_id: UUID) -> TriggerDocument | None:
    """Return what starts a workflow, None where nothing does."""
    found = triggers.of_workflow(connection, workflow_id)
    return None if found is None else found.document


def lock_changes(connection: Connection) -> None:
    """Let one change of the account's triggers at a time pass.

    Whoever changes a workflow together with its trigger begins with this, and locks the workflow
    after it: as those do who change triggers by themselves.
    """
    triggers.lock_all(connection)


def put_trigger(
    connection: Connection,
    account_id: UUID,
    workflow_id: UUID,
    wanted: TriggerDocument | None,
    *,
    actor: str,
) -> None:
    """Let a workflow have this trigger, or none; one that is there already stays as it is."""
    triggers.lock_all(connection)
    present = triggers.of_workflow(connection, workflow_id, lock=True)
    if present is None:
        if wanted is not None:
            triggers.add(connection, account_id, workflow_id, wanted, actor=actor)
    elif wanted is None:
        triggers.delete(connection, present.id)
    elif present.document.as_dict() != wanted.as_dict():
        triggers.change(connection, present, wanted)


def loop_of(
    connection: Connection,
    workflow_id: UUID,
    name: str,
    config: Mapping[str, Any],
    trigger: TriggerDocument | None,
) -> str | None:
    """Return the way on which a workflow would start itself, with these steps and this trigger.

    None where there is none. Only active workflows are looked at besides it: another one is asked
    about when it becomes active. Until the commit, nobody else changes triggers of the account: of
    two changes at a time, each might be without the loop that both make.
    """
    if trigger is None or not trigger.settings.active or trigger.event.timed:
        return None
    triggers.lock_all(connection)
    nodes = [
        Node(row.id, row.name, row.event, row.match_key, effects_of(row.config))
        for row in triggers.causing(connection)
        if row.id != workflow_id
    ]
    own = Node(workflow_id, name, trigger.event.name, trigger.match_key, effects_of(config))
    cycle = find_cycle(workflow_id, [*nodes, own])
    return None if cycle is None else describe(cycle)
