"""The step types: what each is asked for, and what it needs.

A new type is one model here with its place in `AnyStep`, and a row of docs/workflows.md. Does not
belong here: how steps follow each other (`flow`), and what is wrong with a document as a whole
(`validation`). Source of the list: spec "Workflow document".
"""

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

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

from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.values import Duration
from enrollment_pipeline.workflows.placeholders import only_placeholder

MOST_HEADERS = 50
MOST_RECIPIENTS = 50

_url = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line, without control characters")
    return text


def _duration(text: str) -> str:
    if Duration.read(text) is None:
        raise ValueError("must be a length of time such as 3 days")
    return text


def _offset(text: str) -> str:
    if Duration.read(text.removeprefix("-")) is None:
        raise ValueError("must be a length of time such as -24 hours, which is before, or 2 days")
    return text


def _until(text: str) -> str:
    if only_placeholder(text) is not None:
        return text
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "must be a date or a time such as 2027-01-31T09:00, or one placeholder such as "
            "{{data.starts_at}}"
        ) from None
    return text


def _address(text: str) -> str:
    if only_placeholder(text) is None and not _url.fullmatch(text):
        raise ValueError("must be an address that begins with https:// or http://")
    return text


def _own_field(text: str) -> str:
    prefix, _, rest = text.partition(".")
    if prefix != "custom_fields" or CONTACT_FIELDS.find(text) is None:
        raise ValueError(f"must be a field of your own such as custom_fields.{rest or 'plan'}")
    return text


def _on(given: bool) -> bool:
    if not given:
        raise ValueError("must be true, or be left out")
    return given


def _headers(given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if not HEADER_NAME.fullmatch(name):
            raise ValueError("a header's name holds letters, digits and - only")
        _one_line(value)
    return given


def _text(most: int) -> Any:
    return StringConstraints(min_length=1, max_length=most)


StepId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ShortText = Annotated[str, _text(200), AfterValidator(_one_line)]
_Subject = Annotated[str, _text(300), AfterValidator(_one_line)]
_Tag = Annotated[str, _text(100), AfterValidator(_one_line)]
_Duration = Annotated[str, AfterValidator(_duration)]
_OwnField = Annotated[str, AfterValidator(_own_field)]
Tree = dict[str, JsonValue]
"""A condition tree as a document holds it; `conditions.parse` reads it."""


class _Step(BaseModel):
    """What every step has."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)
    acts: ClassVar[bool] = True
    """Whether it does something to a contact or for one, rather than only lead it on."""
    integration: ClassVar[str | None] = None
    """The integration that carries it out."""

    id: StepId
    label: ShortText | None = None


class _Flowing(_Step):
    """A step after which another follows: the one named, or the one below."""

    next: StepId | None = None


class SendEmail(_Flowing):
    """An e-mail to the contact."""

    integration: ClassVar[str | None] = "email"

    type: Literal["send_email"]
    subject: _Subject
    body: Annotated[str, _text(50_000)]
    from_name: ShortText | None = None
    reply_to: ShortText | None = None


class SendSms(_Flowing):
    """An SMS to the contact."""

    integration: ClassVar[str | None] = "sms"

    type: Literal["send_sms"]
    body: Annotated[str, _text(1_600)]


class Wait(_Flowing):
    """A time in which nothing happens."""

    acts: ClassVar[bool] = False

    type: Literal["wait"]
    duration: _Duration | None = None
    until: Annotated[str, AfterValidator(_until)] | None = None
    offset: Annotated[str, AfterValidator(_offset)] | None = None
    business_hours: Annotated[StrictBool, AfterValidator(_on)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [
            name
            for name in ("duration", "until", "business_hours")
            if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise ValueError(f"waits in one way, and not by {' and '.join(given)}")
        if self.offset is not None and self.until is None:
            raise ValueError("an offset goes with until")
        return self


class Condition(_Step):
    """A fork: contacts that match go one way, all others another."""

    acts: ClassVar[bool] = False

    type: Literal["condition"]
    condition: Tree
    then: StepId
    otherwise: StepId | None = Field(None, alias="else")


class AddTag(_Flowing):
    """A tag that the contact gets."""

    type: Literal["add_tag"]
    tag: _Tag


class RemoveTag(_Flowing):
    """A tag that the contact loses."""

    type: Literal["remove_tag"]
    tag: _Tag


class UpdateField(_Flowing):
    """A value for a field of one's own."""

    type: Literal["update_field"]
    field: _OwnField
    value: Annotated[str, StringConstraints(max_length=2_000)] | bool | int | float


class _Request(_Flowing):
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: Annotated[str, _text(2_000), AfterValidator(_address)]
    headers: Annotated[
        dict[str, Annotated[str, StringConstraints(max_length=4_000)]],
        Field(max_length=MOST_HEADERS),
        AfterValidator(_headers),
    ] = Field(default_factory=dict)
    body: JsonValue = None


class Webhook(_Request):
    """A message to another program, whose answer does not matter."""

    type: Literal["webhook"]


class HttpRequest(_Request):
    """A request to another program: without its answer the step has failed."""

    type: Literal["http_request"]
    save_as: _OwnField | None = None


class CreateTask(_Flowing):
    """Work for a person."""

    type: Literal["create_task"]
    title: ShortText
    description: Annotated[str, _text(5_000)] | None = None
    due: _Duration | None = None
    assignee: ShortText | None = None


class Notify(_Flowing):
    """A message to members of the account."""

    type: Literal["notify"]
    message: Annotated[str, _text(5_000)]
    to: Annotated[tuple[ShortText, ...], Field(max_length=MOST_RECIPIENTS)] = ()


class GoalStep(_Flowing):
    """A place at which it is asked whether a goal has been reached."""

    acts: ClassVar[bool] = False

    type: Literal["goal"]
    goal: ShortText
    otherwise: Literal["continue", "wait", "end"] = "continue"


class End(_Step):
    """The end of the way."""

    acts: ClassVar[bool] = False

    type: Literal["end"]


AnyStep = Annotated[
    SendEmail
    | SendSms
    | Wait
    | Condition
    | AddTag
    | RemoveTag
    | UpdateField
    | Webhook
    | HttpRequest
    | CreateTask
    | Notify
    | GoalStep
    | End,
    Field(discriminator="type"),
]

STEP_TYPES: dict[str, type[_Step]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(AnyStep)[0])
}
"""The model of each step type, by name."""

DEPRECATED: dict[str, str] = {
    "delay": "wait",
    "if_else": "condition",
    "email": "send_email",
    "sms": "send_sms",
    "tag": "add_tag",
    "task": "create_task",
}
"""Names that step types no longer have, and what each is called now."""


def fields_of(step_type: str) -> tuple[str, ...]:
    """Return the names of the fields that a document may give a step of this type."""
    fields = STEP_TYPES[step_type].model_fields
    return tuple(field.alias or name for name, field in fields.items())
