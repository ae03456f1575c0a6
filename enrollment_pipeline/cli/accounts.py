"""`enrollment accounts`: create, list and set up accounts."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli.given import pairs
from enrollment_pipeline.cli.output import facts, table
from enrollment_pipeline.cli.session import session_of

if TYPE_CHECKING:
    from enrollment_pipeline.records import Account

app = typer.Typer(
    help="Create, list and set up accounts.\n\nExample: enrollment accounts create sales"
)


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits, '-', '_' and '.'.")],
    agency: Annotated[
        bool, typer.Option("--agency", help="It has sub-accounts and shares templates with them.")
    ] = False,
    parent: Annotated[
        str | None, typer.Option(metavar="AGENCY", help="The agency whose sub-account it is.")
    ] = None,
) -> None:
    """Create an account: by itself, an agency, or a sub-account of one."""
    from enrollment_pipeline.accounts import service

    session = session_of(context)
    account = service.create(
        session.database,
        name,
        agency=agency,
        parent=None if parent is None else service.find(session.database, parent),
        actor=session.requested_by,
    )
    session.output.answer(_document(account), f"Account {account.name} created.")


@app.command("list")
def list_accounts(context: typer.Context) -> None:
    """List all accounts."""
    from enrollment_pipeline.accounts import service

    session = session_of(context)
    entries = service.list_accounts(session.database)
    session.output.answer(
        {
            "accounts": [
                {"account_id": entry.id, "name": entry.name, "created_at": entry.created_at}
                for entry in entries
            ],
            "total": len(entries),
        },
        table(
            "Name",
            "Created",
            "Id",
            rows=[(entry.name, f"{entry.created_at:%Y-%m-%d}", entry.id) for entry in entries],
        ),
    )


@app.command("settings")
def settings(
    context: typer.Context,
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="What to change; nothing shows all."),
    ] = None,
) -> None:
    """Show or change the settings of the account that --account names."""
    from enrollment_pipeline.accounts import service

    session = session_of(context)
    wanted = pairs(changes or [], "enrollment --account sales accounts settings max_lanes=3")
    account = session.account
    if wanted:
        account = service.change_settings(
            session.database, account, wanted, actor=session.requested_by
        )
    session.output.answer(_document(account), facts(account.settings.model_dump()))


def _document(account: "Account") -> dict[str, Any]:
    return {
        "account_id": account.id,
        "name": account.name,
        "settings": account.settings.model_dump(),
    }
