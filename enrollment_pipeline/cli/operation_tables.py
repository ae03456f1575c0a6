"""How an operation on contacts looks in a terminal."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from enrollment_pipeline.cli.output import facts, table

if TYPE_CHECKING:
    from rich.console import RenderableType


def operation_summary(document: dict[str, Any]) -> "list[RenderableType]":
    """Return an operation's state, its outcomes, its files, and what can be done about it."""
    heading = {
        "operation": document["operation_id"],
        "type": document["type"],
        "status": document["status"].replace("_", " "),
        "what": _what(document),
    }
    if document["recurs"]:
        heading["recurs"] = _recurs(document["recurs"])
    if document["status"] == "scheduled":
        return [facts(heading), *_waiting(document)]
    progress = document["progress"]
    heading["progress"] = f"{progress['percent']} % of {document['rows']:,} rows"
    heading["duration"] = _duration(document)
    shown: list[RenderableType] = [facts(heading), _outcomes(document)]
    if document["files"]:
        shown.append(facts(document["files"]))
    shown += document["notes"]
    if document.get("output"):
        shown.append(f"Copied to {document['output']}")
    if document["files_expire_at"] and document["files"]:
        shown.append(f"The files are removed after {_minute(document['files_expire_at'])}.")
    if document["can_be_rolled_back_until"]:
        shown.append(
            f"Until {_minute(document['can_be_rolled_back_until'])} it can be taken back: "
            f"enrollment operations rollback {document['operation_id']}"
        )
    if _left_out(document["outcomes"]):
        shown.append(
            "The rows that did not go through: enrollment operations show "
            f"{document['operation_id']} --rows"
        )
    if document["attention"]:
        shown.append(document["attention"])
    if document["error"]:
        shown.append("{code}: {message} Remedy: {remedy}".format(**document["error"]))
    return shown


def operation_line(document: dict[str, Any]) -> str:
    """Return where an operation is, in one line."""
    progress = document["progress"]
    parts = [document["status"].replace("_", " ")]
    if document["status"] != "scheduled":
        parts += [
            f"{progress['percent']} %",
            f"{progress['processed']:,} of {progress['total']:,} rows",
        ]
    if document["attention"]:
        parts.append(document["attention"])
    return ", ".join(parts)


def operation_preview(document: dict[str, Any]) -> "list[RenderableType]":
    """Return what a dry run found: the outcomes, differences by field, and rows left out."""
    shown: list[RenderableType] = [
        facts({"type": document["type"], "would be": document["status"].replace("_", " ")}),
        _outcomes(document),
    ]
    if document["changes"]:
        rows = [
            (change["email"] or change["contact_id"], *_difference(one))
            for change in document["changes"]
            for one in change["fields"]
        ]
        shown.append(table("For example", "Field", "Before", "After", rows=rows))
    if document["left_out"]:
        shown.append(rows_table(document["left_out"]))
        shown += _kept(document["left_out"])
        more = document["left_out_total"] - len(document["left_out"])
        if more > 0:
            shown.append(f"... and {more:,} more rows.")
    shown.append("This was a dry run; nothing was changed.")
    return shown


def operations_table(found: dict[str, Any]) -> "RenderableType":
    """Return a page of operations, one a line."""
    rows = [
        (
            one["operation_id"],
            one["type"],
            one["status"].replace("_", " "),
            ", ".join(f"{number:,} {name}" for name, number in one["outcomes"].items()),
            one["requested_by"],
            _minute(one["scheduled_at"]),
            "yes" if one["recurs"] and one["recurs"]["active"] else None,
        )
        for one in found["operations"]
    ]
    columns = ("Operation", "Type", "Status", "Rows", "Asked by", "Due", "Recurs")
    return table(*columns, rows=rows)


def rows_table(rows: Iterable[dict[str, Any]]) -> "RenderableType":
    """Return rows that did not simply go through, with their reasons."""
    columns = ("Line", "Contact", "Outcome", "Column", "Value", "Why: this row")
    cells = [
        (
            row["line"],
            row["identifier"] or row["contact_id"],
            row["outcome"],
            row["column"],
            row["value"],
            row["reason"],
        )
        for row in rows
    ]
    return table(*columns, rows=cells)


def rows_listing(found: dict[str, Any]) -> "list[RenderableType]":
    """Return a page of the rows that did not simply go through."""
    return [rows_table(found["rows"]), *_kept(found["rows"]), f"{found['total']:,} in all"]


def _kept(rows: Iterable[dict[str, Any]]) -> "list[RenderableType]":
    """Return, field by field, what has changed since in contacts that a rollback keeps."""
    cells = [
        (row["identifier"], field["field"], *map(_value, (field["after"], field["now"])))
        for row in rows
        for field in (row["details"] or {}).get("fields", ())
    ]
    return [table("Kept", "Field", "As it was left", "Now", rows=cells)] if cells else []


def _what(document: dict[str, Any]) -> str | None:
    """Return what was asked for, in a few words."""
    asked = document["parameters"]
    match document["type"]:
        case "import":
            return f"{asked['file']}, {asked['mode']} by {asked['key']}"
        case "export":
            return f"{asked['format']}, {'by a filter' if asked['filter'] else 'all contacts'}"
        case "update":
            return _changes(asked["changes"])
        case "rollback":
            return f"takes back operation {document['reverses']}"
        case "withdrawal":
            return f"takes back the enrollments of job {document['withdraws_job']}"
    return None


def _changes(changes: dict[str, Any]) -> str:
    parts = [
        f"{name} cleared" if value is None else f"{name} = {_value(value)}"
        for name, value in changes["set"].items()
    ]
    parts += [f"tag {tag} added" for tag in changes["add_tags"]]
    parts += [f"tag {tag} removed" for tag in changes["remove_tags"]]
    if changes["status"]:
        parts.append(f"status {changes['status']}")
    return ", ".join(parts)


def _recurs(schedule: dict[str, Any]) -> str:
    rule = schedule["cron"] or schedule["rrule"]
    until = f" until {_minute(schedule['until'])}" if schedule["until"] else ""
    ended = "" if schedule["active"] else "; has ended"
    return f"{rule} in {schedule['timezone']}{until}{ended}"


def _waiting(document: dict[str, Any]) -> "list[RenderableType]":
    if document["attention"]:
        return [document["attention"]]
    return [
        f"Starts {_minute(document['scheduled_at'])}; what is in the queue is started by a running "
        "Dagster daemon: enrollment ui"
    ]


def _outcomes(document: dict[str, Any]) -> "RenderableType":
    rows = [(name, f"{number:,}") for name, number in document["outcomes"].items() if number]
    rows.append(("all rows", f"{document['rows']:,}"))
    return table("Outcome", "Rows", rows=rows)


def _left_out(outcomes: dict[str, int]) -> bool:
    told = ("unmatched", "rejected", "failed", "errored", "kept", "skipped", "duplicate")
    return any(outcomes.get(name) for name in told)


def _difference(one: dict[str, Any]) -> tuple[str, str | None, str | None]:
    return one["field"], _value(one["before"]), _value(one["after"])


def _value(value: Any) -> str | None:
    """Return a value of a contact as a person reads it; None for nothing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _minute(instant: str) -> str:
    return f"{instant[:16].replace('T', ' ')} UTC"


def _duration(document: dict[str, Any]) -> str | None:
    from datetime import datetime

    if not document["started_at"] or not document["completed_at"]:
        return None
    begun = datetime.fromisoformat(document["started_at"])
    return f"{(datetime.fromisoformat(document['completed_at']) - begun).total_seconds():.1f} s"
