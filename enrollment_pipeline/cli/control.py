"""Following a job and taking hold of it: `enrollment watch`, `pause`, `resume` and their like."""

from typing import Annotated, Any
from uuid import UUID

import typer

from enrollment_pipeline.cli.enroll import JobArgument, answer_closed, answer_job, parse_job_id
from enrollment_pipeline.cli.given import instant
from enrollment_pipeline.cli.job_tables import job_line, job_summary
from enrollment_pipeline.cli.session import Session, session_of
from enrollment_pipeline.errors import UsageError

QueueOption = Annotated[
    bool, typer.Option("--queue", help="Leave it to the queue instead of working on it here.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the top level."""
    for name, command in (
        ("watch", watch),
        ("pause", pause),
        ("resume", resume),
        ("retry", retry),
        ("reschedule", reschedule),
        ("cancel", cancel),
    ):
        app.command(name)(command)


def watch(context: typer.Context, job: JobArgument) -> None:
    """Follow a job until it is closed; with --json, one line for each change."""
    from enrollment_pipeline.enrollment.service import follow

    session = session_of(context)
    job_id = parse_job_id(job)
    document: dict[str, Any] = {}
    for document in follow(session.database, session.settings, session.account, job_id):
        _show(session, document)
    if not session.output.as_json:
        session.output.answer(document, *job_summary(document))


def pause(context: typer.Context, job: JobArgument) -> None:
    """Let a job rest after the work in progress, until it is resumed."""
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    job_id = parse_job_id(job)
    service.pause(
        session.database, session.settings, session.account, job_id, actor=session.requested_by
    )
    answer_job(session, job_id)


def resume(context: typer.Context, job: JobArgument, queue: QueueOption = False) -> None:
    """Go on here with a job that is paused or whose run has died."""
    from enrollment_pipeline.cli.local_run import prepare
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    job_id = parse_job_id(job)
    if not queue:
        prepare(session)
    service.resume(
        session.database,
        session.account,
        job_id,
        actor=session.requested_by,
        runner="queue" if queue else "caller",
    )
    _go_on(session, job_id, queue)


def retry(
    context: typer.Context,
    job: JobArgument,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what no later attempt is likely to mend.")
    ] = False,
    queue: QueueOption = False,
) -> None:
    """Try the failed contacts of a closed job again, as a new job."""
    from enrollment_pipeline.cli.local_run import prepare
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    if not queue:
        prepare(session)
    made = service.retry(
        session.database,
        session.account,
        parse_job_id(job),
        everything=everything,
        actor=session.requested_by,
        runner="queue" if queue else "caller",
    )
    _go_on(session, made, queue)


def reschedule(
    context: typer.Context,
    job: JobArgument,
    at: Annotated[
        str | None, typer.Option(help="ISO time to start at; without offset, in the zone.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Zone of --at, such as Europe/Berlin. Default: the account's."),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Start as soon as possible.")] = False,
) -> None:
    """Let a scheduled job start at another time."""
    from enrollment_pipeline.enrollment import service

    if (at is None) is not now:
        raise UsageError("Name either --at or --now.")
    session = session_of(context)
    job_id = parse_job_id(job)
    service.reschedule(
        session.database,
        session.account,
        job_id,
        at=None if at is None else instant(at, "--at"),
        timezone=timezone,
        actor=session.requested_by,
    )
    answer_job(session, job_id)


def cancel(context: typer.Context, job: JobArgument) -> None:
    """End a job: what is enrolled stays, the rest is cancelled."""
    from enrollment_pipeline.enrollment import service

    session = session_of(context)
    job_id = parse_job_id(job)
    service.cancel(
        session.database, session.settings, session.account, job_id, actor=session.requested_by
    )
    answer_job(session, job_id)


def _go_on(session: Session, job_id: UUID, in_queue: bool) -> None:
    from enrollment_pipeline.cli.local_run import run_here

    if in_queue:
        answer_job(session, job_id)
        return
    run_here(session, job_id)
    answer_closed(session, job_id)


def _show(session: Session, document: dict[str, Any]) -> None:
    if session.output.as_json:
        session.output.answer(document)
    else:
        session.output.note(job_line(document))
