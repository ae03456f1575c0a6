"""An inbox of its own for a test: files dropped into it, looks at it, and what became of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from enrollment_pipeline.enrollment.inbox import CsvRoute
from enrollment_pipeline.inbox.look import Tick, look
from enrollment_pipeline.inbox.route import Route
from enrollment_pipeline.inbox.rules import Memory
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.tenancy import Database

LIST = "email\nann@example.com\nbob@example.com\n"
QUIET = 10.0


def inbox_settings(settings: Settings, folder: Path) -> Settings:
    """The settings of the suite, with data, scratch and reports in a folder of the test."""
    return settings.model_copy(
        update={
            "data": folder / "data",
            "home": folder / "home",
            "inbox_quiet_seconds": QUIET,
        }
    )


@dataclass
class InboxFolder:
    """The inbox of a test, and the clock by which it is looked at."""

    settings: Settings
    database: Database
    account: Account
    workflow: str = "Welcome"
    routes: Sequence[Route] = (CsvRoute(),)
    memory: Memory = field(default_factory=lambda: Memory({}))
    now: float = 1_000_000.0
    opened: int = 0

    @property
    def root(self) -> Path:
        return self.settings.inbox

    @property
    def place(self) -> Path:
        return self.root / self.account.name / self.workflow

    def drop(self, name: str, content: str | bytes = LIST, place: Path | None = None) -> Path:
        """Write a file into the workflow's folder, or another one."""
        folder = self.place if place is None else place
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def look(self, *, later: float = 0.0) -> Tick:
        """Look once, `later` seconds after the last look."""
        self.now += later
        tick = look(
            self.settings, self.memory, self.open_database, routes=self.routes, now=self.now
        )
        # As a sensor does, through its cursor.
        self.memory = Memory.from_cursor(tick.memory.as_cursor())
        return tick

    def settle(self) -> Tick:
        """Look at what is new, and again when it has been quiet for long enough."""
        self.look()
        return self.look(later=QUIET)

    @contextmanager
    def open_database(self) -> Iterator[Database]:
        self.opened += 1
        yield self.database

    def jobs(self) -> list[Any]:
        """The rows of the account's jobs, oldest first."""
        table = schema.enrollment_jobs
        with self.database.account(self.account.id) as connection:
            return list(connection.execute(select(table).order_by(table.c.created_at)))

    def input_of(self, job_id: UUID) -> bytes:
        """The bytes that a job keeps as its input."""
        table = schema.kept_inputs
        with self.database.account(self.account.id) as connection:
            chunks = connection.scalars(
                select(table.c.content).where(table.c.work_id == job_id).order_by(table.c.chunk)
            )
            return b"".join(chunks)

    def add_member(self, name: str, *permissions: str) -> None:
        """Make somebody a member of the account."""
        with self.database.account(self.account.id) as connection:
            connection.execute(
                insert(schema.members).values(
                    account_id=self.account.id, name=name, permissions=list(permissions)
                )
            )

    def waiting(self) -> list[str]:
        """The names in the workflow's folder that are no folders."""
        return sorted(path.name for path in self.place.iterdir() if not path.is_dir())

    def processed(self) -> list[str]:
        """The names among the processed files."""
        return names_in(self.place / "processed")

    def rejected(self, root: Path | None = None) -> dict[str, list[str]]:
        """The rejected files, and the lines of the reason beside each; fails where one has none."""
        folder = (root or self.place) / "rejected"
        names = names_in(folder)
        reasons = {name for name in names if name.endswith(".reason.txt")}
        files = set(names) - reasons
        assert {f"{name}.reason.txt" for name in files} == reasons
        return {
            name: (folder / f"{name}.reason.txt").read_text(encoding="utf-8").splitlines()
            for name in files
        }


def names_in(folder: Path) -> list[str]:
    """The names in a folder, none where it is missing."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
