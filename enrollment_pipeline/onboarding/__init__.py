"""Batch onboarding: many items, each through the steps of a workflow in a run of its own."""
