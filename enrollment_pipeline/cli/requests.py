"""`enrollment run`, `submit` and `preview`: three ways to do the same request.

Belongs here: the options that a request is made of, once for all three.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli.enroll import answer_closed, answer_job
from enrollment_pipeline.cli.given import json_value, text_or_file
from enrollment_pipeline.cli.job_tables import preview_summary
from enrollment_pipeline.cli.session import Session, session_of
from enrollment_pipeline.errors import UsageError

if TYPE_CHECKING:
    from enrollment_pipeline.enrollment.request import BulkEnrollmentRequest

WorkflowOption = Annotated[str, typer.Option(help="Name or id of the workflow.")]
CsvOption = Annotated[
    Path | None, typer.Option(help="CSV file whose rows identify contacts.", metavar="FILE")
]
ColumnOption = Annotated[
    str, typer.Option("--column", help="Identified by: auto, email or contact_id.")
]
IdsOption = Annotated[
    str | None, typer.Option(help="Contact ids, with commas; or @FILE, one a line.")
]
FilterOption = Annotated[
    str | None, typer.Option("--filter", help="Condition tree as JSON; or @FILE.")
]
BatchSizeOption = Annotated[int, typer.Option(help="Contacts in a batch, 10 to 500.")]
LanesOption = Annotated[int | None, typer.Option(help="Workers, 1 to 5. Default: by size.")]
AtOption = Annotated[
    str | None,
    typer.Option("--at", help="ISO time to start at; without offset, in the account's zone."),
]
RequestIdOption = Annotated[
    str | None, typer.Option(help="The same id submitted again is still one job.")
]
TagOption = Annotated[
    list[str] | None, typer.Option("--add-tag", help="Tag for every enrolled contact; repeatable.")
]
UnsubscribedOption = Annotated[
    bool, typer.Option("--include-unsubscribed", help="Enroll unsubscribed contacts too.")
]
DuplicatesOption = Annotated[
    bool,
    typer.Option("--refuse-duplicates", help="Refuse an input that names a contact twice."),
]
ShareOption = Annotated[
    float, typer.Option(help="Share of failures above which the job pauses, 0 to 1.")
]
TimezoneOption = Annotated[
    str | None, typer.Option(help="Zone of --at, such as Europe/Berlin. Default: the account's.")
]
EmailOption = Annotated[
    list[str] | None,
    typer.Option("--notify-email", metavar="ADDRESS", help="Who is told the end; repeatable."),
]
WebhookOption = Annotated[
    list[str] | None,
    typer.Option("--notify-webhook", metavar="URL", help="What is told the end; repeatable."),
]
Handler = Callable[[Session, "BulkEnrollmentRequest"], None]


def register(app: typer.Typer) -> None:
    """Add the commands to the top level."""
    for name, handler in (("run", _run), ("submit", _submit), ("preview", _preview)):
        app.command(name, help=handler.__doc__)(_command(handler))


def _command(handler: Handler) -> Callable[..., None]:
    """Return a command that makes a request of its options and hands it to `handler`."""

    def command(
        context: typer.Context,
        workflow: WorkflowOption,
        csv: CsvOption = None,
        column: ColumnOption = "auto",
        ids: IdsOption = None,
        condition: FilterOption = None,
        batch_size: BatchSizeOption = 100,
        lanes: LanesOption = None,
        at: AtOption = None,
        timezone: TimezoneOption = None,
        request_id: RequestIdOption = None,
        add_tag: TagOption = None,
        include_unsubscribed: UnsubscribedOption = False,
        refuse_duplicates: DuplicatesOption = False,
        max_failure_share: ShareOption = 0.5,
        notify_email: EmailOption = None,
        notify_webhook: WebhookOption = None,
    ) -> None:
        from enrollment_pipeline.enrollment.request import parse_request

        session = session_of(context)
        document = {
            "workflow": workflow,
            "selection": selection_document(csv, column, ids, condition),
            "options": {
                "batch_size": batch_size,
                "lanes": lanes,
                "add_tags": add_tag or [],
                "skip_unsubscribed": not include_unsubscribed,
                "skip_duplicates": not refuse_duplicates,
                "max_failure_share": max_failure_share,
                "notify": {"emails": notify_email or [], "webhooks": notify_webhook or []},
            },
            "scheduled_at": at,
            "timezone": timezone,
            "request_id": request_id,
            "requested_by": session.requested_by,
        }
        handler(session, parse_request(document))

    return command


def _run(session: Session, request: "BulkEnrollmentRequest") -> None:
    """Enroll contacts now, in this process, and show what became of them.

    With --at, the request is left to the queue, as by submit.
    """
    from enrollment_pipeline.cli.local_run import prepare, run_here
    from enrollment_pipeline.enrollment import service

    if request.scheduled_at is not None:
        _submit(session, request)
        return
    # What would keep it from running is found before there is a job.
    prepare(session)
    job_id, created = service.submit(
        session.database, session.account, request, source="cli", runner="caller"
    )
    if not created:
        session.output.note(f"This request id is job {job_id} already; nothing was submitted.")
    if created or service.is_left_to_caller(session.database, session.account, job_id):
        run_here(session, job_id)
    answer_closed(session, job_id)


def _submit(session: Session, request: "BulkEnrollmentRequest") -> None:
    """Hand the request to the queue, which a running `enrollment ui` starts."""
    from enrollment_pipeline.enrollment import service

    job_id, created = service.submit(session.database, session.account, request, source="cli")
    if not created:
        session.output.note(f"This request id is job {job_id} already; nothing was submitted.")
    answer_job(session, job_id)


def _preview(session: Session, request: "BulkEnrollmentRequest") -> None:
    """Show what a run would do; leaves nothing behind."""
    from enrollment_pipeline.enrollment import service

    found = service.preview(session.database, session.settings, session.account, request)
    session.output.answer(found, *preview_summary(found))


def selection_document(
    csv: Path | None, column: str, ids: str | None, condition: str | None
) -> dict[str, Any]:
    """Return the selection that the options say.

    Raises:
        UsageError: they say none or several, or what they hold cannot be read.
    """
    if [csv, ids, condition].count(None) != 2:
        raise UsageError("Name exactly one of --csv, --ids and --filter.")
    if csv is not None:
        return {"type": "csv", "path": csv, "identifier_column": column}
    if ids is not None:
        text = text_or_file(ids, "--ids")
        found = [part.strip() for part in text.replace(",", "\n").splitlines()]
        return {"type": "manual", "contact_ids": [part for part in found if part]}
    text = text_or_file(condition or "", "--filter")
    return {"type": "filter", "filter": json_value(text, "--filter")}
