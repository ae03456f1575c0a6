"""`enrollment notifications`: who is told what becomes of jobs and operations, and the log."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli.enroll import parse_job_id
from enrollment_pipeline.cli.operation_requests import parse_operation_id
from enrollment_pipeline.cli.output import table
from enrollment_pipeline.cli.session import session_of
from enrollment_pipeline.errors import UsageError

if TYPE_CHECKING:
    from enrollment_pipeline.notifications.store import ChannelEntry

app = typer.Typer(
    help="Tell people and programs what becomes of jobs and operations on contacts.\n\n"
    "Example: enrollment notifications add --email ops@example.com --event job_failed"
)

# More than an account has waiting unless a mail server was away for long; the next call goes on.
_MOST_MESSAGES = 1000


@app.command("add")
def add(
    context: typer.Context,
    email: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Tell this e-mail address.")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Tell this URL, by a signed POST.")
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to tell, such as operation_failed, or operation_failed:import for imports "
            "only. Repeatable. Default: every event.",
        ),
    ] = None,
) -> None:
    """Tell a recipient of the account's jobs and operations, or change what one is told."""
    from enrollment_pipeline.notifications import service
    from enrollment_pipeline.notifications.message import Channel

    if (email is None) == (webhook is None):
        raise UsageError("Exactly one of --email and --webhook is needed.")
    session = session_of(context)
    entry = service.add_channel(
        session.database,
        session.account,
        Channel.WEBHOOK if email is None else Channel.EMAIL,
        email or webhook or "",
        events=event or [],
        actor=session.requested_by,
    )
    session.output.answer(
        _document(entry), f"{entry.recipient} is told of: {', '.join(entry.events)}.", str(entry.id)
    )


@app.command("remove")
def remove(
    context: typer.Context,
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="Id, e-mail address or URL of the channel.")
    ],
) -> None:
    """Tell a recipient nothing more."""
    from enrollment_pipeline.notifications import service

    session = session_of(context)
    entry = service.remove_channel(
        session.database, session.account, channel, actor=session.requested_by
    )
    session.output.answer(_document(entry), f"{entry.recipient} is told nothing more.")


@app.command("list")
def list_channels(context: typer.Context) -> None:
    """List who is told of what."""
    from enrollment_pipeline.notifications import service

    session = session_of(context)
    found = service.list_channels(session.database, session.account, actor=session.requested_by)
    session.output.answer(
        {"channels": [_document(entry) for entry in found], "total": len(found)},
        table(
            "Recipient",
            "Events",
            "Id",
            rows=[(entry.recipient, ", ".join(entry.events), entry.id) for entry in found],
        ),
    )


@app.command("log")
def log(
    context: typer.Context,
    job: Annotated[
        str | None, typer.Option(metavar="JOB", help="Only messages about this job.")
    ] = None,
    operation: Annotated[
        str | None, typer.Option(metavar="ID", help="Only messages about this operation.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Messages on a page.")] = 20,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """List messages, newest first, with every attempt to send them."""
    from enrollment_pipeline.notifications import service

    if job and operation:
        raise UsageError("Only one of --job and --operation can be given.")
    subject_id = parse_operation_id(operation) if operation else parse_job_id(job) if job else None
    session = session_of(context)
    found = service.list_deliveries(
        session.database,
        session.account,
        subject_id=subject_id,
        limit=limit,
        page=page,
    )
    session.output.answer(
        found,
        table(
            "Created",
            "Event",
            "Recipient",
            "Status",
            "Attempts",
            "Last trouble",
            rows=[_log_row(message) for message in found["notifications"]],
        ),
    )


@app.command("secret")
def secret(
    context: typer.Context,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make a new one; the former no longer signs.")
    ] = False,
) -> None:
    """Show the secret that the account's webhooks are signed with."""
    from enrollment_pipeline.notifications import service

    session = session_of(context)
    ask = service.rotate_secret if rotate else service.webhook_secret
    found = ask(session.database, session.account, actor=session.requested_by)
    session.output.answer({"secret": found}, found)


@app.command("deliver")
def deliver(context: typer.Context) -> None:
    """Send the account's messages that are due, now and in this process."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from enrollment_pipeline.notifications import delivery

    session = session_of(context)
    counts = delivery.deliver_due(
        session.database,
        session.settings,
        now=lambda: datetime.now(UTC),
        most=_MOST_MESSAGES,
        account_id=session.account.id,
    )
    session.output.answer(
        asdict(counts),
        f"{counts.delivered} delivered, {counts.postponed} postponed, {counts.failed} failed.",
    )


def _document(entry: "ChannelEntry") -> dict[str, Any]:
    return {
        "channel_id": entry.id,
        "channel": entry.channel,
        "recipient": entry.recipient,
        "events": entry.events,
        "created_by": entry.created_by,
        "created_at": entry.created_at,
    }


def _log_row(message: dict[str, Any]) -> tuple[object, ...]:
    troubles = [one["error"] for one in message["deliveries"] if one["error"]]
    return (
        message["created_at"][:16].replace("T", " "),
        message["event"],
        message["recipient"],
        message["status"],
        message["attempts"],
        troubles[-1] if troubles and message["status"] != "delivered" else None,
    )
