"""Telling an account that templates, of which it has clones, have newer versions.

Belongs here: what is told, once for each clone and version: the outbox keeps that. Asked for after
each update of a template, and daily, which also finds updates that came with the product.
"""

from uuid import UUID

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import (
    Event,
    Notice,
    Recipients,
    TemplatePayload,
)
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates.store import sharing
from enrollment_pipeline.templates.versions import Offer, offers


def tell_updates(database: Database, account: Account) -> int:
    """Tell the account's channels of its clones that have updates; return how many messages.

    What was told before is not told again.
    """
    found = offers(database, account)
    with database.account(account.id) as connection:
        return sum(
            notifications.enqueue(connection, account.id, _notice(offer), Recipients())
            for offer in found
            if offer.updates
        )


def tell_all_who_see(database: Database, account: Account, template_id: UUID) -> int:
    """Tell an account, and those that it shares the template with, of updates."""
    with database.account(account.id) as connection:
        others = sharing.shared_with(connection, template_id)
    family = [account, *(accounts.with_id(database, one) for one in others)]
    return sum(tell_updates(database, one) for one in family)


def _notice(offer: Offer) -> Notice:
    lineage = offer.workflow.lineage
    payload: TemplatePayload = {
        "workflow_id": str(offer.workflow.id),
        "workflow_name": offer.workflow.workflow.name,
        "template_id": str(offer.template.id),
        "template_name": offer.template.name,
        "version": offer.template.version,
        "cloned_version": 0 if lineage is None else lineage.version,
        "changes": len(offer.updates),
    }
    return Notice(
        Event.TEMPLATE_UPDATED, offer.workflow.id, f"version {offer.template.version}", payload
    )
