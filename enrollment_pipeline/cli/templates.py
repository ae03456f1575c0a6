"""`enrollment templates`: find templates, make workflows of them, and templates of workflows.

Belongs here: finding, using, making and sharing. Versions, and what they offer to clones, are in
`template_versions`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli import template_versions
from enrollment_pipeline.cli.given import document_from, pairs
from enrollment_pipeline.cli.session import session_of
from enrollment_pipeline.cli.template_tables import (
    categories_table,
    preview_document,
    replaced_parts,
    template_document,
    template_facts,
    templates_table,
    usage_parts,
)
from enrollment_pipeline.cli.workflow_tables import shown_parts, workflow_document
from enrollment_pipeline.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from enrollment_pipeline.cli.session import Session
    from enrollment_pipeline.templates.service import Saved, Wanted
    from enrollment_pipeline.workflows.service import Shown

app = typer.Typer(
    help="Find templates, make workflows of them, and templates of workflows.\n\n"
    "Example: enrollment templates clone lead-welcome-series"
)

_Reference = Annotated[
    str,
    typer.Argument(metavar="TEMPLATE", help="Name, id or, of a shipped one, its short name."),
]
_Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Name or id of a workflow.")]
_Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its name.")]
_Description = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="For whom it is, in words.")
]
_Category = Annotated[
    str | None,
    typer.Option("--category", metavar="CATEGORY", help="See enrollment templates categories."),
]
_Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help="Its tags. Repeatable.")
]
_Accounts = Annotated[
    list[str],
    typer.Option("--with", metavar="ACCOUNT", help="Name of a sub-account. Repeatable."),
]


@app.command("list")
def list_templates(
    context: typer.Context,
    category: Annotated[
        str | None, typer.Option(metavar="CATEGORY", help="Only templates of this category.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            metavar="ORIGIN",
            help="Only these: system (shipped), custom (the account's own) or shared.",
        ),
    ] = None,
) -> None:
    """List the templates that the account sees, the most used first."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    found = service.list_templates(
        session.database, session.account, category=category, origin=origin
    )
    documents = [template_document(one) for one in found]
    session.output.answer(
        {"templates": documents, "total": len(documents)}, templates_table(documents)
    )


@app.command("categories")
def categories(context: typer.Context) -> None:
    """List the categories, with the number of templates in each."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    found = service.categories(session.database, session.account)
    documents = [{"category": name, **numbers} for name, numbers in found.items()]
    session.output.answer({"categories": documents}, categories_table(documents))


@app.command("search")
def search(
    context: typer.Context,
    query: Annotated[
        list[str], typer.Argument(metavar="QUERY...", help="Words; typing mistakes are forgiven.")
    ],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Templates at most.")] = 20,
) -> None:
    """Search names, tags, categories, step types and descriptions; the best comes first."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    found = service.search(session.database, session.account, " ".join(query), limit=limit)
    documents = [
        {**template_document(template), "score": round(hit.score, 1), "matched": hit.matched}
        for template, hit in found
    ]
    session.output.answer(
        {"templates": documents, "total": len(documents)},
        templates_table(documents) if documents else "No template was found.",
    )


@app.command("show")
def show(context: typer.Context, template: _Reference) -> None:
    """Show whose a template is, and what a clone of it needs."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    document = preview_document(service.preview(session.database, session.account, template))
    session.output.answer(document, template_facts(document))


@app.command("preview")
def preview(
    context: typer.Context,
    template: _Reference,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Its steps as a diagram.")] = False,
    document: Annotated[
        bool, typer.Option("--document", help="The document of its workflow, as YAML.")
    ] = False,
) -> None:
    """Show everything that a clone of a template would do."""
    from enrollment_pipeline.files.documents import write_document
    from enrollment_pipeline.templates import service
    from enrollment_pipeline.workflows import service as workflows

    if mermaid and document:
        raise UsageError("Give one of --mermaid and --document.")
    session = session_of(context)
    found = service.preview(session.database, session.account, template)
    answer = {**preview_document(found), "document": found.document}
    if document:
        session.output.answer(found.document, write_document(found.document).rstrip("\n"))
    elif mermaid:
        drawn = workflows.mermaid(found.document)
        session.output.answer({**answer, "mermaid": drawn}, drawn)
    else:
        session.output.answer(
            answer, template_facts(answer), "\n".join(workflows.tree(found.document))
        )


@app.command("clone")
def clone(
    context: typer.Context,
    template: _Reference,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the workflow; default: the template's."),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TEXT", help="A text that the template asks for. Repeatable."),
    ] = None,
    activate: Annotated[
        bool, typer.Option("--activate", help="Activate it then; where that fails, it is a draft.")
    ] = False,
) -> None:
    """Make a workflow of a template: a draft that is yours to change."""
    from enrollment_pipeline.templates import service

    values = pairs(
        value or [],
        "enrollment templates clone Welcome --value shop_link=https://example.com",
    )
    session = session_of(context)
    made = service.clone(
        session.database,
        session.account,
        template,
        name=name,
        values=values,
        actor=session.requested_by,
    )
    if activate:
        made = _activated(session, made)
    session.output.answer(workflow_document(made), *shown_parts(made, "cloned"))


@app.command("save")
def save(
    context: typer.Context,
    workflow: _Workflow,
    name: _Name = None,
    description: _Description = None,
    category: _Category = None,
    tag: _Tags = None,
) -> None:
    """Make a template of a workflow, without anything personal in it."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    saved = service.save(
        session.database,
        session.account,
        workflow,
        _wanted(name, description, category, tag),
        actor=session.requested_by,
    )
    _answer(session, saved, f"Template {saved.template.name} saved.")


