"""Rows of `triggers`: kept, changed, listed, and found by the event that they wait for.

Every function works in the caller's transaction, which has its account set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from enrollment_pipeline.records import Workflow, WorkflowStatus
from enrollment_pipeline.storage.schema import triggers, workflows
from enrollment_pipeline.triggers.documents import TriggerDocument, load_trigger


@dataclass(frozen=True, slots=True)
class Trigger:
    """A row of `triggers`, with its workflow as it is now."""

    id: UUID
    account_id: UUID
    workflow: Workflow
    document: TriggerDocument
    version: int
    active_since: datetime
    created_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def active(self) -> bool:
        """Whether it waits for its event."""
        return self.document.settings.active


_column = triggers.c
_SELECT = (
    select(
        triggers,
        workflows.c.name.label("workflow_name"),
        workflows.c.status.label("workflow_status"),
        workflows.c.config.label("workflow_config"),
    )
    .join(workflows, workflows.c.id == _column.workflow_id)
    .where(_column.deleted_at.is_(None))
)


def add(
    connection: Connection,
    account_id: UUID,
    workflow_id: UUID,
    document: TriggerDocument,
    *,
    actor: str,
) -> UUID:
    """Insert a trigger and return its id; its workflow must have none."""
    statement = (
        insert(triggers)
        .values(
            account_id=account_id,
            workflow_id=workflow_id,
            created_by=actor,
            **_values(document),
        )
        .returning(_column.id)
    )
    return UUID(str(connection.execute(statement).scalar_one()))


def change(connection: Connection, trigger: Trigger, document: TriggerDocument) -> None:
    """Replace what a trigger says.

    It does not fire for what was before it became active, or began to wait for this.
    """
    begins = document.settings.active and (
        not trigger.active or document.waits_for != trigger.document.waits_for
    )
    connection.execute(
        update(triggers)
        .where(_column.id == trigger.id)
        .values(
            **_values(document),
            version=_column.version + 1,
            updated_at=func.now(),
            active_since=func.now() if begins else _column.active_since,
        )
    )


def delete(connection: Connection, trigger_id: UUID) -> None:
    """Let a trigger wait for nothing more; its log stays."""
    connection.execute(
        update(triggers)
        .where(_column.id == trigger_id, _column.deleted_at.is_(None))
        .values(deleted_at=func.now(), version=_column.version + 1)
    )


def with_id(connection: Connection, trigger_id: UUID, *, lock: bool = False) -> Trigger | None:
    """Return a trigger that is not deleted; with `lock`, nobody else changes it meanwhile."""
    return _first(connection, _SELECT.where(_column.id == trigger_id), lock=lock)


def of_workflow(connection: Connection, workflow_id: UUID, *, lock: bool = False) -> Trigger | None:
    """Return the trigger of a workflow; with `lock`, nobody else changes it meanwhile."""
    return _first(connection, _SELECT.where(_column.workflow_id == workflow_id), lock=lock)


def page(
    connection: Connection, *, event: str | None, active: bool | None, limit: int, offset: int
) -> tuple[list[Trigger], int]:
    """Return one page of the triggers, by the name of their workflow, and how many there are."""
    statement = _SELECT
    if event is not None:
        statement = statement.where(_column.event == event)
    if active is not None:
        statement = statement.where(_column.active.is_(active))
    total = connection.execute(select(func.count()).select_from(statement.subquery())).scalar_one()
    rows = connection.execute(
        statement.order_by(func.lower(workflows.c.name), _column.id).limit(limit).offset(offset)
    )
    return [_trigger(row) for row in rows], total


def on_event(connection: Connection, events: Sequence[str]) -> list[Trigger]:
    """Return the active triggers that wait for one of these event types, by id."""
    statement = _SELECT.where(_column.event.in_(events), _column.active).order_by(_column.id)
    return [_trigger(row) for row in connection.execute(statement)]


def lock_all(connection: Connection) -> None:
    """Let one change of the account's triggers at a time pass."""
    connection.execute(_ONE_CHANGE_AT_A_TIME)


def workflow_config(connection: Connection, workflow_id: UUID) -> dict[str, Any]:
    """Return the document of a workflow."""
    found: dict[str, Any] = connection.execute(
        select(workflows.c.config).where(workflows.c.id == workflow_id)
    ).scalar_one()
    return found


