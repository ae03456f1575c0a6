"""Cells that a spreadsheet would run as a formula: made harmless on writing, restored on reading.

Whoever opens a report of ours must not run what a stranger typed into a name field, and who reads
the file back must get what was there. So the two functions here are an exact pair.
"""

import re

FORMULA_FIRST_CHARACTERS = "=+-@\t\r"
"""A cell that starts with one of these is run by spreadsheets (spec "CSV files in the wild")."""

FORMULA_ESCAPE = "'"
"""What goes in front of such a cell: spreadsheets then take it as text."""

# A text that already looks escaped is escaped as well, or it would lose its own apostrophe on the
# way back. `storage.formulas` says the same in SQL.
_ESCAPABLE = re.compile(f"{FORMULA_ESCAPE}*[{re.escape(FORMULA_FIRST_CHARACTERS)}]")
_ESCAPED = re.compile(f"{FORMULA_ESCAPE}+[{re.escape(FORMULA_FIRST_CHARACTERS)}]")


def escape_formula(text: str) -> str:
    """Return the cell as it may be written to a file; most come back unchanged."""
    return FORMULA_ESCAPE + text if _ESCAPABLE.match(text) else text


def unescape_formula(text: str) -> str:
    """Return the text that `escape_formula` has made this cell of, or a cell of others as it is."""
    return text[len(FORMULA_ESCAPE) :] if _ESCAPED.match(text) else text