@app.command("update")
def update(
    context: typer.Context,
    template: _Reference,
    workflow: Annotated[
        str | None, typer.Option(metavar="NAME-OR-ID", help="Take the content of this workflow.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Take that of this document.")
    ] = None,
    name: _Name = None,
    description: _Description = None,
    category: _Category = None,
    tag: _Tags = None,
    note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What is new, for the history.")
    ] = None,
) -> None:
    """Change a template of the account's own; a new content makes a new version."""
    from enrollment_pipeline.templates import service

    if workflow is not None and file is not None:
        raise UsageError("Give one of --workflow and --file.")
    with_content = workflow is not None or file is not None
    wanted = _wanted(name, description, category, tag)
    if note is not None and not with_content:
        raise UsageError("--note says what is new in the content of --workflow or --file.")
    if not with_content and wanted == service.Wanted():
        raise UsageError("Name what is to change.")
    session = session_of(context)
    changed = service.update(
        session.database,
        session.account,
        template,
        wanted,
        workflow=workflow,
        document=None if file is None else _content(file),
        note=note or "",
        actor=session.requested_by,
    )
    now = f"Template {changed.template.name} is at version {changed.template.version}."
    _answer(session, changed, now, sanitised=with_content)


@app.command("delete")
def delete(context: typer.Context, template: _Reference) -> None:
    """Delete a template of the account's own; its clones live on."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    gone = service.delete(session.database, session.account, template, actor=session.requested_by)
    session.output.answer(
        {"template_id": gone.id, "name": gone.name, "deleted": True},
        f"The template {gone.name} is deleted.",
    )


@app.command("share")
def share(context: typer.Context, template: _Reference, accounts: _Accounts) -> None:
    """Let sub-accounts of this agency clone a template."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    service.share(session.database, session.account, template, accounts, actor=session.requested_by)
    _shared(session, template)


@app.command("unshare")
def unshare(context: typer.Context, template: _Reference, accounts: _Accounts) -> None:
    """Take a template back from sub-accounts; what they have cloned stays theirs."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    service.unshare(
        session.database, session.account, template, accounts, actor=session.requested_by
    )
    _shared(session, template)


@app.command("usage")
def usage(
    context: typer.Context,
    template: _Reference,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Uses on a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """Show who has used a template, newest first, and how many contacts completed the clones."""
    from enrollment_pipeline.templates import service

    session = session_of(context)
    document = service.usage_of(session.database, session.account, template, limit=limit, page=page)
    session.output.answer(document, *usage_parts(document))


template_versions.register(app)


def _activated(session: "Session", made: "Shown") -> "Shown":
    from enrollment_pipeline.workflows import service as workflows

    workflow_id = str(made.stored.id)
    try:
        workflows.activate(
            session.database, session.account, workflow_id, actor=session.requested_by
        )
    except RefusedError as error:
        raise type(error)(
            f"The clone {made.workflow.name!r} is made, and stays a draft. {error.message}",
            remedy=f"{error.advice} Then: enrollment workflows activate {workflow_id}",
            details={**error.details, "workflow_id": workflow_id},
        ) from None
    return workflows.show(session.database, session.account, workflow_id)


def _wanted(
    name: str | None, description: str | None, category: str | None, tags: list[str] | None
) -> "Wanted":
    from enrollment_pipeline.templates import service

    return service.Wanted(name, description, category, tags or None)


def _content(file: Path) -> Any:
    # A file that says nothing is a content without anything in it, and not none.
    found = document_from(file)
    return {} if found is None else found


def _answer(session: "Session", saved: "Saved", told: str, *, sanitised: bool = True) -> None:
    replaced = [
        {"path": one.path, "kind": one.kind, "placeholder": one.placeholder}
        for one in saved.replaced
    ]
    session.output.answer(
        {**template_document(saved.template), "document": saved.document, "replaced": replaced},
        told,
        *(replaced_parts(replaced) if sanitised else []),
        str(saved.template.id),
    )


def _shared(session: "Session", reference: str) -> None:
    from enrollment_pipeline.templates import service

    document = preview_document(service.preview(session.database, session.account, reference))
    names = ", ".join(document["shared_with"]) or "nobody"
    session.output.answer(document, f"The template {document['name']} is shared with: {names}.")
