"""`enrollment watch` and `cancel`: following and ending a job that is on its way."""

import sys
from typing import Any

import typer

from enrollment_pipeline.cli.enroll import JobArgument, answer_job, parse_job_id
from enrollment_pipeline.cli.job_tables import job_line, job_summary
from enrollment_pipeline.cli.session import Session, session_of


def register(app: typer.Typer) -> None:
    """Add the commands to the top level."""
    app.command("watch")(watch)
    app.command("cancel")(cancel)


def watch(context: typer.Context, job: JobArgument) -> None:
    """Follow a job until it is closed; with --json, one line for each change."""
    from enrollment_pipeline.enrollment.following import follow

    session = session_of(context)
    job_id = parse_job_id(job)
    document: dict[str, Any] = {}
    for document in follow(session.database, session.settings, session.account, job_id):
        _show(session, document)
    if not session.output.as_json:
        session.output.answer(document, *job_summary(document))


def cancel(context: typer.Context, job: JobArgument) -> None:
    """End a job: what is enrolled stays, the rest is cancelled."""
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    job_id = parse_job_id(job)
    service.cancel(
        session.database, session.settings, session.account, job_id, actor=session.requested_by
    )
    answer_job(session, job_id)


def _show(session: Session, document: dict[str, Any]) -> None:
    if session.output.as_json:
        session.output.answer(document)
        sys.stdout.flush()
    else:
        session.output.note(job_line(document))
