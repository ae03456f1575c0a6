"""`enrollment run`, `submit`, `preview` and what one wants to know afterwards.

Belongs here: arguments and answers. What a job is, is in `enrollment_pipeline.enrollment`.
"""

import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from enrollment_pipeline.cli.job_tables import job_summary, jobs_table, preview_summary
from enrollment_pipeline.cli.output import table
from enrollment_pipeline.cli.session import Session, session_of
from enrollment_pipeline.errors import JobNotFoundError, ProductError, UsageError, error_from

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
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the top level."""
    for name, command in (
        ("run", run),
        ("submit", submit),
        ("preview", preview),
        ("status", status),
        ("list", list_jobs),
        ("failures", failures),
        ("report", report),
        ("resume", resume),
    ):
        app.command(name)(command)


def run(
    context: typer.Context,
    workflow: WorkflowOption,
    csv: CsvOption = None,
    column: ColumnOption = "auto",
    ids: IdsOption = None,
    condition: FilterOption = None,
    batch_size: BatchSizeOption = 100,
    lanes: LanesOption = None,
    at: AtOption = None,
    request_id: RequestIdOption = None,
    add_tag: TagOption = None,
    include_unsubscribed: UnsubscribedOption = False,
    refuse_duplicates: DuplicatesOption = False,
) -> None:
    """Enroll contacts now, in this process, and show what became of them.

    With --at, the request is left to the queue, as by submit.
    """
    from enrollment_pipeline.cli.local_run import run_here
    from enrollment_pipeline.enrollment import service
    from enrollment_pipeline.enrollment.request import parse_request

    session = session_of(context)
    options = _options(batch_size, lanes, add_tag, include_unsubscribed, refuse_duplicates)
    document = _request(session, workflow, _selection(csv, column, ids, condition), options)
    request = parse_request({**document, "scheduled_at": at, "request_id": request_id})
    job_id, created = service.submit(
        session.database,
        session.account,
        request,
        source="cli",
        runner="queue" if at else "caller",
    )
    if not created:
        session.output.note(f"This request id is job {job_id} already; nothing was submitted.")
    if at:
        answer_job(session, job_id)
        return
    if created or service.is_left_to_caller(session.database, session.account, job_id):
        run_here(session, job_id)
    _answer_closed(session, job_id)


def submit(
    context: typer.Context,
    workflow: WorkflowOption,
    csv: CsvOption = None,
    column: ColumnOption = "auto",
    ids: IdsOption = None,
    condition: FilterOption = None,
    batch_size: BatchSizeOption = 100,
    lanes: LanesOption = None,
    at: AtOption = None,
    request_id: RequestIdOption = None,
    add_tag: TagOption = None,
    include_unsubscribed: UnsubscribedOption = False,
    refuse_duplicates: DuplicatesOption = False,
) -> None:
    """Hand the request to the queue, which a running `enrollment ui` starts."""
    from enrollment_pipeline.enrollment import service
    from enrollment_pipeline.enrollment.request import parse_request

    session = session_of(context)
    options = _options(batch_size, lanes, add_tag, include_unsubscribed, refuse_duplicates)
    document = _request(session, workflow, _selection(csv, column, ids, condition), options)
    request = parse_request({**document, "scheduled_at": at, "request_id": request_id})
    job_id, created = service.submit(session.database, session.account, request, source="cli")
    if not created:
        session.output.note(f"This request id is job {job_id} already; nothing was submitted.")
    answer_job(session, job_id)


def preview(
    context: typer.Context,
    workflow: WorkflowOption,
    csv: CsvOption = None,
    column: ColumnOption = "auto",
    ids: IdsOption = None,
    condition: FilterOption = None,
    batch_size: BatchSizeOption = 100,
    lanes: LanesOption = None,
    at: AtOption = None,
    request_id: RequestIdOption = None,
    add_tag: TagOption = None,
    include_unsubscribed: UnsubscribedOption = False,
    refuse_duplicates: DuplicatesOption = False,
) -> None:
    """Show what a run would do; leaves nothing behind."""
    from enrollment_pipeline.enrollment import service
    from enrollment_pipeline.enrollment.request import parse_request

    session = session_of(context)
    options = _options(batch_size, lanes, add_tag, include_unsubscribed, refuse_duplicates)
    document = _request(session, workflow, _selection(csv, column, ids, condition), options)
    request = parse_request({**document, "scheduled_at": at, "request_id": request_id})
    found = service.preview(session.database, session.settings, session.account, request)
    session.output.answer(found, *preview_summary(found))


def status(context: typer.Context, job: JobArgument) -> None:
    """Show where a job is and what became of its rows so far."""
    session = session_of(context)
    answer_job(session, parse_job_id(job))


def list_jobs(
    context: typer.Context,
    status: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only jobs of this workflow.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Only jobs that came this way, such as cli.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only jobs created at this ISO date or time, or later."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only jobs created before this ISO time, or up to this date."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Jobs on a page.")] = 20,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """List the account's jobs, newest first."""
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    found = service.list_jobs(
        session.database,
        session.account,
        status=status,
        workflow=workflow,
        source=source,
        since=since,
        until=until,
        limit=limit,
        page=page,
    )
    session.output.answer(found, jobs_table(found), f"{found['total']:,} jobs in all")


