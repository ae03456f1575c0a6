"""What is wrong with a document for the subject that it is for; pure.

Belongs here: the rules that hold for workflows of items only, or of contacts only. Does not belong
here: the rules for all (`validation`), and what the documents of each may name (`subjects`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.records import Subject
from enrollment_pipeline.workflows.documents import entries
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.placeholders import pieces
from enrollment_pipeline.workflows.problems import Problem
from enrollment_pipeline.workflows.steps import STEP_TYPES
from enrollment_pipeline.workflows.subjects import (
    ATTRIBUTES,
    CUSTOM_FIELDS,
    STEPS_FOR_ITEMS,
    subject_of,
)

_OF_CONTACTS = ("reenrollment", "required_fields", "business_hours")
_OF_ITEMS = ("estimate",)
_SET_BY = ("field", "save_as")
# Written for a placeholder that the author, or the account, has filled in; and for any other.
_OWN, _FOREIGN = "https://own/", "\0"
_foreign_host = re.compile(r"(?:https?://[^/?#\\\s\0]*)?\0", re.IGNORECASE)


def subject_problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what a document has that its subject cannot have."""
    if subject_of(document) is Subject.ITEM:
        yield from _of_items(document)
    else:
        yield from _of_contacts(document)


def _of_items(document: Mapping[str, Any]) -> Iterator[Problem]:
    if document.get("trigger") is not None:
        yield Problem("trigger", "a workflow for items has none: what is submitted starts it.")
    yield from _settings(document, _OF_CONTACTS, "a workflow for contacts")
    for path, step in entries(document, "steps"):
        kind = step.get("type")
        if isinstance(kind, str) and kind in STEP_TYPES and kind not in STEPS_FOR_ITEMS:
            yield Problem(
                f"{path}.type",
                f"{show(kind)} is done for contacts; items have {', '.join(STEPS_FOR_ITEMS)}.",
            )
        yield from _fields(path, step, wrong=CUSTOM_FIELDS, right=ATTRIBUTES, whose="an item")
        yield from _host(path, step.get("url"))
        if kind == "goal" and step.get("otherwise") == "wait":
            yield Problem(
                f"{path}.otherwise", "an item would wait for ever: only its own steps change it."
            )
    for path, goal in entries(document, "goals"):
        if goal.get("event") is not None:
            yield Problem(f"{path}.event", "events are of contacts; an item's goal is a condition.")


def _of_contacts(document: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _settings(document, _OF_ITEMS, "a workflow for items")
    for path, step in entries(document, "steps"):
        if step.get("enhancement") is not None:
            yield Problem(f"{path}.enhancement", "is for items; contacts have none.")
        yield from _fields(path, step, wrong=ATTRIBUTES, right=CUSTOM_FIELDS, whose="a contact")


def _settings(document: Mapping[str, Any], names: tuple[str, ...], whose: str) -> Iterator[Problem]:
    given = document.get("settings")
    settings = given if isinstance(given, Mapping) else {}
    for name in names:
        if settings.get(name) is not None:
            yield Problem(f"settings.{name}", f"is something that only {whose} can have.")


def _host(path: str, url: object) -> Iterator[Problem]:
    """Yield that an item would say where a request goes, which no value of one can."""
    parts = list(pieces(url)) if isinstance(url, str) else []
    foreign = [one for one in parts if not isinstance(one, str) and not _is_own(one.root)]
    told = "".join(
        one if isinstance(one, str) else _OWN if _is_own(one.root) else _FOREIGN for one in parts
    )
    if _foreign_host.match(told):
        yield Problem(
            f"{path}.url",
            f"{foreign[0].name} stands where the host is, which no item decides: begin with "
            "https://, http:// or an address of your own such as {{role_service.url}}/roles.",
        )


def _is_own(root: str) -> bool:
    return root == "values" or root in INTEGRATIONS


def _fields(
    path: str, step: Mapping[str, Any], *, wrong: str, right: str, whose: str
) -> Iterator[Problem]:
    for key in _SET_BY:
        field = step.get(key)
        if isinstance(field, str) and field.startswith(f"{wrong}."):
            rest = field.removeprefix(f"{wrong}.")
            yield Problem(f"{path}.{key}", f"{whose} has {right}.{rest}.")
