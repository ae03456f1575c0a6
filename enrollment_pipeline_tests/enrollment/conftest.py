"""One account and everything that is done to it: submit, run all phases, and hold the result."""

import csv
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.enrollment import queue, service
from enrollment_pipeline.enrollment.engine import LaneEnd, Stop
from enrollment_pipeline.enrollment.phases import Phases, Report
from enrollment_pipeline.enrollment.report import FILES
from enrollment_pipeline.enrollment.request import BulkEnrollmentRequest, parse_request
from enrollment_pipeline.files.formulas import escape_formula
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

Document = dict[str, Any]
OUTCOMES = (
    "enrolled",
    "already_enrolled",
    "skipped",
    "failed",
    "duplicate",
    "unmatched",
    "rejected",
    "cancelled",
    "unprocessed",
)
EVERYBODY: Document = {"type": "filter", "filter": {}}


def run_phases(phases: Phases, stop: Stop | None = None) -> Report:
    """Do what a run does, in its order."""
    phases.select()
    phases.validate()
    phases.partition()
    if phases.open_lanes():
        assert phases.lane(stop or threading.Event()).drain() is LaneEnd.DONE
    phases.close_lanes()
    failed = [check for check in phases.check() if not check.passed]
    assert not failed
    return phases.report()


def manual(ids: Iterable[object]) -> Document:
    """The selection of these contacts."""
    return {"type": "manual", "contact_ids": [str(one) for one in ids]}


