"""`enrollment templates`: versions of templates, what differs, and what clones take over.

Belongs here: commands that `templates` adds to its group.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from enrollment_pipeline.cli.session import session_of
from enrollment_pipeline.cli.template_tables import (
    change_document,
    changes_table,
    offer_document,
    offers_table,
    update_document,
    versions_table,
)
from enrollment_pipeline.cli.workflow_tables import shown_parts, workflow_document
from enrollment_pipeline.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from enrollment_pipeline.cli.session import Session

_Reference = Annotated[
    str,
    typer.Argument(metavar="TEMPLATE", help="Name, id or, of a shipped one, its short name."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the group."""
    app.command("history")(history)
    app.command("diff")(diff)
    app.command("updates")(updates)
    app.command("merge")(merge)


def history(context: typer.Context, template: _Reference) -> None:
    """List the versions of a template that are kept, the newest first."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    document = service.history(session.database, session.account, template)
    session.output.answer(document, versions_table(document["versions"]))


def diff(
    context: typer.Context,
    template: Annotated[
        str | None,
        typer.Argument(metavar="[TEMPLATE]", help="Name, id or short name of a template."),
    ] = None,
    older: Annotated[
        int | None,
        typer.Option("--from", metavar="N", min=1, help="Which version; default: the one before."),
    ] = None,
    newer: Annotated[
        int | None,
        typer.Option("--to", metavar="N", min=1, help="With which one; default: the newest."),
    ] = None,
    workflow: Annotated[
        str | None,
        typer.Option(metavar="NAME-OR-ID", help="What the template of this clone offers to it."),
    ] = None,
) -> None:
    """Show what differs between two versions of a template, or what is offered to a clone."""
    if (template is None) == (workflow is None):
        raise UsageError("Name a template, or a clone by --workflow.")
    session = session_of(context)
    if template is not None:
        _between_versions(session, template, older, newer)
        return
    if older is not None or newer is not None:
        raise UsageError(
            "A clone is always compared with the newest version: leave out --from and --to."
        )
    _offered(session, str(workflow))


def updates(context: typer.Context) -> None:
    """List the clones whose template has a newer version."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    found = service.offers(session.database, session.account)
    documents = [offer_document(one) for one in found]
    session.output.answer(
        {"clones": documents, "total": len(documents)},
        offers_table(documents) if documents else "Every clone is up to date.",
    )


def merge(
    context: typer.Context,
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Name or id of a clone.")],
    take: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="A change as enrollment templates diff has it. Repeatable."
        ),
    ] = None,
    all_unchanged: Annotated[
        bool,
        typer.Option("--all-unchanged", help="Everything that the clone has not changed itself."),
    ] = False,
    settle: Annotated[
        bool, typer.Option("--settle", help="Leave the rest, and be offered it no more.")
    ] = False,
) -> None:
    """Take changes of its template over into a clone; all else in it stays."""
    from enrollment_pipeline.templates import service

    if take and all_unchanged:
        raise UsageError("Give one of --take and --all-unchanged.")
    if not (take or all_unchanged or settle):
        raise UsageError("Say what to take over: --take or --all-unchanged; or --settle for none.")
    session = session_of(context)
    merged, left = service.merge(
        session.database,
        session.account,
        workflow,
        None if all_unchanged else take or [],
        settle=settle,
        actor=session.requested_by,
    )
    offered = [update_document(one) for one in left]
    more: list[RenderableType] = ["Nothing more is offered to it."]
    if offered:
        more = ["Still offered to it:", changes_table(offered)]
    session.output.answer(
        {**workflow_document(merged), "updates": offered},
        *shown_parts(merged, f"is at version {merged.stored.version}", *more),
    )


def _between_versions(
    session: "Session", reference: str, older: int | None, newer: int | None
) -> None:
    from enrollment_pipeline.templates import service

    template, first, last, found = service.compare(
        session.database, session.account, reference, older=older, newer=newer
    )
    changes = [change_document(one) for one in found]
    between = f"{template.name}, from version {first} to {last}"
    session.output.answer(
        {
            "template_id": template.id,
            "name": template.name,
            "from": first,
            "to": last,
            "changes": changes,
            "total": len(changes),
        },
        *([f"{between}:", changes_table(changes)] if changes else [f"{between}: no difference."]),
    )


def _offered(session: "Session", workflow: str) -> None:
    from enrollment_pipeline.templates import service

    offer = service.offer(session.database, session.account, workflow)
    offered = [update_document(one) for one in offer.updates]
    document = offer_document(offer)
    subject = f"{document['workflow_name']}, by version {document['newest_version']} of "
    subject += document["template_name"]
    if not offered:
        parts: list[RenderableType] = [f"{subject}: nothing is offered."]
    else:
        parts = [
            f"{subject}:",
            changes_table(offered),
            f"Take over with: enrollment templates merge {document['workflow_id']} --take ID",
        ]
    session.output.answer({**document, "updates": offered}, *parts)
