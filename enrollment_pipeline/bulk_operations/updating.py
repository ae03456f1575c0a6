"""Updating the contacts of a selection, all in the same way.

Belongs here: from the request to what a statement needs. Does not belong here: the statement
(`store.changing`), and which values a request may hold (`request`).

A row that would make the status looser is not refused: its other changes are made, and the status
stays, as in an import.
"""

from datetime import date
from typing import Any

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import Executor, Prepared, Step, Surroundings
from enrollment_pipeline.bulk_operations.selecting import give_up, prepare, step_of
from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store import changing
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.triggers import service as triggers

SOURCE = "update"

_CUSTOM = "custom_fields."


class UpdateContacts(Executor):
    """Sets fields and the status, adds and removes tags; see `Executor`."""

    def prepare(
        self, connection: Connection, operation: OperationRecord, around: Surroundings
    ) -> Prepared:
        """Resolve the selection; rows that name nobody, or somebody twice, end here."""
        return prepare(connection, operation, around)

    def apply(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, most: int
    ) -> Step:
        """Change the next contacts; one that is as it is to be already counts as unchanged."""
        changes = changes_of(operation.request)
        done = changing.update(connection, operation, changes, most=most)
        if operation.request["fire_triggers"]:
            triggers.raise_for_changes(
                connection, operation.id, operation.mark, done.mark, source=SOURCE
            )
        return step_of(done, RowOutcome.UPDATED, most=most)

    def give_up(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, reason: str
    ) -> Step:
        """Let the next row end as failed."""
        return give_up(connection, operation, reason)


def changes_of(request: dict[str, Any]) -> changing.Changes:
    """Return what the request of an update, as it is kept, does to each contact.

    A name behind `custom_fields.` is one key, whatever dots it holds, as it is for an import.
    """
    given = request["changes"]
    members = {
        name.removeprefix(_CUSTOM): value
        for name, value in given["set"].items()
        if name.startswith(_CUSTOM)
    }
    return changing.Changes(
        fields={
            name: _as_in_image(name, value)
            for name, value in given["set"].items()
            if not name.startswith(_CUSTOM)
        },
        members={name: value for name, value in members.items() if value is not None},
        remove_members=[name for name, value in members.items() if value is None],
        add_tags=given["add_tags"],
        remove_tags=given["remove_tags"],
        status=given["status"],
        any_status=request["allow_resubscribe"],
    )


def _as_in_image(name: str, value: Any) -> Any:
    # Of the ways to write a date in ISO, the database writes one, and images are compared.
    return date.fromisoformat(value).isoformat() if name == "birthday" and value else value