def failures(
    context: typer.Context,
    job: JobArgument,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Failures on a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """List the contacts that failed, or turned ineligible while the job ran."""
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    found = service.list_failures(
        session.database, session.account, parse_job_id(job), limit=limit, page=page
    )
    rows = [
        (item["identifier"], item["code"], item["message"], item["batch_number"])
        for item in found["failures"]
    ]
    listing = table("Identifier", "Code", "Message", "Batch", rows=rows)
    total = f"{found['total']:,} in all"
    if found["pruned_at"]:
        total = (
            f"{found['total']:,} are left; details of the job were removed on "
            f"{found['pruned_at'][:10]}, because they were old"
        )
    session.output.answer(found, listing, total)


def report(context: typer.Context, job: JobArgument) -> None:
    """Show a closed job's result and its files; writes them again where they are missing."""
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    job_id = parse_job_id(job)
    service.write_report(session.database, session.settings, session.account, job_id)
    answer_job(session, job_id)


def resume(context: typer.Context, job: JobArgument) -> None:
    """Go on here with a job that is paused or whose run has died."""
    from enrollment_pipeline.cli.local_run import run_here
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    job_id = parse_job_id(job)
    service.resume(session.database, session.account, job_id, actor=session.requested_by)
    run_here(session, job_id)
    _answer_closed(session, job_id)


def _request(
    session: Session, workflow: str, selection: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    return {
        "workflow": workflow,
        "selection": selection,
        "options": options,
        "requested_by": session.requested_by,
    }


def _options(
    batch_size: int,
    lanes: int | None,
    add_tag: list[str] | None,
    include_unsubscribed: bool,
    refuse_duplicates: bool,
) -> dict[str, Any]:
    return {
        "batch_size": batch_size,
        "lanes": lanes,
        "add_tags": add_tag or [],
        "skip_unsubscribed": not include_unsubscribed,
        "skip_duplicates": not refuse_duplicates,
    }


def _selection(
    csv: Path | None, column: str, ids: str | None, condition: str | None
) -> dict[str, Any]:
    if [csv, ids, condition].count(None) != 2:
        raise UsageError("Name exactly one of --csv, --ids and --filter.")
    if csv is not None:
        return {"type": "csv", "path": csv, "identifier_column": column}
    if ids is not None:
        text = _text_or_file(ids, "--ids")
        found = [part.strip() for part in text.replace(",", "\n").splitlines()]
        return {"type": "manual", "contact_ids": [part for part in found if part]}
    try:
        text = _text_or_file(condition or "", "--filter")
        document = json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"--filter is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            remedy="Quote the JSON for the shell, or put it into a file and name that with @FILE.",
        ) from None
    except RecursionError:
        raise UsageError("--filter is nested too deeply.") from None
    return {"type": "filter", "filter": document}


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON lets the last of two equal keys win, which could select far more than was meant.
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UsageError("--filter holds the same key twice in one object.")
    return found


def _text_or_file(value: str, option: str) -> str:
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{option}: {value[1:]!r} cannot be read: {reason}.") from None


def parse_job_id(text: str) -> UUID:
    """Return the id of a job.

    Raises:
        JobNotFoundError: the text is no id.
    """
    try:
        return UUID(text)
    except ValueError:
        raise JobNotFoundError(f"{text!r} is not the id of a job.") from None


def answer_job(session: Session, job_id: UUID) -> None:
    """Answer with a job as it is now."""
    from enrollment_pipeline.enrollment import service

    document = service.describe(session.database, session.settings, session.account, job_id)
    session.output.answer(document, *job_summary(document))


def _answer_closed(session: Session, job_id: UUID) -> None:
    """Answer with the job; one that was refused or failed ends the command like an error."""
    from enrollment_pipeline.enrollment import service

    document = service.describe(session.database, session.settings, session.account, job_id)
    if document["error"] is not None:
        error: ProductError = error_from(document["error"])
        error.details["job_id"] = document["job_id"]
        raise error
    session.output.answer(document, *job_summary(document))
    if document["status"] not in ("completed", "completed_with_errors"):
        raise typer.Exit(ProductError.exit_code)
