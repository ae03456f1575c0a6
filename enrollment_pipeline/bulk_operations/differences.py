"""What differs between two images of a contact, field by field; pure rules.

Belongs here: which fields a reader is told of, and in which order. Does not belong here: making
images (`store.images`), and what becomes of a contact that differs (`reversal`).
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

COLUMNS = (
    "email",
    "first_name",
    "last_name",
    "phone",
    "status",
    "tags",
    "custom_fields",
    "birthday",
    "timezone",
    "source",
    "created_at",
    "updated_at",
    "deleted_at",
)
"""What an image holds."""

NO_LATER_TOUCH = "updated_at"
"""What may differ where nobody has changed a contact: who changes it back touches it too."""

Image = Mapping[str, Any]

_CUSTOM = "custom_fields"
_NOTHING: tuple[Any, ...] = (None, [], {})
# Every contact that comes into being has them, so they tell nothing.
_OF_EVERY_NEW_ONE = ("created_at",)


class FieldChange(NamedTuple):
    """A field and what it was and became, as JSON; None for nothing."""

    field: str
    before: Any
    after: Any


def differences(before: Image | None, after: Image | None) -> list[FieldChange]:
    """Return the fields in which two images differ, in the order of the columns.

    Custom fields are told one by one, in the order of their names; tags as whole lists, because
    their order counts. When a contact was last touched is no difference. Of a contact that was or
    is not there, the fields are told that hold something.
    """
    found = []
    for name in COLUMNS:
        one, other = _value(before, name), _value(after, name)
        if name == NO_LATER_TOUCH or _same(one, other):
            continue
        if name == _CUSTOM and _is_object(one) and _is_object(other):
            found += _members(one or {}, other or {})
        elif (before is not None and after is not None) or (
            name not in _OF_EVERY_NEW_ONE and (one or other) not in _NOTHING
        ):
            found.append(FieldChange(name, one, other))
    return found


def _value(image: Image | None, name: str) -> Any:
    return None if image is None else image.get(name)


def _is_object(value: Any) -> bool:
    # The column takes any JSON.
    return value is None or isinstance(value, dict)


def _members(before: dict[str, Any], after: dict[str, Any]) -> list[FieldChange]:
    return [
        FieldChange(f"{_CUSTOM}.{name}", before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        # A member that is null is there all the same.
        if name not in before or name not in after or not _same(before[name], after[name])
    ]


def _same(one: Any, other: Any) -> bool:
    # As they are written: to Python, true is 1.
    if one != other or type(one) is not type(other):
        return False
    return not isinstance(one, list | dict) or _written(one) == _written(other)


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
