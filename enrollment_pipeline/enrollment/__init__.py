"""Bulk enrollment, from a request to its report; knows nothing of Dagster."""
