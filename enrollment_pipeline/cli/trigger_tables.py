"""How triggers, and what became of events, look in a terminal."""

import json
from typing import TYPE_CHECKING, Any

from enrollment_pipeline.cli.output import facts, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType


def types_document() -> dict[str, Any]:
    """Return all event types, as plain values."""
    from enrollment_pipeline.triggers.registry import EVENT_TYPES

    return {
        "event_types": [
            {
                "event": kind.name,
                "category": kind.category,
                "says": kind.says,
                "parameters": [
                    {"name": one, "required": one in kind.must_have} for one in kind.parameters
                ],
                "fields": [
                    {
                        "name": f"data.{one.name}",
                        "kind": one.kind,
                        "required": one.required,
                        "filtered": one.filtered,
                    }
                    for one in kind.fields
                ],
                "sent": not kind.timed,
                "compares": kind.compares,
                "sample": None if kind.sample is None else dict(kind.sample),
            }
            for kind in EVENT_TYPES.values()
        ],
        "total": len(EVENT_TYPES),
    }


def types_table(document: dict[str, Any]) -> "RenderableType":
    """Return the event types, one a line."""
    rows = [
        (
            kind["event"],
            kind["category"],
            kind["says"],
            ", ".join(
                f"{one['name']}{'*' if one['required'] else ''}" for one in kind["parameters"]
            ),
            ", ".join(_asked(one) for one in kind["fields"] if one["filtered"]),
        )
        for kind in document["event_types"]
    ]
    return table("Type", "Category", "What it says", "Parameters", "Fields of data", rows=rows)


def _asked(field: dict[str, Any]) -> str:
    name = str(field["name"]).removeprefix("data.")
    return f"{name}.NAME" if field["kind"] == "object" else name


def trigger_sentence(document: dict[str, Any]) -> str:
    """Return what a trigger waits for, or why it waits for nothing."""
    subject = f"The trigger of {document['workflow_name']}"
    what = " ".join((document["event"], _parameters(document))).strip()
    if document["waiting"]:
        return f"{subject} waits for {what}."
    if not document["settings"]["active"]:
        return f"{subject} is off; on, it waits for {what}: enrollment triggers activate."
    return (
        f"{subject} is on, but starts nobody while the workflow is {document['workflow_status']}: "
        "enrollment workflows activate."
    )


def trigger_facts(document: dict[str, Any]) -> "RenderableType":
    """Return everything about a trigger."""
    settings = ", ".join(f"{name}={_plain(one)}" for name, one in document["settings"].items())
    return facts(
        {
            "trigger": document["trigger_id"],
            "workflow": f"{document['workflow_name']} ({document['workflow_status']})",
            "event": document["event"],
            "parameters": _parameters(document),
            "filters": _filters(document) or "none: it takes every contact",
            "settings": settings,
            "state": trigger_sentence(document),
            "on since": document["active_since"][:19].replace("T", " ")
            if document["settings"]["active"]
            else None,
            "created": f"{document['created_at'][:19].replace('T', ' ')} by "
            f"{document['created_by']}, version {document['version']}",
        }
    )


def triggers_table(documents: list[dict[str, Any]]) -> "RenderableType":
    """Return triggers, one a line."""
    rows = [
        (
            one["workflow_name"],
            one["event"],
            _parameters(one),
            _conditions(one["filters"]) or None,
            _state(one),
            one["trigger_id"],
        )
        for one in documents
    ]
    return table("Workflow", "Event", "Parameters", "Conditions", "State", "Id", rows=rows)


def preview_parts(document: dict[str, Any]) -> "list[RenderableType]":
    """Return whom a trigger's filters match now."""
    rows = [(one["contact_id"], one["email"], one["first_name"]) for one in document["samples"]]
    shown: list[RenderableType] = [
        facts({"event": document["event"], "matching": f"{document['matching']:,}"})
    ]
    if rows:
        shown.append(table("For example", "E-mail", "First name", rows=rows))
    if document["not_asked"]:
        shown.append(f"Only an event can tell, so not asked: {'; '.join(document['not_asked'])}")
    if document["next"]:
        shown.append(f"Fires next (UTC): {', '.join(_minute(one) for one in document['next'])}")
    return shown


