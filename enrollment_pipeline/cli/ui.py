"""`enrollment ui`: the Dagster UI and its daemon on this project."""

import os
import signal
import socket
import sys
from typing import Annotated

import typer

from enrollment_pipeline.cli.session import session_of
from enrollment_pipeline.errors import ConfigurationError


def register(app: typer.Typer) -> None:
    """Add the command to the top level."""
    app.command("ui")(ui)


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Open the Dagster UI: launch, watch, re-execute; and start what the queue holds."""
    from enrollment_pipeline.runs.instance import use_dagster_home

    session = session_of(context)
    _require_free(host, port)
    # Migrated before several processes of Dagster ask for it at once.
    session.database.close()
    home = use_dagster_home(session.settings)
    os.environ["ENROLLMENT_HOME"] = str(session.settings.home)
    os.environ["ENROLLMENT_DATA"] = str(session.settings.data)
    session.output.note(f"Dagster UI: http://{host}:{port} (stop with Ctrl-C; files in {home})")
    command = [
        sys.executable,
        "-W",
        "ignore::FutureWarning",
        "-m",
        "dagster",
        "dev",
        "-m",
        "enrollment_pipeline.definitions",
        "--host",
        host,
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    # Dagster warns of a dagster.yaml in the current folder that is not the one in its home.
    os.chdir(home)
    # A shell without job control lets what it starts in the background ignore Ctrl-C, and Dagster
    # would then ignore SIGTERM, too.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    # Replaced by Dagster, so that a signal to this command reaches it.
    os.execv(sys.executable, command)  # noqa: S606


def _require_free(host: str, port: int) -> None:
    # Dagster would start its daemon, fail to listen, and leave the daemon running.
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can listen on {host}:{port}: {error.strerror}.",
            remedy="Stop what listens there, or name another: enrollment ui --port 3001",
        ) from None
