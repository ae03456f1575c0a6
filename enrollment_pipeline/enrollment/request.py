"""What may be asked for: a bulk enrollment, validated at the edge.

Belongs here: fields, their limits and defaults (spec "Request"). Does not belong here: whether the
account may do it now, which `submission` decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from enrollment_pipeline.records import TimeZoneName
from enrollment_pipeline.selections.request import Selection
from enrollment_pipeline.work.fields import Instant, Line, Notify, Part, Tag, different, validated


class Options(Part):
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
    add_tags: Annotated[tuple[Tag, ...], AfterValidator(different)] = Field(
        (), max_length=50, description="Tags that every enrolled contact gets."
    )


class BulkEnrollmentRequest(Part):
    """A request to enroll a selection of contacts into a workflow."""

    workflow: Line = Field(min_length=1, max_length=200, description="Name or id.")
    selection: Selection
    options: Options = Options()
    requested_by: Line = Field("unknown", min_length=1, max_length=200)
    request_id: Line | None = Field(
        None, min_length=1, max_length=200, description="Submitted twice, it is still one job."
    )
    scheduled_at: Instant | None = Field(
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
    """Validate a request; raises as `fields.validated` does."""
    return validated(BulkEnrollmentRequest, document)