def trial_parts(document: dict[str, Any]) -> "list[RenderableType]":
    """Return what a trigger would make of one contact."""
    verdicts = ("matched", "would_fire", "would_enroll")
    shown: list[RenderableType] = [
        facts(
            {
                "workflow": document["workflow_name"],
                "contact": document["contact_id"],
                **{name.replace("_", " "): _plain(document[name]) for name in verdicts},
                **{
                    name.replace("_", " "): f"{_minute(document[name])} UTC"
                    for name in ("due", "waits_until")
                    if document[name]
                },
            }
        )
    ]
    if document["reasons"]:
        shown.append(table("Because", rows=[(one,) for one in document["reasons"]]))
    if document["conditions"]:
        rows = [
            (_plain(one["holds"]), one["sentence"], one["path"]) for one in document["conditions"]
        ]
        shown.append(table("Holds", "Condition", "At", rows=rows))
    shown.append("This was a test; nothing was changed.")
    return shown


def replay_parts(document: dict[str, Any]) -> "list[RenderableType]":
    """Return what the last days would have set off."""
    shown: list[RenderableType] = [
        facts(
            {
                "days": document["days"],
                "considered": f"{document['considered']:,}",
                "matched": f"{document['matched']:,}",
            }
        )
    ]
    if document["by_result"]:
        shown.append(counts_table("Result", document["by_result"]))
    if document["by_reason"]:
        reasons = {one["reason"]: one["number"] for one in document["by_reason"]}
        shown.append(counts_table("Because", reasons))
    if document["samples"]:
        rows = [
            (
                one.get("event_id") or one.get("occurrence"),
                one["contact_id"],
                one["result"],
                one["reason"],
            )
            for one in document["samples"]
        ]
        shown.append(table("For example", "Contact", "Result", "Reason", rows=rows))
    shown.append(f"This was a replay; nothing was changed. Note: {document['note']}.")
    return shown


def counts_table(title: str, counts: "Mapping[str, int]") -> "RenderableType":
    """Return numbers by name, the largest first."""
    rows = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return table(title, "Number", rows=[(name, f"{number:,}") for name, number in rows])


def log_table(found: dict[str, Any]) -> "RenderableType":
    """Return a page of the log, one row a line."""
    rows = [
        (
            one["evaluated_at"][:19].replace("T", " "),
            one["workflow_name"],
            one["event_id"] or one["occurrence"],
            one["contact_id"],
            one["result"],
            "yes" if one["enrolled"] else "no",
            one["reason"],
        )
        for one in found["log"]
    ]
    columns = ("When (UTC)", "Workflow", "Event", "Contact", "Result", "Enrolled", "Reason")
    return table(*columns, rows=rows)


def events_table(found: dict[str, Any]) -> "RenderableType":
    """Return a page of events, one a line."""
    rows = [
        (
            one["received_at"][:19].replace("T", " "),
            one["event_id"],
            one["type"],
            one["contact_id"] or one["email"] or one["external_id"],
            one["status"],
            one["source"],
            one["rejection"],
        )
        for one in found["events"]
    ]
    columns = ("Received (UTC)", "Id", "Type", "Contact", "Status", "Source", "Rejected because")
    return table(*columns, rows=rows)


def days_table(document: dict[str, Any]) -> "RenderableType":
    """Return what triggers came to, one day a line, and all of them."""
    rows = [
        (
            day["day"],
            *(f"{day[name]:,}" for name in ("evaluated", "matched", "enrolled")),
            f"{sum(day['refused'].values()):,}",
        )
        for day in [*document["days"], {"day": "in all", **document["in_all"]}]
    ]
    return table("Day", "Evaluated", "Matched", "Enrolled", "Not enrolled", rows=rows)


def _parameters(document: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in document["parameters"].items())


def _filters(document: dict[str, Any]) -> str:
    tree = document["filters"]
    return json.dumps(tree, ensure_ascii=False) if tree["conditions"] else ""


def _conditions(tree: dict[str, Any]) -> int:
    members = tree["conditions"]
    return sum(_conditions(one) if "conditions" in one else 1 for one in members)


def _state(document: dict[str, Any]) -> str:
    if document["waiting"]:
        return "waits"
    if not document["settings"]["active"]:
        return "off"
    return f"workflow {document['workflow_status']}"


def _plain(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")
