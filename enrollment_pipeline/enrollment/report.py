"""The files that tell what became of every input row.

Belongs here: which outcome goes into which file, and the one-page HTML. The rows come from the
store; the counts are handed in. The files of a job together hold every input row exactly once.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection

from enrollment_pipeline.enrollment.store import outcomes
from enrollment_pipeline.enrollment.store.jobs import Job
from enrollment_pipeline.enrollment.store.outcomes import OutcomeCounts
from enrollment_pipeline.errors import Reason
from enrollment_pipeline.records import Outcome
from enrollment_pipeline.settings import Settings

FILES: dict[str, tuple[Outcome, ...]] = {
    "enrolled": (Outcome.ENROLLED,),
    "skipped": (Outcome.SKIPPED, Outcome.ALREADY_ENROLLED, Outcome.DUPLICATE),
    "failed": (Outcome.FAILED,),
    "unmatched": (Outcome.UNMATCHED,),
    "rejected": (Outcome.REJECTED,),
    "unprocessed": (Outcome.UNPROCESSED, Outcome.CANCELLED),
}


def report_folder(settings: Settings, account_id: UUID, job_id: UUID) -> Path:
    """Return the folder of a job's result files; named by ids, never by time."""
    return settings.reports / str(account_id) / str(job_id)


def write_files(
    connection: Connection, job: Job, counts: OutcomeCounts, folder: Path, *, now: datetime
) -> dict[str, Path]:
    """Write all files of a job into `folder` and return them by name.

    Needs `outcomes.collect` before it in the same transaction. The folder appears whole or not at
    all; an earlier one is replaced.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, held in FILES.items():
        with (partial / f"{name}.csv").open("wb") as file:
            for block in outcomes.as_csv(connection, held):
                file.write(block)
    page = render_page(job, counts, now=now)
    (partial / "report.html").write_text(page, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return files_in(folder)


def files_in(folder: Path) -> dict[str, Path]:
    """Return the files of a report by name, none where there is no report."""
    found = {name: folder / f"{name}.csv" for name in FILES}
    found["report"] = folder / "report.html"
    return {name: path for name, path in found.items() if path.is_file()}


def is_whole(folder: Path) -> bool:
    """Return whether no file of a report is missing."""
    return len(files_in(folder)) == len(FILES) + 1


def notice_of(job: Job) -> str | None:
    """Return what a reader of a closed job must know before any count: why there is none."""
    if job.error is not None:
        return "{code}: {message} {remedy}".format(**job.error)
    if job.completed_at is None or job.total_contacts:
        return None
    if job.selected_at is None:
        return "The job was cancelled before it was known whom it would have enrolled."
    return "The selection holds no contacts, so there was nobody to enroll."


def render_page(job: Job, counts: OutcomeCounts, *, now: datetime) -> str:
    """Return the one-page HTML: a bar per outcome and a table of the reasons."""
    environment = Environment(
        loader=PackageLoader("enrollment_pipeline.enrollment", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("report.html").render(
        job=job,
        notice=notice_of(job),
        bars=_bars(counts),
        reasons=[
            {"code": code, "number": number, "sentence": Reason(code).sentence}
            for code, number in counts.reasons.items()
        ],
        total=counts.total,
        seconds=duration_of(job, now),
        started_at=job.started_at and job.started_at.astimezone(UTC),
        written_at=now,
    )


def duration_of(job: Job, now: datetime) -> float | None:
    """Return the seconds from the start of a job to its end, or to `now`."""
    if job.started_at is None:
        return None
    return round(((job.completed_at or now) - job.started_at).total_seconds(), 2)


def _bars(counts: OutcomeCounts) -> list[dict[str, Any]]:
    largest = max(counts.outcomes.values(), default=0) or 1
    return [
        {
            "outcome": str(outcome),
            "number": number,
            "width": round(100 * number / largest, 2),
            "file": next(name for name, held in FILES.items() if outcome in held),
        }
        for outcome, number in counts.outcomes.items()
    ]
