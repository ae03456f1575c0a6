"""What the columns of a contact file mean.

Belongs here: header names, the mapping that was asked for, and what rows are known by. Does not
belong here: cells (`rows`).
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from rapidfuzz import fuzz, process

from enrollment_pipeline.bulk_operations.reading.json_values import NOT_STORABLE, shown
from enrollment_pipeline.conditions.fields import Fields
from enrollment_pipeline.conditions.model import FieldKind
from enrollment_pipeline.errors import InvalidFileError, InvalidRequestError
from enrollment_pipeline.files.identifiers import (
    CONTACT_ID_NAMES,
    EMAIL_NAMES,
    IdentifierKind,
    find_identifier_column,
    is_contact_id,
    trim,
)

TYPED_FIELDS = (
    "email",
    "first_name",
    "last_name",
    "phone",
    "status",
    "tags",
    "birthday",
    "timezone",
)
"""Fields of a contact that a file can set, beside its custom fields."""

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
"""Fields by header name; compared without case, spaces and punctuation."""

CUSTOM = "custom_fields"
"""The column that holds all custom fields as one object; with a dot and a name, one of them."""

NOT_SETTABLE = ("created_at", "updated_at", "source", "email_key")
"""Columns of our own exports, as they are spelled there, that no import can set."""

MOST_NAME_CHARACTERS = 200
"""In the name of a custom field that a request gives."""

ABSENT = -1
"""In place of a column: no column says it. `rows` puts a blank cell there."""

Unmapped = Literal["keep", "drop"]
Role = Literal["text", "typed", "dropped"]

_ALIKE = 70.0
"""From which rapidfuzz ratio a column is worth suggesting, as `conditions.fields` has it."""

_SHOWN_COLUMNS = 20
_DROPPED = ""
_DROPS = ("", "-")
_TARGETS = Fields(
    known=dict.fromkeys((*TYPED_FIELDS, "contact_id", "external_id"), FieldKind.TEXT),
    containers=(CUSTOM,),
)
_KEYS = Fields(
    known=dict.fromkeys(("email", "contact_id", "external_id"), FieldKind.TEXT),
    containers=(CUSTOM,),
)
_DROP_ONE = 'Map each to a field of its own, or to "-" to drop it.'


class ColumnMapping(NamedTuple):
    """Which column says what, counted from 0; what no column says is `ABSENT`.

    `key` is the column that rows are known by; it is `ABSENT` when a custom field is the key that
    stands in the column `bundle`, which holds custom fields as one object. `roles` has one for each
    column: whose cells are texts, keep the type they have in the file, or are not looked at.
    `fields` are the typed fields that the file has, `dropped` the names of columns not looked at.
    """

    columns: tuple[str, ...]
    key: int
    email: int
    first_name: int
    last_name: int
    phone: int
    status: int
    tags: int
    birthday: int
    timezone: int
    bundle: int
    custom_fields: tuple[tuple[str, int], ...]
    roles: tuple[Role, ...]
    fields: tuple[str, ...]
    dropped: tuple[str, ...]


def map_columns(
    columns: Sequence[str],
    sample: Sequence[Sequence[str]],
    *,
    given: Mapping[str, str],
    unmapped: Unmapped,
    key: str,
) -> ColumnMapping:
    """Return what each column means: as given, otherwise by its name (spec "Import").

    Of several columns whose names mean one field, the first gives it; the others are unmapped.

    Args:
        columns: The names of all columns, all different.
        sample: Texts of some rows, each as long as `columns`.
        given: By header name a field, `contact_id`, `custom_fields.NAME`, or "" or "-" to drop it.
            A name counts as it stands, or else without case and spaces.
        unmapped: Other columns become custom fields under their own names, or are dropped.
        key: What a row is known by: `email`, `contact_id` or `custom_fields.NAME`.

    Raises:
        InvalidRequestError: `given` or `key` names what there is not, or two columns are one field.
        InvalidFileError: no column holds the key.
    """
    unreadable = next((name for name in columns if NOT_STORABLE.search(name)), None)
    if unreadable is not None:
        raise InvalidFileError(
            f'The column name "{shown(unreadable)}" holds a character that no text can hold.'
        )
    key = check_key(key)
    targets = _given_targets(columns, given)
    if "contact_id" in targets.values() and key != "contact_id":
        raise InvalidRequestError(
            "A column is mapped to contact_id, but the rows are known by something else.",
            remedy='Set the key to contact_id, or map the column to "-" to drop it.',
        )
    _add_key(targets, columns, sample, key)
    if "email" not in targets.values():
        _add_named_email(targets, columns, sample)
    for index, name in enumerate(columns):
        if index not in targets:
            cells = [row[index] for row in sample]
            targets[index] = _automatic(name, cells, taken=targets.values(), unmapped=unmapped)
    _refuse_doubles(columns, targets)
    return _mapping(columns, targets, key)


def check_key(key: str) -> str:
    """Return what rows are known by, with `external_id` under its full name.

    Raises:
        InvalidRequestError: rows cannot be known by it.
    """
    return _field(key, _KEYS, "The key")


def _given_targets(columns: Sequence[str], given: Mapping[str, str]) -> dict[int, str]:
    targets: dict[int, str] = {}
    for name, text in given.items():
        index = _column_named(name, columns)
        if index in targets:
            raise InvalidRequestError(f'The mapping names the column "{shown(name)}" twice.')
        said = trim(text)
        targets[index] = (
            _DROPPED
            if said in _DROPS
            else _field(said, _TARGETS, f'The mapping of "{shown(name)}"')
        )
    return targets


def _column_named(name: str, columns: Sequence[str]) -> int:
    if name in columns:
        return columns.index(name)
    alike = [index for index, column in enumerate(columns) if _folded(column) == _folded(name)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        meant = " and ".join(f'"{shown(columns[index])}"' for index in alike[:2])
        raise InvalidRequestError(f'The mapping of "{shown(name)}" could mean {meant}.')
    likeliest = process.extractOne(name, columns, scorer=fuzz.WRatio, score_cutoff=_ALIKE)
    meant = f' Did you mean "{shown(likeliest[0])}"?' if likeliest else ""
    raise InvalidRequestError(
        f'The mapping names the column "{shown(name)}", which the file does not have.{meant}',
        details={"columns": [shown(column) for column in columns[:_SHOWN_COLUMNS]]},
    )


def _field(text: str, fields: Fields, what: str) -> str:
    name = text.removeprefix(f"{CUSTOM}.")
    if name != text:
        if NOT_STORABLE.search(name) or not 0 < len(trim(name)) <= MOST_NAME_CHARACTERS:
            raise InvalidRequestError(
                f"{what} is not valid: the name of a custom field has 1 to "
                f"{MOST_NAME_CHARACTERS} characters."
            )
        return text
    if text == "external_id":
        return f"{CUSTOM}.external_id"
    if text in fields.known:
        return text
    raise InvalidRequestError(f"{what} is not valid: {fields.refusal(text)}")


def _add_key(
    targets: dict[int, str], columns: Sequence[str], sample: Sequence[Sequence[str]], key: str
) -> None:
    if key in targets.values():
        return
    if key in ("email", "contact_id"):
        kind: IdentifierKind = "email" if key == "email" else "contact_id"
        free = [index for index in range(len(columns)) if index not in targets]
        names = [columns[index] for index in free]
        cells = [[row[index] for index in free] for row in sample]
        targets[free[find_identifier_column(names, cells, kind).index]] = key
        return
    name = key.removeprefix(f"{CUSTOM}.")
    for spelled in (key, name):
        if spelled in columns and columns.index(spelled) not in targets:
            targets[columns.index(spelled)] = key
            return
    alike = {_plain(key), _plain(name)}
    for index, column in enumerate(columns):
        if index not in targets and _plain(column) in alike:
            targets[index] = key
            return
    if not any(index not in targets and name == CUSTOM for index, name in enumerate(columns)):
        raise InvalidFileError(
            f'No column holds what rows are to be known by, the custom field "{shown(name)}"; the '
            f"columns are: {', '.join(map(shown, columns[:_SHOWN_COLUMNS]))}.",
            remedy=f'Call the column "{shown(name)}" or "{CUSTOM}.{shown(name)}", or map it.',
        )


def _add_named_email(
    targets: dict[int, str], columns: Sequence[str], sample: Sequence[Sequence[str]]
) -> None:
    """Find the addresses by name only: other addresses in a row may be somebody else's."""
    free = [index for index in range(len(columns)) if index not in targets]
    names = [columns[index] for index in free]
    with suppress(InvalidFileError):
        cells = [[row[index] for index in free] for row in sample]
        found = find_identifier_column(names, cells, "email")
        if _plain(found.name) in EMAIL_NAMES:
            targets[free[found.index]] = "email"


