"""Accepting a batch: who may, which items, and what is answered at once."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import Operation
from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.conditions.values import Duration
from enrollment_pipeline.errors import (
    NothingAcceptedError,
    RequestIdUsedError,
    WorkflowNotFoundError,
)
from enrollment_pipeline.onboarding.admission import (
    Accepted,
    FoundWorkflow,
    Known,
    Refusal,
    admit,
    read_items,
)
from enrollment_pipeline.onboarding.estimate import estimated_seconds
from enrollment_pipeline.onboarding.request import (
    DEFAULT_WORKFLOW,
    BatchOptions,
    GivenItem,
    ItemRequest,
    name_key,
    require_number,
)
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.onboarding.store import batches, items, statistics
from enrollment_pipeline.records import Account, Permission, Subject, WorkflowStatus
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows

NEEDS = Permission.WORKFLOW_MANAGE
_SHOWN = 5
# What somebody needs to hear who begins.
_BEGIN = " The template makes it: enrollment templates clone role-onboarding"


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """The answer to a submission; `created` is False where the request id named a batch already.

    `accepted` has the place, the name and the id of each item. `estimated_seconds` is None where
    nothing tells how long an item takes.
    """

    batch_id: UUID
    created: bool
    total: int
    accepted: list[tuple[int, str, UUID]]
    refused: list[dict[str, Any]]
    estimated_seconds: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as answers have it."""
        return {
            "batch_id": str(self.batch_id),
            "created": self.created,
            "total": self.total,
            "accepted": [
                {"position": position, "role_name": name, "item_id": str(item_id)}
                for position, name, item_id in self.accepted
            ],
            "refused": self.refused,
            "estimated_duration_seconds": self.estimated_seconds,
        }


def submit(
    database: Database,
    account: Account,
    options: BatchOptions,
    given: Sequence[GivenItem],
    *,
    source: str,
    actor: str,
    at_once: int,
) -> SubmittedBatch:
    """Create a batch of the items that can be accepted; the others are refused, each with why.

    `at_once` is how many items of a company may be at work, for the estimate.

    Raises:
        ForbiddenError: the actor may not.
        InvalidRequestError: there are no items, or too many.
        RequestIdUsedError: the request id names a batch that was asked for otherwise.
        NothingAcceptedError: every item was refused; nothing was created, and
            `details["refused"]` has all the reasons.
    """
    require_number(len(given))
    with accounted(
        database, account.id, actor=actor, action="onboarding.submit", needs=NEEDS
    ) as doing:
        connection = doing.connection
        batches.lock_account(connection, account.id)
        known = options.request_id and batches.with_request_id(connection, options.request_id)
        if known:
            doing.silent = True
            return _known(connection, options, given, *known, at_once=at_once)
        accepted, refused = _admitted(connection, options, given)
        if not accepted:
            raise NothingAcceptedError(
                f"None of {len(given)} items was accepted. {_first_of(refused)}",
                details={"refused": refused},
            )
        batch_id = _create(doing, account, options, given, accepted, refused, source, actor)
        return _answer(connection, batch_id, created=True, at_once=at_once)


def _admitted(
    connection: Connection, options: BatchOptions, given: Sequence[GivenItem]
) -> tuple[list[Accepted], list[dict[str, Any]]]:
    read, refused = read_items(given)
    references = {item.workflow or options.workflow for _, item in read}
    found = {reference: _find(connection, reference) for reference in references}
    known = _known_roles(connection, options, read, found)
    accepted, more = admit(read, options, found, known)
    in_order = sorted([*refused, *more], key=lambda one: one.position)
    return accepted, [one.as_dict() for one in in_order]


def _find(connection: Connection, reference: str) -> FoundWorkflow:
    try:
        workflow = workflows.find_in(connection, reference)
    except WorkflowNotFoundError as error:
        hint = _BEGIN if name_key(reference) == name_key(DEFAULT_WORKFLOW) else ""
        return FoundWorkflow(None, Refusal.WORKFLOW_NOT_FOUND, error.message + hint)
    name = workflow.name
    if workflow.subject is not Subject.ITEM:
        message = f"The workflow {name!r} takes contacts, not items."
        return FoundWorkflow(None, Refusal.WRONG_SUBJECT, message)
    if workflow.status is not WorkflowStatus.ACTIVE:
        message = f"The workflow {name!r} is {workflow.status}, and takes no items."
        return FoundWorkflow(None, Refusal.WORKFLOW_INACTIVE, message)
    return FoundWorkflow(workflow.id)


