"""`enrollment integrations`: say what workflows can send by, and where their links lead."""

from typing import Annotated

import typer

from enrollment_pipeline.cli.given import pairs
from enrollment_pipeline.cli.output import table
from enrollment_pipeline.cli.session import session_of

app = typer.Typer(
    help="Say which integrations the account has connected.\n\n"
    "Example: enrollment integrations connect calendar booking_link=https://example.com/book"
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as email, sms or calendar.")]


@app.command("list")
def list_integrations(context: typer.Context) -> None:
    """List the integrations there are, and those that are connected."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)
    found = service.list_integrations(session.database, session.account)
    session.output.answer(
        {
            "integrations": [
                {
                    "name": kind.name,
                    "says": kind.says,
                    "connected": connected is not None,
                    "asked_for": {detail.name: detail.says for detail in kind.details},
                    "required": kind.required,
                    "details": None if connected is None else connected.details,
                    "connected_by": None if connected is None else connected.connected_by,
                    "connected_at": None if connected is None else connected.connected_at,
                }
                for kind, connected in found
            ]
        },
        table(
            "Name",
            "Connected",
            "What for",
            "Asked for (* must be given)",
            rows=[
                (
                    kind.name,
                    "no" if connected is None else "yes",
                    kind.says,
                    ", ".join(
                        f"{detail.name}{'*' if detail.required else ''}" for detail in kind.details
                    ),
                )
                for kind, connected in found
            ],
        ),
    )


@app.command("connect")
def connect(
    context: typer.Context,
    name: _Name,
    details: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="What the integration is asked for."),
    ] = None,
) -> None:
    """Say that the account has an integration, or change what it is asked for."""
    from enrollment_pipeline.workflows import service

    given = pairs(details or [], "enrollment integrations connect shop link=https://example.com")
    session = session_of(context)
    connected = service.connect(
        session.database, session.account, name, given, actor=session.requested_by
    )
    session.output.answer(
        {"name": connected.name, "connected": True, "details": connected.details},
        f"The integration {connected.name} is connected.",
    )


@app.command("disconnect")
def disconnect(context: typer.Context, name: _Name) -> None:
    """Say that the account has an integration no longer."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)
    service.disconnect(session.database, session.account, name, actor=session.requested_by)
    session.output.answer(
        {"name": name, "connected": False}, f"The integration {name} is disconnected."
    )
