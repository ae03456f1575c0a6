"""Fields that requests are made of, whatever they ask for, and how a request is validated.

Belongs here: one type per kind of value, with the check at the edge. Does not belong here: which
fields a request has (`request` of each capability), and whether the account may do it now.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.notifications.message import email_address, webhook_url
from enrollment_pipeline.records import TimeZoneName

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_SHOWN_ERRORS = 10
_CONTROLS = re.compile(r"[\0-\x1f\x7f]")


def _one_line(text: str) -> str:
    if _CONTROLS.search(text):
        raise ValueError("a line break or another control character cannot be used")
    return text


def different(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return each text once, in the order of their first appearance."""
    return tuple(dict.fromkeys(texts))


def _usable(read: Callable[[str], str]) -> AfterValidator:
    """Return the validator that keeps what `read` makes of a text, or says why it cannot."""

    def validate(text: str) -> str:
        try:
            return read(text)
        except InvalidRequestError as error:
            raise ValueError(error.message) from None

    return AfterValidator(validate)


def _iso_instant(value: object) -> object:
    # Pydantic would also take a number of seconds, which nobody means.
    return parse_instant(value) if isinstance(value, str) else value


def parse_instant(text: str) -> datetime:
    """Return the time that an ISO text names, without a zone where it names no offset.

    Raises:
        ValueError: it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO time such as 2027-01-05T09:00") from None


Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_one_line)]
Tag = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
Email = Annotated[Line, _usable(email_address)]
Webhook = Annotated[Line, _usable(webhook_url)]
Instant = Annotated[datetime, BeforeValidator(_iso_instant)]


class Part(BaseModel):
    """A part of a request: frozen, and refused with a field that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Notify(Part):
    """Who is told what becomes of the work, besides the channels of the account."""

    emails: Annotated[tuple[Email, ...], AfterValidator(different)] = Field((), max_length=20)
    webhooks: Annotated[tuple[Webhook, ...], AfterValidator(different)] = Field((), max_length=20)


def validated(model: type[M], document: dict[str, Any]) -> M:
    """Return the request that a document describes.

    Raises:
        InvalidRequestError: `details["errors"]` lists every `{"path", "message"}`; the message
            tells the first ten.
    """
    return validated_by(model.model_validate, document)


def validated_by(
    validate: Callable[[Any], T], document: dict[str, Any], *, tagged: bool = False
) -> T:
    """Do as `validated` with any validator; `tagged`: paths begin with the kind of the request."""
    try:
        return validate(document)
    except ValidationError as error:
        problems = [
            {
                "path": _path(item["loc"][1:] if tagged else item["loc"]),
                "message": item["msg"].removeprefix("Value error, "),
            }
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    told = [f"{problem['path']}: {problem['message']}" for problem in problems[:_SHOWN_ERRORS]]
    if len(problems) > _SHOWN_ERRORS:
        told.append(f"and {len(problems) - _SHOWN_ERRORS} more")
    raise InvalidRequestError(
        f"The request is not valid: {'; '.join(told)}.", details={"errors": problems}
    )


def known_zone(name: str | None) -> str | None:
    """Return the name of a time zone.

    Raises:
        InvalidRequestError: there is no such zone.
    """
    if name is None:
        return None
    try:
        return TypeAdapter(TimeZoneName).validate_python(name)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise InvalidRequestError(f"timezone: {reason}.") from None


def _path(location: tuple[int | str, ...]) -> str:
    # Pydantic puts the kind of a selection between it and its fields, where the document has none.
    parts = location[:1] + location[2:] if location[:1] == ("selection",) else location
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return path.removeprefix(".") or "request"
