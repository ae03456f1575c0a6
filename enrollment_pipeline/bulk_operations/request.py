"""What may be asked for: an operation on contacts, validated at the edge.

Belongs here: fields, their limits and defaults (spec "Bulk operations on contacts"). Does not
belong here: whether the account may do it now, which `submission` decides.
"""

import math
import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from enrollment_pipeline.records import ContactStatus, TimeZoneName
from enrollment_pipeline.selections.request import Selection
from enrollment_pipeline.work.fields import (
    Instant,
    Line,
    Notify,
    Part,
    Tag,
    different,
    validated_by,
)


class OperationType(StrEnum):
    """What an operation does."""

    IMPORT = "import"
    EXPORT = "export"
    UPDATE = "update"
    DELETE = "delete"
    ROLLBACK = "rollback"
    WITHDRAWAL = "withdrawal"


REVERSIBLE = (OperationType.IMPORT, OperationType.UPDATE, OperationType.DELETE)
"""What changes contacts, and can be rolled back."""

SETTABLE = ("first_name", "last_name", "phone", "birthday", "timezone")
"""Fields that an update may set, beside custom_fields.NAME, tags and status."""

EXTERNAL_ID = "custom_fields.external_id"

LONGEST_ID = 320
"""Characters of an external id: contacts are looked up by it, and no index holds any length."""

_CUSTOM = "custom_fields."
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


class Timing(Part):
    """When an operation starts, and whether it comes again."""

    scheduled_at: Instant | None = Field(
        None, description="When to start. Without an offset it is read in the time zone."
    )
    timezone: TimeZoneName | None = Field(None, description="Default: the account's.")
    after: UUID | None = Field(
        None, description="Operation that must be completed before; it starts then."
    )
    cron: Line | None = Field(None, description="Comes again: a cron expression of 5 fields.")
    rrule: Line | None = Field(None, description="Comes again: an RRULE (RFC 5545).")
    until: Instant | None = Field(None, description="When it comes for the last time at most.")

    @property
    def recurring(self) -> bool:
        """Whether it comes again and again."""
        return self.cron is not None or self.rrule is not None

    @model_validator(mode="after")
    def _one_way(self) -> "Timing":
        if self.cron is not None and self.rrule is not None:
            raise ValueError("give a cron expression or an RRULE, not both")
        if self.recurring and self.after is not None:
            raise ValueError("what comes again cannot wait for another operation")
        if self.after is not None and self.scheduled_at is not None:
            raise ValueError("give a time or an operation to wait for, not both")
        if self.until is not None and not self.recurring:
            raise ValueError("until ends what comes again; give cron or rrule with it")
        if self.cron is not None and self.scheduled_at is not None:
            raise ValueError("a cron expression says itself when; leave scheduled_at out")
        return self


class _Request(Part):
    timing: Timing = Timing()
    notify: Notify = Notify()
    requested_by: Line = Field("unknown", min_length=1, max_length=200)
    request_id: Line | None = Field(
        None, min_length=1, max_length=200, description="Submitted twice, it is one operation."
    )


class ImportRequest(_Request):
    """Create and update contacts from a file."""

    type: Literal["import"] = "import"
    path: Path
    format: Literal["auto", "csv", "jsonl", "parquet"] = "auto"
    mode: Literal["upsert", "create", "update"] = "upsert"
    key: Line = Field(
        "email", description="What a row is known by: email, contact_id or custom_fields.NAME."
    )
    mapping: dict[str, str] = Field({}, description="Field by column name; empty drops a column.")
    unmapped: Literal["keep", "drop"] = Field(
        "keep", description="Other columns become custom fields, or are dropped."
    )
    blanks: Literal["keep", "clear"] = Field(
        "keep", description="A blank cell leaves the field as it is, or clears it."
    )
    duplicates: Literal["last", "reject"] = Field(
        "last", description="Of rows with one key the last counts; or the later are rejected."
    )
    date_format: Line | None = Field(None, description="Such as %d/%m/%Y; ISO dates always count.")
    allow_resubscribe: bool = Field(
        False, description="On: a status in the file counts, even if it is a looser one."
    )
    fire_triggers: bool = Field(
        False, description="On: contacts raise contact_created and contact_updated."
    )
    max_change_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the account's contacts above which nothing is changed; 1 never.",
    )


