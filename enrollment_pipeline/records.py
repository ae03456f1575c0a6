"""The nouns that every part of the product shares, frozen.

Belongs here: a record or a list of values that at least two capabilities use. Does not belong here:
anything that reads, writes or decides.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from enrollment_pipeline.errors import Reason


class Outcome(StrEnum):
    """What became of one input row; every row ends as exactly one (spec, promise 1)."""

    ENROLLED = "enrolled"
    ALREADY_ENROLLED = "already_enrolled"
    SKIPPED = "skipped"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    UNMATCHED = "unmatched"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNPROCESSED = "unprocessed"


class ContactStatus(StrEnum):
    """Whether a contact may be written to."""

    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    BLOCKED = "blocked"
    BOUNCED = "bounced"


class WorkflowStatus(StrEnum):
    """Only an active workflow takes enrollments."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class ReenrollmentPolicy(StrEnum):
    """When a contact may enter a workflow again; never two active at a time in any of them."""

    NEVER_TWICE = "never_twice"
    AFTER_EXIT = "after_exit"
    ALWAYS = "always"


class Subject(StrEnum):
    """What goes through the steps of a workflow."""

    CONTACT = "contact"
    ITEM = "item"


_ZONES_OF_THE_MACHINE = ("localtime", "posixrules")


def _known_zone(name: str) -> str:
    if name in _ZONES_OF_THE_MACHINE:
        raise ValueError(
            f"{name!r} means another zone on each machine; use one such as Europe/Berlin"
        )
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin") from None
    return name


TimeZoneName = Annotated[str, AfterValidator(_known_zone)]


def _none_by_name(value: object) -> object:
    # On a command line there is no other word for it.
    return None if isinstance(value, str) and value.strip().lower() in ("", "none") else value


# What the database counts with; more is no limit.
MOST_PER_WINDOW = 1_000_000_000
# The bound stands with the number: on the whole type, None is held against it.
Limit = Annotated[
    Annotated[int, Field(ge=1, le=MOST_PER_WINDOW)] | None, BeforeValidator(_none_by_name)
]


class Permission(StrEnum):
    """What a member of an account may do."""

    WORKFLOW_MANAGE = "workflow:manage"
    WORKFLOW_EDIT = "workflow:edit"
    CONTACTS_MANAGE = "contacts:manage"
    CONTACTS_EXPORT = "contacts:export"
    CONTACTS_DELETE = "contacts:delete"
    ACCOUNT_ADMIN = "account:admin"


class AccountSettings(BaseModel):
    """Limits and defaults of one account (spec "Request", numbers of the table "Limits")."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: TimeZoneName = Field("UTC", description="Zone in which times without one are read.")
    max_contacts_per_job: int = Field(10_000, ge=1, description="Contacts in one job.")
    max_open_jobs: int = Field(10, ge=1, description="Jobs of the account that are not closed.")
    max_open_operations: int = Field(
        50, ge=1, le=200, description="Operations on contacts that are not closed."
    )
    max_workflows: int = Field(100, ge=1, description="Workflows that are not archived.")
    max_templates: Limit = Field(
        10, description="Templates of the account's own; an agency has no limit."
    )
    max_lanes: int = Field(
        5, ge=1, le=5, description="Lanes at work at the same time, over all jobs."
    )
    enrollments_per_minute: Limit = Field(None, description="Enrollments a minute.")
    burst_per_second: Limit = Field(None, description="Enrollments a second.")
    csv_max_bytes: int = Field(10_000_000, ge=1, description="Size of a CSV file, in bytes.")
    csv_max_lines: int = Field(1_000_000, ge=1, description="Lines of a CSV file.")
    business_days: str = Field(
        "mon,tue,wed,thu,fri", description="Days on which triggers that respect them may fire."
    )
    business_hours: str = Field(
        "09:00-17:00", description="Hours of those days, by the account's clock."
    )
    holidays: str = Field("", description="Days of those that are free, such as 2026-12-25.")
    history_days: int = Field(
        90, ge=1, le=36_500, description="Days after which only the report of a closed job is kept."
    )
    rollback_hours: int = Field(
        24, ge=1, le=8_760, description="Hours in which an operation can be rolled back."
    )
    operation_days: int = Field(
        30, ge=1, le=36_500, description="Days after which a closed operation is removed."
    )
    export_days: int = Field(
        7, ge=1, le=36_500, description="Days after which the files of an export are removed."
    )
    onboarding_days: int = Field(
        30, ge=1, le=36_500, description="Days after which a finished onboarding batch is removed."
    )
    failure_days: int = Field(
        7,
        ge=1,
        le=36_500,
        description="Days after which failures beyond max_failure_rows are removed.",
    )
    max_failure_rows: int = Field(
        1_000, ge=0, le=1_000_000_000, description="Failures of a job kept longer."
    )


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant."""

    id: UUID
    name: str
    settings: AccountSettings


@dataclass(frozen=True, slots=True)
class Workflow:
    """An automation: contacts are enrolled into it, or items are onboarded by it (`subject`)."""

    id: UUID
    name: str
    status: WorkflowStatus
    reenrollment: ReenrollmentPolicy
    required_fields: tuple[str, ...]
    first_step: str
    subject: Subject = Subject.CONTACT

    @classmethod
    def from_config(cls, id_: UUID, name: str, status: str, config: dict[str, Any]) -> Self:
        """Return the workflow that a row of `workflows` describes.

        One without steps puts the contacts it takes at a step called "start".
        """
        settings = config.get("settings", {})
        steps = config.get("steps", [])
        return cls(
            id=id_,
            name=name,
            status=WorkflowStatus(status),
            reenrollment=ReenrollmentPolicy(
                settings.get("reenrollment", ReenrollmentPolicy.NEVER_TWICE)
            ),
            required_fields=tuple(settings.get("required_fields", ())),
            first_step=(steps[0].get("id") if steps else None) or "start",
            subject=Subject(settings.get("subject", Subject.CONTACT)),
        )


@dataclass(frozen=True, slots=True)
class EligibilityRule:
    """One reason for which a contact must not be enrolled.

    `fact` names a yes-or-no question about the contact that `storage/facts.py` can ask.
    """

    code: Reason
    fact: str
    sentence: str
