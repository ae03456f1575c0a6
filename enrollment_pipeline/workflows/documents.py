"""The workflow document: trigger, steps, goals and settings of a workflow, as one model.

Pure. Belongs here: the shape of the document, and what one holds that is kept. Does not belong
here: what is wrong with one as a whole, in sentences (`validation`), and the trigger within it,
which is `triggers.documents`. Source: spec "Workflow document".
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    model_validator,
)

from enrollment_pipeline.records import ReenrollmentPolicy, Subject
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.request import WorkflowName
from enrollment_pipeline.workflows.steps import (
    STEP_TYPES,
    AnyStep,
    Length,
    ShortText,
    StepId,
    Tree,
    fields_of,
)

SCHEMA = 1
"""The version of the format."""

MOST_STEPS = 100
"""Steps in a workflow (spec "Workflow document")."""

MOST_GOALS = 20
MOST_VALUES = 50
MOST_BYTES = 2_000_000
"""Size of a document as JSON."""

KEYS = (
    "schema",
    "name",
    "description",
    "integrations",
    "values",
    "trigger",
    "steps",
    "goals",
    "settings",
)


def _known_integration(name: str) -> str:
    if name not in INTEGRATIONS:
        raise ValueError(f"must be one of {', '.join(INTEGRATIONS)}")
    return name


class Goal(BaseModel):
    """What a workflow is for: who has reached it goes to a step, or leaves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ShortText
    event: str | None = None
    condition: Tree | None = None
    then: StepId | None = None


class WorkflowSettings(BaseModel):
    """Whom a workflow is for, and how it takes them.

    `estimate` is how long one item takes, as far as its author knows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Subject = Subject.CONTACT
    estimate: Length | None = None
    reenrollment: ReenrollmentPolicy = ReenrollmentPolicy.NEVER_TWICE
    required_fields: tuple[Literal["email", "phone"], ...] = ()
    business_hours: StrictBool = False
    target: Literal["database"] = "database"


class WorkflowDocument(BaseModel):
    """A whole document; `trigger` and the condition trees in it are read by their own parsers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal[1] = Field(1, alias="schema")
    name: WorkflowName
    description: Annotated[str, StringConstraints(max_length=2_000)] = ""
    integrations: tuple[Annotated[str, AfterValidator(_known_integration)], ...] = ()
    values: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")],
            Annotated[str, StringConstraints(max_length=2_000)],
        ],
        Field(max_length=MOST_VALUES),
    ] = Field(default_factory=dict)
    trigger: dict[str, JsonValue] | None = None
    steps: Annotated[tuple[AnyStep, ...], Field(max_length=MOST_STEPS)] = ()
    goals: Annotated[tuple[Goal, ...], Field(max_length=MOST_GOALS)] = ()
    settings: WorkflowSettings = WorkflowSettings()

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            return {key: value for key, value in given.items() if value is not None}
        return given


def kept(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `workflows.config` holds of a document.

    The name is a column of its own, the trigger a row of `triggers`: neither is kept twice.
    """
    return {
        "schema": SCHEMA,
        **{
            key: document[key]
            for key in KEYS
            if key not in ("schema", "name", "trigger") and document.get(key) is not None
        },
    }


def whole(
    name: str, config: Mapping[str, Any], trigger: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the document of a workflow from what is kept of it."""
    parts = {**config, "schema": config.get("schema", SCHEMA), "name": name, "trigger": trigger}
    return in_order(parts)


def in_order(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a document, and the fields of its steps and goals, as people write them.

    The database keeps the keys of an object in an order of its own. What is no part of a workflow
    document is left out.
    """
    found = {key: document[key] for key in KEYS if document.get(key) is not None}
    for key, order in (("steps", _step_order), ("goals", lambda _: tuple(Goal.model_fields))):
        if isinstance(found.get(key), list | tuple):
            found[key] = [
                _sorted(one, order(one)) if isinstance(one, Mapping) else one for one in found[key]
            ]
    return found


def entries(document: Mapping[str, Any], key: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the path and the content of each of a document's `steps`, or `goals`.

    What is no object is left out: the document may be any JSON.
    """
    listed = document.get(key)
    return [
        (f"{key}[{index}]", one)
        for index, one in enumerate(listed if isinstance(listed, list | tuple) else ())
        if isinstance(one, Mapping)
    ]


def _step_order(step: Mapping[str, Any]) -> tuple[str, ...]:
    kind = step.get("type")
    fields = fields_of(kind) if isinstance(kind, str) and kind in STEP_TYPES else ()
    first = ("id", "type", "label")
    return (*first, *(name for name in fields if name not in (*first, "next")), "next")


def _sorted(one: Mapping[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    known = {name: one[name] for name in order if name in one}
    return {**known, **{name: value for name, value in one.items() if name not in known}}


def unkeepable(document: object) -> str | None:
    """Return why a document cannot be written down at all, None where it can."""
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except RecursionError:
        return "is nested too deeply."
    except UnicodeEncodeError:
        return "holds a character that no text can hold (half of a surrogate pair)."
    except (TypeError, ValueError):
        return "holds something that JSON has no form for, such as NaN."
    if size > MOST_BYTES:
        return f"is larger than {MOST_BYTES:,} bytes."
    if "\\u0000" in text and "\x00" in text.replace("\\u0000", "\x00"):
        return _null_in(document)
    return None


def _null_in(document: object) -> str | None:
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and "\x00" in one:
            return "holds the character NUL, which the database cannot keep."
        if isinstance(one, Mapping):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one
    return None
