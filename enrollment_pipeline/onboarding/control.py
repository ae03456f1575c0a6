"""Taking hold of a batch: try again what failed, end what has not begun."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.errors import InvalidStateError, OnboardingItemNotFoundError
from enrollment_pipeline.onboarding.ending import tell_if_finished
from enrollment_pipeline.onboarding.request import name_key
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.onboarding.store import batches, items, steps
from enrollment_pipeline.onboarding.store.items import ItemRecord
from enrollment_pipeline.onboarding.submission import NEEDS
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which items of a batch to try again: those of these ids, or all failed ones.

    `degraded`: with all failed ones also the degraded ones.
    """

    item_ids: tuple[UUID, ...] = ()
    degraded: bool = False


def retry(
    database: Database,
    account: Account,
    batch_id: UUID,
    chosen: Chosen,
    *,
    force_rerun: bool = False,
    actor: str,
) -> list[UUID]:
    """Let items that failed have another attempt, and return which; totals stay as they are.

    An item goes on at its first unfinished step, with the attributes and documents that it has;
    with `force_rerun` at its first.

    Raises:
        ForbiddenError: the actor may not.
        OnboardingBatchNotFoundError: the account has no such batch.
        OnboardingItemNotFoundError: the batch has no such item.
        InvalidStateError: an item that was chosen has not failed, its role is being onboarded
            elsewhere, or nothing has failed; the message names it, and nothing was changed.
    """
    with accounted(
        database,
        account.id,
        actor=actor,
        action="onboarding.retry",
        needs=NEEDS,
        subject=batch_id,
    ) as doing:
        connection = doing.connection
        batches.lock_account(connection, account.id)
        batches.keep(connection, batch_id)
        found = _wanted(items.of_batch(connection, batch_id, lock=True), batch_id, chosen)
        require_nowhere_at_work(connection, found)
        ids = [item.id for item in found]
        steps.open_again(connection, ids)
        items.queue_again(connection, ids, now=datetime.now(UTC), anew=force_rerun)
        batches.touch(connection, batch_id)
        doing.details = {"items": [str(one) for one in ids], "force_rerun": force_rerun}
    return ids


def cancel(
    database: Database,
    settings: Settings,
    account: Account,
    batch_id: UUID,
    *,
    now: bool = False,
    actor: str,
) -> int:
    """End the items of a batch that have not begun, with `now` also those at work.

    Return how many. What is at work notices within some seconds.

    Raises:
        ForbiddenError: the actor may not.
        OnboardingBatchNotFoundError: the account has no such batch.
        InvalidStateError: there is nothing to end; the message says what there is.
    """
    with accounted(
        database,
        account.id,
        actor=actor,
        action="onboarding.cancel",
        needs=NEEDS,
        subject=batch_id,
    ) as doing:
        connection = doing.connection
        batches.keep(connection, batch_id)
        at = datetime.now(UTC)
        statuses = [ItemStatus.QUEUED, *([ItemStatus.IN_PROGRESS] if now else [])]
        ended = items.cancel(connection, batch_id, statuses, now=at)
        if not ended:
            _refuse_to_cancel(items.of_batch(connection, batch_id))
        batches.mark_cancelled(connection, batch_id, at)
        tell_if_finished(connection, settings, batch_id)
        doing.details = {"items": ended, "now": now}
    return ended


def _wanted(found: list[ItemRecord], batch_id: UUID, chosen: Chosen) -> list[ItemRecord]:
    if chosen.item_ids:
        by_id = {item.id: item for item in found}
        unknown = [str(one) for one in chosen.item_ids if one not in by_id]
        if unknown:
            raise OnboardingItemNotFoundError(
                f"Batch {batch_id} has no item {', '.join(unknown[:_SHOWN])}.",
                details={"items": unknown},
            )
        wanted = [by_id[one] for one in dict.fromkeys(chosen.item_ids)]
        wrong = [item for item in wanted if not item.status.retryable]
        if wrong:
            raise InvalidStateError(
                f"Only items that failed or are degraded can be tried again, not {_named(wrong)}.",
                remedy="Leave them out; the others of the batch can be tried again.",
                details={"items": [str(item.id) for item in wrong]},
            )
        return wanted
    statuses = {ItemStatus.FAILED, *([ItemStatus.DEGRADED] if chosen.degraded else [])}
    failed = [item for item in found if item.status in statuses]
    if not failed:
        raise InvalidStateError(
            "No item of the batch has failed.",
            remedy="Look at it with: enrollment onboarding status BATCH --items",
        )
    return failed


def require_nowhere_at_work(connection: Connection, wanted: Collection[ItemRecord]) -> None:
    """Do nothing where none of these roles is being onboarded in another batch.

    Raises:
        InvalidStateError: one is, and would be doubled; the message names it.
    """
    for company in {item.company for item in wanted}:
        roles = {(item.role_key, item.workflow_id): item for item in wanted}
        at_work = [
            (roles[key, workflow_id], batch_id)
            for key, workflow_id, status, batch_id in items.known_roles(
                connection, name_key(company), roles.keys()
            )
            if not status.ended
        ]
        if at_work:
            told = "; ".join(
                f"{item.role_name!r} is being onboarded in batch {batch_id}"
                for item, batch_id in at_work[:_SHOWN]
            )
            raise InvalidStateError(f"{told}.", remedy="Let that end first, or leave them out.")


def _refuse_to_cancel(found: Iterable[ItemRecord]) -> None:
    if any(item.status is ItemStatus.IN_PROGRESS for item in found):
        raise InvalidStateError(
            "Every item has begun.",
            remedy="End those at work too with --now, or let them finish.",
        )
    raise InvalidStateError(
        "Every item has ended; there is nothing to cancel.",
        remedy="Look at it with: enrollment onboarding status BATCH --items",
    )


def _named(found: list[ItemRecord]) -> str:
    told = [f"{item.role_name!r} ({item.id}), which is {item.status}" for item in found[:_SHOWN]]
    if len(found) > _SHOWN:
        told.append(f"and {len(found) - _SHOWN} more")
    return "; ".join(told)