class ExportRequest(_Request):
    """Write contacts to a file."""

    type: Literal["export"] = "export"
    filter: dict[str, Any] | None = Field(None, description="Condition tree; none: all contacts.")
    fields: Annotated[tuple[Line, ...], AfterValidator(different)] = Field(
        (), max_length=200, description="Fields in their order; none: all that an import reads."
    )
    format: Literal["csv", "jsonl", "parquet", "xlsx"] = "csv"


class Changes(Part):
    """What an update does to each contact; at least one of them."""

    set: dict[str, str | int | float | bool | None] = Field(
        {}, max_length=100, description="Value by field; null clears."
    )
    add_tags: Annotated[tuple[Tag, ...], AfterValidator(different)] = Field((), max_length=50)
    remove_tags: Annotated[tuple[Tag, ...], AfterValidator(different)] = Field((), max_length=50)
    status: ContactStatus | None = None

    @model_validator(mode="after")
    def _usable(self) -> "Changes":
        unknown = [name for name in self.set if not _settable(name)]
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} cannot be set; the fields are {', '.join(SETTABLE)} and "
                "custom_fields.NAME"
            )
        for name, value in self.set.items():
            _check_value(name, value)
        if not (self.set or self.add_tags or self.remove_tags or self.status):
            raise ValueError("nothing is changed: give set, add_tags, remove_tags or status")
        both = set(self.add_tags) & set(self.remove_tags)
        if both:
            raise ValueError(f"the tag {sorted(both)[0]!r} cannot be added and removed")
        return self


class UpdateRequest(_Request):
    """Change contacts, all in the same way."""

    type: Literal["update"] = "update"
    selection: Selection
    changes: Changes
    allow_resubscribe: bool = Field(
        False, description="On: the status may become a looser one, such as active again."
    )
    fire_triggers: bool = Field(False, description="On: contacts raise contact_updated.")
    max_change_share: float = Field(1.0, ge=0, le=1)


class DeleteRequest(_Request):
    """Delete contacts; they can be brought back as long as a rollback is possible."""

    type: Literal["delete"] = "delete"
    selection: Selection
    max_change_share: float = Field(1.0, ge=0, le=1)


class RollbackRequest(_Request):
    """Take back what an operation has changed."""

    type: Literal["rollback"] = "rollback"
    operation_id: UUID
    cascade: bool = Field(
        False, description="On: created contacts go even if enrolled since, which ends too."
    )


class WithdrawalRequest(_Request):
    """Take contacts out of a workflow that an enrollment job has put there."""

    type: Literal["withdrawal"] = "withdrawal"
    job_id: UUID


OperationRequest = (
    ImportRequest
    | ExportRequest
    | UpdateRequest
    | DeleteRequest
    | RollbackRequest
    | WithdrawalRequest
)
_REQUEST: TypeAdapter[OperationRequest] = TypeAdapter(
    Annotated[OperationRequest, Field(discriminator="type")]
)


def parse_request(document: dict[str, Any]) -> OperationRequest:
    """Validate a request; raises as `fields.validated` does."""
    return validated_by(_REQUEST.validate_python, document, tagged=True)


def _settable(name: str) -> bool:
    if _NOT_STORABLE.search(name):
        return False
    if name.startswith(_CUSTOM):
        return 0 < len(name) - len(_CUSTOM) <= 200
    return name in SETTABLE


def _check_value(name: str, value: str | float | bool | None) -> None:
    if isinstance(value, str) and _NOT_STORABLE.search(value):
        raise ValueError(f"{name} holds a character that no text can hold")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is not a number that JSON knows")
    if name == EXTERNAL_ID and isinstance(value, str) and len(value) > LONGEST_ID:
        raise ValueError(f"{name} has more than {LONGEST_ID} characters")
    if value is None or name.startswith(_CUSTOM):
        return
    if not isinstance(value, str):
        raise ValueError(f"{name} takes a text, not {value!r}")
    if name == "birthday":
        try:
            date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a date such as 1990-04-03") from None
    if name == "timezone":
        TypeAdapter(TimeZoneName).validate_python(value)
