"""`enrollment operations`: looking at operations on contacts, taking hold of them, undoing them.

Belongs here: arguments and answers. What an operation is, is in
`enrollment_pipeline.bulk_operations`.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli.enroll import parse_job_id
from enrollment_pipeline.cli.given import instant
from enrollment_pipeline.cli.operation_requests import (
    Asked,
    PreviewOption,
    answer_closed,
    answer_operation,
    answer_request,
    parse_operation_id,
    request_of,
    with_options_of,
)
from enrollment_pipeline.cli.operation_tables import (
    operation_line,
    operation_summary,
    operations_table,
    rows_listing,
)
from enrollment_pipeline.cli.session import Session, session_of
from enrollment_pipeline.errors import InvalidRequestError, UsageError

if TYPE_CHECKING:
    from enum import StrEnum

app = typer.Typer(
    help="Look at operations on contacts, take hold of them, take them back.\n\n"
    "Example: enrollment operations list --status completed_with_errors"
)

OperationArgument = Annotated[str, typer.Argument(metavar="OPERATION", help="Id of the operation.")]
LimitOption = Annotated[int, typer.Option(min=1, max=500, help="Entries on a page.")]
PageOption = Annotated[int, typer.Option(min=1, help="Which page.")]


@app.command("list")
def list_operations(
    context: typer.Context,
    type_: Annotated[
        str | None, typer.Option("--type", help="Only operations of this type, such as import.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Only operations in this state.")] = None,
    limit: LimitOption = 20,
    page: PageOption = 1,
) -> None:
    """List the account's operations, newest first."""
    from enrollment_pipeline.bulk_operations import service
    from enrollment_pipeline.bulk_operations.request import OperationType
    from enrollment_pipeline.bulk_operations.states import OperationStatus
    from enrollment_pipeline.bulk_operations.store.operations import OperationFilter

    wanted = OperationFilter(
        type=type_ if type_ is None else OperationType(_one_of(OperationType, type_, "type")),
        status=status
        if status is None
        else OperationStatus(_one_of(OperationStatus, status, "state")),
    )
    session = session_of(context)
    found = service.list_operations(
        session.database, session.account, wanted, page=page, limit=limit
    )
    session.output.answer(found, operations_table(found), f"{found['total']:,} operations in all")


@app.command("show")
def show(
    context: typer.Context,
    operation: OperationArgument,
    rows: Annotated[
        bool, typer.Option("--rows", help="List the rows that did not simply go through.")
    ] = False,
    limit: LimitOption = 20,
    page: PageOption = 1,
) -> None:
    """Show where an operation is and what became of its rows."""
    from enrollment_pipeline.bulk_operations import service

    session = session_of(context)
    operation_id = parse_operation_id(operation)
    if not rows:
        answer_operation(session, operation_id)
        return
    found = service.list_rows(
        session.database, session.account, operation_id, page=page, limit=limit
    )
    session.output.answer(found, *rows_listing(found))


@app.command("watch")
def watch(context: typer.Context, operation: OperationArgument) -> None:
    """Follow an operation until it is closed; with --json, one line for each change."""
    from enrollment_pipeline.bulk_operations import service

    session = session_of(context)
    operation_id = parse_operation_id(operation)
    document: dict[str, Any] = {}
    for document in service.follow(session.database, session.account, operation_id):
        if session.output.as_json:
            session.output.answer(document)
        else:
            session.output.note(operation_line(document))
    if not session.output.as_json:
        session.output.answer(document, *operation_summary(document))


@app.command("cancel")
def cancel(
    context: typer.Context,
    operation: OperationArgument,
    recurring: Annotated[
        bool, typer.Option("--recurring", help="Also everything that would come after it.")
    ] = False,
) -> None:
    """End an operation before its time; what is done stays, and can be rolled back."""
    from enrollment_pipeline.bulk_operations import service

    session = session_of(context)
    operation_id = parse_operation_id(operation)
    service.cancel(
        session.database,
        session.settings,
        session.account,
        operation_id,
        actor=session.requested_by,
        recurring=recurring,
    )
    answer_operation(session, operation_id)


@app.command("reschedule")
def reschedule(
    context: typer.Context,
    operation: OperationArgument,
    at: Annotated[
        str | None, typer.Option(help="ISO time to start at; without offset, in the zone.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Zone of --at, such as Europe/Berlin. Default: the account's."),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Start as soon as possible.")] = False,
) -> None:
    """Let an operation that waits for its time start at another."""
    from enrollment_pipeline.bulk_operations import service

    if (at is None) is not now:
        raise UsageError("Name either --at or --now.")
    session = session_of(context)
    operation_id = parse_operation_id(operation)
    service.reschedule(
        session.database,
        session.settings,
        session.account,
        operation_id,
        at=None if at is None else instant(at, "--at"),
        timezone=timezone,
        actor=session.requested_by,
    )
    answer_operation(session, operation_id)


@app.command("resume")
def resume(
    context: typer.Context,
    operation: OperationArgument,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave it to the queue instead of working on it here.")
    ] = False,
) -> None:
    """Go on here with an operation that says what is wrong, or whose run has died."""
    from enrollment_pipeline.bulk_operations import service
    from enrollment_pipeline.cli.local_run import OPERATIONS, prepare, run_here

    session = session_of(context)
    operation_id = parse_operation_id(operation)
    if not queue:
        prepare(session)
    service.resume(
        session.database,
        session.account,
        operation_id,
        actor=session.requested_by,
        runner="queue" if queue else "caller",
    )
    if queue:
        answer_operation(session, operation_id)
        return
    run_here(session, operation_id, OPERATIONS)
    answer_closed(session, operation_id)


@app.command("rollback")
@with_options_of(Asked)
def rollback(
    context: typer.Context,
    operation: OperationArgument,
    cascade: Annotated[
        bool,
        typer.Option(
            "--cascade", help="Let created contacts go even if enrolled since, which ends too."
        ),
    ] = False,
    preview: PreviewOption = False,
    *,
    asked: Asked,
) -> None:
    """Take back what an operation has changed; what somebody changed since is kept."""
    document = {
        "type": "rollback",
        "operation_id": parse_operation_id(operation),
        "cascade": cascade,
    }
    _take_back(session_of(context), document, asked, preview)


@app.command("withdraw")
@with_options_of(Asked)
def withdraw(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="Id of the enrollment job.")],
    preview: PreviewOption = False,
    *,
    asked: Asked,
) -> None:
    """Take contacts that a job has enrolled out of the workflow, if still at its first step."""
    document = {"type": "withdrawal", "job_id": parse_job_id(job)}
    _take_back(session_of(context), document, asked, preview)


def _take_back(session: Session, document: dict[str, Any], asked: Asked, preview: bool) -> None:
    answer_request(session, request_of(session, document, asked), asked, preview=preview)


def _one_of(known: "type[StrEnum]", text: str, noun: str) -> str:
    """Return the text.

    Raises:
        InvalidRequestError: it is none of those that are known.
    """
    if text not in set(known):
        raise InvalidRequestError(
            f"There is no {noun} {text!r} of operations.",
            remedy=f"Use one of: {', '.join(known)}.",
        )
    return text
