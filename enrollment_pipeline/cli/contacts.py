"""`enrollment contacts`: bring contacts in."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from enrollment_pipeline.cli.output import facts
from enrollment_pipeline.cli.session import session_of

app = typer.Typer(help="Bring contacts in.\n\nExample: enrollment contacts import leads.csv")


@app.callback()
def _group() -> None:
    # With a callback, Typer keeps a group of one command a group.
    pass


@app.command("import")
def import_contacts(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A CSV file with a column of e-mail addresses.")],
) -> None:
    """Create and update contacts from a CSV file, matched by e-mail address."""
    from enrollment_pipeline.bulk_operations import contact_import

    session = session_of(context)
    result = contact_import.import_contacts(
        session.database,
        session.account,
        file,
        reports=session.settings.reports,
        actor=session.requested_by,
    )
    counts = asdict(result)
    rejected_file = counts.pop("rejected_file")
    if rejected_file:
        session.output.note(f"The rejected rows, each with its reason: {rejected_file}")
    session.output.answer(
        {**counts, "files": {"rejected": rejected_file} if rejected_file else {}},
        facts({name: f"{count:,}" for name, count in counts.items()}),
    )
