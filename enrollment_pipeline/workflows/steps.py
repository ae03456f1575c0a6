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
from enrollment_pipeline.workflows.subjects import ATTRIBUTES, CUSTOM_FIELDS, ITEM_FIELDS

MOST_HEADERS = 50
MOST_RECIPIENTS = 50

LONGEST_TIMEOUT = 600
"""Seconds for which the answer to a request may be waited for."""

_url = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
# Blanks are in placeholders only, of which one may stand for the beginning of the address.
_placed_url = re.compile(
    r"(?:\{\{[^{}]+\}\}|https?://(?:[^\s{}/?#]|\{\{[^{}]+\}\}))(?:[^\s{}]|\{\{[^{}]+\}\})*",
    re.IGNORECASE,
)
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
    if not _url.fullmatch(text) and not _placed_url.fullmatch(text):
        raise ValueError(
            "must be an address that begins with https:// or http://, or with a placeholder"
        )
    return text


def _own_field(text: str) -> str:
    prefix, _, rest = text.partition(".")
    if prefix == ATTRIBUTES and rest and ITEM_FIELDS.find(f"item.{text}") is not None:
        return text
    if prefix != CUSTOM_FIELDS or CONTACT_FIELDS.find(text) is None:
        raise ValueError(
            f"must be a field of your own such as {CUSTOM_FIELDS}.{rest or 'plan'}, of an item "
            f"such as {ATTRIBUTES}.{rest or 'plan'}"
        )
    return text


def _timeout(text: str) -> str:
    seconds = duration_seconds(text) if Duration.read(text) is not None else 0
    if not 1 <= seconds <= LONGEST_TIMEOUT:
        raise ValueError("must be a length of time between 1 second and 10 minutes")
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
Length = Annotated[str, AfterValidator(_duration)]
_OwnField = Annotated[str, AfterValidator(_own_field)]
PolicyName = Literal["standard", "slow"]
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


class _Enhancing(_Flowing):
    """A step that an item may do without: it can be left out, and its failure ends nothing."""

    enhancement: Annotated[StrictBool, AfterValidator(_on)] | None = None


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
    duration: Length | None = None
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


class UpdateField(_Enhancing):
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


class HttpRequest(_Enhancing, _Request):
    """A request to another program: without its answer the step has failed.

    `retry` says how patient it is with a service that has trouble; see `retrying`.
    """

    type: Literal["http_request"]
    save_as: _OwnField | None = None
    timeout: Annotated[str, AfterValidator(_timeout)] = "30 seconds"
    retry: PolicyName = "standard"


class CreateTask(_Flowing):
    """Work for a person."""

    type: Literal["create_task"]
    title: ShortText
    description: Annotated[str, _text(5_000)] | None = None
    due: Length | None = None
    assignee: ShortText | None = None


class Notify(_Enhancing):
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


def duration_seconds(text: str) -> float:
    """Return the seconds of a length of time; months and years as they are from 2001 on.

    Raises:
        ValueError: it is none.
    """
    read = Duration.read(text)
    if read is None:
        raise ValueError(f"{text!r} is no length of time")
    begin = datetime(2001, 1, 1)
    return (read.after(begin) - begin).total_seconds()


def fields_of(step_type: str) -> tuple[str, ...]:
    """Return the names of the fields that a document may give a step of this type."""
    fields = STEP_TYPES[step_type].model_fields
    return tuple(field.alias or name for name, field in fields.items())
