"""Bulk operations on contacts in Dagster: the asset, its check, the forms and the queue."""
