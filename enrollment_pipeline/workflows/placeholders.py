"""Placeholders in the texts of steps, such as `{{contact.first_name | default("there")}}`.

Pure. Belongs here: how a placeholder is written, which names there are, and what is wrong with one.
Does not belong here: what a contact's placeholder becomes when a message is sent.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.conditions.fields import CONTACT_FIELDS, Fields
from enrollment_pipeline.workflows.integrations import INTEGRATIONS

FILTERS = ("default", "date", "time", "upper", "lower", "title")
_ROOTS_OF_ALL = ("account", "workflow", "values", *INTEGRATIONS)
ROOTS_FOR_CONTACTS = ("contact", "data", *_ROOTS_OF_ALL)
ROOTS_FOR_ITEMS = ("item", "steps", *_ROOTS_OF_ALL)

_NAME = r'[^\s.|{}"\']+'
_FILTER = r'\|\s*(?:default\(\s*"[^"{}]*"\s*\)|[a-z]+)\s*'
_placeholder = re.compile(
    r"\{\{\s*(?P<path>" + _NAME + r"(?:\." + _NAME + r")*)\s*(?P<filters>(?:" + _FILTER + r")*)\}\}"
)
_filter = re.compile(r"\|\s*([a-z]+)")
_quoted = re.compile(r'"[^"]*"')
_without_text = re.compile(r"\|\s*default\s*(?:\||$)")
_candidate = re.compile(r"\{\{.{0,300}?\}\}|\{\{|\{%", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder that is written rightly; `root` is the name before the first dot.

    `otherwise` are the texts of its `default` filters, in their order.
    """

    root: str
    rest: str
    filters: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The whole name, such as `contact.first_name`."""
        return f"{self.root}.{self.rest}" if self.rest else self.root


@dataclass(frozen=True, slots=True)
class Names:
    """What placeholders of one document may name.

    `fields` are those of its subject: a contact's with the trigger's event, or an item's with the
    answers to its steps; `values` the names of the document's own values.
    """

    fields: Fields = CONTACT_FIELDS
    values: Collection[str] = ()
    of_item: bool = False

    @property
    def roots(self) -> tuple[str, ...]:
        """What names may begin with."""
        return ROOTS_FOR_ITEMS if self.of_item else ROOTS_FOR_CONTACTS


def pieces(text: str) -> Iterator[str | Placeholder]:
    """Yield the parts of a text in their order: what stands there, and the placeholders in it."""
    end = 0
    for found in _placeholder.finditer(text):
        if found.start() > end:
            yield text[end : found.start()]
        yield _read(found)
        end = found.end()
    if end < len(text):
        yield text[end:]


def placeholders(text: str) -> Iterator[Placeholder]:
    """Yield the placeholders of a text that are written rightly."""
    for found in _placeholder.finditer(text):
        yield _read(found)


def only_placeholder(text: str) -> Placeholder | None:
    """Return the placeholder that is the whole text, None where there is more to it."""
    found = _placeholder.fullmatch(text)
    return None if found is None else _read(found)


def faults(text: str, names: Names) -> Iterator[str]:
    """Yield a sentence for every placeholder of a text that cannot be filled in."""
    for candidate in _candidate.finditer(text):
        written = candidate[0]
        found = _placeholder.fullmatch(written)
        if found is None:
            yield _unreadable(written)
        elif _without_text.search(found["filters"]):
            yield f'{show(written)}: default says what stands there: default("there").'
        else:
            fault = _fault(_read(found), names)
            if fault:
                yield f"{show(written)}: {fault}"


def _read(found: re.Match[str]) -> Placeholder:
    root, _, rest = found["path"].partition(".")
    filters = found["filters"]
    return Placeholder(
        root,
        rest,
        tuple(_filter.findall(_quoted.sub("", filters))),
        tuple(text[1:-1] for text in _quoted.findall(filters)),
    )


def _unreadable(written: str) -> str:
    if written == "{%":
        return '"{%" is not understood: a text has placeholders and no statements.'
    if written == "{{":
        return 'a placeholder that "{{" begins ends with "}}".'
    return (
        f"{show(written)} is no placeholder: write one such as {{{{contact.first_name}}}} or "
        '{{contact.first_name | default("there")}}.'
    )


def _fault(placeholder: Placeholder, names: Names) -> str | None:
    unknown = next((one for one in placeholder.filters if one not in FILTERS), None)
    if unknown is not None:
        return f"there is no filter {show(unknown)}; those are {', '.join(FILTERS)}."
    if placeholder.root not in names.roots:
        return f"there is nothing called {show(placeholder.root)}; names begin with one of " + (
            f"{', '.join(names.roots)}."
        )
    return _CHECKS.get(placeholder.root, _integration_fault)(placeholder, names)


def _contact_fault(placeholder: Placeholder, _: Names) -> str | None:
    if placeholder.rest == "tags":
        return "tags are no text."
    if CONTACT_FIELDS.find(placeholder.rest) is None:
        return CONTACT_FIELDS.refusal(placeholder.rest)
    return None


def _field_fault(placeholder: Placeholder, names: Names) -> str | None:
    found = names.fields.find(placeholder.name)
    return names.fields.refusal(placeholder.name) if found is None else None


def _values_fault(placeholder: Placeholder, names: Names) -> str | None:
    if placeholder.rest in names.values:
        return None
    return f"the document's values have no {show(placeholder.rest)}."


def _name_fault(placeholder: Placeholder, _: Names) -> str | None:
    return None if placeholder.rest == "name" else f"write {placeholder.root}.name."


def _integration_fault(placeholder: Placeholder, _: Names) -> str | None:
    integration = INTEGRATIONS[placeholder.root]
    if integration.knows(placeholder.rest):
        return None
    known = ", ".join(f"{integration.name}.{detail.name}" for detail in integration.details)
    return f"{integration.name} has no {show(placeholder.rest)}; there is {known}."


_CHECKS = {
    "contact": _contact_fault,
    "data": _field_fault,
    "item": _field_fault,
    "steps": _field_fault,
    "values": _values_fault,
    "account": _name_fault,
    "workflow": _name_fault,
}
