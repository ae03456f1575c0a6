"""What keeps a workflow from being active in its account: its document, loops, integrations.

Belongs here: what the document alone does not say, asked in the caller's transaction. Does not
belong here: the rules over the document (`validation`).
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.errors import (
    InvalidRequestError,
    InvalidTriggerError,
    InvalidWorkflowError,
)
from enrollment_pipeline.triggers import service as triggers
from enrollment_pipeline.triggers.documents import TriggerDocument, parse_trigger
from enrollment_pipeline.workflows import store
from enrollment_pipeline.workflows.problems import Problem
from enrollment_pipeline.workflows.validation import listed_integrations, problems_of

_SHOWN = 10


def problems_here(
    connection: Connection, workflow_id: UUID, document: Mapping[str, Any]
) -> list[Problem]:
    """Return everything that keeps a whole document from being active in this account."""
    found = problems_of(document)
    found += [
        Problem(
            "integrations",
            f"{name} is not connected: enrollment integrations connect {name}",
            unfinished=True,
        )
        for name in missing_integrations(connection, document)
    ]
    if all(problem.unfinished for problem in found):
        cycle = triggers.loop_of(
            connection, workflow_id, document["name"], document, readable_trigger(document)
        )
        if cycle is not None:
            found.append(
                Problem("trigger", f"the workflow would start itself: {cycle}", unfinished=True)
            )
    return found


def missing_integrations(connection: Connection, document: Mapping[str, Any]) -> list[str]:
    """Return the integrations that a document lists and the account has not connected."""
    known = store.connected(connection)
    return [name for name in listed_integrations(document) if name not in known]


def readable_trigger(document: Mapping[str, Any]) -> TriggerDocument | None:
    """Return the trigger of a document; None where it has none, or one that cannot be read."""
    if document.get("trigger") is None:
        return None
    try:
        return parse_trigger(document["trigger"])
    except InvalidTriggerError:
        return None


def refuse(
    problems: Iterable[Problem],
    name: str,
    kind: type[InvalidRequestError] = InvalidWorkflowError,
    what: str = "The workflow",
) -> None:
    """Do nothing where there is no problem.

    Raises:
        InvalidRequestError: of the kind given; `details["errors"]` lists every problem, the message
            the first ten.
    """
    errors = [problem.as_dict() for problem in problems]
    if not errors:
        return
    shown = [f"{one['path'] or 'document'}: {one['message']}" for one in errors[:_SHOWN]]
    if len(errors) > _SHOWN:
        shown.append(f"And {len(errors) - _SHOWN} more.")
    count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    raise kind(
        f"{what} {name!r} is not valid ({count}). {' '.join(shown)}", details={"errors": errors}
    )