def _automatic(
    name: str, cells: Sequence[str], *, taken: Collection[str], unmapped: Unmapped
) -> str:
    field = FIELD_NAMES.get(_plain(name))
    if field is not None and field not in taken:
        return field
    if name == CUSTOM and CUSTOM not in taken:
        return CUSTOM
    if name.startswith(f"{CUSTOM}.") and len(name) > len(CUSTOM) + 1:
        return name
    if name in NOT_SETTABLE or _is_own_id(name, cells):
        return _DROPPED
    return f"{CUSTOM}.{name}" if unmapped == "keep" else _DROPPED


def _is_own_id(name: str, cells: Sequence[str]) -> bool:
    """Tell whether a column holds ids of contacts, as our exports do, and not those of others."""
    named = name == "id" or _plain(name) in CONTACT_ID_NAMES
    return named and all(is_contact_id(cell) for cell in cells if trim(cell))


def _refuse_doubles(columns: Sequence[str], targets: Mapping[int, str]) -> None:
    by_target: dict[str, int] = {}
    for index, target in sorted(targets.items()):
        if target == _DROPPED:
            continue
        if target in by_target:
            first, second = columns[by_target[target]], columns[index]
            raise InvalidRequestError(
                f'The columns "{shown(first)}" and "{shown(second)}" are both {shown(target)}.',
                remedy=_DROP_ONE,
            )
        by_target[target] = index


def _mapping(columns: Sequence[str], targets: Mapping[int, str], key: str) -> ColumnMapping:
    places = {target: index for index, target in targets.items()}
    custom = [
        (target.removeprefix(f"{CUSTOM}."), index)
        for index, target in sorted(targets.items())
        if target.startswith(f"{CUSTOM}.")
    ]
    return ColumnMapping(
        columns=tuple(columns),
        key=places.get(key, ABSENT),
        **{field: places.get(field, ABSENT) for field in TYPED_FIELDS},
        bundle=places.get(CUSTOM, ABSENT),
        custom_fields=tuple(custom),
        roles=tuple(_role(targets[index]) for index in range(len(columns))),
        fields=tuple(field for field in TYPED_FIELDS if field in places),
        dropped=tuple(name for index, name in enumerate(columns) if targets[index] == _DROPPED),
    )


def _role(target: str) -> Role:
    if target == _DROPPED:
        return "dropped"
    typed = target in ("tags", "birthday", CUSTOM) or target.startswith(f"{CUSTOM}.")
    return "typed" if typed else "text"


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _folded(name: str) -> str:
    return "".join(name.casefold().split())
