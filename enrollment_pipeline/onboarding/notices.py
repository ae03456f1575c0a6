"""Telling what a step of an item's workflow says, and that a batch has finished.

A message is written in the transaction of what it tells, so it is told once. How it is sent is the
business of `notifications`.
"""

from sqlalchemy import Connection

from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import (
    BatchPayload,
    Event,
    ItemPayload,
    Notice,
    Recipients,
)
from enrollment_pipeline.onboarding.states import batch_status
from enrollment_pipeline.onboarding.store.batches import BatchRecord
from enrollment_pipeline.onboarding.store.items import ItemRecord
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.workflows.carrying_out import Message
from enrollment_pipeline.workflows.execution import Position


def tell_of_step(
    connection: Connection,
    settings: Settings,
    item: ItemRecord,
    at: Position,
    message: Message,
) -> None:
    """Leave the message of a step for the channels of the account, and for those it names."""
    payload: ItemPayload = {
        "item_id": str(item.id),
        "batch_id": str(item.batch_id),
        "company": item.company,
        "role_name": item.role_name,
        "step": at.step.id,
        "message": message.text,
        "links": {"ui": _link(settings, f"onboarding_items?partition={item.id}"), "report": None},
    }
    occasion = f"{item.round}:{at.step.id}:{at.visit}"
    notifications.enqueue(
        connection,
        item.account_id,
        Notice(Event.ONBOARDING_STEP, item.id, occasion, payload),
        Recipients(emails=message.emails),
    )


def tell_of_finished(
    connection: Connection, settings: Settings, batch: BatchRecord, *, occasion: str
) -> None:
    """Tell that nothing of a batch is open any more; once for each time that this comes about."""
    status = batch_status(batch.counts)
    payload: BatchPayload = {
        "batch_id": str(batch.id),
        "company": batch.company,
        "state": str(status.state),
        "counts": {str(one): number for one, number in batch.counts.items() if number},
        "total": status.total,
        "success_rate": status.success_rate,
        "requested_by": batch.requested_by,
        "links": {"ui": _link(settings, "onboarding_batches"), "report": None},
    }
    notifications.enqueue(
        connection,
        batch.account_id,
        Notice(Event.ONBOARDING_FINISHED, batch.id, occasion, payload),
        Recipients(),
    )


def _link(settings: Settings, asset: str) -> str:
    return f"{settings.ui_url.rstrip('/')}/assets/{asset}"
