"""`enrollment prune`: removing what an account no longer keeps of its closed work."""

from typing import Annotated

import typer

from enrollment_pipeline.cli.output import facts
from enrollment_pipeline.cli.session import session_of


def register(app: typer.Typer) -> None:
    """Add the command to the top level."""
    app.command("prune")(prune)


def prune(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove old details of jobs, old operations, batches, events, and the log of triggers.

    The counts of jobs and the files of their reports stay.
    """
    from datetime import UTC, datetime

    from enrollment_pipeline.bulk_operations import service as operations
    from enrollment_pipeline.enrollment import retention
    from enrollment_pipeline.onboarding import service as onboarding
    from enrollment_pipeline.records import Permission
    from enrollment_pipeline.triggers import retention as triggers

    session = session_of(context)
    now = datetime.now(UTC)
    if dry_run:
        found = retention.plan(session.database, session.account, now=now)
        events = triggers.plan(session.database, session.account, now=now)
        of_operations = operations.plan(session.database, session.account, now=now)
        batches = onboarding.plan(session.database, session.account, now=now)
    else:
        found = retention.prune(
            session.database,
            session.account,
            now=now,
            actor=session.requested_by,
            needs=Permission.ACCOUNT_ADMIN,
        )
        events = triggers.prune(session.database, session.account, now=now)
        of_operations = operations.prune(
            session.database,
            session.settings,
            session.account,
            now=now,
            actor=session.requested_by,
        )
        batches = onboarding.prune(
            session.database, session.account, now=now, actor=session.requested_by
        )
    rows = {**found.rows, **events, **of_operations, **batches}
    kept = session.account.settings
    session.output.answer(
        {"dry_run": dry_run, "jobs": found.jobs, "rows": rows},
        facts({"jobs": f"{found.jobs:,}", **{name: f"{n:,}" for name, n in rows.items()}}),
        f"Kept: {kept.history_days} days of details, and after {kept.failure_days} days the first "
        f"{kept.max_failure_rows:,} failures of a job.",
        *(["This was a dry run; nothing was changed."] if dry_run else []),
    )
