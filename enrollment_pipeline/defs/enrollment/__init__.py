"""Bulk enrollment in Dagster: assets, lanes, checks, the form and the queue."""
