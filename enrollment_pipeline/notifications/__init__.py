"""Telling people and programs: the outbox, and the channels its messages go by."""
