"""Which fields of a contact can be exported, and how they are asked for.

Belongs here: names and kinds. Does not belong here: what a field looks like in a file, which
`store/exporting` says.
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.shapes import fault_of
from enrollment_pipeline.errors import InvalidRequestError

DEFAULT_FIELDS = (
    "id",
    "email",
    "first_name",
    "last_name",
    "phone",
    "status",
    "tags",
    "birthday",
    "timezone",
    "custom_fields",
)
"""What an import reads again, and so what is exported where nobody chooses.

By the id, contacts without an address find themselves again.
"""

_CUSTOM = "custom_fields."


class Kind(Enum):
    """What sort of value a field holds."""

    IDENTIFIER = auto()
    TEXT = auto()
    TAGS = auto()
    DAY = auto()
    INSTANT = auto()
    OBJECT = auto()
    CUSTOM = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """A field as it was asked for; `key` is the name of a single custom field, and else empty."""

    name: str
    kind: Kind
    column: str
    key: str = ""


_KINDS = {
    "id": Kind.IDENTIFIER,
    "email": Kind.TEXT,
    "first_name": Kind.TEXT,
    "last_name": Kind.TEXT,
    "phone": Kind.TEXT,
    "status": Kind.TEXT,
    "tags": Kind.TAGS,
    "birthday": Kind.DAY,
    "timezone": Kind.TEXT,
    "source": Kind.TEXT,
    "created_at": Kind.INSTANT,
    "updated_at": Kind.INSTANT,
    "custom_fields": Kind.OBJECT,
}


def check_fields(names: tuple[str, ...]) -> tuple[Field, ...]:
    """Return the fields of these names, in their order.

    Behind `custom_fields.` stands the whole name of one custom field, dots and all.

    Raises:
        InvalidRequestError: there are none, one is unknown, or one is named twice;
            `details["errors"]` lists every `{"path", "message"}`.
    """
    if not names:
        raise InvalidRequestError(
            "There are no fields to export.", remedy=f"Name some, such as {', '.join(_KINDS)}."
        )
    errors: list[dict[str, Any]] = []
    fields = []
    for index, name in enumerate(names):
        field = _find(name)
        if field is None:
            errors.append({"path": f"fields[{index}]", "message": _refusal(name)})
        else:
            fields.append(field)
    errors += [
        {"path": "fields", "message": f"{show(name)} is named {count} times."}
        for name, count in Counter(names).items()
        if count > 1
    ]
    if errors:
        told = " ".join(f"{error['path']}: {error['message']}" for error in errors[:10])
        more = f" And {len(errors) - 10} more." if len(errors) > 10 else ""
        raise InvalidRequestError(
            f"The fields to export are not valid. {told}{more}", details={"errors": errors}
        )
    return tuple(fields)


def _find(name: str) -> Field | None:
    if fault_of(name):
        return None
    if name in _KINDS:
        return Field(name, _KINDS[name], name)
    key = name.removeprefix(_CUSTOM)
    if name.startswith(_CUSTOM) and key:
        return Field(name, Kind.CUSTOM, "custom_fields", key)
    return None


def _refusal(name: str) -> str:
    fault = fault_of(name)
    return f"the name {fault}" if fault else CONTACT_FIELDS.refusal(name)