@dataclass
class Bulk:
    """Bulk enrollment of one account."""

    database: Database
    settings: Settings
    owner: Engine
    account: Account
    folder: Path
    _files: int = field(default=0)

    def csv(self, content: str | bytes, column: str = "auto", name: str = "") -> Document:
        """The selection of the contacts that a file with this content identifies."""
        self._files += 1
        path = self.folder / (name or f"people-{self._files}.csv")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return {"type": "csv", "path": str(path), "identifier_column": column}

    def request(
        self, selection: Document, workflow: object = "Welcome", **changes: Any
    ) -> BulkEnrollmentRequest:
        """The request; what is no option of it is a field."""
        fields = {
            name: changes.pop(name)
            for name in ("request_id", "scheduled_at", "timezone", "requested_by")
            if name in changes
        }
        return parse_request(
            {"workflow": str(workflow), "selection": selection, "options": changes, **fields}
        )

    def submit(self, selection: Document, workflow: object = "Welcome", **changes: Any) -> UUID:
        """Create a job and return its id."""
        request = self.request(selection, workflow, **changes)
        job_id, created = service.submit(self.database, self.account, request, source="test")
        assert created
        return job_id

    def preview(
        self, selection: Document, workflow: object = "Welcome", **changes: Any
    ) -> Document:
        """Rehearse the request."""
        request = self.request(selection, workflow, **changes)
        return service.preview(self.database, self.settings, self.account, request)

    def phases(self, job_id: UUID, database: Database | None = None) -> Phases:
        """The phases of a job."""
        return Phases(database or self.database, self.settings, job_id)

    def prepare(self, job_id: UUID) -> Phases:
        """Bring a job to the point where lanes begin."""
        phases = self.phases(job_id)
        phases.select()
        phases.validate()
        phases.partition()
        phases.open_lanes()
        return phases

    def finish(self, job_id: UUID, stop: Stop | None = None) -> Document:
        """Run all phases of a job, and hold the result against what is promised."""
        run_phases(self.phases(job_id), stop)
        return self.verified(job_id)

    def enroll(self, selection: Document, workflow: object = "Welcome", **changes: Any) -> Document:
        """Submit and finish."""
        return self.finish(self.submit(selection, workflow, **changes))

    def describe(self, job_id: UUID) -> Document:
        """Everything about a job."""
        return service.describe(self.database, self.settings, self.account, job_id)

    def verified(self, job_id: UUID) -> Document:
        """Describe a closed job, having made sure that it tells the truth."""
        document = self.describe(job_id)
        rows = self.rows(job_id)
        outcomes = document["outcomes"]
        assert tuple(outcomes) == OUTCOMES
        assert min(outcomes.values()) >= 0
        assert sum(outcomes.values()) == document["input_rows"] == len(rows)
        assert Counter(row["outcome"] for row in rows) == Counter(
            {outcome: number for outcome, number in outcomes.items() if number}
        )
        assert document["reasons"] == Counter(row["code"] for row in rows if row["code"])
        assert len({row["position"] for row in rows}) == len(rows)
        assert all(check.passed for check in self.phases(job_id).check())
        assert Counter(_as_written(row) for row in rows) == Counter(written_rows(document))
        assert 0 <= document["progress"]["percent"] <= 100
        assert self.enrolled_by(job_id) == {
            row["contact_id"] for row in rows if row["outcome"] == "enrolled"
        }
        return document

    def rows(self, job_id: UUID) -> list[Document]:
        """The input rows of a job with their outcomes, in order."""
        statement = text(
            "select * from enrollment.enrollment_outcomes where job_id = :job order by position"
        )
        with self.owner.begin() as connection:
            # A new job has no statistics, by which a nested loop over all of it looks cheap.
            connection.execute(text("set local enable_nestloop = off"))
            return [dict(row) for row in connection.execute(statement, {"job": job_id}).mappings()]

    def outcome_of(self, job_id: UUID) -> dict[str, list[str]]:
        """The outcomes and codes of a job's input rows, by identifier."""
        found: dict[str, list[str]] = {}
        for row in self.rows(job_id):
            told = row["outcome"] + (f" {row['code']}" if row["code"] else "")
            found.setdefault(row["identifier"], []).append(told)
        return found

    def enrolled_by(self, job_id: UUID) -> set[UUID]:
        """The contacts that a job enrolled; fails where one was enrolled twice."""
        ids = [
            row["contact_id"]
            for row in self.query(
                "select contact_id from enrollment.enrollments where source_id = :job", job=job_id
            )
        ]
        assert len(set(ids)) == len(ids)
        return set(ids)

    def crowd(self, count: int, prefix: str = "c") -> list[UUID]:
        """Create contacts `PREFIX1@example.com`... quickly; return their ids in that order."""
        statement = (
            "insert into enrollment.contacts (account_id, email) "
            "select :account, :prefix || n || '@example.com' from generate_series(1, :count) n "
            "returning id"
        )
        rows = self.query(statement, account=self.account.id, prefix=prefix, count=count)
        return [row["id"] for row in rows]

    def audit(self, subject: UUID) -> list[tuple[str, str]]:
        """Who did what to a job, in order."""
        rows = self.query(
            "select actor, action from enrollment.audit_log where subject = :subject order by id",
            subject=str(subject),
        )
        return [(row["actor"], row["action"]) for row in rows]

    def in_queue(self, job_id: UUID) -> list[tuple[int, str]]:
        """Attempt and state of a job, where the queue has it."""
        return [
            (job.attempt, self.describe(job_id)["status"])
            for job in queue.open_jobs(self.database)
            if job.work_id == job_id
        ]

    def batches(self, job_id: UUID) -> list[Document]:
        """The batches of a job, in order."""
        return self.query(
            "select *, extract(epoch from next_attempt_at - now()) as due_in "
            "from enrollment.enrollment_batches where job_id = :job order by number",
            job=job_id,
        )

    def failures(self, job_id: UUID) -> list[Document]:
        """What `list_failures` tells of a job."""
        found = service.list_failures(self.database, self.account, job_id, limit=1000)
        return list(found["failures"])

    def query(self, statement: str, **values: Any) -> list[Document]:
        """Rows that a statement of the owner returns."""
        with self.owner.begin() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

    def sql(self, statement: str, **values: Any) -> None:
        """Let the owner change something."""
        with self.owner.begin() as connection:
            connection.execute(text(statement), values)

    def change_contacts(self, ids: Iterable[UUID], change: str) -> None:
        """Set columns of contacts."""
        self.sql(f"update enrollment.contacts set {change} where id = any(:ids)", ids=list(ids))

    def enroll_before(
        self, workflow: UUID, ids: Iterable[UUID], status: str = "active", ended: str = "null"
    ) -> None:
        """Write enrollments that were there before."""
        self.sql(
            "insert into enrollment.enrollments (account_id, workflow_id, contact_id, status, "
            "ended_at, current_step, source, source_id) "
            f"select :account, :workflow, id, :status, {ended}, 'start', 'api', :workflow "
            "from unnest(cast(:ids as uuid[])) as id",
            account=self.account.id,
            workflow=workflow,
            ids=list(ids),
            status=status,
        )

    def set_workflow(self, workflow: UUID, status: str) -> None:
        """Set the status of a workflow."""
        self.sql(
            "update enrollment.workflows set status = :status where id = :id",
            id=workflow,
            status=status,
        )


