"""`enrollment workflows`: create, list, activate and pause workflows."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli.output import table
from enrollment_pipeline.cli.session import session_of

if TYPE_CHECKING:
    from enrollment_pipeline.records import Workflow

app = typer.Typer(
    help="Create, list, activate and pause workflows.\n\n"
    "Example: enrollment workflows create Welcome --active"
)

_Reference = Annotated[str, typer.Argument(metavar="NAME-OR-ID", help="Name or id.")]


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name that the account does not use yet.")],
    active: Annotated[bool, typer.Option("--active", help="Take enrollments at once.")] = False,
    reenrollment: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="When a contact may enter again: never_twice, after_exit or always.",
        ),
    ] = "never_twice",
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="What a contact must have: email, phone. Repeatable."),
    ] = None,
) -> None:
    """Create a workflow, as a draft unless --active is given."""
    from enrollment_pipeline.workflows import service
    from enrollment_pipeline.workflows.request import workflow_request

    session = session_of(context)
    request = workflow_request(
        name=name, active=active, reenrollment=reenrollment, required_fields=require or []
    )
    made = service.create(session.database, session.account, request, actor=session.requested_by)
    session.output.answer(
        _document(made), f"Workflow {made.name} created; it is {made.status}.", str(made.id)
    )


@app.command("list")
def list_workflows(context: typer.Context) -> None:
    """List the account's workflows."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)
    found = service.list_workflows(session.database, session.account)
    session.output.answer(
        {"workflows": [_document(workflow) for workflow in found], "total": len(found)},
        table(
            "Name",
            "Status",
            "Enters again",
            "Requires",
            "Id",
            rows=[
                (
                    workflow.name,
                    workflow.status,
                    workflow.reenrollment,
                    ", ".join(workflow.required_fields),
                    workflow.id,
                )
                for workflow in found
            ],
        ),
    )


@app.command("activate")
def activate(context: typer.Context, workflow: _Reference) -> None:
    """Let a workflow take enrollments."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)
    moved = service.activate(
        session.database, session.account, workflow, actor=session.requested_by
    )
    session.output.answer(_document(moved), f"Workflow {moved.name} is {moved.status}.")


@app.command("pause")
def pause(context: typer.Context, workflow: _Reference) -> None:
    """Stop a workflow from taking enrollments; jobs that run on it stop."""
    from enrollment_pipeline.workflows import service

    session = session_of(context)
    moved = service.pause(session.database, session.account, workflow, actor=session.requested_by)
    session.output.answer(_document(moved), f"Workflow {moved.name} is {moved.status}.")


def _document(workflow: "Workflow") -> dict[str, Any]:
    return {
        "workflow_id": workflow.id,
        "name": workflow.name,
        "status": workflow.status,
        "reenrollment": workflow.reenrollment,
        "required_fields": workflow.required_fields,
    }
