"""The escape of `files.formulas` as SQL, for cells that go from the server into a CSV file."""


def safe_cell(expression: str) -> str:
    """Return the SQL of a text as it may stand in a CSV file; see `files.formulas`."""
    runs = f"({expression}) ~ '^''*[=+@\\t\\r-]'"
    return f"case when {runs} then '''' || ({expression}) else {expression} end"