def written_rows(document: Document) -> list[tuple[str, ...]]:
    """The rows of all result files of a job; each must be in a file of its outcome."""
    assert set(document["files"]) == {*FILES, "report"}
    found = []
    for name, outcomes in FILES.items():
        with Path(document["files"][name]).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, strict=True):
                assert row["outcome"] in outcomes
                found.append(tuple(row.values()))
    return found


def _as_written(row: Document) -> tuple[str, ...]:
    return (
        str(row["line"] or ""),
        escape_formula(row["identifier"]),
        str(row["contact_id"] or ""),
        row["outcome"],
        row["code"] or "",
        escape_formula(row["message"] or ""),
    )


class Impatient:
    """A stop that never comes, and that does not sleep: it lets the next attempts be due at once.

    `waits` are the sleeps asked for, `postponed` the batches that waited: number, attempts, seconds
    until the next.
    """

    def __init__(self, bulk: Bulk, job_id: UUID) -> None:
        self.waits: list[float | None] = []
        self.postponed: list[list[tuple[int, int, int]]] = []
        self._bulk = bulk
        self._job_id = job_id

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        self.postponed.append(
            [
                (batch["number"], batch["attempts"], round(batch["due_in"]))
                for batch in self._bulk.batches(self._job_id)
                if batch["status"] == "queued" and batch["next_attempt_at"] is not None
            ]
        )
        self._bulk.sql(
            "update enrollment.enrollment_batches set next_attempt_at = now() "
            "where job_id = :job and status = 'queued'",
            job=self._job_id,
        )
        return False


Trip = Callable[..., None]


@pytest.fixture
def trip(owner: Engine) -> Iterator[Trip]:
    """Make the database stumble over contacts as they are enrolled: `body` is PL/pgSQL.

    In it, `stumbled` is how often it was run, which no rollback undoes.
    """
    names = []

    def install(ids: Iterable[UUID], body: str, *, kind: str = "trigger") -> None:
        name = f"trip_{uuid4().hex}"
        names.append(name)
        listed = ",".join(map(str, ids))
        when, how = ("before", "") if kind == "trigger" else ("after", "initially deferred")
        with owner.begin() as connection:
            connection.exec_driver_sql(f"create sequence enrollment.{name}")
            connection.exec_driver_sql(
                f"create function enrollment.{name}() returns trigger language plpgsql "
                f"security definer as $$ declare stumbled bigint := nextval('enrollment.{name}'); "
                f"begin {body} return new; end $$"
            )
            connection.exec_driver_sql(
                f"create {kind} {name} {when} insert on enrollment.enrollments {how} "
                f"for each row when (new.contact_id = any ('{{{listed}}}'::uuid[])) "
                f"execute function enrollment.{name}()"
            )

    yield install
    with owner.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f"drop trigger {name} on enrollment.enrollments")
            connection.exec_driver_sql(f"drop function enrollment.{name}()")
            connection.exec_driver_sql(f"drop sequence enrollment.{name}")


MakeBulk = Callable[..., Bulk]


@pytest.fixture
def make_bulk(
    database: Database,
    settings: Settings,
    owner: Engine,
    make_account: Callable[..., Account],
    tmp_path: Path,
) -> MakeBulk:
    """Bulk enrollment of a new account; keyword arguments are its settings."""

    def make(**changes: object) -> Bulk:
        return Bulk(database, settings, owner, make_account(**changes), tmp_path)

    return make


@pytest.fixture
def bulk(make_bulk: MakeBulk) -> Bulk:
    """Bulk enrollment of an account of its own for the test."""
    return make_bulk()
