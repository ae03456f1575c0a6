"""`enrollment events`: events sent in, listed and evaluated.

Belongs here: arguments, answers, and reading lines from a file or from standard input. What an
event is, is in `enrollment_pipeline.triggers`.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from enrollment_pipeline.cli.given import json_value, text_or_file
from enrollment_pipeline.cli.output import facts, table
from enrollment_pipeline.cli.session import session_of
from enrollment_pipeline.cli.trigger_results import totals_document
from enrollment_pipeline.cli.trigger_tables import counts_table, events_table
from enrollment_pipeline.errors import InvalidFileError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from enrollment_pipeline.triggers.service import Intake

app = typer.Typer(
    help="Send events to triggers, list and evaluate them.\n\n"
    "Example: enrollment events send events.jsonl"
)

_STDIN = "-"


@app.command("send")
def send(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="JSON lines, one event each; - for standard input."),
    ] = None,
    event: Annotated[str | None, typer.Option(metavar="JSON", help="One event; or @FILE.")] = None,
    written_as: Annotated[
        str,
        typer.Option("--from", metavar="FORMAT", help="How they are written: events or highlevel."),
    ] = "events",
) -> None:
    """Send events to the account's triggers, all of them or, after a trouble, none."""
    from enrollment_pipeline.triggers import service

    if (file is None) is (event is None):
        raise UsageError("Name exactly one of FILE, - and --event.")
    if written_as not in service.FORMATS:
        raise UsageError(
            f"There is no format {written_as!r}.",
            remedy=f"Use one of: {', '.join(service.FORMATS)}.",
        )
    session = session_of(context)
    # What the options hold is looked at before the database is.
    with _lines(file, event) as lines:
        found = service.receive_lines(
            session.database,
            session.account,
            lines,
            written_as=written_as,
            source="cli",
            actor=session.requested_by,
        )
    session.output.answer(asdict(found), *_received(found))


@app.command("list")
def list_events(
    context: typer.Context,
    status: Annotated[
        str | None, typer.Option(help="Only events that are pending, processed or rejected.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only events of this type.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Events on a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """List the account's events, newest first."""
    from enrollment_pipeline.triggers import service

    session = session_of(context)
    found = service.list_events(
        session.database, session.account, status=status, event_type=kind, limit=limit, page=page
    )
    session.output.answer(found, events_table(found), f"{found['total']:,} in all")


@app.command("evaluate")
def evaluate(context: typer.Context) -> None:
    """Evaluate the account's pending events, now and in this process, and enroll."""
    from enrollment_pipeline.triggers import service

    session = session_of(context)
    totals = service.work_off(
        session.database, session.settings, account=session.account, actor=session.requested_by
    )
    document = totals_document(totals)
    results = document.pop("results")
    shown = [counts_table("Result", results)] if results else []
    session.output.answer(
        {**document, "results": results},
        facts({name: f"{number:,}" for name, number in document.items()}),
        *shown,
    )


@contextmanager
def _lines(file: Path | None, event: str | None) -> Iterator[Iterator[bytes]]:
    """Open what is to be sent.

    Raises:
        InvalidFileError: the file cannot be read.
        UsageError: what is typed is no JSON, or there is no standard input.
    """
    if event is not None:
        text = text_or_file(event, "--event")
        json_value(text, "--event")
        # Between the parts of a document, a line break is a blank like any other.
        yield iter([text.replace("\r", " ").replace("\n", " ").encode("utf-8", "surrogateescape")])
    elif file is None or str(file) == _STDIN:
        if sys.stdin is None:
            raise UsageError("Standard input is closed.", remedy="Name a file instead of -.")
        yield _bounded(sys.stdin.buffer, "standard input")
    else:
        with _open(file) as handle:
            yield _bounded(handle, file.name)


def _open(file: Path) -> BinaryIO:
    name = os.fsencode(file.name).decode("utf-8", "replace")
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidFileError(f'"{name}" is a folder, not a file.', remedy="Name one file.")
        # A pipe is what a shell puts in the place of a command's output.
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise InvalidFileError(
                f'"{name}" is a device, not a file.', remedy="Use - for standard input."
            )
        return file.open("rb")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise InvalidFileError(
                f'There is no file "{name}".', remedy="Check the path and its spelling."
            ) from None
        raise InvalidFileError(
            f'"{name}" cannot be read: {error.strerror}.',
            remedy="Check the path, and that the user who runs this may read the file.",
        ) from None


def _bounded(handle: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield lines, of one that is too long for an event only the beginning.

    So whatever is sent, no more than that is in memory.

    Raises:
        InvalidFileError: it can no longer be read.
    """
    from enrollment_pipeline.triggers.events import MAX_BYTES

    longest = MAX_BYTES + 2
    try:
        while line := handle.readline(longest):
            rest = line
            while len(rest) == longest and not rest.endswith(b"\n"):
                rest = handle.readline(longest)
            yield line
    except OSError as error:
        raise InvalidFileError(f'"{name}" can no longer be read: {error.strerror}.') from None


def _received(found: "Intake") -> "list[RenderableType]":
    counts = ("received", "accepted", "duplicate", "rejected")
    shown: list[RenderableType] = [facts({name: f"{getattr(found, name):,}" for name in counts})]
    if found.rejections:
        rows = [(one["line"], one["event_id"], one["reason"]) for one in found.rejections]
        shown.append(table("Line", "Id", "Rejected because", rows=rows))
        if found.rejected > len(rows):
            shown.append("These are the first; all: enrollment events list --status rejected")
    if found.accepted:
        shown.append(
            "They are evaluated within seconds where enrollment ui runs, and otherwise by: "
            "enrollment events evaluate"
        )
    return shown
