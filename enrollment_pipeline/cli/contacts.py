"""`enrollment contacts`: bring contacts in, write them out, change and delete them.

Belongs here: what can be asked for, as options. When it is done is in `operation_requests`; taking
hold of what was asked for, and taking it back, in `operations`.
"""

import json
import math
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrollment_pipeline.cli import operations
from enrollment_pipeline.cli.given import json_value, pairs, text_or_file
from enrollment_pipeline.cli.operation_requests import (
    AskedAgain,
    PreviewOption,
    answer_closed,
    answer_request,
    do_here,
    foresee,
    operation_document,
    request_of,
    require_no_error,
    with_options_of,
)
from enrollment_pipeline.cli.requests import (
    ColumnOption,
    CsvOption,
    FilterOption,
    IdsOption,
    selection_document,
)
from enrollment_pipeline.cli.session import Session, session_of
from enrollment_pipeline.errors import AnswerNotWrittenError, InterruptedByUserError, UsageError

if TYPE_CHECKING:
    from enrollment_pipeline.bulk_operations.request import OperationRequest

app = typer.Typer(
    help="Bring contacts in, write them out, change and delete them.\n\n"
    "Example: enrollment contacts import leads.csv --preview"
)

ShareOption = Annotated[
    float,
    typer.Option(
        "--max-change-share",
        help="Share of the account's contacts, 0 to 1, above which nothing is changed.",
    ),
]
ResubscribeOption = Annotated[
    bool,
    typer.Option("--allow-resubscribe", help="Let a status become a looser one, such as active."),
]
TriggersOption = Annotated[
    bool, typer.Option("--fire-triggers", help="Let what becomes of contacts start workflows.")
]

_CUSTOM = "custom_fields."


@app.command("import")
@with_options_of(AskedAgain)
def import_contacts(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A CSV, JSON lines or Parquet file of contacts.")],
    written_as: Annotated[
        str,
        typer.Option("--format", help="auto (by name and content), csv, jsonl or parquet."),
    ] = "auto",
    mode: Annotated[str, typer.Option(help="upsert, or only create, or only update.")] = "upsert",
    key: Annotated[
        str,
        typer.Option(help="What a row is known by: email, contact_id or custom_fields.NAME."),
    ] = "email",
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="HEADER=FIELD",
            help="What a column is; without a field, it is dropped. Repeatable.",
        ),
    ] = None,
    drop_unmapped: Annotated[
        bool,
        typer.Option("--drop-unmapped", help="Drop other columns, which become custom fields."),
    ] = False,
    clear_blanks: Annotated[
        bool, typer.Option("--clear-blanks", help="Let a blank cell clear the field.")
    ] = False,
    reject_duplicates: Annotated[
        bool,
        typer.Option(
            "--reject-duplicates", help="Of rows with one key, let the first count, not the last."
        ),
    ] = False,
    date_format: Annotated[
        str | None,
        typer.Option(help="Of dates that are not YYYY-MM-DD, such as %d/%m/%Y."),
    ] = None,
    allow_resubscribe: ResubscribeOption = False,
    fire_triggers: TriggersOption = False,
    max_change_share: ShareOption = 1.0,
    preview: PreviewOption = False,
    *,
    asked: AskedAgain,
) -> None:
    """Create and update contacts from a file."""
    session = session_of(context)
    document = {
        "type": "import",
        "path": file,
        "format": written_as,
        "mode": mode,
        "key": key,
        "mapping": pairs(mapping or [], '--map "Mobile 2=phone"'),
        "unmapped": "drop" if drop_unmapped else "keep",
        "blanks": "clear" if clear_blanks else "keep",
        "duplicates": "reject" if reject_duplicates else "last",
        "date_format": date_format,
        "allow_resubscribe": allow_resubscribe,
        "fire_triggers": fire_triggers,
        "max_change_share": max_change_share,
    }
    answer_request(session, request_of(session, document, asked), asked, preview=preview)


@app.command("export")
@with_options_of(AskedAgain)
def export(
    context: typer.Context,
    condition: FilterOption = None,
    chosen: Annotated[
        str | None,
        typer.Option("--fields", metavar="A,B,C", help="Fields in their order. Default: all."),
    ] = None,
    written_as: Annotated[
        str, typer.Option("--format", help="csv, jsonl, parquet or xlsx.")
    ] = "csv",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Copy the file there when it is written.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let --output replace a file that is there.")
    ] = False,
    *,
    asked: AskedAgain,
) -> None:
    """Write contacts to a file, which is kept for some days."""
    session = session_of(context)
    document = {
        "type": "export",
        "filter": condition and json_value(text_or_file(condition, "--filter"), "--filter"),
        "fields": [] if chosen is None else [one.strip() for one in chosen.split(",")],
        "format": written_as,
    }
    request = request_of(session, document, asked)
    if output is None:
        answer_request(session, request, asked, preview=False)
        return
    if asked.for_later:
        raise UsageError("--output copies what is written here and now; leave it out.")
    _require_free(session, output, force)
    operation_id = do_here(session, request)
    files = require_no_error(operation_document(session, operation_id))["files"]
    for written in files.values():
        _copy(Path(written), output)
    answer_closed(session, operation_id, output=str(output))


