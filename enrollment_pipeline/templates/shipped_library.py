"""The templates that come with the product: files of the package, read when first asked for.

Belongs here: reading them. A template is added by a file in `shipped/CATEGORY/SLUG.yaml`, and a
row of docs/templates.md; a change of one raises its `version`. Does not belong here: templates that
accounts have made (`store`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any
from uuid import UUID, uuid5

from enrollment_pipeline.files.documents import read_document
from enrollment_pipeline.templates.documents import (
    Origin,
    Template,
    step_types_of,
    workflow_part,
)

# Of all ids: a shipped template has the same one in every account and every database.
_NAMESPACE = UUID("5b0f5c1e-8f0c-5d7e-9a55-0d5cf2a1c6b3")


@dataclass(frozen=True, slots=True)
class Shipped:
    """A shipped template with its workflow document."""

    template: Template
    document: dict[str, Any]


@lru_cache(maxsize=1)
def shipped_templates() -> Mapping[UUID, Shipped]:
    """Return the shipped templates, by id."""
    found: dict[UUID, Shipped] = {}
    for category in sorted(files(__package__).joinpath("shipped").iterdir(), key=str):
        for file in sorted(category.iterdir(), key=str):
            if file.name.endswith(".yaml"):
                one = _read(read_document(file.read_text(encoding="utf-8"), file.name))
                found[one.template.id] = one
    return found


def _read(document: dict[str, Any]) -> Shipped:
    workflow = workflow_part(document)
    slug = document["slug"]
    return Shipped(
        Template(
            id=uuid5(_NAMESPACE, slug),
            name=document["name"],
            description=document["description"],
            category=document["category"],
            tags=tuple(document["tags"]),
            step_types=step_types_of(workflow),
            version=document["version"],
            origin=Origin.SYSTEM,
            slug=slug,
        ),
        workflow,
    )
