"""What may be asked for when a workflow is made, and which moves between statuses are legal."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.records import ReenrollmentPolicy, WorkflowStatus

LONGEST_NAME = 200
# What a status may become; archived is final (spec "Workflow document").
MOVES: Mapping[WorkflowStatus, frozenset[WorkflowStatus]] = {
    WorkflowStatus.DRAFT: frozenset({WorkflowStatus.ACTIVE, WorkflowStatus.ARCHIVED}),
    WorkflowStatus.ACTIVE: frozenset({WorkflowStatus.PAUSED}),
    WorkflowStatus.PAUSED: frozenset({WorkflowStatus.ACTIVE, WorkflowStatus.ARCHIVED}),
    WorkflowStatus.ARCHIVED: frozenset(),
}


def _no_id(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a name holds no line breaks and no control characters")
    try:
        UUID(name)
    except ValueError:
        return name
    raise ValueError("a name that reads like an id would hide the workflow of that id")


WorkflowName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME),
    AfterValidator(_no_id),
]


class WorkflowRequest(BaseModel):
    """A workflow to be made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: WorkflowName
    active: bool = False
    reenrollment: ReenrollmentPolicy = ReenrollmentPolicy.NEVER_TWICE
    required_fields: tuple[Literal["email", "phone"], ...] = Field(
        (), description="What a contact must have to be enrolled."
    )

    @property
    def config(self) -> dict[str, Any]:
        """The workflow document, as far as this request decides it."""
        return {
            "settings": {
                "reenrollment": self.reenrollment.value,
                "required_fields": list(dict.fromkeys(self.required_fields)),
            }
        }


def workflow_request(**values: object) -> WorkflowRequest:
    """Return the request that the values make.

    Raises:
        InvalidRequestError: values cannot be used; every such one is listed.
    """
    try:
        return WorkflowRequest.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{problem['loc'][0]}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
    raise InvalidRequestError(
        f"The workflow cannot be made: {'; '.join(problems)}.", details={"problems": problems}
    )
