"""Parts of a workflow document in words, for whoever looks at it as a tree or a flowchart.

Pure, and for any document: a draft may lack parts, or hold something else where they should be.
Belongs here: conditions, waits and triggers as sentences, texts without control characters, and the
steps with their names. Does not belong here: what is wrong with a document (`validation`).
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from enrollment_pipeline.conditions.model import MAX_LEVELS, Logic, Operator
from enrollment_pipeline.records import Subject
from enrollment_pipeline.workflows.subjects import subject_of

_PHRASES: dict[str, str] = {
    Operator.EQUALS: "is",
    Operator.NOT_EQUALS: "is not",
    Operator.CONTAINS: "contains",
    Operator.NOT_CONTAINS: "does not contain",
    Operator.STARTS_WITH: "starts with",
    Operator.ENDS_WITH: "ends with",
    Operator.GREATER_THAN: "is greater than",
    Operator.LESS_THAN: "is less than",
    Operator.GREATER_THAN_OR_EQUAL: "is at least",
    Operator.LESS_THAN_OR_EQUAL: "is at most",
    Operator.IN: "is one of",
    Operator.NOT_IN: "is none of",
    Operator.IS_EMPTY: "is empty",
    Operator.IS_NOT_EMPTY: "is not empty",
    Operator.CHANGED: "changed",
    Operator.CHANGED_TO: "changed to",
    Operator.CHANGED_FROM: "changed from",
    Operator.WITHIN_LAST: "is within the last",
    Operator.WITHIN_NEXT: "is within the next",
}
_DURATIONS = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT)

_ALWAYS = "always"
_MISSING = "(nothing)"
_TOO_DEEP = "(nested too deeply)"
_UNSHOWABLE = "(cannot be shown)"

# What joins emoji and letters is kept. All else that is invisible could make texts look alike.
_JOINERS = "\u200c\u200d"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step as it is shown: `key` is its id, None for one without; `number` counts from 1."""

    number: int
    key: str | None
    kind: str
    fields: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its id, or its number where it has none."""
        return plain(self.key or "") or f"#{self.number}"

    def target(self, field: str) -> str | None:
        """Return the id of the step that a field names, None where it names none."""
        target = self.fields.get(field)
        return target if isinstance(target, str) and target else None


def field(document: object, key: str) -> Any:
    """Return what a document has there, None if it has nothing."""
    return document.get(key) if isinstance(document, Mapping) else None


def part(document: object, key: str) -> dict[str, Any]:
    """Return a part that has fields, without any if there is no such part."""
    found = field(document, key)
    return {str(name): value for name, value in found.items()} if isinstance(found, Mapping) else {}


def entries(document: object, key: str) -> list[Any]:
    """Return the entries of a list, none if there is no such list."""
    found = field(document, key)
    return list(found) if isinstance(found, list | tuple) else []


def steps_of(document: object) -> list[ShownStep]:
    """Return the steps in their order; what is no step at all is one without a type."""
    return [_step(number, given) for number, given in enumerate(entries(document, "steps"), 1)]


def _step(number: int, given: object) -> ShownStep:
    if not isinstance(given, Mapping):
        return ShownStep(number, None, "no step", {"given": given})
    key, kind = given.get("id"), given.get("type")
    return ShownStep(
        number,
        key if isinstance(key, str) and key else None,
        plain(kind) if isinstance(kind, str) and kind else "no type",
        {str(name): value for name, value in given.items()},
    )


def plain(value: object) -> str:
    """Return a text on one line, without control characters; what is no text as JSON."""
    text = value if isinstance(value, str) else _json(value)
    return clean(" ".join(text.split()))


def clean(text: str) -> str:
    r"""Return a text with tabs as spaces, and what is invisible as escapes such as `\u001b`."""
    if text.isprintable():
        return text
    return "".join(
        f"\\u{ord(one):04x}"
        if unicodedata.category(one) in _INVISIBLE and one not in _JOINERS
        else one
        for one in text.replace("\t", "    ")
    )


def lines_of(value: object) -> list[str]:
    """Return a value in full, line by line: texts as they are, all else as JSON."""
    if isinstance(value, str):
        return [clean(line) for line in value.splitlines()]
    return [clean(line) for line in _json(value, indent=2).splitlines()]


def literal(value: object) -> str:
    """Return a value on one line as a sentence holds it, texts in quotes."""
    return plain(_json(value))


def _json(value: object, indent: int | None = None) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str, indent=indent)
    except (RecursionError, TypeError, ValueError):
        return _UNSHOWABLE


def condition(tree: object, level: int = 1) -> str:
    """Return a condition tree as words, such as `status is "active" and (a is 1 or b is 2)`."""
    if not isinstance(tree, Mapping):
        return _MISSING if tree is None else literal(tree)
    if "conditions" not in tree:
        return _one_condition(tree) if tree else _ALWAYS
    members = entries(tree, "conditions")
    if not members:
        return _ALWAYS
    if level > MAX_LEVELS:
        return _TOO_DEEP
    joined = " or " if tree.get("logic") == Logic.OR else " and "
    words = [condition(member, level + 1) for member in members]
    sentence = joined.join(words)
    return f"({sentence})" if level > 1 and len(words) > 1 else sentence


def _one_condition(node: Mapping[str, Any]) -> str:
    operator = plain(node.get("operator") or _MISSING)
    words = f"{plain(node.get('field') or _MISSING)} {_PHRASES.get(operator, operator)}"
    if "value" in node:
        # A length of time is no quotation.
        asked = plain if operator in _DURATIONS else literal
        words += f" {asked(node['value'])}"
    return f"{words}, in any case" if node.get("ignore_case") is True else words


def wait(fields: Mapping[str, Any]) -> str:
    """Return for what a step waits, such as `for 3 days` or `until 2 days before ...`."""
    ways = []
    if fields.get("duration") is not None:
        ways.append(f"for {plain(fields['duration'])}")
    if fields.get("until") is not None:
        ways.append(f"until {_from(fields.get('offset'))}{plain(fields['until'])}")
    if fields.get("business_hours"):
        ways.append("for business hours")
    return " and ".join(ways) or f"for {_MISSING}"


def _from(offset: object) -> str:
    if offset is None:
        return ""
    length = plain(offset)
    return f"{length[1:]} before " if length.startswith("-") else f"{length} after "


def subject(document: object) -> Subject:
    """Return whom a document is for, contacts where it is no object."""
    return subject_of(document) if isinstance(document, Mapping) else Subject.CONTACT


def trigger(document: object) -> tuple[str, str]:
    """Return when a workflow starts, such as `at tag_added with tag "lead"`, and for whom."""
    given = part(document, "trigger")
    if not given and subject(document) is Subject.ITEM:
        return "when an item is submitted", ""
    if not given:
        return "at nothing: there is no trigger", ""
    event = f"at {plain(given.get('event') or _MISSING)}"
    parameters = [
        f"{plain(name.replace('_', ' '))} {literal(value)}"
        for name, value in part(given, "parameters").items()
    ]
    if parameters:
        event += f" with {', '.join(parameters)}"
    filters = given.get("filters")
    words = _ALWAYS if filters is None else condition(filters)
    return event, "" if words == _ALWAYS else f"if {words}"
