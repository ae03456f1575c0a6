"""What the columns of a contact file mean, and what one of its rows says about a contact.

Belongs here: header names and how each cell is read, as pure functions; a row that cannot be used
is a value with its reason. Does not belong here: reading files, and what a row does to a contact
that exists (`store`).
"""

import re
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import NamedTuple

from pydantic_core import to_json

from enrollment_pipeline.clocks.local_time import zone_names
from enrollment_pipeline.files.identifiers import find_identifier_column, is_email, trim
from enrollment_pipeline.files.rows import RejectedRow, Row
from enrollment_pipeline.records import ContactStatus

# Compared without case, spaces and punctuation.
FIELD_NAMES = {
    "firstname": "first_name",
    "givenname": "first_name",
    "lastname": "last_name",
    "surname": "last_name",
    "familyname": "last_name",
    "phone": "phone",
    "phonenumber": "phone",
    "mobile": "phone",
    "mobilephone": "phone",
    "mobilenumber": "phone",
    "tags": "tags",
    "status": "status",
    "birthday": "birthday",
    "birthdate": "birthday",
    "dateofbirth": "birthday",
    "timezone": "timezone",
}

_SHOWN_CHARACTERS = 500
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_STATUSES = frozenset(ContactStatus)
_NO_STATUS = f"has a status that is none of {', '.join(ContactStatus)}"
# An ambiguous date is rejected and never guessed (spec "Import").
_NO_DATE = "has a date that is not a day of the form YYYY-MM-DD"
# Contacts are looked up by it, as events name them, and no index holds a text of any length.
_LONGEST_ID = 320
_LONG_ID = f"has an external_id of more than {_LONGEST_ID} characters"
_NO_ZONE = "has a time zone that is not one such as Europe/Berlin"


class ContactRow(NamedTuple):
    """What one row says; None, no tags and an empty JSON object stand for "says nothing"."""

    line: int
    email: str
    first_name: str | None
    last_name: str | None
    phone: str | None
    status: str | None
    tags: list[str]
    birthday: str | None
    timezone: str | None
    custom_fields: str


class Rejection(NamedTuple):
    """A row that is not imported; `reason` continues the sentence "This row ..."."""

    line: int
    column: str
    value: str
    reason: str


class ColumnMapping(NamedTuple):
    """Which column says what, counted from 0; what no column says is `ABSENT`."""

    columns: tuple[str, ...]
    email: int
    first_name: int
    last_name: int
    phone: int
    status: int
    tags: int
    birthday: int
    timezone: int
    custom_fields: tuple[tuple[str, int], ...]


# The blank cell that `read_row` puts behind the others.
ABSENT = -1


def map_columns(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> ColumnMapping:
    """Return what each column means, by its name (spec "Import").

    The first column that a field is known by gives the field; all others become custom fields
    under their own names, so that nothing in the file is lost.

    Raises:
        InvalidFileError: no column holds e-mail addresses.
    """
    email = find_identifier_column(columns, sample, "email").index
    fields = dict.fromkeys(FIELD_NAMES.values(), ABSENT)
    custom_fields = []
    for index, name in enumerate(columns):
        field = FIELD_NAMES.get("".join(filter(str.isalnum, name.casefold())))
        if index == email:
            continue
        if field is not None and fields[field] == ABSENT:
            fields[field] = index
        else:
            custom_fields.append((name, index))
    return ColumnMapping(tuple(columns), email, **fields, custom_fields=tuple(custom_fields))


def read_row(row: Row | RejectedRow, mapping: ColumnMapping) -> ContactRow | Rejection:
    """Return what the row says about a contact, or why it cannot be used."""
    if isinstance(row, RejectedRow):
        return Rejection(row.line, "", row.text, row.reason)
    cells = [*map(trim, row.values), ""]
    email = cells[mapping.email]
    if not is_email(email):
        reason = "has an e-mail address that is none" if email else "has no e-mail address"
        return _rejection(row, mapping, mapping.email, reason)
    status, birthday = cells[mapping.status].lower(), cells[mapping.birthday]
    if status and status not in _STATUSES:
        return _rejection(row, mapping, mapping.status, _NO_STATUS)
    if birthday and not _is_iso_date(birthday):
        return _rejection(row, mapping, mapping.birthday, _NO_DATE)
    timezone = cells[mapping.timezone]
    if timezone and timezone.casefold() not in _zones():
        return _rejection(row, mapping, mapping.timezone, _NO_ZONE)
    too_long = _too_long(cells, mapping)
    if too_long is not None:
        return _rejection(row, mapping, too_long, _LONG_ID)
    return ContactRow(
        row.line,
        email,
        cells[mapping.first_name] or None,
        cells[mapping.last_name] or None,
        cells[mapping.phone] or None,
        status or None,
        _tags(cells[mapping.tags]),
        birthday or None,
        _zones()[timezone.casefold()] if timezone else None,
        _custom_fields(cells, mapping),
    )


def _rejection(row: Row, mapping: ColumnMapping, index: int, reason: str) -> Rejection:
    value = row.values[index][:_SHOWN_CHARACTERS]
    return Rejection(row.line, mapping.columns[index], value, reason)


def _too_long(cells: Sequence[str], mapping: ColumnMapping) -> int | None:
    """Return the column that holds more than contacts can be looked up by, if there is one."""
    for name, index in mapping.custom_fields:
        if name == "external_id" and len(cells[index]) > _LONGEST_ID:
            return index
    return None


def _tags(text: str) -> list[str]:
    if not text:
        return []
    tags = map(trim, text.replace("|", ";").split(";"))
    return list(dict.fromkeys(filter(None, tags)))


def _custom_fields(cells: Sequence[str], mapping: ColumnMapping) -> str:
    said = {name: cells[index] for name, index in mapping.custom_fields if cells[index]}
    # A quarter of the time that `json` takes, and this runs for every row.
    return to_json(said).decode() if said else "{}"


def _is_iso_date(text: str) -> bool:
    if not _ISO_DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@cache
def _zones() -> dict[str, str]:
    return {name.casefold(): name for name in zone_names()}
