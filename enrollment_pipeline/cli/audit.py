"""`enrollment audit`: who did what in an account, or was not allowed to."""

import json
from typing import Annotated

import typer

from enrollment_pipeline.cli.output import table
from enrollment_pipeline.cli.session import session_of


def register(app: typer.Typer) -> None:
    """Add the command to the top level."""
    app.command("audit")(audit)


def audit(
    context: typer.Context,
    actor: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only what this one did, in any letter case.")
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="ACTION", help="Only this, such as job.submit.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="SUBJECT", help="Only what was done to this.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Entries on a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """Show the audit log of the account, newest first."""
    from enrollment_pipeline.accounts.audit import list_audit

    session = session_of(context)
    found = list_audit(
        session.database,
        session.account,
        actor=actor,
        action=action,
        subject=subject,
        limit=limit,
        page=page,
    )
    rows = [
        (
            entry["occurred_at"][:19].replace("T", " "),
            entry["actor"],
            entry["action"],
            entry["result"],
            entry["subject"],
            json.dumps(entry["details"], ensure_ascii=False) if entry["details"] else "",
        )
        for entry in found["entries"]
    ]
    listing = table("When (UTC)", "Who", "What", "Result", "To", "Details", rows=rows)
    session.output.answer(found, listing, f"{found['total']:,} in all")
