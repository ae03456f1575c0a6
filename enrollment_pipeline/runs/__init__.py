"""The Dagster instance as seen from the product."""
