"""`enrollment triggers`: what starts workflows by itself, made, changed, shown and ended.

Belongs here: the keeping of triggers. Trying them out, and what came of them, is in
`trigger_results`.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from enrollment_pipeline.cli import trigger_results
from enrollment_pipeline.cli.session import session_of
from enrollment_pipeline.cli.trigger_options import (
    EventOption,
    FileOption,
    FilterOption,
    HoursOption,
    InactiveOption,
    LatenessHoursOption,
    LatenessOption,
    LimitOption,
    ParameterOption,
    TriggerArgument,
    document_of_options,
)
from enrollment_pipeline.cli.trigger_tables import (
    trigger_facts,
    trigger_sentence,
    triggers_table,
    types_document,
    types_table,
)
from enrollment_pipeline.errors import UsageError

if TYPE_CHECKING:
    from enrollment_pipeline.cli.session import Session
    from enrollment_pipeline.triggers.store.triggers import Trigger

app = typer.Typer(
    help="Start workflows by events and by times.\n\n"
    "Example: enrollment triggers create --workflow Welcome --event tag_added --parameter tag=lead"
)


@app.command("types")
def types(context: typer.Context) -> None:
    """List the event types, with the parameters and the fields of each."""
    document = types_document()
    session_of(context).output.answer(
        document,
        types_table(document),
        "* must be given. A filter asks for a field of data as data.NAME, and may ask for the "
        "contact's own fields and, of what is sent, for data.custom.NAME.",
    )


@app.command("create")
def create(
    context: typer.Context,
    workflow: Annotated[str, typer.Option(help="Name or id of the workflow that it starts.")],
    file: FileOption = None,
    event: EventOption = None,
    parameter: ParameterOption = None,
    condition: FilterOption = None,
    enrollment_limit: LimitOption = None,
    business_hours: HoursOption = None,
    lateness: LatenessOption = None,
    lateness_hours: LatenessHoursOption = None,
    inactive: InactiveOption = False,
) -> None:
    """Give a workflow its trigger."""
    from enrollment_pipeline.triggers import service

    settings = _settings(enrollment_limit, business_hours, lateness, lateness_hours, inactive)
    if file is None and event is None:
        raise UsageError("Name what to wait for by --event, or a document by --file.")
    document = document_of_options(file, event, parameter, condition, settings)
    session = session_of(context)
    made, new = service.create(
        session.database, session.account, workflow, document, actor=session.requested_by
    )
    if not new:
        session.output.note("The workflow had this very trigger already; nothing was changed.")
    _answer(session, made)


@app.command("update")
def update(
    context: typer.Context,
    trigger: TriggerArgument,
    file: FileOption = None,
    event: EventOption = None,
    parameter: ParameterOption = None,
    condition: FilterOption = None,
    enrollment_limit: LimitOption = None,
    business_hours: HoursOption = None,
    lateness: LatenessOption = None,
    lateness_hours: LatenessHoursOption = None,
    inactive: InactiveOption = False,
) -> None:
    """Change what is given of a trigger; all else stays as it is."""
    from enrollment_pipeline.triggers import service

    settings = _settings(enrollment_limit, business_hours, lateness, lateness_hours, inactive)
    changes = document_of_options(file, event, parameter, condition, settings)
    if file is None and not changes:
        raise UsageError("Name what is to change.")
    session = session_of(context)
    changed = service.update(
        session.database, session.account, trigger, changes, actor=session.requested_by
    )
    _answer(session, changed)


@app.command("show")
def show(context: typer.Context, trigger: TriggerArgument) -> None:
    """Show a trigger: what it waits for, whom it takes, whether it waits."""
    from enrollment_pipeline.triggers import service

    session = session_of(context)
    found = service.find(session.database, session.account, trigger)
    document = service.document_of(found)
    session.output.answer(document, trigger_facts(document))


@app.command("list")
def list_triggers(
    context: typer.Context,
    event: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Only triggers on this event type.")
    ] = None,
    active: Annotated[
        bool | None,
        typer.Option("--active/--inactive", help="Only those that are on, or that are off."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Triggers on a page.")] = 50,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
) -> None:
    """List the account's triggers, by the name of their workflow."""
    from enrollment_pipeline.triggers import service

    session = session_of(context)
    found, total = service.list_triggers(
        session.database, session.account, event=event, active=active, limit=limit, page=page
    )
    documents = [service.document_of(one) for one in found]
    session.output.answer(
        {"triggers": documents, "total": total, "page": page},
        triggers_table(documents),
        f"{total:,} in all",
    )


@app.command("activate")
def activate(context: typer.Context, trigger: TriggerArgument) -> None:
    """Let a trigger wait for its event, from now on."""
    from enrollment_pipeline.triggers import service

    session = session_of(context)
    _answer(
        session,
        service.activate(session.database, session.account, trigger, actor=session.requested_by),
    )


@app.command("deactivate")
def deactivate(context: typer.Context, trigger: TriggerArgument) -> None:
    """Let a trigger wait for nothing, until it is activated."""
    from enrollment_pipeline.triggers import service

    session = session_of(context)
    _answer(
        session,
        service.deactivate(session.database, session.account, trigger, actor=session.requested_by),
    )


@app.command("delete")
def delete(context: typer.Context, trigger: TriggerArgument) -> None:
    """End a trigger; its log stays, and its workflow may get another one."""
    from enrollment_pipeline.triggers import service

    session = session_of(context)
    gone = service.delete(session.database, session.account, trigger, actor=session.requested_by)
    session.output.answer(
        {"trigger_id": gone.id, "workflow_name": gone.workflow.name, "deleted": True},
        f"The trigger of {gone.workflow.name} is deleted.",
    )


trigger_results.register(app)


def _settings(
    enrollment_limit: str | None,
    business_hours: bool | None,
    lateness: str | None,
    lateness_hours: int | None,
    inactive: bool,
) -> dict[str, object]:
    return {
        "enrollment_limit": enrollment_limit,
        "respect_business_hours": business_hours,
        "lateness": lateness,
        "lateness_hours": lateness_hours,
        "active": False if inactive else None,
    }


def _answer(session: "Session", trigger: "Trigger") -> None:
    from enrollment_pipeline.triggers import service

    document = service.document_of(trigger)
    session.output.answer(document, trigger_sentence(document), document["trigger_id"])
