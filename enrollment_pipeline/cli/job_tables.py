"""How a job looks in a terminal."""

from typing import TYPE_CHECKING, Any

from enrollment_pipeline.cli.output import facts, table

if TYPE_CHECKING:
    from rich.console import RenderableType


def job_summary(document: dict[str, Any]) -> "list[RenderableType]":
    """Return a job's state, its outcomes with the reasons, and its files."""
    heading = {
        "job": document["job_id"],
        "status": document["status"],
        "workflow": document["workflow_name"],
    }
    if document["status"] in ("scheduled", "pending"):
        return [facts(heading), *_waiting(document)]
    progress = document["progress"]
    heading["progress"] = (
        f"{progress['percent']} % of {progress['total']:,} contacts, "
        f"{document['total_batches']:,} batches"
    )
    heading["duration"] = _duration(document)
    if document["pruned_at"]:
        heading["details"] = f"removed on {document['pruned_at'][:10]}, because they were old"
    shown: list[RenderableType] = [
        facts(heading),
        _outcomes(document),
    ]
    if document["reasons"]:
        shown.append(_reasons(document))
    if document["files"]:
        shown.append(facts(document["files"]))
    if document["waiting"]:
        shown.append(_waiting_for_budget(document["waiting"]))
    if document["attention"]:
        shown.append(document["attention"])
    if document["error"]:
        shown.append("{code}: {message} Remedy: {remedy}".format(**document["error"]))
    return shown


def job_line(document: dict[str, Any]) -> str:
    """Return where a job is, in one line."""
    progress = document["progress"]
    parts = [
        document["status"],
        f"{progress['percent']} %",
        f"{progress['processed']:,} of {progress['total']:,} contacts",
    ]
    if document["completed_at"] is None:
        parts.append(f"{progress['rate']:,} contacts/s")
        if progress["eta_seconds"]:
            parts.append(f"about {progress['eta_seconds']:,} s left")
    if document["waiting"]:
        parts.append(_waiting_for_budget(document["waiting"]))
    if document["attention"]:
        parts.append(document["attention"])
    return ", ".join(parts)


_BUDGETS = {
    "minute": "enrollments_per_minute of the account",
    "second": "burst_per_second of the account",
    "global_minute": "ENROLLMENT_GLOBAL_PER_MINUTE",
}


def _waiting_for_budget(waiting: dict[str, Any]) -> str:
    return (
        f"waits for {_BUDGETS[waiting['budget']]}, since {waiting['since'][11:19]} "
        f"until {waiting['until'][11:19]} UTC"
    )


def _waiting(document: dict[str, Any]) -> "list[RenderableType]":
    if document["attention"]:
        return [document["attention"]]
    when = document["scheduled_at"] or "as soon as the queue gets to it"
    return [
        f"Starts {when}; jobs in the queue are started by a running Dagster daemon: enrollment ui"
    ]


def preview_summary(document: dict[str, Any]) -> "list[RenderableType]":
    """Return what a dry run found."""
    shown: list[RenderableType] = [
        facts(
            {
                "workflow": document["workflow_name"],
                "contacts": f"{document['total_contacts']:,} in {document['total_batches']:,} "
                "batches",
                "estimate": f"{document['estimated_seconds']} s",
            }
        ),
        _outcomes(document),
    ]
    if document["reasons"]:
        shown.append(_reasons(document))
    samples = [
        (outcome.replace("_", " "), row["line"], row["identifier"], row["message"])
        for outcome, rows in document["samples"].items()
        if outcome != "enrolled"
        for row in rows[:3]
    ]
    if samples:
        shown.append(table("For example", "Line", "Identifier", "Why", rows=samples))
    shown.append("This was a dry run; nothing was changed.")
    return shown


def jobs_table(found: dict[str, Any]) -> "RenderableType":
    """Return a page of jobs, one a line."""
    rows = [
        (
            job["job_id"],
            job["status"],
            job["workflow_name"],
            f"{job['outcomes']['enrolled']:,}",
            f"{job['outcomes']['failed']:,}",
            f"{job['input_rows']:,}",
            f"{job['progress']['percent']} %",
            job["created_at"][:19].replace("T", " "),
        )
        for job in found["jobs"]
    ]
    columns = ("Job", "Status", "Workflow", "Enrolled", "Failed", "Rows", "Done", "Created (UTC)")
    return table(*columns, rows=rows)


def _outcomes(document: dict[str, Any]) -> "RenderableType":
    rows = [
        (outcome.replace("_", " "), f"{number:,}")
        for outcome, number in document["outcomes"].items()
        if number
    ]
    rows.append(("all input rows", f"{document['input_rows']:,}"))
    return table("Outcome", "Rows", rows=rows)


def _reasons(document: dict[str, Any]) -> "RenderableType":
    from enrollment_pipeline.errors import Reason

    rows = [
        (code, f"{number:,}", Reason(code).sentence) for code, number in document["reasons"].items()
    ]
    return table("Why not", "Rows", "Meaning", rows=rows)


def _duration(document: dict[str, Any]) -> str | None:
    from datetime import datetime

    if not document["started_at"] or not document["completed_at"]:
        return None
    begun = datetime.fromisoformat(document["started_at"])
    seconds = (datetime.fromisoformat(document["completed_at"]) - begun).total_seconds()
    return f"{seconds:.1f} s, {document['progress']['rate']:,} contacts/s"