def causing(connection: Connection) -> Iterable[Row[Any]]:
    """Return workflow id, name, document, event and key of the triggers that can fire."""
    return connection.execute(
        select(
            workflows.c.id,
            workflows.c.name,
            workflows.c.config,
            _column.event,
            _column.match_key,
        )
        .join(workflows, workflows.c.id == _column.workflow_id)
        .where(
            _column.deleted_at.is_(None),
            _column.active,
            workflows.c.status == WorkflowStatus.ACTIVE,
        )
    )


_ONE_CHANGE_AT_A_TIME = text(
    "select pg_advisory_xact_lock("
    "hashtextextended('change of triggers ' || enrollment.current_account(), 0))"
)
# By two searches of one index: with an `or` between them neither would be.
_WAITING = text(
    """
    with happened as materialized (
      select type, key from unnest(cast(:types as text[]), cast(:keys as text[])) h (type, key)
    ), found as (
      select t.id, t.version, t.event, t.match_key, t.workflow_id
      from (select distinct type from happened) h
      join enrollment.triggers t on t.event = h.type and t.match_key is null
      where t.active and t.deleted_at is null
      union all
      select t.id, t.version, t.event, t.match_key, t.workflow_id
      from happened h
      join enrollment.triggers t on t.event = h.type and t.match_key = h.key
      where t.active and t.deleted_at is null
    )
    select f.id, f.version, f.event, f.match_key, w.status, w.name
    from found f join enrollment.workflows w on w.id = f.workflow_id
    """
).bindparams(bindparam("types", type_=ARRAY(TEXT)), bindparam("keys", type_=ARRAY(TEXT)))


def waiting(
    connection: Connection, happened: Iterable[tuple[str, str | None]]
) -> Sequence[Row[UUID, int, str, str | None, str, str]]:
    """Return the triggers that wait for these, with status and name of their workflow.

    `happened` are pairs of an event type and the value of its key, each once.
    """
    pairs = list(happened)
    asked = {"types": [one[0] for one in pairs], "keys": [one[1] for one in pairs]}
    return connection.execute(_WAITING, asked).all()


def with_ids(connection: Connection, trigger_ids: Sequence[UUID]) -> list[Trigger]:
    """Return the triggers of these ids that are not deleted."""
    rows = connection.execute(_SELECT.where(_column.id == func.any(list(trigger_ids))))
    return [_trigger(row) for row in rows]


@dataclass(frozen=True, slots=True)
class StoredTrigger:
    """What an evaluation has to know of a trigger."""

    id: UUID
    workflow_id: UUID
    workflow_name: str
    version: int
    document: TriggerDocument


def stored(connection: Connection, trigger_ids: Sequence[UUID]) -> list[StoredTrigger]:
    """Return triggers by their ids."""
    rows = connection.execute(
        select(
            _column.id,
            _column.workflow_id,
            workflows.c.name,
            _column.version,
            _column.event,
            _column.parameters,
            _column.filters,
            _column.settings,
        )
        .join(workflows, workflows.c.id == _column.workflow_id)
        .where(_column.id == func.any(list(trigger_ids)))
    )
    return [StoredTrigger(*row[:4], _document(row)) for row in rows]


def _document(row: Any) -> TriggerDocument:
    return load_trigger(row.event, row.parameters, row.filters, row.settings)


def _values(document: TriggerDocument) -> dict[str, Any]:
    kept = document.as_dict()
    return {
        "event": document.event.name,
        "match_key": document.match_key,
        "parameters": kept["parameters"],
        "filters": kept["filters"],
        "settings": kept["settings"],
        "active": document.settings.active,
    }


def _first(connection: Connection, statement: Any, *, lock: bool) -> Trigger | None:
    if lock:
        statement = statement.with_for_update(of=triggers)
    row = connection.execute(statement).first()
    return None if row is None else _trigger(row)


def _trigger(row: Row[Any]) -> Trigger:
    return Trigger(
        id=row.id,
        account_id=row.account_id,
        workflow=Workflow.from_config(
            row.workflow_id, row.workflow_name, row.workflow_status, row.workflow_config
        ),
        document=_document(row),
        version=row.version,
        active_since=row.active_since,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
