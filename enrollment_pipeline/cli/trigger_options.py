"""The options that say what a trigger is, and the document that they make.

Belongs here: from options to a document, or to the part of one that is to change. Whether it is a
valid trigger is decided by `enrollment_pipeline.triggers`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from enrollment_pipeline.cli.given import file_text, json_value, pairs, text_or_file
from enrollment_pipeline.errors import UsageError

TriggerArgument = Annotated[
    str, typer.Argument(metavar="TRIGGER", help="Id of the trigger; or name or id of its workflow.")
]
FileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The trigger as a JSON document.")
]
EventOption = Annotated[
    str | None,
    typer.Option(metavar="TYPE", help="What to wait for; see enrollment triggers types."),
]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Parameter of the event type. Repeatable."),
]
FilterOption = Annotated[
    str | None, typer.Option("--filter", help="Condition tree as JSON; or @FILE.")
]
LimitOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIMIT", help="single: each contact once; multiple: as the workflow allows."
    ),
]
HoursOption = Annotated[
    bool | None,
    typer.Option(
        "--business-hours/--no-business-hours",
        help="Whether it waits for the opening outside of the account's business hours.",
    ),
]
LatenessOption = Annotated[
    str | None,
    typer.Option(metavar="POLICY", help="Of what is late: fire_late, skip_if_later_than or skip."),
]
LatenessHoursOption = Annotated[
    int | None, typer.Option(metavar="N", help="Hours for skip_if_later_than.")
]
InactiveOption = Annotated[
    bool, typer.Option("--inactive", help="Wait for nothing, until it is activated.")
]


def document_of_options(
    file: Path | None,
    event: str | None,
    parameters: list[str] | None,
    condition: str | None,
    settings: Mapping[str, object],
) -> dict[str, Any]:
    """Return the document that options make; it holds what was given, and nothing else.

    Settings that are None were not given. The document of a file is returned as it is, whatever it
    holds.

    Raises:
        UsageError: the options contradict each other, or what they hold cannot be read.
    """
    chosen = {name: value for name, value in settings.items() if value is not None}
    document: dict[str, Any] = {}
    if event is not None:
        document["event"] = event
    if parameters:
        document["parameters"] = pairs(parameters, "--parameter tag=lead")
    if condition is not None:
        document["filters"] = json_value(text_or_file(condition, "--filter"), "--filter")
    if chosen:
        document["settings"] = chosen
    if file is None:
        return document
    if document:
        raise UsageError("--file holds the whole document; leave out the other options.")
    found: dict[str, Any] = json_value(file_text(file, "--file"), "--file")
    return found
