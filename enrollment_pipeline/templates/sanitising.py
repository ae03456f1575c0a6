"""A workflow document that can be shared: nothing personal, no secrets, nothing of the account.

Pure. Belongs here: which parts of a document survive, and as what. Whatever is not named here does
not survive, so that a new field is shared only once somebody has thought about it. Does not belong
here: what is personal (`personal`), what a text becomes (`placeholding`), what stays of a trigger's
parameters, and whether the document is valid. Source: spec "Sharing".
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from enrollment_pipeline.conditions.model import Logic, Operator
from enrollment_pipeline.conditions.values import instant_of
from enrollment_pipeline.templates.fixed_parts import (
    MISSING,
    Keep,
    boolean,
    duration,
    instant,
    keep_known,
    kept_integrations,
    kept_settings,
    kept_trigger_settings,
    one_of,
    schedule_rules,
    small_number,
    texts_within,
)
from enrollment_pipeline.templates.name_texts import People
from enrollment_pipeline.templates.personal import Kind, is_personal_name
from enrollment_pipeline.templates.placeholding import Placeholding, Replacement, numbered_names
from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline.workflows.placeholders import only_placeholder
from enrollment_pipeline.workflows.steps import HEADER_NAME, PolicyName

_DEEPEST = 20
_DEEPEST_TREE = 10
_MOST_STEPS = 200
_MOST_GOALS = 50
_MOST_MEMBERS = 5_000
"""Of one object or list; of what is more than any valid document has, the rest is dropped."""


@dataclass(frozen=True, slots=True)
class Sanitised:
    """A document without personal data, and what was replaced in it, in the order it was found."""

    document: dict[str, Any]
    replaced: tuple[Replacement, ...]


def sanitise(document: Mapping[str, Any], *, people: Collection[str] = ()) -> Sanitised:
    """Return a copy of a workflow document that holds nothing personal and no secrets.

    `people` are first names, last names and whole names of those whom the account knows. Whatever
    is replaced becomes a value of the document that is asked for where the document is used. Who
    sends, answers or is told, and keys that are not known, are left out. Takes any JSON, and twice
    is the same as once.
    """
    if not isinstance(document, Mapping):
        return Sanitised({}, ())
    values = document.get("values")
    placeholding = Placeholding(
        People.of(people),
        values if isinstance(values, Mapping) else {},
        numbered_names(texts_within(document, _DEEPEST + 10)),
    )
    return Sanitised(_Sanitiser(placeholding).document(document), tuple(placeholding.replaced))


class _Sanitiser:
    """One pass over one document."""

    def __init__(self, placeholding: Placeholding) -> None:
        self._placeholding = placeholding
        self._goals: dict[str, str] = {}
        self._steps: dict[str, dict[str, Keep]] = self._step_types()

    def document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        keeps: dict[str, Keep] = {
            "schema": small_number,
            "name": self._text(200),
            "description": self._text(2_000),
            "integrations": kept_integrations,
            "values": lambda *_: {},
            "trigger": self._trigger,
            "steps": self._all_steps,
            "goals": self._all_goals,
            "settings": kept_settings,
        }
        kept = keep_known(document, keeps, "")
        # Only now is it known which there are.
        values = self._placeholding.all_values()
        if values or isinstance(document.get("values"), Mapping):
            kept["values"] = values
        return {key: kept[key] for key in keeps if key in kept}

    def _step_types(self) -> dict[str, dict[str, Keep]]:
        text, short, field = self._text, self._short, self._field
        request: dict[str, Keep] = {
            "method": one_of(("GET", "POST", "PUT", "PATCH", "DELETE")),
            "url": self._url,
            "headers": self._headers,
            "body": lambda given, path: self._json(given, path, "", _DEEPEST),
        }
        return {
            "send_email": {"subject": text(300), "body": text(50_000)},
            "send_sms": {"body": text(1_600)},
            "wait": {
                "duration": duration,
                "until": self._until,
                "offset": duration,
                "business_hours": boolean,
            },
            "condition": {"condition": self._tree, "then": self._step_id, "else": self._step_id},
            "add_tag": {"tag": short(100)},
            "remove_tag": {"tag": short(100)},
            # Its value depends on the field's name.
            "update_field": {"field": field, "value": self._json_text, "enhancement": boolean},
            "webhook": request,
            "http_request": {
                **request,
                "save_as": field,
                "timeout": duration,
                "retry": one_of(get_args(PolicyName)),
                "enhancement": boolean,
            },
            "create_task": {
                "title": text(200),
                "description": text(5_000),
                "due": duration,
            },
            "notify": {"message": text(5_000), "enhancement": boolean},
            "goal": {
                "goal": self._goal_name,
                "otherwise": one_of(("continue", "wait", "end")),
            },
            "end": {},
        }

    def _all_steps(self, given: object, path: str) -> Any:
        if not isinstance(given, list | tuple):
            return MISSING
        return [
            self._step(step, f"{path}[{index}]")
            for index, step in enumerate(given[:_MOST_STEPS])
            if isinstance(step, Mapping)
        ]

    def _step(self, step: Mapping[Any, Any], path: str) -> dict[str, Any]:
        kind = step.get("type")
        known = self._steps.get(kind) if isinstance(kind, str) else None
        keeps: dict[str, Keep] = {"id": self._step_id, "type": self._type}
        if known is not None:
            keeps |= {"label": self._text(200), **known}
            if kind not in ("condition", "end"):
                keeps["next"] = self._step_id
        if kind == "update_field" and isinstance(step.get("field"), str):
            keeps["value"] = partial(self._named, name=step["field"])
        return keep_known(step, keeps, path)

    def _type(self, given: object, path: str) -> Any:
        if not isinstance(given, str):
            return MISSING
        return given if given in self._steps else self._placeholding.identifier(given, "type", path)

    def _step_id(self, given: object, path: str) -> Any:
        if not isinstance(given, str):
            return MISSING
        return self._placeholding.identifier(given, "step", path)

    def _field(self, given: object, path: str) -> Any:
        return self._placeholding.field(given, path) if isinstance(given, str) else MISSING

    def _goal_name(self, given: object, path: str) -> Any:
        if not isinstance(given, str):
            return MISSING
        if given not in self._goals:
            name = self._placeholding.text(given, path, most=200, short=True)
            self._goals[given] = self._placeholding.unlike(name, "goal", self._goals.values())
        return self._goals[given]

    def _all_goals(self, given: object, path: str) -> Any:
        if not isinstance(given, list | tuple):
            return MISSING
        keeps: dict[str, Keep] = {
            "name": self._goal_name,
            "event": one_of(EVENT_TYPES),
            "condition": self._tree,
            "then": self._step_id,
        }
        return [
            keep_known(goal, keeps, f"{path}[{index}]")
            for index, goal in enumerate(given[:_MOST_GOALS])
            if isinstance(goal, Mapping)
        ]

    def _trigger(self, given: object, path: str) -> Any:
        if not isinstance(given, Mapping):
            return MISSING
        keeps: dict[str, Keep] = {
            "event": one_of(EVENT_TYPES),
            "parameters": self._parameters,
            "filters": self._tree,
            "settings": kept_trigger_settings,
        }
        return keep_known(given, keeps, path)

    def _parameters(self, given: object, path: str) -> Any:
        if not isinstance(given, Mapping):
            return MISSING
        keeps: dict[str, Keep] = {
            **dict.fromkeys(("tag", "form_id", "survey_id", "stage_id"), self._short(200)),
            "field": self._own_field,
            "date_field": self._field,
            **schedule_rules(given),
        }
        return keep_known(given, keeps, path)

    def _own_field(self, given: object, path: str) -> Any:
        """Return the name of a contact's field of its own, which a trigger may shorten."""
        if not isinstance(given, str) or given.startswith("custom_fields."):
            return self._field(given, path)
        return self._placeholding.identifier(given, "field", path)

    def _tree(self, given: object, path: str, depth: int = _DEEPEST_TREE) -> Any:
        if not isinstance(given, Mapping) or not depth:
            return MISSING
        keeps: dict[str, Keep] = {
            "logic": one_of(Logic),
            "conditions": partial(self._members, depth=depth - 1),
            "field": self._field,
            "operator": one_of(Operator),
            "value": partial(self._asked, name=str(given.get("field"))),
            "ignore_case": boolean,
        }
        return keep_known(given, keeps, path)

    def _members(self, given: object, path: str, depth: int) -> Any:
        if not isinstance(given, list | tuple):
            return MISSING
        trees = (
            self._tree(one, f"{path}[{index}]", depth)
            for index, one in enumerate(given[:_MOST_STEPS])
        )
        return [tree for tree in trees if tree is not MISSING]

    def _asked(self, given: object, path: str, name: str) -> Any:
        if isinstance(given, list | tuple):
            asked = [
                self._named(one, f"{path}[{index}]", name)
                for index, one in enumerate(given[:_MOST_MEMBERS])
            ]
            return [one for one in asked if one is not MISSING]
        return self._named(given, path, name)

    def _named(self, given: object, path: str, name: str) -> Any:
        """Return what stays of a single value that something has which goes by a name."""
        if isinstance(given, str) and instant_of(given) is not None:
            return given
        return (
            MISSING
            if isinstance(given, Mapping | list | tuple)
            else self._scalar(given, path, name)
        )

    def _json_text(self, given: object, path: str) -> Any:
        return self._named(given, path, "")

    def _scalar(self, given: object, path: str, name: str) -> Any:
        if isinstance(given, str):
            return self._placeholding.value_of(name, given, path)
        if isinstance(given, bool) or given is None:
            return given
        if not isinstance(given, int | float):
            return MISSING
        if isinstance(given, float) and not math.isfinite(given):
            return None
        return self._placeholding.named_number(name, given, path)

    def _json(self, given: object, path: str, name: str, depth: int) -> Any:
        """Return JSON of any shape with all keys and values cleaned, as deep as is allowed."""
        if isinstance(given, Mapping):
            if not depth:
                return MISSING
            return self._object(given, path, depth)
        if isinstance(given, list | tuple):
            if not depth:
                return MISSING
            listed = (
                self._json(one, f"{path}[{index}]", name, depth - 1)
                for index, one in enumerate(given[:_MOST_MEMBERS])
            )
            return [one for one in listed if one is not MISSING]
        return self._scalar(given, path, name)

    def _object(self, given: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in list(given.items())[:_MOST_MEMBERS]:
            key = self._placeholding.text(str(name), path, short=True)
            # Two keys become the same only when no further value can be asked for.
            if key not in kept:
                one = self._json(value, f"{path}.{key}", key, depth - 1)
                if one is not MISSING:
                    kept[key] = one
        return kept

    def _headers(self, given: object, path: str) -> Any:
        if not isinstance(given, Mapping):
            return MISSING
        whole = self._whole(Kind.SECRET)
        return {
            name: whole(value, f"{path}.{name}")
            for name, value in list(given.items())[:_MOST_STEPS]
            if isinstance(value, str) and self._may_head(name)
        }

    def _url(self, given: object, path: str) -> Any:
        return self._placeholding.url(given, path) if isinstance(given, str) else MISSING

    def _may_head(self, name: object) -> bool:
        return (
            isinstance(name, str)
            and HEADER_NAME.fullmatch(name) is not None
            and not is_personal_name(name, self._placeholding.people)
        )

    def _until(self, given: object, path: str) -> Any:
        if isinstance(given, str) and only_placeholder(given) is not None:
            return self._placeholding.text(given, path)
        return instant(given, path)

    def _text(self, most: int) -> Keep:
        return partial(self._cleaned, most=most, short=False)

    def _short(self, most: int) -> Keep:
        return partial(self._cleaned, most=most, short=True)

    def _cleaned(self, given: object, path: str, most: int, short: bool) -> Any:
        if isinstance(given, str):
            return self._placeholding.text(given, path, most=most, short=short)
        return (
            MISSING if isinstance(given, Mapping | list | tuple) else self._scalar(given, path, "")
        )

    def _whole(self, kind: Kind) -> Keep:
        def keep(given: object, path: str) -> Any:
            return (
                self._placeholding.whole(kind, given, path) if isinstance(given, str) else MISSING
            )

        return keep
