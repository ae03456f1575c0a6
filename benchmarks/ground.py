"""The database and the data that benchmarks work on, in a home folder of their own."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine, create_engine, text

from enrollment_pipeline.accounts import service as accounts
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.lanes import drain_together
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings, load_settings
from enrollment_pipeline.storage.embedded import stop_server
from enrollment_pipeline.storage.engine import database_urls, open_database
from enrollment_pipeline.storage.tenancy import Database

PROGRAM = str(Path(sys.executable).parent / "enrollment")
ACCOUNT = "bench"
WORKFLOW = "Bench"
_LIMITS = {
    "max_contacts_per_job": "20000000",
    "csv_max_bytes": "10000000000",
    "csv_max_lines": "20000000",
    "max_open_jobs": "1000",
    "max_workflows": "100000",
    "max_templates": "none",
}


@dataclass(frozen=True)
class Ground:
    """An account with raised limits in a database of its own."""

    settings: Settings
    database: Database
    owner: Engine
    account: Account
    workflow_id: UUID
    folder: Path

    def fill(self, contacts: int) -> None:
        """Make the account hold exactly the contacts u1 ... uN@example.com."""
        with self.owner.begin() as connection:
            connection.execute(text("truncate enrollment.contacts cascade"))
            connection.execute(
                text(
                    "insert into enrollment.contacts (account_id, email, first_name) "
                    "select :account, 'u' || n || '@example.com', 'First' || n "
                    "from generate_series(1, :count) n"
                ),
                {"account": self.account.id, "count": contacts},
            )
        self.tidy()

    def forget_enrollments(self) -> None:
        """Empty what jobs have written, so that every measurement starts alike."""
        with self.owner.begin() as connection:
            connection.execute(
                text(
                    "truncate enrollment.enrollments, enrollment.enrollment_failures, "
                    "enrollment.selected_contacts, enrollment.enrollment_batches, "
                    "enrollment.enrollment_jobs cascade"
                )
            )
        self.tidy()

    def tidy(self) -> None:
        """Leave no housekeeping behind that the next measurement would pay for."""
        with self.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze enrollment.contacts"))
            connection.execute(text("checkpoint"))

    def set(self, name: str, value: str) -> None:
        """Change a setting of the account; `Phases` made from then on go by it."""
        accounts.change_settings(self.database, self.account, {name: value}, actor="benchmark")

    def csv(self, rows: int, first: int = 1) -> Path:
        """Return a CSV file with the addresses of that many contacts."""
        path = self.folder / f"rows-{first}-{rows}.csv"
        if not path.is_file():
            with path.open("w", encoding="ascii") as file:
                file.write("email,name\n")
                for number in range(first, first + rows):
                    file.write(f"u{number}@example.com,Name {number}\n")
        return path

    def submit(self, path: Path, **options: object) -> UUID:
        """Submit a CSV file as a job that the caller runs."""
        selection = {"type": "csv", "path": path}
        request = parse_request({"workflow": WORKFLOW, "selection": selection, "options": options})
        job_id, _ = service.submit(
            self.database, self.account, request, source="benchmark", runner="caller"
        )
        return job_id

    def phases(self, job_id: UUID) -> Phases:
        """Return the phases of a job."""
        return Phases(self.database, self.settings, job_id)

    def prepared(self, path: Path, **options: object) -> Phases:
        """Return a job whose batches are written."""
        phases = self.phases(self.submit(path, **options))
        phases.select()
        phases.validate()
        phases.partition()
        return phases

    def whole_job(self, path: Path) -> Phases:
        """Run all phases of a job, from submitting a CSV file to its report."""
        phases = self.prepared(path)
        drain(phases)
        phases.close_lanes()
        phases.check()
        phases.report()
        return phases

    def program(self, *arguments: str) -> None:
        """Run the installed program to its end.

        Raises:
            CalledProcessError: it failed.
        """
        subprocess.run(
            [PROGRAM, "--account", ACCOUNT, "--json", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def peak_memory(self, *arguments: str) -> float:
        """Run the installed program and return its peak memory in MB."""
        pid = os.posix_spawn(
            PROGRAM,
            [PROGRAM, "--account", ACCOUNT, "--json", *arguments],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
        )
        _, status, usage = os.wait4(pid, 0)
        if status:
            sys.exit(f"{' '.join(arguments)} failed")
        return usage.ru_maxrss / 1024


def drain(phases: Phases) -> None:
    """Enroll a prepared job, with as many lanes as it opens."""
    lanes = phases.open_lanes()
    drain_together([phases.lane(threading.Event()) for _ in range(lanes)])


@contextmanager
def ground() -> Iterator[Ground]:
    """Start a database in a temporary folder, and remove both at the end."""
    folder = Path(tempfile.mkdtemp(prefix="eb-"))
    os.environ["ENROLLMENT_HOME"] = str(folder / "home")
    os.environ.pop("ENROLLMENT_DATABASE_URL", None)
    os.environ.pop("DAGSTER_HOME", None)
    settings = load_settings()
    database = open_database(settings)
    account = accounts.create(database, ACCOUNT, actor="benchmark")
    account = accounts.change_settings(database, account, dict(_LIMITS), actor="benchmark")
    with database.account(account.id) as connection:
        workflow_id = connection.execute(
            text(
                "insert into enrollment.workflows (account_id, name, status) "
                "values (:account, :name, 'active') returning id"
            ),
            {"account": account.id, "name": WORKFLOW},
        ).scalar_one()
    owner = create_engine(database_urls(settings).owner)
    try:
        yield Ground(settings, database, owner, account, workflow_id, folder)
    finally:
        owner.dispose()
        database.close()
        stop_server(folder / "home" / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
