"""`enrollment demo`: the whole way once, from an import to a report, with the sample files.

Belongs here: the order of the steps and how their result is told. The steps are the ones that other
commands take, and what is told of a row is read from the result files of the job.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from enrollment_pipeline.cli.output import table
from enrollment_pipeline.cli.session import Session, session_of
from enrollment_pipeline.errors import Reason, WorkflowNotFoundError, error_from

if TYPE_CHECKING:
    from rich.console import RenderableType

    from enrollment_pipeline.records import Workflow
    from enrollment_pipeline.samples.generator import Samples

WORKFLOW = "Welcome"
_FILTER = '{"conditions": [{"field": "tags", "operator": "contains", "value": "vip"}]}'


@dataclass(frozen=True, slots=True)
class KindResult:
    """What became of the rows of one kind; line and the fields behind it are of the first one."""

    kind: str
    rows: int
    outcomes: dict[str, int]
    line: int
    identifier: str
    outcome: str
    code: str | None
    message: str | None


def register(app: typer.Typer) -> None:
    """Add the command to the top level."""
    app.command("demo")(demo)


def demo(context: typer.Context) -> None:
    """Import sample contacts, enroll a troublesome list, and show what became of each row."""
    from enrollment_pipeline.bulk_operations.direct import import_file
    from enrollment_pipeline.samples.generator import CONTACTS, ENROLL_ME, make_samples

    session = session_of(context)
    samples = make_samples()
    folder = _sample_folder(session, samples)
    session.output.note(f"Importing {_short(folder / CONTACTS)} ...")
    imported = import_file(
        session.database,
        session.settings,
        session.account,
        folder / CONTACTS,
        actor=session.requested_by,
    )
    workflow = _workflow(session)
    session.output.note(f"Enrolling {_short(folder / ENROLL_ME)} into {workflow.name} ...")
    job = _enroll(session, workflow, folder / ENROLL_ME)
    kinds = _by_kind(samples, job["files"])
    session.output.answer(
        {
            "account": session.account.name,
            "samples": {"contacts": folder / CONTACTS, "enroll_me": folder / ENROLL_ME},
            "contacts": imported,
            "workflow": {"workflow_id": workflow.id, "name": workflow.name},
            "job": job,
            "kinds": [asdict(kind) for kind in kinds],
        },
        *_told(session, folder / ENROLL_ME, job, kinds),
    )


def _sample_folder(session: Session, samples: "Samples") -> Path:
    """Return where the sample files lie: in a checkout, otherwise newly written in the home."""
    committed = session.settings.data / "samples"
    if samples.lie_in(committed):
        return committed
    folder = session.settings.home / "samples"
    samples.write(folder)
    return folder


def _workflow(session: Session) -> "Workflow":
    from enrollment_pipeline.workflows import service
    from enrollment_pipeline.workflows.request import workflow_request

    try:
        return service.find(session.database, session.account, WORKFLOW)
    except WorkflowNotFoundError:
        request = workflow_request(name=WORKFLOW, active=True)
        return service.create(
            session.database, session.account, request, actor=session.requested_by
        )


def _enroll(session: Session, workflow: "Workflow", path: Path) -> dict[str, Any]:
    from enrollment_pipeline.cli.local_run import run_here
    from enrollment_pipeline.enrollment import service
    from enrollment_pipeline.enrollment.request import parse_request

    request = parse_request(
        {
            "workflow": str(workflow.id),
            "selection": {"type": "csv", "path": path},
            "requested_by": session.requested_by,
        }
    )
    job_id, _ = service.submit(
        session.database, session.account, request, source="cli", runner="caller"
    )
    run_here(session, job_id)
    document = service.describe(session.database, session.settings, session.account, job_id)
    if document["error"] is not None:
        raise error_from(document["error"])
    return document


def _by_kind(samples: "Samples", files: Mapping[str, str]) -> list[KindResult]:
    """Look up each sample row in the result files, by its line."""
    from enrollment_pipeline.samples.enroll_me import Kind

    results = {
        int(result["line"]): result
        for name, path in files.items()
        if name != "report"
        for result in _rows_of(path)
    }
    lines: dict[Kind, list[int]] = {kind: [] for kind in Kind}
    for row in samples.rows:
        lines[row.kind].append(row.line)
    return [_kind_result(kind, [results[line] for line in lines[kind]]) for kind in Kind]


def _rows_of(path: str) -> Iterable[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _kind_result(kind: str, results: list[dict[str, str]]) -> KindResult:
    first = results[0]
    return KindResult(
        kind=str(kind),
        rows=len(results),
        outcomes=dict(Counter(result["outcome"] for result in results)),
        line=int(first["line"]),
        identifier=first["identifier"],
        outcome=first["outcome"],
        code=first["code"] or None,
        message=first["message"] or None,
    )


def _told(
    session: Session, path: Path, job: dict[str, Any], kinds: list[KindResult]
) -> "list[RenderableType]":
    report = Path(job["files"]["report"])
    return [
        _headline(job),
        table(
            "Kind of row",
            "Rows",
            "E.g. line",
            "What became of it",
            rows=[(kind.kind, kind.rows, kind.line, _fate(kind)) for kind in kinds],
        ),
        f"The list: {_short(path)}",
        f"Its report: {_short(report)}",
        f"One file per outcome: {_short(report.parent)}",
        "",
        f"Try next (enrollment is {_short(Path(sys.argv[0]))}):",
        *(f"  {command}" for command in _next_commands(session, path)),
    ]


def _headline(job: dict[str, Any]) -> str:
    outcomes, rows = job["outcomes"], job["input_rows"]
    if not outcomes["enrolled"] and outcomes["already_enrolled"]:
        return (
            f"Nobody was enrolled: {outcomes['already_enrolled']:,} of the {rows:,} rows name "
            f"contacts that are in {job['workflow_name']} already."
        )
    return (
        f"{outcomes['enrolled']:,} of {rows:,} rows were enrolled into {job['workflow_name']}; "
        "the others are listed with the reason."
    )


def _fate(kind: KindResult) -> str:
    outcomes = [outcome.replace("_", " ") for outcome in kind.outcomes]
    if len(outcomes) > 1:
        counts = zip(outcomes, kind.outcomes.values(), strict=True)
        return ", ".join(f"{outcome} {number}" for outcome, number in counts)
    if kind.code is None:
        return outcomes[0]
    why = kind.message or Reason(kind.code).sentence
    return f"{outcomes[0]}: {why.removeprefix(f'{kind.code}: ')}"


def _next_commands(session: Session, path: Path) -> list[str]:
    where = "" if session.account.name == "demo" else f" --account {session.account.name}"
    return [
        f"enrollment{where} preview --workflow {WORKFLOW} --csv '{_short(path)}'",
        f"enrollment{where} run --workflow {WORKFLOW} --filter '{_FILTER}'",
        f"enrollment{where} list",
        "enrollment ui    # then, in a second terminal:",
        f"enrollment{where} submit --workflow {WORKFLOW} --csv '{_short(path)}'",
    ]


def _short(path: Path) -> str:
    """Return the path as seen from the current folder, where it lies below."""
    absolute = path.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