@app.command("update")
@with_options_of(AskedAgain)
def update(
    context: typer.Context,
    ids: IdsOption = None,
    condition: FilterOption = None,
    csv: CsvOption = None,
    column: ColumnOption = "auto",
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Set a field; without a value, clear it. Repeatable.",
        ),
    ] = None,
    add_tag: Annotated[
        list[str] | None, typer.Option("--add-tag", help="Tag that is added; repeatable.")
    ] = None,
    remove_tag: Annotated[
        list[str] | None, typer.Option("--remove-tag", help="Tag that is removed; repeatable.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="active, unsubscribed, bounced or blocked.")
    ] = None,
    allow_resubscribe: ResubscribeOption = False,
    fire_triggers: TriggersOption = False,
    max_change_share: ShareOption = 1.0,
    preview: PreviewOption = False,
    *,
    asked: AskedAgain,
) -> None:
    """Change contacts, all in the same way."""
    session = session_of(context)
    given = pairs(values or [], "--set first_name=Ann")
    document = {
        "type": "update",
        "selection": selection_document(csv, column, ids, condition),
        "changes": {
            "set": {name: value_of(name, text) for name, text in given.items()},
            "add_tags": add_tag or [],
            "remove_tags": remove_tag or [],
            "status": status,
        },
        "allow_resubscribe": allow_resubscribe,
        "fire_triggers": fire_triggers,
        "max_change_share": max_change_share,
    }
    answer_request(session, request_of(session, document, asked), asked, preview=preview)


@app.command("delete")
@with_options_of(AskedAgain)
def delete(
    context: typer.Context,
    ids: IdsOption = None,
    condition: FilterOption = None,
    csv: CsvOption = None,
    column: ColumnOption = "auto",
    max_change_share: ShareOption = 1.0,
    preview: PreviewOption = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask on a terminal whether it is meant so.")
    ] = False,
    *,
    asked: AskedAgain,
) -> None:
    """Delete contacts; as long as a rollback is possible, they can be brought back."""
    session = session_of(context)
    document = {
        "type": "delete",
        "selection": selection_document(csv, column, ids, condition),
        "max_change_share": max_change_share,
    }
    request = request_of(session, document, asked)
    if not (preview or yes or _is_meant(session, request)):
        raise InterruptedByUserError("Nothing was deleted.", remedy="With --yes it is not asked.")
    answer_request(session, request, asked, preview=preview)


app.command("rollback")(operations.rollback)


def value_of(name: str, text: str) -> str | float | bool | None:
    """Return the value that `--set` gives a field; None clears it.

    Fields are texts. A custom field takes a number, true, false, null or a text in quotes as JSON
    says it, and anything else as the text it is.
    """
    if not text:
        return None
    if not name.startswith(_CUSTOM):
        return text
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
        return text
    found: str | float | bool | None = value
    return found


def _is_meant(session: Session, request: "OperationRequest") -> bool:
    if not session.output.can_ask:
        return True
    session.output.note("Counting the contacts ...")
    number = foresee(session, request)["outcomes"].get("deleted", 0)
    return session.output.confirms(f"Delete {number:,} contacts?")


def _require_free(session: Session, output: Path, force: bool) -> None:
    """Find out whether a file can be copied there, before there is one.

    Raises:
        UsageError: it cannot, or would replace another.
    """
    if session.settings.exports_url is not None:
        raise UsageError(
            "Exports go where ENROLLMENT_EXPORTS_URL says, and are not copied.",
            remedy="Leave out --output, and fetch the file from there.",
        )
    if not output.absolute().parent.is_dir():
        raise UsageError(f"--output: there is no folder {str(output.parent)!r}.")
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"--output: {str(output)!r} cannot be used: {error.strerror}.") from None
    if not stat.S_ISREG(mode):
        raise UsageError(f"--output: {str(output)!r} is not a file.")
    if not force:
        raise UsageError(
            f"--output: {str(output)!r} exists.", remedy="Name another, or add --force."
        )


def _copy(written: Path, output: Path) -> None:
    target = output.resolve()
    partial = target.with_name(f".{target.name[:200]}.{os.getpid()}.partial")
    try:
        shutil.copyfile(written, partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise AnswerNotWrittenError(
            f"The export is written to {written}, but cannot be copied to {output}: "
            f"{error.strerror}.",
            remedy="Copy it from there.",
        ) from None
