"""Batch onboarding in Dagster: the assets of items and batches, the form and the queue."""
