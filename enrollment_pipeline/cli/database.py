"""`enrollment database`: upgrade, look at and stop the database."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from enrollment_pipeline.cli.output import facts
from enrollment_pipeline.cli.session import session_of

if TYPE_CHECKING:
    from enrollment_pipeline.settings import Settings

app = typer.Typer(
    help="Upgrade, look at and stop the database.\n\nExample: enrollment database status"
)


@app.command("upgrade")
def upgrade(context: typer.Context) -> None:
    """Bring the database to the version that this program needs."""
    from enrollment_pipeline.storage import engine

    session = session_of(context)
    version = engine.upgrade(session.settings)
    session.output.answer(
        {"status": "ready", "version": version}, f"The database is at version {version}."
    )


@app.command("status")
def status(context: typer.Context) -> None:
    """Tell where the database is and whether it is ready to work with."""
    from enrollment_pipeline.storage import engine

    session = session_of(context)
    settings = session.settings
    answer: dict[str, Any] = {
        "status": "stopped",
        "version": None,
        "embedded": settings.database_url is None,
        "folder": _folder(settings) if settings.database_url is None else None,
        "url": None,
    }
    if not _is_stopped(settings):
        # Opening it checks server, role and version, and refuses with the reason.
        engine.open_database(settings).close()
        url = engine.database_urls(settings).app
        answer |= {
            "status": "ready",
            "version": engine.HEAD,
            # Without its query, in which a password may stand too.
            "url": url.set(query={}).render_as_string(hide_password=True),
        }
    session.output.answer(answer, facts(answer))


@app.command("stop")
def stop(context: typer.Context) -> None:
    """Stop the embedded database; the next command starts it again."""
    from enrollment_pipeline.storage.embedded import stop_server

    session = session_of(context)
    stopped = stop_server(_folder(session.settings))
    session.output.answer(
        {"status": "stopped", "was_running": stopped},
        "The embedded database is stopped." if stopped else "No embedded database was running.",
    )


def _folder(settings: "Settings") -> Path:
    return settings.home / "postgres"


def _is_stopped(settings: "Settings") -> bool:
    # A server that stopped cleanly took its pid file away. To look must not start it again.
    return settings.database_url is None and not (_folder(settings) / "postmaster.pid").exists()
