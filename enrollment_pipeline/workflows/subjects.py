"""Whom a workflow is for: contacts that are enrolled, or items that are onboarded.

Pure. Belongs here: what the documents of each may name. Does not belong here: the rules that hold
for the documents of one of them only (`subject_rules`). Source: spec "Batch onboarding", "Steps".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.fields import MAX_PATH, Fields
from enrollment_pipeline.conditions.model import FieldKind
from enrollment_pipeline.records import Subject

CUSTOM_FIELDS = "custom_fields"
"""Below which the fields are that a step may set of a contact."""

ATTRIBUTES = "attributes"
"""Below which the fields are that a step may set of an item."""


STEPS_FOR_ITEMS = (
    "http_request",
    "condition",
    "update_field",
    "wait",
    "notify",
    "goal",
    "end",
)
"""The step types that the product carries out itself."""

_ITEM: Mapping[str, FieldKind] = {
    "item.name": FieldKind.TEXT,
    "item.reference_name": FieldKind.TEXT,
    "item.company": FieldKind.TEXT,
    "item.attributes": FieldKind.JSON,
    "item.documents": FieldKind.JSON,
}

ITEM_FIELDS = Fields(known=_ITEM, containers=("item.attributes",), folded=frozenset())
"""What can be asked of an item."""


@dataclass(frozen=True, slots=True)
class _ItemFields(Fields):
    """What can be asked of an item and of the answers to its steps, of which there may be many."""

    def refusal(self, name: str) -> str:
        """Return the sentence that says why a name is no field and what was probably meant."""
        first, _, rest = name.partition(".")
        answer = f"steps.{rest.partition('.')[0]}"
        if first != "steps" or len(name) > MAX_PATH:
            return ITEM_FIELDS.refusal(name)
        if answer in self.known:
            return Fields.refusal(self, name)
        answers = ", ".join(one for one in self.known if one.startswith("steps."))
        return (
            f"there is no field {show(name)}: an answer goes by the id of its http_request, and "
            f"{f'there is {answers}' if answers else 'there is no such step'}."
        )


def subject_of(document: Mapping[str, Any]) -> Subject:
    """Return whom a document is for; contacts where it does not say, or says nothing that is."""
    settings = document.get("settings")
    given = settings.get("subject") if isinstance(settings, Mapping) else None
    return Subject.ITEM if given == Subject.ITEM else Subject.CONTACT


def item_fields(steps: Iterable[object]) -> Fields:
    """Return what conditions and placeholders may name of an item, and of the answers to requests.

    `steps` are those of a document, as it has them; what is no request has no answer.
    """
    answers = [
        f"steps.{step['id']}"
        for step in steps
        if isinstance(step, Mapping)
        and step.get("type") == "http_request"
        and isinstance(step.get("id"), str)
    ]
    return _ItemFields(
        known={**_ITEM, **dict.fromkeys(answers, FieldKind.JSON)},
        containers=("item.attributes", *answers),
        folded=frozenset(),
    )
