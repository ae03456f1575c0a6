"""What one row of a contact file says about a contact.

Belongs here: how each cell is read, as pure functions; a row that cannot be used is a value with
its reason. Does not belong here: which column is which (`mapping`), reading files (`sources`), and
what a row does to a contact that exists (`store`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

from pydantic_core import to_json

from enrollment_pipeline.bulk_operations.reading.dates import read_day
from enrollment_pipeline.bulk_operations.reading.json_values import (
    NOT_STORABLE,
    NOT_TEXT,
    Unusable,
    as_json,
    as_text,
    kind,
    parse_object,
    shown,
    trouble_in,
)
from enrollment_pipeline.bulk_operations.reading.mapping import ABSENT, CUSTOM, ColumnMapping, Role
from enrollment_pipeline.clocks.local_time import zone_names
from enrollment_pipeline.files.identifiers import (
    MOST_IDENTIFIER_CHARACTERS,
    is_email,
    parse_contact_id,
    trim,
)
from enrollment_pipeline.files.rows import (
    MOST_FIELD_CHARACTERS,
    RejectedRow,
    Row,
)
from enrollment_pipeline.records import ContactStatus

MOST_TAGS = 100
MOST_TAG_CHARACTERS = 100

_SHOWN_CHARACTERS = 500
_STATUSES = frozenset(ContactStatus)
_NO_STATUS = f"has a status that is none of {', '.join(ContactStatus)}"
_NO_EMAIL = "has an e-mail address that is none"
_LONG_EMAIL = f"has an e-mail address of more than {MOST_IDENTIFIER_CHARACTERS} characters"
_NO_ZONE = "has a time zone that is not one such as Europe/Berlin"
_NO_ID = "has a contact id that is none (a UUID)"
_LONG_TEXT = f"has a text of more than {MOST_FIELD_CHARACTERS:,} characters"
# Contacts are looked up by these, and no index holds a text of any length.
_LONG_VALUE = f"of more than {MOST_IDENTIFIER_CHARACTERS} characters"
_EXTERNAL_ID = "external_id"
_PLAIN = frozenset({str, type(None)})


class ContactRow(NamedTuple):
    """What one row says, in the order of `import_rows`; None stands for "says nothing".

    `key` is the trimmed address, the id or the text of the custom field. `tags` is an empty list
    only when a blank cell clears. `custom_fields` is a JSON object; null in it takes a field away.
    """

    line: int
    key: str
    email: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None
    status: str | None
    tags: list[str] | None
    birthday: str | None
    timezone: str | None
    custom_fields: str | None


class Rejection(NamedTuple):
    """A row that is not imported; `reason` continues the sentence "This row ..."."""

    line: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are read.

    `key` is as `map_columns` took it, `date_format` as `check_date_format` lets it through. With
    `clear`, a blank cell of a custom field or of the tags says so; which other fields a blank cell
    clears is known from `ColumnMapping.fields`.
    """

    key: str
    blank: Literal["keep", "clear"] = "keep"
    date_format: str | None = None
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


class _Trouble(NamedTuple):
    """The column that makes a row unusable, and why."""

    column: int
    reason: str


def read_row(
    row: Row | RejectedRow, mapping: ColumnMapping, reading: Reading
) -> ContactRow | Rejection:
    """Return what the row says about a contact, or why it cannot be used."""
    if isinstance(row, RejectedRow):
        return Rejection(row.line, "", row.text, row.reason)
    found = _read(row, mapping, reading)
    if isinstance(found, _Trouble):
        return _rejection(row, mapping, found)
    return found


