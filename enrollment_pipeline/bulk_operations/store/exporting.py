"""Contacts as the server writes them out: as CSV, as JSON lines, or as typed rows.

Belongs here: how each field looks in each format. Does not belong here: the files.

Every function works in the caller's transaction, which has its account set. Each is one statement
and sees one snapshot. Deleted contacts are never among the rows, which come in the order of
`created_at`, then of `id`.
"""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    select,
    text,
)

from enrollment_pipeline.bulk_operations.exporting.fields import Field, Kind
from enrollment_pipeline.storage.copying import driver_cursor
from enrollment_pipeline.storage.planning import allow_memory
from enrollment_pipeline.storage.schema import contacts

_Text = ColumnElement[str]

# Neither character can be in the text of a JSON value, so the server quotes nothing.
_JSON_LINES = "format csv, quote E'\\x01', delimiter E'\\x02'"
_CSV = "format csv"

_INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
_DAY = "YYYY-MM-DD"
# As `files.formulas.escape_formula` has it.
_FORMULA = "^'*[=+@\t\r-]"

# The importer takes ; and | for the end of a tag, so between tags stands at first what is not for
# interchange (Unicode, "Noncharacters") and in no tag.
_BETWEEN = "\U0010ffff"
_TAGS = func.nullif(
    func.translate(func.array_to_string(contacts.c.tags, _BETWEEN), f";|{_BETWEEN}", ",,;"),
    "",
    type_=Text(),
)
_SPLIT_TAGS = func.array_to_string(contacts.c.tags, "").regexp_match("[;|]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose contacts, which of them, and which fields in which order."""

    account_id: UUID
    condition: ColumnElement[bool]
    fields: Sequence[Field]


def csv_rows(connection: Connection, wanted: Wanted) -> Generator[bytes, None, None]:
    """Yield each contact as a CSV line, without a header.

    What a spreadsheet would run is escaped; tags are joined by semicolons, and one that holds a
    semicolon or a bar has commas there.
    """
    cells = [_csv_cell(field) for field in wanted.fields]
    if len(cells) == 1:
        # A line with nothing at all is no row to who reads it.
        cells = [func.coalesce(cells[0], "")]
    return _copied(connection, _chosen(wanted, cells), _CSV)


def json_rows(
    connection: Connection, wanted: Wanted, *, names: Sequence[str], nested: bool
) -> Generator[bytes, None, None]:
    """Yield each contact as a line with a JSON object, whose keys are `names`.

    Custom fields are JSON values if `nested`, and otherwise their texts.
    """
    parts: list[_Text] = []
    for name, field in zip(names, wanted.fields, strict=True):
        key = json.dumps(name, ensure_ascii=False)
        parts += [literal(f"{', ' if parts else '{'}{key}: ", Text()), _json_value(field, nested)]
    line = reduce(lambda left, right: left.concat(right), [*parts, literal("}", Text())])
    return _copied(connection, _chosen(wanted, [line]), _JSON_LINES)


def typed_rows(connection: Connection, wanted: Wanted) -> Generator[Sequence[Any], None, None]:
    """Yield each contact as values for the cells of a spreadsheet.

    Times are in UTC and name no zone. A single custom field is the text of its JSON value.
    """
    statement = _chosen(wanted, [_sheet_value(field) for field in wanted.fields])
    allow_memory(connection)
    with connection.execute(statement, execution_options={"yield_per": 1_000}) as rows:
        yield from rows


def allow_idling(connection: Connection) -> None:
    """Let this transaction wait as long as it takes while a file is packed or uploaded.

    Both come behind the last row, and for millions of them may take longer than the role is let.
    """
    connection.execute(text("set local idle_in_transaction_session_timeout = 0"))


def count_split_tags(connection: Connection, wanted: Wanted) -> int:
    """Return how many of the contacts have a tag that holds a semicolon or a bar."""
    found = _among(select(func.count()).select_from(contacts), wanted).where(_SPLIT_TAGS)
    return int(connection.execute(found).scalar_one())


def _chosen(wanted: Wanted, values: Sequence[ColumnElement[Any]]) -> Select[Any]:
    named = [value.label(f"c{index}") for index, value in enumerate(values)]
    return _among(select(*named), wanted).order_by(contacts.c.created_at, contacts.c.id)


def _among(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    return statement.where(
        contacts.c.account_id == wanted.account_id,
        contacts.c.deleted_at.is_(None),
        wanted.condition,
    )


def _copied(
    connection: Connection, statement: Select[Any], form: str
) -> Generator[bytes, None, None]:
    """Yield what COPY sends, which is a row at a time (protocol, "COPY Operations").

    COPY takes no bound parameters; the driver quotes the values.
    """
    compiled = statement.compile(dialect=connection.dialect)
    allow_memory(connection)
    with (
        driver_cursor(connection) as cursor,
        cursor.copy(f"copy ({compiled}) to stdout ({form})", compiled.params) as copy,
    ):
        for row in copy:
            yield bytes(row)


def _csv_cell(field: Field) -> _Text:
    match field.kind:
        case Kind.TEXT:
            column = _column(field)
            # All such texts come before A. To compare first takes a third of the time.
            risky = (column.collate("C") < literal("A", Text())) & column.regexp_match(_FORMULA)
            return case((risky, literal("'", Text()).concat(column)), else_=column)
        case Kind.TAGS:
            return _escaped(_TAGS)
        case Kind.CUSTOM:
            return _escaped(_custom_text(field))
        case _:
            return _plain_text(field)


def _escaped(value: _Text) -> _Text:
    """For what should not be computed twice, as in the case of a column."""
    return func.regexp_replace(value, _FORMULA, r"'\&", type_=Text())


def _plain_text(field: Field) -> _Text:
    """The text of what is not a text, and of no formula."""
    column = _column(field)
    match field.kind:
        case Kind.DAY:
            return func.to_char(column, _DAY)
        case Kind.INSTANT:
            return func.to_char(func.timezone("UTC", column), _INSTANT)
        case _:
            return cast(column, Text)


def _json_value(field: Field, nested: bool) -> _Text:
    value: ColumnElement[Any]
    match field.kind:
        case Kind.DAY | Kind.INSTANT:
            value = func.to_json(_plain_text(field))
        case Kind.CUSTOM:
            value = _custom_json(field) if nested else func.to_json(_custom_text(field))
        case Kind.OBJECT:
            value = _column(field) if nested else func.to_json(_plain_text(field))
        case _:
            value = func.to_json(_column(field))
    return func.coalesce(cast(value, Text), "null")


def _sheet_value(field: Field) -> ColumnElement[Any]:
    match field.kind:
        case Kind.DAY:
            return cast(_column(field), Date)
        case Kind.INSTANT:
            return func.timezone("UTC", _column(field))
        case Kind.TAGS:
            return _TAGS
        case Kind.CUSTOM:
            return cast(_custom_json(field), Text)
        case _:
            return cast(_column(field), Text)


def _column(field: Field) -> ColumnElement[Any]:
    return contacts.c[field.column]


def _custom_json(field: Field) -> ColumnElement[Any]:
    return contacts.c.custom_fields.op("->")(literal(field.key, Text()))


def _custom_text(field: Field) -> _Text:
    return contacts.c.custom_fields.op("->>", return_type=Text())(literal(field.key, Text()))
