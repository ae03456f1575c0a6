"""How the schema came about, version by version."""
