"""Values as JSON has them: read strictly, and written so that the database can keep them.

Belongs here: JSON text to values, values of JSON and Parquet files back to text, and what is wrong
with one, as the end of a sentence. Does not belong here: what a value means for a contact.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json

MOST_LEVELS = 50
"""Lists and objects within each other; Postgres reads some thousands, nobody writes so many."""

MOST_DIGITS = 1_000
"""Before and behind the decimal point; Postgres keeps 131,072 and 16,383."""

NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
"""What no text of Postgres can hold."""

_LARGEST = 10**MOST_DIGITS


class Unusable(NamedTuple):
    """Why something cannot be used; `reason` continues the sentence "This row ..."."""

    reason: str


class _RefusedJsonError(ValueError):
    """What JSON, or the database, does not have; the message is the reason."""


def parse_object(text: str) -> dict[str, Any] | Unusable:
    """Return the object that a text is in JSON; numbers with a point are decimals."""
    try:
        found = _decode(text)
    except json.JSONDecodeError as error:
        return Unusable(f"is no JSON: {_lower(error.msg)} at character {error.pos + 1:,}")
    except RecursionError:
        return Unusable(_TOO_DEEP)
    except _RefusedJsonError as error:
        return Unusable(str(error))
    except ValueError:
        # More digits than `int` reads.
        return Unusable(_TOO_MANY_DIGITS)
    if isinstance(found, dict):
        return found
    return Unusable(f"is {kind(found)}, not a JSON object")


def kind(value: Any) -> str:
    """Return what a value is, in words."""
    if isinstance(value, Mapping):
        return "an object"
    names = {list: "a list", tuple: "a list", str: "a text", bool: "true or false", bytes: "bytes"}
    if value is None:
        return "null"
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return "a number"
    return names.get(type(value), "a value of a type that is not read")


def trouble_in(value: Any, levels: int = 0) -> str:
    """Return why the database could not keep the value in an object; empty when it can."""
    if isinstance(value, str):
        return NOT_TEXT if NOT_STORABLE.search(value) else ""
    if value is None or isinstance(value, bool | date | time | UUID):
        return ""
    if isinstance(value, int | float | Decimal):
        return _number_trouble(value)
    if levels >= MOST_LEVELS:
        return _TOO_DEEP
    if isinstance(value, Mapping):
        members = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        members = list(value)
    else:
        return f"has {kind(value)} where JSON is expected"
    return next(filter(None, (trouble_in(one, levels + 1) for one in members)), "")


def as_json(value: Any) -> str:
    """Return the JSON text of a value without trouble: dates as ISO, decimals digit by digit."""
    if isinstance(value, str):
        return to_json(value).decode()
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        members = (f"{as_json(as_text(key))}:{as_json(one)}" for key, one in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(as_json, value)) + "]"
    if isinstance(value, bool | int | float | Decimal):
        return as_text(value)
    return to_json(as_text(value)).decode()


def as_text(value: Any) -> str:
    """Return a single value as text, as the database shows the same value out of an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = repr(value)
        return format(Decimal(text), "f") if "e" in text else text
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, int | UUID) else as_json(value)


NOT_TEXT = "holds a NUL or half a character, which no text can hold"
_TOO_DEEP = f"holds lists and objects nested more than {MOST_LEVELS} deep"
_NOT_FINITE = "holds a number that is infinite or none"
_TOO_MANY_DIGITS = f"holds a number of more than {MOST_DIGITS:,} digits"


def _number_trouble(value: float | Decimal) -> str:
    if isinstance(value, int):
        return "" if -_LARGEST < value < _LARGEST else _TOO_MANY_DIGITS
    if isinstance(value, float):
        return "" if math.isfinite(value) else _NOT_FINITE
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        return _NOT_FINITE
    within = exponent >= -MOST_DIGITS and value.adjusted() < MOST_DIGITS
    return "" if within else _TOO_MANY_DIGITS


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, _ in pairs:
            if name not in found:
                raise _RefusedJsonError(f'has the key "{shown(name)}" twice')
            del found[name]
    return found


def _refuse_word(word: str) -> float:
    raise _RefusedJsonError(f"holds {word}, which is no number of JSON")


def _number(text: str) -> Decimal:
    # A float would take digits away.
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent beyond what decimals have.
        raise _RefusedJsonError(_TOO_MANY_DIGITS) from None


_decode = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_refuse_word, parse_float=_number
).decode


def shown(name: str) -> str:
    """Return a name as a reason may hold it: storable, and at most 60 characters."""
    return NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", name[:60])


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
