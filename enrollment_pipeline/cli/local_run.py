"""Executing a job's Dagster run inside the command, with a progress bar on standard error.

The only module of the command line, beside `ui`, that imports Dagster.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from enrollment_pipeline.cli.session import Session
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.errors import ProductError, RunFailedError
from enrollment_pipeline.notifications import delivery

_POLL_SECONDS = 0.25
# Whoever waits for the answer does not wait longer for a mail server; the rest stays in the outbox.
_SENDING_SECONDS = 20.0
_MOST_MESSAGES = 100


def prepare(session: Session) -> None:
    """Load Dagster and make its home ready.

    Raises:
        ConfigurationError: its home cannot be used.
    """
    from enrollment_pipeline.runs.instance import use_dagster_home

    use_dagster_home(session.settings)


def run_here(session: Session, job_id: UUID) -> None:
    """Run the job to its end in this process.

    Raises:
        RunFailedError: the run ended and the job is still open.
    """
    with _progress_bar(session, job_id):
        try:
            from enrollment_pipeline.definitions import defs
            from enrollment_pipeline.defs.enrollment.job import JOB_NAME
            from enrollment_pipeline.defs.enrollment.partitions import ENROLLMENT_JOBS
            from enrollment_pipeline.runs.in_process import execute
            from enrollment_pipeline.runs.instance import open_instance
            from enrollment_pipeline.runs.liveness import repair_dead_runs

            with open_instance(session.settings) as instance:
                repair_dead_runs(instance)
                execute(
                    defs.resolve_job_def(JOB_NAME),
                    instance,
                    partitions=str(ENROLLMENT_JOBS.name),
                    key=str(job_id),
                    tags={
                        "enrollment/account": session.account.name,
                        "enrollment/job": str(job_id),
                    },
                )
        except ProductError:
            raise
        except KeyboardInterrupt:
            raise RunFailedError(
                f"The run of job {job_id} was interrupted.",
                details={"job_id": str(job_id)},
                remedy=f"Go on with it: enrollment resume {job_id}; or end it: enrollment cancel "
                f"{job_id}",
            ) from None
        except Exception as error:
            raise RunFailedError(
                f"The run of job {job_id} broke off ({type(error).__name__}).",
                details={"job_id": str(job_id)},
                remedy=f"Go on with it: enrollment resume {job_id}",
            ) from error
    _tell(session, job_id)
    document = service.describe(session.database, session.settings, session.account, job_id)
    if document["completed_at"] is None and document["error"] is None:
        raise RunFailedError(
            f"The run of job {job_id} ended early; {document['progress']['processed']:,} of "
            f"{document['total_contacts']:,} contacts are done.",
            details={"job_id": str(job_id)},
            remedy=f"Go on with it: enrollment resume {job_id}",
        )


def _tell(session: Session, job_id: UUID) -> None:
    """Send the messages about the job; without a daemon, nobody else would."""
    end = time.monotonic() + _SENDING_SECONDS
    counts = delivery.deliver_due(
        session.database,
        session.settings,
        now=lambda: datetime.now(UTC),
        most=_MOST_MESSAGES,
        account_id=session.account.id,
        subject_id=job_id,
        go_on=lambda: time.monotonic() < end,
    )
    if counts.postponed or counts.failed:
        session.output.note(
            f"{counts.postponed + counts.failed} messages could not be sent; see: enrollment "
            f"notifications log --job {job_id}"
        )


@contextmanager
def _progress_bar(session: Session, job_id: UUID) -> Iterator[None]:
    if session.output.as_json or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("contacts"),
    )
    ended = threading.Event()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def follow() -> None:
            while not ended.wait(_POLL_SECONDS):
                seen = service.describe(session.database, session.settings, session.account, job_id)
                progress = seen["progress"]
                bar.update(
                    task,
                    description=seen["status"],
                    total=progress["total"] or None,
                    completed=progress["processed"],
                )

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            yield
        finally:
            ended.set()
            follower.join(timeout=5)
