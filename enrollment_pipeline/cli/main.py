"""The console script: global options, the command groups, and how every error ends.

A new group of commands is one line in `_app`. What a group does is in its own file.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from enrollment_pipeline.cli import (
    accounts,
    audit,
    contacts,
    control,
    database,
    demo,
    enroll,
    events,
    integrations,
    members,
    notifications,
    onboarding,
    operations,
    requests,
    retention,
    templates,
    triggers,
    trouble,
    ui,
    workflows,
)
from enrollment_pipeline.cli.output import Output
from enrollment_pipeline.cli.session import DEFAULT_ACCOUNT, Session
from enrollment_pipeline.errors import InterruptedByUserError, UsageError

_WITH_VALUE = ("--account", "--as")
_JSON = "--json"

_ANYWHERE = "--account, --as and --json may stand before or after the command."


def _app() -> typer.Typer:
    app = typer.Typer(
        name="enrollment", callback=_begin, invoke_without_command=True, epilog=_ANYWHERE
    )
    requests.register(app)
    enroll.register(app)
    control.register(app)
    retention.register(app)
    audit.register(app)
    ui.register(app)
    demo.register(app)
    app.add_typer(accounts.app, name="accounts")
    app.add_typer(members.app, name="members")
    app.add_typer(contacts.app, name="contacts")
    app.add_typer(operations.app, name="operations")
    app.add_typer(onboarding.app, name="onboarding")
    app.add_typer(workflows.app, name="workflows")
    app.add_typer(integrations.app, name="integrations")
    app.add_typer(templates.app, name="templates")
    app.add_typer(triggers.app, name="triggers")
    app.add_typer(events.app, name="events")
    app.add_typer(notifications.app, name="notifications")
    app.add_typer(database.app, name="database")
    return app


def _begin(
    context: typer.Context,
    account: Annotated[
        str, typer.Option(metavar="NAME", help="Account to work in.")
    ] = DEFAULT_ACCOUNT,
    as_json: Annotated[
        bool, typer.Option(_JSON, help="Answer with one JSON document on standard output.")
    ] = False,
    requested_by: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who asks. Default: your user name.")
    ] = None,
) -> None:
    """Enroll contacts into automation workflows.

    Example: enrollment run --workflow Welcome --csv leads.csv
    """
    if requested_by is not None and not requested_by.strip():
        raise UsageError("--as needs a name.")
    session = Session(
        account_name=account, requested_by=requested_by, output=Output(as_json=as_json)
    )
    context.obj = session
    context.call_on_close(session.close)
    if context.invoked_subcommand is None:
        if as_json:
            raise UsageError("A command is missing.")
        typer.echo(context.get_help())
        raise typer.Exit(UsageError.exit_code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the console script."""
    global_options, rest = _global_options_first(sys.argv[1:] if arguments is None else arguments)
    output = Output(as_json=_JSON in global_options)
    command = typer.main.get_command(_app())
    try:
        code = command.main([*global_options, *rest], prog_name="enrollment", standalone_mode=False)
    except KeyboardInterrupt:
        return _interrupted(output)
    except Exception as error:
        if os.environ.get(trouble.DEBUG_VARIABLE) == "1":
            traceback.print_exc()
        told = trouble.as_product_error(error)
        output.refuse(told)
        return told.exit_code
    if code == InterruptedByUserError.exit_code:
        # What the parser makes of an interrupt that it meets itself.
        return _interrupted(output)
    return code if isinstance(code, int) else 0


def _interrupted(output: Output) -> int:
    output.refuse(InterruptedByUserError())
    return InterruptedByUserError.exit_code


def _global_options_first(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the global options, wherever they stand before a `--`, from all else."""
    chosen: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        if argument == "--":
            return chosen, [*rest, argument, *queue]
        if argument in _WITH_VALUE:
            if not queue:
                # With nothing behind it, the parser says that the value is missing.
                return [*chosen, argument], []
            chosen += [argument, queue.pop(0)]
        elif argument == _JSON or argument.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            chosen.append(argument)
        else:
            rest.append(argument)
    return chosen, rest
