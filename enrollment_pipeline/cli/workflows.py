"""`enrollment workflows`: create, edit, show, check, activate, pause and archive workflows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli.given import document_from, edited
from enrollment_pipeline.cli.session import session_of
from enrollment_pipeline.cli.workflow_tables import (
    problems_table,
    shown_parts,
    workflow_document,
    workflow_facts,
    workflows_table,
)
from enrollment_pipeline.errors import RefusedError, UsageError, WorkflowChangedError

if TYPE_CHECKING:
    from enrollment_pipeline.cli.session import Session
    from enrollment_pipeline.records import Workflow
    from enrollment_pipeline.workflows.service import Shown

app = typer.Typer(
    help="Create, edit, show, check, activate, pause and archive workflows.\n\n"
    "Example: enrollment workflows create --file welcome.yaml"
)

_Reference = Annotated[str, typer.Argument(metavar="NAME-OR-ID", help="Name or id.")]
_File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="A workflow document, YAML or JSON.")
]


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="A name that the account does not use yet; default: the document's."),
    ] = None,
    file: _File = None,
    active: Annotated[bool, typer.Option("--active", help="Take enrollments at once.")] = False,
    reenrollment: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="When a contact may enter again: never_twice (default), after_exit or always.",
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="What a contact must have: email, phone. Repeatable."),
    ] = None,
) -> None:
    """Create a workflow from a document, or one without steps; a draft unless --active is given."""
    if file is None:
        _create_plain(context, name, active, reenrollment, require)
        return
    if reenrollment is not None or require:
        raise UsageError("With --file, the document's settings say --reenrollment and --require.")
    from enrollment_pipeline.workflows import service

    document = document_from(file)
    if name is not None and isinstance(document, dict):
        document["name"] = name
    session = session_of(context)
    made = service.create_from(
        session.database, session.account, document, active=active, actor=session.requested_by
    )
    _answer(session, made, "created")


@app.command("edit")
def edit(
    context: typer.Context,
    workflow: _Reference,
    file: _File = None,
    version: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only if the workflow still has this version."),
    ] = None,
) -> None:
    """Replace the parts of a workflow that a document has; without --file, in your editor."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)

    def change(changes: Any, version: int | None) -> "Shown":
        return service.edit(
            session.database,
            session.account,
            workflow,
            changes,
            version=version,
            actor=session.requested_by,
        )

    if file is not None:
        changed = change(document_from(file), version)
    else:
        present = service.show(session.database, session.account, workflow)
        before = present.stored.version
        if version not in (None, before):
            raise WorkflowChangedError(
                f"The workflow {present.workflow.name!r} is at version {before}, not {version}."
            )
        # What was taken out of the whole document is to go.
        changed = edited(
            present.document,
            lambda after: change({**dict.fromkeys(present.document), **after}, before),
        )
    _answer(session, changed, f"is at version {changed.stored.version}")


@app.command("show")
def show(
    context: typer.Context,
    workflow: _Reference,
    document: Annotated[
        bool, typer.Option("--document", help="Its document as YAML, to edit and give back.")
    ] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Its steps as a diagram.")] = False,
) -> None:
    """Show a workflow: its steps as a tree, and what keeps it from being active."""
    from enrollment_pipeline.files.documents import write_document
    from enrollment_pipeline.templates import service as templates
    from enrollment_pipeline.workflows import service

    if document and mermaid:
        raise UsageError("Give one of --document and --mermaid.")
    session = session_of(context)
    found = service.show(session.database, session.account, workflow)
    answer = workflow_document(found)
    if document:
        session.output.answer(found.document, write_document(found.document).rstrip("\n"))
    elif mermaid:
        drawn = service.mermaid(found.document)
        session.output.answer({**answer, "mermaid": drawn}, drawn)
    else:
        update = templates.update_of(session.database, session.account, found.stored)
        session.output.answer(
            {**answer, "template_update": update},
            workflow_facts(answer, update),
            "\n".join(service.tree(found.document)),
            *([problems_table(answer["problems"])] if found.problems else []),
        )


@app.command("validate")
def validate(
    context: typer.Context,
    workflow: Annotated[
        str | None, typer.Argument(metavar="[NAME-OR-ID]", help="Name or id.")
    ] = None,
    file: _File = None,
) -> None:
    """Tell everything that keeps a workflow, or a document, from being activated."""
    from enrollment_pipeline.workflows import service

    if (workflow is None) == (file is None):
        raise UsageError("Name a workflow, or a document by --file.")
    session = session_of(context)
    if file is not None:
        problems = service.validate(document_from(file))
        name = str(file)
    else:
        found = service.show(session.database, session.account, str(workflow))
        problems, name = found.problems, found.workflow.name
    told = [problem.as_dict() for problem in problems]
    session.output.answer(
        {"valid": not told, "problems": told},
        problems_table(told) if told else f"{name} is valid.",
    )
    if told:
        raise typer.Exit(RefusedError.exit_code)


@app.command("list")
def list_workflows(
    context: typer.Context,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help="Only these: draft, active, paused or archived."),
    ] = None,
) -> None:
    """List the account's workflows."""
    from enrollment_pipeline.records import WorkflowStatus
    from enrollment_pipeline.workflows import service

    if status is not None and status not in list(WorkflowStatus):
        raise UsageError(f"--status is one of {', '.join(WorkflowStatus)}, not {status!r}.")
    session = session_of(context)
    found = service.list_workflows(
        session.database,
        session.account,
        status=None if status is None else WorkflowStatus(status),
    )
    session.output.answer(
        {"workflows": [workflow_document(one) for one in found], "total": len(found)},
        workflows_table(found),
    )


@app.command("activate")
def activate(context: typer.Context, workflow: _Reference) -> None:
    """Let a valid workflow take enrollments."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)
    moved = service.activate(
        session.database, session.account, workflow, actor=session.requested_by
    )
    _moved(session, moved)


@app.command("pause")
def pause(context: typer.Context, workflow: _Reference) -> None:
    """Stop a workflow from taking enrollments; jobs that run on it stop."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)
    moved = service.pause(session.database, session.account, workflow, actor=session.requested_by)
    _moved(session, moved)


@app.command("archive")
def archive(context: typer.Context, workflow: _Reference) -> None:
    """End a workflow for good; it no longer counts for the account's limit."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)
    moved = service.archive(session.database, session.account, workflow, actor=session.requested_by)
    _moved(session, moved)


def _create_plain(
    context: typer.Context,
    name: str | None,
    active: bool,
    reenrollment: str | None,
    require: list[str] | None,
) -> None:
    from enrollment_pipeline.workflows import service
    from enrollment_pipeline.workflows.request import workflow_request

    if name is None:
        raise UsageError("Give the workflow a name, or a document by --file.")
    given = {} if reenrollment is None else {"reenrollment": reenrollment}
    request = workflow_request(name=name, active=active, required_fields=require or [], **given)
    session = session_of(context)
    made = service.create(session.database, session.account, request, actor=session.requested_by)
    session.output.answer(
        workflow_document(made), f"Workflow {made.name} created; it is {made.status}.", str(made.id)
    )


def _answer(session: "Session", found: "Shown", what: str) -> None:
    session.output.answer(workflow_document(found), *shown_parts(found, what))


def _moved(session: "Session", workflow: "Workflow") -> None:
    session.output.answer(
        workflow_document(workflow), f"Workflow {workflow.name} is {workflow.status}."
    )