def _read(row: Row, mapping: ColumnMapping, reading: Reading) -> ContactRow | _Trouble:
    cells = _cells(row.values, mapping)
    if isinstance(cells, _Trouble):
        return cells
    clear = reading.blank == "clear"
    said = _custom_fields(cells, mapping, clear=clear)
    if isinstance(said, _Trouble):
        return said
    key = _key(cells, said, mapping, reading.key)
    if isinstance(key, _Trouble):
        return key
    birthday = cells[mapping.birthday]
    day = read_day(birthday, reading.date_format, reading.today) if birthday != "" else None
    if isinstance(day, Unusable):
        return _Trouble(mapping.birthday, day.reason)
    cell = cells[mapping.tags]
    tags = _tags(cell) if cell != "" else None
    if isinstance(tags, Unusable):
        return _Trouble(mapping.tags, tags.reason)
    email, status = cells[mapping.email], cells[mapping.status].lower()
    timezone = cells[mapping.timezone]
    trouble = _text_trouble(email, status, timezone, mapping)
    if trouble is not None:
        return trouble
    return ContactRow(
        row.line,
        key,
        email or None,
        cells[mapping.first_name] or None,
        cells[mapping.last_name] or None,
        cells[mapping.phone] or None,
        status or None,
        tags or ([] if clear and mapping.tags != ABSENT else None),
        day,
        _zones()[timezone.casefold()] if timezone else None,
        _as_object(said) if said else None,
    )


def _cells(values: Sequence[Any], mapping: ColumnMapping) -> list[Any] | _Trouble:
    """Return trimmed texts, and other values where the column keeps them; a blank cell is "".

    One more is behind them, which is the cell of every field that no column says.
    """
    try:
        return _texts(values, "".join(values))
    except TypeError:
        # Not all are texts; asking each of them takes longer than trying.
        return _typed_cells(values, mapping.roles)


def _typed_cells(values: Sequence[Any], roles: Sequence[Role]) -> list[Any] | _Trouble:
    texts = list(values)
    kept: dict[int, Any] = {}
    for index, value in enumerate(values):
        if isinstance(value, str):
            continue
        texts[index] = ""
        if value is None or roles[index] == "dropped":
            continue
        reason = trouble_in(value)
        if not reason and roles[index] == "text" and isinstance(value, list | dict):
            reason = f"has {kind(value)} where a text is expected"
        if reason:
            return _Trouble(index, reason)
        if roles[index] == "text":
            texts[index] = as_text(value)
        else:
            kept[index] = value
    cells = _texts(texts, "".join(texts))
    if isinstance(cells, list):
        for index, value in kept.items():
            cells[index] = value
    return cells


def _texts(values: Sequence[str], joined: str) -> list[Any] | _Trouble:
    if joined.isascii() and "\0" not in joined and len(joined) <= MOST_FIELD_CHARACTERS:
        # What `trim` does to each, in half the time.
        return [*map(str.strip, values), ""]
    if len(joined) > MOST_FIELD_CHARACTERS or NOT_STORABLE.search(joined):
        for index, value in enumerate(values):
            reason = _storing_trouble(value)
            if reason:
                return _Trouble(index, reason)
    return [*map(trim, values), ""]


def _storing_trouble(text: str) -> str:
    if len(text) > MOST_FIELD_CHARACTERS:
        return _LONG_TEXT
    return NOT_TEXT if NOT_STORABLE.search(text) else ""


def _text_trouble(
    email: str, status: str, timezone: str, mapping: ColumnMapping
) -> _Trouble | None:
    if email and not is_email(email):
        long = len(email) > MOST_IDENTIFIER_CHARACTERS
        return _Trouble(mapping.email, _LONG_EMAIL if long else _NO_EMAIL)
    if status and status not in _STATUSES:
        return _Trouble(mapping.status, _NO_STATUS)
    if timezone and timezone.casefold() not in _zones():
        return _Trouble(mapping.timezone, _NO_ZONE)
    return None


def _key(
    cells: Sequence[Any], said: Mapping[str, Any], mapping: ColumnMapping, key: str
) -> str | _Trouble:
    if key == "email":
        return cells[mapping.key] or _Trouble(mapping.key, "has no e-mail address")
    if key == "contact_id":
        text = cells[mapping.key]
        contact_id = parse_contact_id(text)
        if contact_id is None:
            return _Trouble(mapping.key, _NO_ID if text else "has no contact id")
        return str(contact_id)
    name = key.removeprefix(f"{CUSTOM}.")
    value = said.get(name)
    index = mapping.key if mapping.key != ABSENT else mapping.bundle
    if value is None or value == "":
        return _Trouble(index, f"has no {shown(name)}")
    if isinstance(value, list | dict):
        return _Trouble(index, f"has {kind(value)} where a text is expected")
    text = as_text(value)
    too_long = len(text) > MOST_IDENTIFIER_CHARACTERS
    return _Trouble(index, f"has a key {_LONG_VALUE}") if too_long else text


