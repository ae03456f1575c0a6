"""Notifications as the rest of the product asks for them.

Belongs here: nothing but the names. Writing and listing messages is in `outbox`, who is told of
what in `channels`. Sending them is asked of `delivery` itself, which brings mail and HTTP along, so
that commands that send nothing need not load them.
"""

from enrollment_pipeline.notifications.channels import (
    add_channel,
    list_channels,
    remove_channel,
    rotate_secret,
    webhook_secret,
)
from enrollment_pipeline.notifications.outbox import enqueue, list_deliveries, prune

__all__ = [
    "add_channel",
    "enqueue",
    "list_channels",
    "list_deliveries",
    "prune",
    "remove_channel",
    "rotate_secret",
    "webhook_secret",
]
