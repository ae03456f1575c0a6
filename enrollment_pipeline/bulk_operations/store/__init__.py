"""Statements of bulk operations, by what they are about."""
