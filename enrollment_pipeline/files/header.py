"""Whether the first row is a header, and what the columns are called.

Not here: what an identifier column is called (`identifiers`).
"""

from collections.abc import Sequence

from enrollment_pipeline.files.identifiers import is_identifier, is_identifier_name, trim


def is_header(first_row: Sequence[str]) -> bool:
    """Return whether the first row names the columns.

    It does when one of its cells is a known name of an identifier column, and otherwise when none
    of them is an e-mail address or a UUID: who has such a cell is a contact.
    """
    if any(map(is_identifier_name, first_row)):
        return True
    return not any(map(is_identifier, first_row))


def column_names(header: Sequence[str] | None, width: int) -> tuple[str, ...]:
    """Return one name for each column, all different.

    A blank or missing name becomes `column_3`; a name that was used before becomes `email_2`.
    """
    cells = header if header is not None else [""] * width
    taken = {trim(cell) for cell in cells}
    names: list[str] = []
    for position, cell in enumerate(cells, start=1):
        name = trim(cell)
        if not name or name in names:
            name = _free_name(name or "column", 2 if name else position, taken)
        taken.add(name)
        names.append(name)
    return tuple(names)


def _free_name(name: str, number: int, taken: set[str]) -> str:
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