def _tags(cell: Any) -> list[str] | Unusable:
    if isinstance(cell, str) and len(cell) <= MOST_TAG_CHARACTERS:
        # It breaks no limit, and is likely to come again.
        return list(_split_once(cell))
    if isinstance(cell, list):
        if any(one is None or isinstance(one, list | dict) for one in cell):
            return Unusable("has a tag that is no text")
        texts = list(map(as_text, cell))
    elif isinstance(cell, dict):
        return Unusable("has an object where tags are expected")
    else:
        texts = _split(as_text(cell))
    tags = list(dict.fromkeys(filter(None, map(trim, texts))))
    if len(tags) > MOST_TAGS:
        return Unusable(f"has more than {MOST_TAGS} tags")
    if tags and max(map(len, tags)) > MOST_TAG_CHARACTERS:
        return Unusable(f"has a tag of more than {MOST_TAG_CHARACTERS} characters")
    return tags


def _split(text: str) -> list[str]:
    return text.replace("|", ";").split(";")


@lru_cache(maxsize=4_096)
def _split_once(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(trim, _split(text)))))


def _custom_fields(
    cells: Sequence[Any], mapping: ColumnMapping, *, clear: bool
) -> dict[str, Any] | _Trouble:
    """Return what the row says about custom fields; None in it stands for "no longer"."""
    if clear:
        said = {name: None if cells[at] == "" else cells[at] for name, at in mapping.custom_fields}
    else:
        said = {name: cells[at] for name, at in mapping.custom_fields if cells[at] != ""}
    if mapping.bundle != ABSENT:
        members = _bundle(cells[mapping.bundle])
        if isinstance(members, Unusable):
            return _Trouble(mapping.bundle, members.reason)
        # A column of its own is the clearer word, unless it is blank.
        kept = {name: value for name, value in said.items() if value is not None}
        said = {**said, **{n: v for n, v in members.items() if clear or v is not None}, **kept}
    external_id = said.get(_EXTERNAL_ID, "")
    if external_id and len(as_text(external_id)) > MOST_IDENTIFIER_CHARACTERS:
        places = dict(mapping.custom_fields)
        return _Trouble(
            places.get(_EXTERNAL_ID, mapping.bundle), f"has an {_EXTERNAL_ID} {_LONG_VALUE}"
        )
    return said


def _bundle(cell: Any) -> dict[str, Any] | Unusable:
    if cell == "":
        return {}
    found = parse_object(cell) if isinstance(cell, str) else cell
    if isinstance(found, Unusable):
        return found
    if not isinstance(found, dict):
        return Unusable(f"has {kind(found)} where an object is expected")
    reason = trouble_in(found)
    return Unusable(reason) if reason else {as_text(name): one for name, one in found.items()}


def _as_object(said: Mapping[str, Any]) -> str:
    if _PLAIN.issuperset(map(type, said.values())):
        # A quarter of the time that `json` takes, and this runs for every row.
        return to_json(said).decode()
    return as_json(said)


def _rejection(row: Row, mapping: ColumnMapping, trouble: _Trouble) -> Rejection:
    value: Any = row.values[trouble.column]
    if value is None:
        text = ""
    elif isinstance(value, str):
        text = value
    else:
        text = kind(value) if trouble_in(value) else as_text(value)
    text = NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text[:_SHOWN_CHARACTERS])
    column = mapping.columns[trouble.column][:_SHOWN_CHARACTERS]
    return Rejection(row.line, column, text, trouble.reason)


@cache
def _zones() -> dict[str, str]:
    return {name.casefold(): name for name in zone_names()}
