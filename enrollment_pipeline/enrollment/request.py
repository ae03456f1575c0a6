"""What may be asked for: a bulk enrollment, validated at the edge.

Belongs here: fields, their limits and defaults (spec "Request"). Does not belong here: whether the
account may do it now, which `service` decides.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.records import TimeZoneName

IdentifierColumn = Literal["auto", "email", "contact_id"]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


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
    add_tags: tuple[Tag, ...] = Field(
        (), max_length=50, description="Tags that every enrolled contact gets."
    )


class BulkEnrollmentRequest(_Part):
    """A request to enroll a selection of contacts into a workflow."""

    workflow: str = Field(min_length=1, max_length=200, description="Name or id.")
    selection: Selection
    options: Options = Options()
    requested_by: str = Field("unknown", min_length=1, max_length=200)
    request_id: str | None = Field(
        None, min_length=1, max_length=200, description="Submitted twice, it is still one job."
    )
    scheduled_at: datetime | None = Field(
        None, description="When to start. Without an offset it is read in the time zone."
    )
    timezone: TimeZoneName | None = Field(None, description="Default: the account's.")


def parse_request(document: dict[str, Any]) -> BulkEnrollmentRequest:
    """Validate a request.

    Raises:
        InvalidRequestError: with every error and its path in the message and in `details`.
    """
    try:
        return BulkEnrollmentRequest.model_validate(document)
    except ValidationError as error:
        problems = [
            {
                "path": ".".join(str(part) for part in item["loc"]) or "request",
                "message": item["msg"],
            }
            for item in error.errors(include_url=False, include_input=False)
        ]
        told = "; ".join(f"{problem['path']}: {problem['message']}" for problem in problems)
        raise InvalidRequestError(
            f"The request is not valid: {told}.", details={"errors": problems}
        ) from None
