"""Databases and servers of a test's own, beside the one that the suite shares."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from pydantic import SecretStr
from sqlalchemy import URL, Engine, create_engine

from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.embedded import start_server

# Nothing can be made below a file, so a program that turns to its home is found out.
NO_HOME = Path(__file__) / "home"


@pytest.fixture(scope="session")
def make_home() -> Iterator[Callable[[], Path]]:
    """Make a home folder; the server that is started in it stops at the end."""
    made: list[Path] = []

    def make() -> Path:
        # Short, because the server's socket lives in it, and open to the user the server runs as.
        folder = Path(tempfile.mkdtemp(prefix="ep-"))
        folder.chmod(0o755)
        made.append(folder)
        return folder

    yield make
    for folder in made:
        _abandon_server(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(home: Path) -> URL:
    """The suite's server, as its superuser."""
    return start_server(home / "postgres")


@pytest.fixture(scope="session")
def make_database(server: URL) -> Iterator[Callable[[], URL]]:
    """Create an empty database on the suite's server; return its URL as its owner."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def make() -> URL:
        name = f"test_{uuid4().hex}"
        with admin.connect() as connection:
            connection.exec_driver_sql(f"create database {name}")
        made.append(name)
        return server.set(database=name)

    yield make
    # What is dropped need not be written out when the server stops, which would take seconds.
    with admin.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f"drop database {name} with (force)")
    admin.dispose()


@pytest.fixture
def engine_at() -> Iterator[Callable[[URL], Engine]]:
    """Make an engine that is disposed of at the end."""
    made: list[Engine] = []

    def make(url: URL) -> Engine:
        made.append(create_engine(url))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def external(url: URL | str, app: URL | str | None = None) -> Settings:
    """The settings of a program whose database is at `url`, without a home to fall back on."""
    return Settings(
        home=NO_HOME,
        database_url=_secret(url),
        app_database_url=None if app is None else _secret(app),
    )


def python(code: str, **options: object) -> "subprocess.Popen[str]":
    """Start a process of its own that runs `code`."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def _abandon_server(folder: Path) -> None:
    # Quicker than a clean stop, which would write out what is deleted next.
    with suppress(FileNotFoundError, psutil.NoSuchProcess):
        text = (folder / "postmaster.pid").read_text(encoding="utf-8")
        psutil.Process(int(text.split()[0])).send_signal(signal.SIGQUIT)


def _secret(url: URL | str) -> SecretStr:
    return SecretStr(url if isinstance(url, str) else url.render_as_string(hide_password=False))
