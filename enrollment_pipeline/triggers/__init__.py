"""Triggers: which events and dates enroll a contact into a workflow."""
