"""Workflows: the automations that contacts are enrolled into."""
