"""What may be asked for: a bulk enrollment, validated at the edge.

Belongs here: fields, their limits and defaults (spec "Request"). Does not belong here: whether the
account may do it now, which `submission` decides.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

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

_SHOWN_ERRORS = 10
_CONTROLS = re.compile(r"[\0-\x1f\x7f]")


def _one_line(text: str) -> str:
    if _CONTROLS.search(text):
        raise ValueError("a line break or another control character cannot be used")
    return text


def _different(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


IdentifierColumn = Literal["auto", "email", "contact_id"]
Line = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_one_line)]
Tag = Annotated[Line, StringConstraints(min_length=1, max_length=100)]


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


Email = Annotated[Line, _usable(email_address)]
Webhook = Annotated[Line, _usable(webhook_url)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManualSelection(_Part):
    """Contacts by id. Duplicates are folded; an id nobody has ends as CONTACT_NOT_FOUND."""

    type: Literal["manual"] = "manual"
    contact_ids: tuple[Annotated[str, StringConstraints(max_length=320)], ...]


class FilterSelection(_Part):
    """All contacts that match a condition tree (docs/conditions.md)."""

    type: Literal["filter"] = "filter"
    filter: dict[str, Any]


class CsvSelection(_Part):
    """The contacts that the rows of a CSV file identify (docs/csv-files.md)."""

    type: Literal["csv"] = "csv"
    path: Path
    identifier_column: IdentifierColumn = "auto"


Selection = Annotated[ManualSelection | FilterSelection | CsvSelection, Field(discriminator="type")]


class Notify(_Part):
    """Who is told when the job is closed or paused, besides the channels of the account."""

    emails: Annotated[tuple[Email, ...], AfterValidator(_different)] = Field((), max_length=20)
    webhooks: Annotated[tuple[Webhook, ...], AfterValidator(_different)] = Field((), max_length=20)


class Options(_Part):
    """How the contacts are enrolled."""

    batch_size: int = Field(100, ge=10, le=500, description="Contacts in a batch, 10 to 500.")
    lanes: int | None = Field(
        None, ge=1, le=5, description="Workers on this job, 1 to 5; by size when not given."
    )
    skip_unsubscribed: bool = Field(
        True, description="Off: unsubscribed contacts are enrolled too (blocked ones never are)."
    )
    skip_duplicates: bool = Field(
        True, description="Off: an input that names a contact twice is refused as a whole."
    )
    max_failure_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of failures above which the job pauses, from 200 contacts on; 1 never.",
    )
    single_enrollment: bool = Field(
        False,
        description="On: whoever is or was in the workflow is not enrolled, whatever its policy.",
    )
    notify: Notify = Notify()
    add_tags: Annotated[tuple[Tag, ...], AfterValidator(_different)] = Field(
        (), max_length=50, description="Tags that every enrolled contact gets."
    )


class BulkEnrollmentRequest(_Part):
    """A request to enroll a selection of contacts into a workflow."""

    workflow: Line = Field(min_length=1, max_length=200, description="Name or id.")
    selection: Selection
    options: Options = Options()
    requested_by: Line = Field("unknown", min_length=1, max_length=200)
    request_id: Line | None = Field(
        None, min_length=1, max_length=200, description="Submitted twice, it is still one job."
    )
    scheduled_at: Annotated[datetime | None, BeforeValidator(_iso_instant)] = Field(
        None, description="When to start. Without an offset it is read in the time zone."
    )
    timezone: TimeZoneName | None = Field(None, description="Default: the account's.")


@dataclass(frozen=True, slots=True)
class Matches:
    """Contacts, each once, that a trigger wants in its workflow, in the order they are taken.

    `single`: whoever is or was in the workflow is refused, whatever its policy says.
    """

    workflow_id: UUID
    workflow_name: str
    trigger_id: UUID
    single: bool
    contact_ids: Sequence[UUID]


def parse_request(document: dict[str, Any]) -> BulkEnrollmentRequest:
    """Validate a request.

    Raises:
        InvalidRequestError: `details["errors"]` lists every `{"path", "message"}`; the message
            tells the first ten.
    """
    try:
        return BulkEnrollmentRequest.model_validate(document)
    except ValidationError as error:
        problems = [
            {
                "path": _path(item["loc"]),
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
