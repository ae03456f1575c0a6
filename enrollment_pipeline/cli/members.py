"""`enrollment members`: who may do what in an account."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli.output import table
from enrollment_pipeline.cli.session import session_of

if TYPE_CHECKING:
    from enrollment_pipeline.accounts.store import Member

app = typer.Typer(
    help="Add, remove and list the members of an account.\n\n"
    "Example: enrollment members add ann --permission account:admin"
)

_Name = Annotated[str, typer.Argument(help="Who, as given by --as; in any letter case.")]


@app.command("add")
def add(
    context: typer.Context,
    name: _Name,
    permission: Annotated[
        list[str],
        typer.Option(
            metavar="PERMISSION",
            help="workflow:manage, workflow:edit, contacts:manage or account:admin. Repeatable.",
        ),
    ],
) -> None:
    """Add a member, or replace what one may do."""
    from enrollment_pipeline.accounts import members

    session = session_of(context)
    added = members.add(
        session.database, session.account, name, permission, actor=session.requested_by
    )
    session.output.answer(
        _document(added), f"{added.name} is a member with {', '.join(added.permissions)}."
    )


@app.command("remove")
def remove(context: typer.Context, name: _Name) -> None:
    """Remove a member; without the last one, the account is open to everybody again."""
    from enrollment_pipeline.accounts import members

    session = session_of(context)
    gone = members.remove(session.database, session.account, name, actor=session.requested_by)
    told = f"{gone.member.name} is no longer a member."
    if gone.account_open:
        told += (
            " It was the last one: the account is open again to everybody who reaches the database."
        )
    session.output.answer(
        {"name": gone.member.name, "removed": True, "account_open": gone.account_open}, told
    )


@app.command("list")
def list_members(context: typer.Context) -> None:
    """List the members of the account."""
    from enrollment_pipeline.accounts import members

    session = session_of(context)
    found = members.list_members(session.database, session.account)
    session.output.answer(
        {
            "members": [_document(member) for member in found],
            "total": len(found),
            "account_open": not found,
        },
        table(
            "Name",
            "Permissions",
            "Since",
            rows=[
                (member.name, ", ".join(member.permissions), f"{member.created_at:%Y-%m-%d}")
                for member in found
            ],
        )
        if found
        else "The account has no members: it is open to everybody who reaches the database.",
    )


def _document(member: "Member") -> dict[str, Any]:
    return {
        "name": member.name,
        "permissions": member.permissions,
        "created_at": member.created_at,
    }
