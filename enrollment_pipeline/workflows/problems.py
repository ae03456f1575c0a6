"""What is wrong with the shape of a workflow document, in sentences.

Pure. Belongs here: from the errors of the model to paths and sentences, and which of them a draft
may have. Does not belong here: the model (`documents`, `steps`), and the rules over a document as a
whole (`validation`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rapidfuzz import process

from enrollment_pipeline.conditions.explain import show
from enrollment_pipeline.workflows.documents import KEYS, Goal, WorkflowDocument, WorkflowSettings
from enrollment_pipeline.workflows.steps import DEPRECATED, STEP_TYPES, fields_of

_ALIKE = 70
_WAYS_TO_WAIT = ("duration", "until", "business_hours")
_subject = re.compile(r"^[A-Z][a-z]+ should")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong. A draft may be `unfinished`; what else is wrong cannot even be kept.

    `fill_in`: nothing is wrong with the document but that a text is asked for, which a template
    leaves to whoever uses it.
    """

    path: str
    message: str
    unfinished: bool = False
    fill_in: bool = False

    def as_dict(self) -> dict[str, str]:
        """Return `{"path", "message"}`."""
        return {"path": self.path, "message": self.message}


def shape_problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what the model says of a document."""
    try:
        WorkflowDocument.model_validate(document)
    except ValidationError as error:
        # Of a value that may be of several kinds, the model says of each that it is not of that.
        yield from dict.fromkeys(
            _problem(found, document)
            for found in error.errors(include_url=False)
            if not (isinstance(found["input"], str) and found["type"] in _OTHER_KINDS)
        )
        return
    for index, step in enumerate(document.get("steps") or ()):
        if step["type"] == "wait" and all(step.get(way) is None for way in _WAYS_TO_WAIT):
            yield Problem(
                f"steps[{index}]",
                "says not for what to wait: duration, until or business_hours.",
                unfinished=True,
            )


def _problem(found: ErrorDetails, document: Mapping[str, Any]) -> Problem:
    loc = _place_of(found["loc"])
    sentence = _SENTENCES.get(found["type"], _plain)
    of_value = loc[0] == "steps" and loc[2:] == ("value",) and found["type"] != "missing"
    if of_value and not isinstance(found["input"], str):
        return Problem(_path(loc), "must be a text, a number, true or false.")
    return Problem(
        _path(loc),
        sentence(found, loc, document),
        unfinished=found["type"] in _UNFINISHED and loc[0] in ("steps", "goals"),
    )


_NAME = "a name of up to 40 lower-case letters, digits and _, with a letter first"
_KINDS = {
    "string_type": "a text",
    "string_pattern_mismatch": _NAME,
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
}
# What is said of a text that is wrong as such: that it is no number either.
_OTHER_KINDS = frozenset({"bool_parsing", "int_parsing", "float_parsing"})
# A required field that is not there, or is the empty text.
_UNFINISHED = frozenset({"missing", "string_too_short"})


def _place_of(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return a place in the document, without what the model adds to it.

    That is the type of a step behind its number, the kind of a value that may be of several, and a
    word for a key.
    """
    if len(loc) > 2 and loc[0] == "steps" and loc[2] in STEP_TYPES:
        loc = (*loc[:2], *loc[3:])
    if loc[0] == "steps" and loc[2:3] == ("value",):
        return loc[:3]
    return loc[:-1] if loc[-1] == "[key]" else loc


def _path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


def _plain(found: ErrorDetails, _: object, __: object) -> str:
    if found["type"] in _KINDS:
        return f"must be {_KINDS[found['type']]}."
    message = _subject.sub("must", found["msg"].removeprefix("Value error, "))
    message = message[0].lower() + message[1:]
    return message if message.endswith((".", "?")) else f"{message}."


def _missing(_: object, __: object, ___: object) -> str:
    return "is missing."


def _unknown_key(_: ErrorDetails, loc: tuple[int | str, ...], document: Mapping[str, Any]) -> str:
    known: tuple[str, ...] = KEYS
    where = "a workflow"
    if len(loc) > 2 and loc[0] == "steps" and isinstance(loc[1], int):
        kind = document["steps"][loc[1]]["type"]
        known, where = fields_of(kind), str(kind)
    elif loc[0] == "goals" and len(loc) > 2:
        known, where = tuple(Goal.model_fields), "a goal"
    elif loc[0] == "settings" and len(loc) > 1:
        known, where = tuple(WorkflowSettings.model_fields), "settings"
    best = process.extractOne(str(loc[-1])[:50], known, score_cutoff=_ALIKE)
    meant = f' Did you mean "{best[0]}"?' if best else f" There is {', '.join(known)}."
    return f"is nothing that {where} can have.{meant}"


def _unknown_type(_: ErrorDetails, loc: tuple[int | str, ...], document: Mapping[str, Any]) -> str:
    given = document["steps"][loc[1]].get("type")
    if isinstance(given, str) and given in DEPRECATED:
        return f"type {show(given)} is deprecated: use {DEPRECATED[given]}."
    best = process.extractOne(str(given)[:50].lower(), list(STEP_TYPES), score_cutoff=_ALIKE)
    meant = f'Did you mean "{best[0]}"?' if best else f"There is {', '.join(STEP_TYPES)}."
    return f"there is no step type {show(given)}. {meant}"


def _no_type(_: object, __: object, ___: object) -> str:
    return f"has no type. There is {', '.join(STEP_TYPES)}."


def _empty(_: object, __: object, ___: object) -> str:
    return "is empty."


_Sentence = Callable[[ErrorDetails, tuple[int | str, ...], Mapping[str, Any]], str]
_SENTENCES: dict[str, _Sentence] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "union_tag_invalid": _unknown_type,
    "union_tag_not_found": _no_type,
    "string_too_short": _empty,
}
