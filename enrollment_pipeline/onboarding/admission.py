"""Which items of a submission are accepted, and why each of the others is not; pure.

Belongs here: the reasons with their words, and the order in which they are asked. Does not belong
here: what the database knows of the items, which comes as an argument.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from enrollment_pipeline.onboarding.request import (
    MOST_BYTES,
    BatchOptions,
    GivenItem,
    ItemRequest,
    name_key,
)


class Refusal(StrEnum):
    """Why an item was not accepted (spec "Submit").

    `ALREADY_AT_WORK` is ours: a role that is in two batches at once would be doubled.
    """

    INVALID_ITEM = "INVALID_ITEM"
    BLANK_NAME = "BLANK_NAME"
    DUPLICATE = "DUPLICATE"
    WORKFLOW_NOT_FOUND = "WORKFLOW_NOT_FOUND"
    WORKFLOW_INACTIVE = "WORKFLOW_INACTIVE"
    WRONG_SUBJECT = "WRONG_SUBJECT"
    ALREADY_READY = "ALREADY_READY"
    ALREADY_AT_WORK = "ALREADY_AT_WORK"


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that was not accepted: its place, its line in a file, its name, and why."""

    position: int
    line: int | None
    role_name: str | None
    code: Refusal
    message: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as answers have it."""
        return {
            "position": self.position,
            "line": self.line,
            "role_name": self.role_name,
            "code": str(self.code),
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Accepted:
    """An item that is to be onboarded by a workflow."""

    position: int
    item: ItemRequest
    workflow_id: UUID

    @property
    def role_key(self) -> str:
        """What tells its role from others of its company."""
        return name_key(self.item.role_name)


@dataclass(frozen=True, slots=True)
class FoundWorkflow:
    """What a reference to a workflow leads to: its id, or why it cannot be used."""

    workflow_id: UUID | None
    refusal: Refusal | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the account knows of roles of the company, by key of the role and id of the workflow.

    `ready` and `open` hold the id of the batch of each.
    """

    ready: Mapping[tuple[str, UUID], UUID] = field(default_factory=dict)
    open: Mapping[tuple[str, UUID], UUID] = field(default_factory=dict)


def read_items(
    given: Iterable[GivenItem],
) -> tuple[list[tuple[GivenItem, ItemRequest]], list[Refused]]:
    """Return the items that are what items can be, and a refusal for each of the others."""
    read: list[tuple[GivenItem, ItemRequest]] = []
    refused: list[Refused] = []
    for one in given:
        try:
            item = ItemRequest.model_validate(one.content)
            fault = one.fault or _too_large(item)
        except ValidationError as error:
            item, fault = None, one.fault or _words(error)
        if item is None or fault:
            refused.append(_refused(one, _name_of(one.content), Refusal.INVALID_ITEM, fault or ""))
        else:
            read.append((one, item))
    return read, refused


def admit(
    read: Iterable[tuple[GivenItem, ItemRequest]],
    options: BatchOptions,
    workflows: Mapping[str, FoundWorkflow],
    known: Known,
) -> tuple[list[Accepted], list[Refused]]:
    """Return the items that are accepted, and a refusal for each of the others, in their order.

    `workflows` has an entry for every reference that the items and the options name.
    """
    accepted: list[Accepted] = []
    refused: list[Refused] = []
    places: dict[tuple[str, str], int] = {}
    for one, item in read:
        reference = item.workflow or options.workflow
        found = workflows[reference]
        reason = _reason(item, found, places, options, known)
        if reason is None and found.workflow_id is not None:
            accepted.append(Accepted(one.position, item, found.workflow_id))
        elif reason is not None:
            refused.append(_refused(one, item.role_name or None, *reason))
        key = name_key(item.role_name), str(found.workflow_id)
        places.setdefault(key, one.position)
    return accepted, refused


def _reason(
    item: ItemRequest,
    found: FoundWorkflow,
    places: Mapping[tuple[str, str], int],
    options: BatchOptions,
    known: Known,
) -> tuple[Refusal, str] | None:
    key = name_key(item.role_name)
    if not key:
        return Refusal.BLANK_NAME, "The item has no role_name."
    if found.workflow_id is None:
        return found.refusal or Refusal.WORKFLOW_NOT_FOUND, found.message
    first = places.get((key, str(found.workflow_id)))
    if first is not None:
        return Refusal.DUPLICATE, f"The role is that of item {first} already."
    of_workflow = (key, found.workflow_id)
    if of_workflow in known.open:
        return (
            Refusal.ALREADY_AT_WORK,
            f"The role is being onboarded in batch {known.open[of_workflow]}.",
        )
    if of_workflow in known.ready and not options.force_rerun:
        return (
            Refusal.ALREADY_READY,
            f"The role is ready since batch {known.ready[of_workflow]}; force_rerun does it again.",
        )
    return None


def _too_large(item: ItemRequest) -> str | None:
    size = len(item.model_dump_json(include={"attributes", "documents"}).encode())
    if size > MOST_BYTES:
        return f"Attributes and documents have {size:,} bytes; at most {MOST_BYTES:,} are kept."
    return None


def _words(error: ValidationError) -> str:
    faults = []
    for found in error.errors(include_url=False, include_input=False):
        # A name that somebody has made up may hold what no database keeps.
        path = ".".join(_printable(part) for part in found["loc"][:2])
        message = _SENTENCES.get(found["type"], "{told}").format(
            told=found["msg"].removeprefix("Value error, "),
            most=found.get("ctx", {}).get("max_length"),
        )
        faults.append(f"{path}: {message}" if path else message)
    return f"{'; '.join(dict.fromkeys(faults))}."


_SENTENCES = {
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "an item must be an object",
    "string_type": "must be a text",
    "string_unicode": "holds half of a character",
    "string_too_long": "has more than {most} characters",
    "too_long": "is longer than {most}",
    "too_short": "is blank",
    "extra_forbidden": "is no field of an item; what is known of a role goes into attributes",
    "recursion_loop": "is nested too deep",
}


def _printable(part: int | str) -> str:
    return "".join(one if one.isprintable() else "?" for one in str(part))[:100]


def _name_of(content: object) -> str | None:
    name = content.get("role_name") if isinstance(content, Mapping) else None
    return name[:200] if isinstance(name, str) and name.isprintable() else None


def _refused(one: GivenItem, name: str | None, code: Refusal, message: str) -> Refused:
    return Refused(one.position, one.line, name, code, message)
