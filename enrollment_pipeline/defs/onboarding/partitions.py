"""An item is a partition: its key is the item's id."""

import dagster as dg

ONBOARDING_ITEMS = dg.DynamicPartitionsDefinition(name="onboarding_items")
GROUP = "onboarding"
