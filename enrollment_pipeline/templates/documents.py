"""A template as the library knows it: what it is called, whose it is, and its workflow document.

Pure. Belongs here: the parts that a template has beside a workflow document, and the form in which
documents are compared. Does not belong here: where templates come from (`shipped`, `store`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from enrollment_pipeline.errors import InvalidRequestError, InvalidTriggerError
from enrollment_pipeline.triggers.documents import parse_trigger
from enrollment_pipeline.workflows.documents import in_order
from enrollment_pipeline.workflows.problems import Problem
from enrollment_pipeline.workflows.validation import problems_of, steps_of

CUSTOM = "custom"
CATEGORIES = (
    "lead_nurturing",
    "appointment_reminder",
    "onboarding",
    "re_engagement",
    "review_request",
    "birthday_celebration",
    CUSTOM,
)
"""Source: spec "Template library"."""

MOST_TAGS = 10
_LONGEST_TAG = 40
_LONGEST_DESCRIPTION = 2_000


class Origin(StrEnum):
    """Whose a template is: of the product, of the account, or of the account's agency."""

    SYSTEM = "system"
    CUSTOM = "custom"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Template:
    """A template, without its document. `slug` is the short name of a shipped one."""

    id: UUID
    name: str
    description: str
    category: str
    tags: tuple[str, ...]
    step_types: tuple[str, ...]
    version: int
    origin: Origin
    account_id: UUID | None = None
    slug: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    used: int = 0


def workflow_part(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the workflow document within a template's."""
    return in_order(document)


def canonical(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document in the form in which a clone and its template are alike.

    A trigger is kept with all its parameters and settings, so a template's gets the same.
    """
    found = dict(document)
    if found.get("trigger") is not None:
        try:
            found["trigger"] = parse_trigger(found["trigger"]).as_dict()
        except InvalidTriggerError:
            # Left as it is: what is wrong with it is told where it is validated.
            return found
    return found


def template_problems(document: Mapping[str, Any]) -> list[Problem]:
    """Return what keeps a document from being a template: all but texts that are asked for."""
    return [problem for problem in problems_of(document) if not problem.fill_in]


def step_types_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the types of a document's steps, each once, in their order."""
    kinds = (step.get("type") for _, step in steps_of(document))
    return tuple(dict.fromkeys(kind for kind in kinds if isinstance(kind, str)))


def category_of(name: str) -> str:
    """Return the category of that name.

    Raises:
        InvalidRequestError: there is none.
    """
    if name not in CATEGORIES:
        raise InvalidRequestError(
            f"There is no category {name[:60]!r}.", remedy=f"Use one of: {', '.join(CATEGORIES)}."
        )
    return name


def tags_of(given: Iterable[str]) -> tuple[str, ...]:
    """Return tags in lower case, each once.

    Raises:
        InvalidRequestError: there are too many, or one cannot be used.
    """
    tags = tuple(dict.fromkeys(tag.strip().lower() for tag in given))
    for tag in tags:
        if not tag or len(tag) > _LONGEST_TAG or not tag.isprintable():
            raise InvalidRequestError(
                f"{tag[:_LONGEST_TAG]!r} cannot be a tag.",
                remedy=f"A tag is one line of 1 to {_LONGEST_TAG} characters.",
            )
    if len(tags) > MOST_TAGS:
        raise InvalidRequestError(f"A template has at most {MOST_TAGS} tags, not {len(tags)}.")
    return tags


def description_of(text: str) -> str:
    """Return the description without blanks around it.

    Raises:
        InvalidRequestError: it is too long, or holds what no text can.
    """
    text = text.strip()
    if len(text) > _LONGEST_DESCRIPTION or "\x00" in text:
        raise InvalidRequestError(
            f"A description is a text of at most {_LONGEST_DESCRIPTION:,} characters."
        )
    return text
