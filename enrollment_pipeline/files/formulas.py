"""Cells that a spreadsheet would run as a formula, and how they are made harmless on writing.

Whoever opens a report of ours must not run what a stranger typed into a name field.
"""

FORMULA_FIRST_CHARACTERS = "=+-@\t\r"
"""A cell that starts with one of these is run by spreadsheets (spec "CSV files in the wild")."""

FORMULA_ESCAPE = "'"
"""What goes in front of such a cell: spreadsheets then take it as text."""


def escape_formula(text: str) -> str:
    """Return the cell as it may be written to a file; most come back unchanged."""
    if text.startswith(tuple(FORMULA_FIRST_CHARACTERS)):
        return FORMULA_ESCAPE + text
    return text
