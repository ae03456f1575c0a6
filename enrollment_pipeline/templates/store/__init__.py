"""Statements on templates, their versions, shares and use; each in a transaction of the account."""
