"""Executing a Dagster run inside the command, with a progress bar on standard error.

Belongs here: what is the same for a run of an enrollment job and of an operation on contacts, and
in which words they differ. The only module of the command line, beside `ui`, that imports Dagster.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from enrollment_pipeline.bulk_operations import service as operations
from enrollment_pipeline.cli.session import Session
from enrollment_pipeline.enrollment import service as enrollment
from enrollment_pipeline.errors import ProductError, RunFailedError
from enrollment_pipeline.notifications import delivery

if TYPE_CHECKING:
    from enrollment_pipeline.defs.queue import WorkKind

_POLL_SECONDS = 0.25
# Whoever waits for the answer does not wait longer for a mail server; the rest stays in the outbox.
_SENDING_SECONDS = 20.0
_MOST_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class RunKind:
    """What a run works on, as the command line speaks of it.

    `noun` also names the id in an error's details and the option of `notifications log`; `commands`
    is what the commands that take hold of it begin with. `describe` returns its document; its
    counts are of `rows`. `in_dagster` loads Dagster.
    """

    noun: str
    rows: str
    commands: str
    describe: Callable[[Session, UUID], dict[str, Any]]
    in_dagster: Callable[[], "WorkKind"]


def _job(session: Session, job_id: UUID) -> dict[str, Any]:
    return enrollment.describe(session.database, session.settings, session.account, job_id)


def _jobs_in_dagster() -> "WorkKind":
    from enrollment_pipeline.defs.enrollment.queue import JOBS

    return JOBS


def _operation(session: Session, operation_id: UUID) -> dict[str, Any]:
    return operations.describe(session.database, session.account, operation_id)


def _operations_in_dagster() -> "WorkKind":
    from enrollment_pipeline.defs.operations.queue import OPERATIONS

    return OPERATIONS


JOBS = RunKind("job", "contacts", "enrollment", _job, _jobs_in_dagster)
OPERATIONS = RunKind(
    "operation", "rows", "enrollment operations", _operation, _operations_in_dagster
)


def prepare(session: Session) -> None:
    """Load Dagster and make its home ready.

    Raises:
        ConfigurationError: its home cannot be used.
    """
    from enrollment_pipeline.runs.instance import use_dagster_home

    use_dagster_home(session.settings)


def run_here(session: Session, work_id: UUID, kind: RunKind = JOBS) -> None:
    """Run a job or an operation to its end in this process.

    Raises:
        RunFailedError: the run ended and it is still open.
    """
    go_on = f"Go on with it: {kind.commands} resume {work_id}"
    details = {f"{kind.noun}_id": str(work_id)}
    with _progress_bar(session, work_id, kind):
        try:
            _execute(session, work_id, kind)
        except ProductError:
            raise
        except KeyboardInterrupt:
            raise RunFailedError(
                f"The run of {kind.noun} {work_id} was interrupted.",
                details=details,
                remedy=f"{go_on}; or end it: {kind.commands} cancel {work_id}",
            ) from None
        except Exception as error:
            raise RunFailedError(
                f"The run of {kind.noun} {work_id} broke off ({type(error).__name__}).",
                details=details,
                remedy=go_on,
            ) from error
    _tell(session, work_id, kind)
    document = kind.describe(session, work_id)
    if document["completed_at"] is None and document["error"] is None:
        progress = document["progress"]
        raise RunFailedError(
            f"The run of {kind.noun} {work_id} ended early; {progress['processed']:,} of "
            f"{progress['total']:,} {kind.rows} are done.",
            details=details,
            remedy=go_on,
        )


def _execute(session: Session, work_id: UUID, kind: RunKind) -> None:
    from enrollment_pipeline.definitions import defs
    from enrollment_pipeline.runs.in_process import execute
    from enrollment_pipeline.runs.instance import open_instance
    from enrollment_pipeline.runs.liveness import repair_dead_runs

    work = kind.in_dagster()
    with open_instance(session.settings) as instance:
        repair_dead_runs(instance)
        execute(
            defs.resolve_job_def(work.job.name),
            instance,
            partitions=str(work.partitions.name),
            key=str(work_id),
            tags={
                "enrollment/account": session.account.name,
                f"enrollment/{work.name}": str(work_id),
            },
        )


def _tell(session: Session, work_id: UUID, kind: RunKind) -> None:
    """Send the messages about the work; without a daemon, nobody else would."""
    end = time.monotonic() + _SENDING_SECONDS
    counts = delivery.deliver_due(
        session.database,
        session.settings,
        now=lambda: datetime.now(UTC),
        most=_MOST_MESSAGES,
        account_id=session.account.id,
        subject_id=work_id,
        go_on=lambda: time.monotonic() < end,
    )
    if counts.postponed or counts.failed:
        session.output.note(
            f"{counts.postponed + counts.failed} messages could not be sent; see: enrollment "
            f"notifications log --{kind.noun} {work_id}"
        )


@contextmanager
def _progress_bar(session: Session, work_id: UUID, kind: RunKind) -> Iterator[None]:
    if session.output.as_json or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(kind.rows),
    )
    ended = threading.Event()
    # A descriptor of its own: while a step runs, Dagster leads standard error into a file.
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as terminal,
        Progress(*columns, console=Console(file=terminal), transient=True) as bar,
    ):
        task = bar.add_task("starting", total=None)

        def follow() -> None:
            while not ended.wait(_POLL_SECONDS):
                seen = kind.describe(session, work_id)
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
