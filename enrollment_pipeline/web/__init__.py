"""Requests to other machines: where they may lead, and how one is made."""
