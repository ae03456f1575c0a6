"""`enrollment status`, `list`, `failures`, `report`: what one wants to know of jobs.

Belongs here: arguments and answers. What a job is, is in `enrollment_pipeline.enrollment`.
"""

from typing import Annotated
from uuid import UUID

import typer

from enrollment_pipeline.cli.job_tables import job_summary, jobs_table
from enrollment_pipeline.cli.output import table
from enrollment_pipeline.cli.session import Session, session_of
from enrollment_pipeline.errors import JobNotFoundError, ProductError, error_from

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the top level."""
    for name, command in (
        ("status", status),
        ("list", list_jobs),
        ("failures", failures),
        ("report", report),
    ):
        app.command(name)(command)


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


def answer_closed(session: Session, job_id: UUID) -> None:
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
