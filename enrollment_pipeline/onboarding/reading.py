"""A file of items as a submission: a table (CSV) or a document (JSON, YAML).

Belongs here: which format a file has, and which column is what. Does not belong here: what an item
may be (`request`), and whether it is accepted (`admission`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from enrollment_pipeline.errors import FileTooLargeError, InvalidFileError, InvalidRequestError
from enrollment_pipeline.files.documents import read_document
from enrollment_pipeline.files.formulas import unescape_formula
from enrollment_pipeline.files.opening import open_bytes
from enrollment_pipeline.files.rows import AnyRow, RejectedRow
from enrollment_pipeline.files.table import open_table
from enrollment_pipeline.onboarding.request import MOST_ITEMS, GivenItem

MOST_BYTES = 30_000_000
"""Size of a file: the most items, each as large as it may be."""

_DOCUMENTS = (".json", ".yaml", ".yml")
_TABLES = (".csv", ".tsv", ".txt")
_ROLE = "role_name"
_FIELDS = {
    "rolename": _ROLE,
    "role": _ROLE,
    "name": _ROLE,
    "referencename": "reference_name",
    "reference": "reference_name",
    "attributes": "attributes",
    "documents": "documents",
    "workflow": "workflow",
}


def read_file(path: Path, name: str | None = None) -> tuple[dict[str, Any], list[GivenItem]]:
    """Return the options that a file says, and its items; a table says no options.

    `name` is what messages call the file. A row that cannot be read is an item with a fault.

    Raises:
        InvalidFileError: the file is neither a table with a column for names nor such a document.
        InvalidRequestError: the document has no items.
    """
    name = name or path.name
    if _is_document(path, name):
        return read_submission(read_document(_text_of(path, name), name), name)
    return {}, _table_items(path, name)


def read_submission(
    document: object, name: str = "The request"
) -> tuple[dict[str, Any], list[GivenItem]]:
    """Return the options and the items of a document: an object with `items`, or a list of them.

    Options stand in `options`, or beside the items.

    Raises:
        InvalidRequestError: it is neither, or says an option twice.
    """
    if isinstance(document, Mapping):
        rest = {key: value for key, value in document.items() if key not in ("items", "options")}
        options, items = document.get("options") or {}, document.get("items")
    else:
        rest, options, items = {}, {}, document
    if not isinstance(items, list):
        raise InvalidRequestError(
            f"{name} has no list of items.",
            remedy='Give {"company": "...", "items": [{"role_name": "..."}]}, or the list alone.',
        )
    if not isinstance(options, Mapping):
        raise InvalidRequestError(f"The options of {name} are no object.")
    twice = sorted(str(key) for key in options.keys() & rest.keys())
    if twice:
        raise InvalidRequestError(f"{name} says twice: {', '.join(twice)}.")
    return {**options, **rest}, given_items(items)


def given_items(items: Sequence[Any]) -> list[GivenItem]:
    """Return items in their order, each with its place."""
    return [GivenItem(position, content) for position, content in enumerate(items, 1)]


def _is_document(path: Path, name: str) -> bool:
    suffix = path.suffix.lower()
    if suffix in _DOCUMENTS:
        return True
    if suffix in _TABLES:
        return False
    with open_bytes(path, name) as handle:
        return handle.read(1_000).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _text_of(path: Path, name: str) -> str:
    with open_bytes(path, name) as handle:
        content = handle.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise FileTooLargeError(
            f'"{name}" is larger than {MOST_BYTES:,} bytes.', details={"limit": MOST_BYTES}
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidFileError(
            f'"{name}" is not UTF-8 text.', remedy="Save it as UTF-8 and try again."
        ) from None


def _table_items(path: Path, name: str) -> list[GivenItem]:
    with open_table(path, max_bytes=MOST_BYTES, name=name) as table:
        fields = _fields_of(table.columns if table.header is not None else (), name)
        found: list[GivenItem] = []
        for row in table:
            # One more than may be is enough to refuse them.
            if len(found) > MOST_ITEMS:
                break
            if isinstance(row, RejectedRow) or not row.blank:
                found.append(_item(row, fields, len(found) + 1))
        return found


def _fields_of(columns: Sequence[str], name: str) -> list[tuple[str, str]]:
    """Return what each column is: the field of an item, and the name of the attribute if any."""
    known: list[tuple[str, str]] = []
    for column in columns:
        key = "".join(one for one in column.casefold() if one.isalnum())
        known.append((_FIELDS.get(key, "attribute"), column))
    fields = [field for field, _ in known if field != "attribute"]
    if _ROLE not in fields:
        raise InvalidFileError(
            f'"{name}" has no column role_name.', remedy="Name the column of the roles so."
        )
    twice = sorted({field for field in fields if fields.count(field) > 1})
    if twice:
        raise InvalidFileError(
            f'"{name}" has several columns for {", ".join(twice)}.',
            remedy="Leave one of them, or rename the others.",
        )
    return known


def _item(row: AnyRow, fields: Sequence[tuple[str, str]], position: int) -> GivenItem:
    if isinstance(row, RejectedRow):
        return GivenItem(position, {}, row.line, f"The row {row.reason}.")
    content: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    try:
        for (field, column), cell in zip(fields, row.values, strict=True):
            text = unescape_formula(cell).strip()
            if not text:
                continue
            if field == "attribute":
                attributes[column] = text
            elif field == "attributes":
                attributes.update(_object(text))
            elif field == "documents":
                content[field] = [one.strip() for one in text.split(";") if one.strip()]
            else:
                content[field] = text
    except ValueError as error:
        return GivenItem(position, content, row.line, f"attributes: {error}.")
    return GivenItem(position, {**content, "attributes": attributes}, row.line)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("the cell is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the cell is no JSON object")
    return found