def _known_roles(
    connection: Connection,
    options: BatchOptions,
    read: Iterable[tuple[GivenItem, ItemRequest]],
    found: dict[str, FoundWorkflow],
) -> Known:
    wanted = {
        (name_key(item.role_name), workflow_id)
        for _, item in read
        if (workflow_id := found[item.workflow or options.workflow].workflow_id) is not None
    }
    ready: dict[tuple[str, UUID], UUID] = {}
    at_work: dict[tuple[str, UUID], UUID] = {}
    company = name_key(options.company)
    for key, workflow_id, status, batch_id in items.known_roles(connection, company, wanted):
        places = ready if status is ItemStatus.READY else at_work
        places[key, workflow_id] = batch_id
    return Known(ready, at_work)


def _create(
    doing: Operation,
    account: Account,
    options: BatchOptions,
    given: Sequence[GivenItem],
    accepted: list[Accepted],
    refused: list[dict[str, Any]],
    source: str,
    actor: str,
) -> UUID:
    batch_id = batches.add(
        doing.connection,
        {
            "account_id": account.id,
            "company": " ".join(options.company.split()),
            "company_key": name_key(options.company),
            "options": options.model_dump(
                mode="json", include={"workflow", "skip_enhancement", "force_rerun"}
            ),
            "priority": options.priority,
            "request_id": options.request_id,
            "request_hash": _fingerprint(options, given),
            "source": source,
            "requested_by": actor,
            "created_by": options.created_by or actor,
            "refused": refused,
        },
    )
    now = datetime.now(UTC)
    items.add(
        doing.connection,
        [
            {
                "account_id": account.id,
                "batch_id": batch_id,
                "position": one.position,
                "role_name": " ".join(one.item.role_name.split()),
                "role_key": one.role_key,
                "reference_name": one.item.reference_name,
                "attributes": one.item.attributes,
                "documents": list(one.item.documents),
                "workflow_id": one.workflow_id,
                "status": ItemStatus.QUEUED,
                "due_at": now,
            }
            for one in accepted
        ],
    )
    doing.subject = str(batch_id)
    doing.details = {
        "source": source,
        "company": options.company,
        "accepted": len(accepted),
        "refused": len(refused),
    }
    return batch_id


def _known(
    connection: Connection,
    options: BatchOptions,
    given: Sequence[GivenItem],
    batch_id: UUID,
    kept_hash: str | None,
    *,
    at_once: int,
) -> SubmittedBatch:
    if kept_hash != _fingerprint(options, given):
        raise RequestIdUsedError(
            f"The request id {options.request_id!r} stands for batch {batch_id}, which was asked "
            "for otherwise.",
            details={"batch_id": str(batch_id)},
        )
    return _answer(connection, batch_id, created=False, at_once=at_once)


def _answer(
    connection: Connection, batch_id: UUID, *, created: bool, at_once: int
) -> SubmittedBatch:
    batch = batches.load(connection, batch_id)
    found = items.of_batch(connection, batch_id)
    workflow_ids = [item.workflow_id for item in found]
    return SubmittedBatch(
        batch_id=batch_id,
        created=created,
        total=len(found),
        accepted=[(item.position, item.role_name, item.id) for item in found],
        refused=batch.refused,
        estimated_seconds=estimated_seconds(
            workflow_ids, _seconds_each(connection, set(workflow_ids)), at_once
        ),
    )


def _seconds_each(connection: Connection, workflow_ids: set[UUID]) -> dict[UUID, float | None]:
    """Return how long an item of each workflow takes, by earlier ones or by its own estimate."""
    measured = statistics.median_seconds(connection, workflow_ids)
    return {
        workflow_id: measured.get(workflow_id) or _own_estimate(connection, workflow_id)
        for workflow_id in workflow_ids
    }


def _own_estimate(connection: Connection, workflow_id: UUID) -> float | None:
    _, document = workflows.document_of(connection, workflow_id)
    estimate = Duration.read(document.get("settings", {}).get("estimate") or "")
    if estimate is None:
        return None
    now = datetime.now(UTC)
    return (estimate.after(now) - now).total_seconds()


def _fingerprint(options: BatchOptions, given: Sequence[GivenItem]) -> str | None:
    """Return what tells this request from any other, None for one without a request id.

    Who asks does not count.
    """
    if options.request_id is None:
        return None
    told = {
        "options": options.model_dump(mode="json", exclude={"created_by"}),
        "items": [[one.position, one.content, one.fault] for one in given],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _first_of(refused: list[dict[str, Any]]) -> str:
    told = [f"{_place(one)}: {one['message']}" for one in refused[:_SHOWN]]
    if len(refused) > _SHOWN:
        told.append(f"And {len(refused) - _SHOWN} more.")
    return " ".join(told)


def _place(one: dict[str, Any]) -> str:
    return f"Item {one['position']}" if one["line"] is None else f"Line {one['line']}"
