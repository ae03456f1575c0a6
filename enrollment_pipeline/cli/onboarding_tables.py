"""How a batch and its items look in a terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from enrollment_pipeline.cli.output import facts, table

if TYPE_CHECKING:
    from rich.console import RenderableType

_STATES = ("queued", "in_progress", "ready", "degraded", "failed", "cancelled")


def submission_summary(document: dict[str, Any]) -> "list[RenderableType]":
    """Return what was accepted, how long that takes, and what was refused."""
    seconds = document["estimated_duration_seconds"]
    batch_id = document["batch_id"]
    shown: list[RenderableType] = [
        facts(
            {
                "batch": batch_id,
                "accepted": f"{len(document['accepted']):,}",
                "refused": f"{len(document['refused']):,}",
                "takes about": "nobody knows yet" if seconds is None else _length(seconds),
            }
        )
    ]
    if document["refused"]:
        shown.append(refused_table(document["refused"]))
    shown.append(
        "What is in the queue is started by a running Dagster daemon (enrollment ui). Follow it "
        f"with: enrollment onboarding watch {batch_id}"
    )
    return shown


def refused_table(refused: Iterable[dict[str, Any]]) -> "RenderableType":
    """Return the items that were refused, with their reasons."""
    rows = [
        (one["line"], one["position"], one["role_name"], one["code"], one["message"])
        for one in refused
    ]
    return table("Line", "Item", "Role", "Refused for", "Why", rows=rows)


def batch_summary(document: dict[str, Any]) -> "list[RenderableType]":
    """Return a batch's state, its items by state, and what can be done about it."""
    rate = document["success_rate"]
    heading = {
        "batch": document["batch_id"],
        "company": document["company"],
        "state": _words(document["state"]),
        "workflow": document["workflow"],
        "submitted": f"{_minute(document['created_at'])} by {document['created_by']}",
        "finished": f"{document['percent']} % of {document['total']:,} items",
        "success rate": None if rate is None else f"{rate} %",
        "items took": _length(document["seconds"]),
        "cost": f"{document['cost']:,g}",
    }
    if document["priority"]:
        heading["priority"] = document["priority"]
    counts = [(_words(name), f"{document[name]:,}") for name in _STATES if document[name]]
    shown: list[RenderableType] = [facts(heading), table("Items", "Number", rows=counts)]
    shown += _said(document)
    return shown


def batch_line(document: dict[str, Any]) -> str:
    """Return where a batch is, in one line."""
    finished = document["completed"] + document["failed"] + document["cancelled"]
    parts = [
        _words(document["state"]),
        f"{document['percent']} %",
        f"{finished:,} of {document['total']:,} items",
    ]
    parts += [
        f"{document[name]:,} {word}"
        for name, word in (
            ("in_progress", "at work"),
            ("degraded", "degraded"),
            ("failed", "failed"),
        )
        if document[name]
    ]
    return ", ".join(parts)


def batches_table(found: dict[str, Any]) -> "RenderableType":
    """Return a page of batches, one a line."""
    rows = [
        (
            one["batch_id"],
            one["company"],
            _words(one["state"]),
            f"{one['percent']} % of {one['total']:,}",
            one["failed"] or None,
            one["created_by"],
            _minute(one["created_at"]),
        )
        for one in found["batches"]
    ]
    columns = ("Batch", "Company", "State", "Finished", "Failed", "By", "Submitted")
    return table(*columns, rows=rows)


def items_listing(document: dict[str, Any]) -> "list[RenderableType]":
    """Return the items of a batch, and those that were refused."""
    rows = [
        (
            one["position"],
            one["role_name"],
            _words(one["status"]),
            one["step"],
            one["attempt"],
            _why(one["error"]) or one["dashboard_url"],
            one["item_id"],
        )
        for one in document["items"]
    ]
    columns = ("No.", "Role", "State", "Step", "Attempt", "What is to be said", "Item")
    shown: list[RenderableType] = [table(*columns, rows=rows)]
    if document["refused_items"]:
        shown.append(refused_table(document["refused_items"]))
    return shown


def item_summary(document: dict[str, Any]) -> "list[RenderableType]":
    """Return an item's state and its steps, those of former rounds too."""
    heading = {
        "item": document["item_id"],
        "batch": document["batch_id"],
        "company": document["company"],
        "role": document["role_name"],
        "state": _words(document["status"]),
        "attempt": document["attempt"],
        "cost": f"{document['cost']:,g}",
    }
    if document["dashboard_url"]:
        heading["dashboard"] = document["dashboard_url"]
    rows = [
        (
            one["round"],
            one["step"],
            one["visit"],
            one["status"],
            one["calls"] or None,
            f"{one['cost']:,g}" if one["cost"] else None,
            _why(one["error"]),
        )
        for one in document["steps"]
    ]
    columns = ("Round", "Step", "Visit", "Status", "Calls", "Cost", "Error")
    shown: list[RenderableType] = [facts(heading), table(*columns, rows=rows)]
    if document["error"]:
        shown.append("{code}: {message} Remedy: {remedy}".format(**document["error"]))
    return shown


def _said(document: dict[str, Any]) -> list[str]:
    batch_id = document["batch_id"]
    said = []
    if document["refused"]:
        said.append(f"Refused when it was submitted: {document['refused']:,}")
    if document["refused"] or document["failed"] or document["degraded"]:
        said.append(f"Which, and why: enrollment onboarding status {batch_id} --items")
    if document["failed"]:
        said.append(f"Try again what failed: enrollment onboarding retry {batch_id}")
    if document["queued"]:
        said.append("What is queued is started by a running Dagster daemon: enrollment ui")
    return said


def _why(error: dict[str, Any] | None) -> str | None:
    return None if error is None else f"{error['code']}: {error['message']}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _minute(instant: str) -> str:
    return f"{instant[:16].replace('T', ' ')} UTC"


def _length(seconds: float) -> str:
    """Return a length of time as a person says it, without what is too small to matter."""
    if seconds < 60:
        return f"{seconds:g} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
