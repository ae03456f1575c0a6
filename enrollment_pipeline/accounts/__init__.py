"""Tenants: creating, finding and setting them up."""
