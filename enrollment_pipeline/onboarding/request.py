"""What a batch may be asked with: its options, and one item at a time.

Pure. Belongs here: shapes and their limits. Items are read one by one, so that a wrong one is
refused by itself and the others go on. Does not belong here: whether the account may have an item
now (`admission`), and files (`reading`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from unicodedata import category, normalize

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
)

from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.work.fields import Line, Part, validated
from enrollment_pipeline.workflows.documents import unkeepable

MOST_ITEMS = 500
"""Items in a batch (spec "Submit")."""

DEFAULT_WORKFLOW = "Role onboarding"
"""What a clone of the template `role-onboarding` is called, unless somebody says otherwise."""

LONGEST_NAME = 200
MOST_DOCUMENTS = 50
MOST_BYTES = 50_000
"""Size of an item's attributes and documents as JSON."""

HIGHEST_PRIORITY = 100

Name = Annotated[Line, StringConstraints(max_length=LONGEST_NAME)]
RequiredName = Annotated[Name, StringConstraints(min_length=1)]


def name_key(name: str) -> str:
    """Return what names share that differ in letter case, blanks and what cannot be seen alone.

    One letter with an accent is written in two ways, as on macOS; they are the same.
    """
    seen = "".join(one for one in normalize("NFC", name) if category(one) != "Cf")
    return normalize("NFC", " ".join(seen.split()).casefold())


class BatchOptions(Part):
    """What is asked of a batch as a whole.

    `workflow` is a name or an id; `created_by` whom the request names as its author.
    """

    company: RequiredName
    workflow: RequiredName = DEFAULT_WORKFLOW
    skip_enhancement: StrictBool = False
    force_rerun: StrictBool = False
    priority: Annotated[int, Field(strict=True, ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)] = 0
    created_by: RequiredName | None = None
    request_id: RequiredName | None = None


def _keepable(value: Any) -> Any:
    fault = unkeepable(value)
    if fault is not None:
        raise ValueError(f"it {fault.rstrip('.')}")
    return value


class ItemRequest(BaseModel):
    """One item as it is asked for; a blank name is for `admission` to refuse."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role_name: Name = ""
    reference_name: Name | None = None
    attributes: Annotated[dict[str, JsonValue], AfterValidator(_keepable)] = Field(
        default_factory=dict
    )
    documents: Annotated[
        tuple[JsonValue, ...], Field(max_length=MOST_DOCUMENTS), AfterValidator(_keepable)
    ] = ()
    workflow: RequiredName | None = None


@dataclass(frozen=True, slots=True)
class GivenItem:
    """An item before it is read: its place from 1, its line in a file, and what was given.

    `fault` says why there is nothing that could be read.
    """

    position: int
    content: Any = None
    line: int | None = None
    fault: str | None = None


def batch_options(document: Mapping[str, Any]) -> BatchOptions:
    """Return the options that a document describes.

    Raises:
        InvalidRequestError: they cannot be used; every fault is listed.
    """
    return validated(BatchOptions, dict(document))


def require_number(items: int) -> None:
    """Do nothing where a batch can have so many items.

    Raises:
        InvalidRequestError: there are none, or too many.
    """
    if not items:
        raise InvalidRequestError("There are no items.", remedy="Name at least one.")
    if items > MOST_ITEMS:
        raise InvalidRequestError(
            f"There are {items:,} items; a batch has at most {MOST_ITEMS}.",
            remedy="Split them into several batches.",
            details={"found": items, "limit": MOST_ITEMS},
        )
