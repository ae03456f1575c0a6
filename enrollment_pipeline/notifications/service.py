"""Notifications as the rest of the product asks for them.

Belongs here: nothing but the names. Writing and listing messages is in `outbox`, sending them in
`delivery`, who is told of what in `channels`.
"""

from enrollment_pipeline.notifications.channels import (
    add_channel,
    list_channels,
    remove_channel,
    rotate_secret,
    webhook_secret,
)
from enrollment_pipeline.notifications.delivery import (
    DeliveryCounts,
    deliver_due,
    is_anything_due,
)
from enrollment_pipeline.notifications.outbox import enqueue, list_deliveries, prune

__all__ = [
    "DeliveryCounts",
    "add_channel",
    "deliver_due",
    "enqueue",
    "is_anything_due",
    "list_channels",
    "list_deliveries",
    "prune",
    "remove_channel",
    "rotate_secret",
    "webhook_secret",
]
