"""A bulk operation is a partition: its key is the operation's id."""

import dagster as dg

BULK_OPERATIONS = dg.DynamicPartitionsDefinition(name="bulk_operations")
GROUP = "contacts"
