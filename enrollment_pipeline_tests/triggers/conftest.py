"""One account with triggers: raise events, turn the clock, and see who was enrolled and why not."""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.enrollment import service as enrollment
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers import intake, keeping, occurrences, running
from enrollment_pipeline.triggers.due import Span
from enrollment_pipeline.triggers.evaluation import Result
from enrollment_pipeline.triggers.intake import Intake
from enrollment_pipeline.triggers.occurrences import QUARTER
from enrollment_pipeline.triggers.running import Totals
from enrollment_pipeline.triggers.store.triggers import Trigger
from enrollment_pipeline_tests.enrollment.conftest import run_phases

Document = dict[str, Any]
PAYMENT: Document = {"event": "payment_received"}


def utc(told: str) -> datetime:
    """The instant that an ISO text without an offset names in UTC."""
    return datetime.fromisoformat(told).replace(tzinfo=UTC)


def together(*works: Callable[[], object]) -> None:
    """Do all of it at once, each in a thread of its own."""
    barrier = threading.Barrier(len(works))
    troubles: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        barrier.wait(timeout=10)
        try:
            work()
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert troubles == []


@dataclass
class Automation:
    """An account, its workflows with their triggers, and what comes of events and times."""

    database: Database
    settings: Settings
    owner: Engine
    account: Account
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # Beforehand

    def contact(self, email: str | None = "ada@example.com", **columns: object) -> UUID:
        """Create a contact with these columns."""
        values: Document = {"account_id": self.account.id, "email": email, **columns}
        if "custom_fields" in values:
            values["custom_fields"] = json.dumps(values["custom_fields"])
        names = ", ".join(values)
        places = ", ".join(f":{name}" for name in values)
        statement = f"insert into enrollment.contacts ({names}) values ({places}) returning id"
        (row,) = self.query(statement, **values)
        return UUID(str(row["id"]))

    def crowd(self, count: int, **columns: object) -> None:
        """Create contacts `c1@example.com`... quickly, all with these columns."""
        names = "".join(f", {name}" for name in columns)
        places = "".join(f", :{name}" for name in columns)
        self.query(
            f"insert into enrollment.contacts (account_id, email{names}) "
            f"select :account, 'c' || n || '@example.com'{places} "
            "from generate_series(1, :count) n returning 1",
            account=self.account.id,
            count=count,
            **columns,
        )

    def workflow(
        self,
        name: str = "Welcome",
        status: str = "active",
        *,
        steps: Sequence[Document] = (),
        **settings: object,
    ) -> UUID:
        """Create a workflow."""
        config: Document = {"settings": settings}
        if steps:
            config["steps"] = [{"id": f"s{n}", **one} for n, one in enumerate(steps, start=1)]
        (row,) = self.query(
            "insert into enrollment.workflows (account_id, name, status, config) "
            "values (:account, :name, :status, :config) returning id",
            account=self.account.id,
            name=name,
            status=status,
            config=json.dumps(config),
        )
        return UUID(str(row["id"]))

    def trigger(self, document: Document, workflow: str = "Welcome", **settings: object) -> Trigger:
        """Give a workflow a trigger."""
        if settings:
            document = {**document, "settings": {**document.get("settings", {}), **settings}}
        made, new = keeping.create(self.database, self.account, workflow, document, actor="ann")
        assert new
        return made

    def automate(
        self, document: Document, workflow: str = "Welcome", status: str = "active", **more: object
    ) -> Trigger:
        """Create a workflow with a trigger; `more` are settings of the trigger."""
        self.workflow(workflow, status)
        return self.trigger(document, workflow, **more)

    # What happens

    def send(self, *documents: Document) -> Intake:
        """Send events, each under an id of its own where it has none."""
        lines = [
            json.dumps({"event_id": f"e-{next(self._numbers)}", **one}).encode()
            for one in documents
        ]
        return self.receive(*lines)

    def pay(self, amount: float = 1, contact: UUID | None = None) -> Intake:
        """Send a payment of a contact, by default Ada's."""
        who = {"email": "ada@example.com"} if contact is None else {"contact_id": str(contact)}
        return self.send({"type": "payment_received", "data": {"amount": amount}, **who})

    def receive(self, *lines: bytes, **more: Any) -> Intake:
        """Send lines as they are."""
        return intake.receive_lines(
            self.database, self.account, lines, source="test", actor="ann", **more
        )

    def work(self, now: datetime | None = None) -> Totals:
        """Evaluate what has come in, at that time, and enroll."""
        return running.work_off(
            self.database,
            self.settings,
            account=self.account,
            clock=lambda: datetime.now(UTC) if now is None else now,
        )

    def look(
        self, now: datetime, since: datetime | None = None, until: datetime | None = None
    ) -> Counter[Result]:
        """Run a window, by default the newest quarter of an hour; returns results by number."""
        until = until or now
        window = Span(until - QUARTER if since is None else since, until)
        return occurrences.evaluate_window(self.database, self.account, window, now=now)

    def turn(self, now: datetime, **window: datetime) -> Counter[Result]:
        """Run a window, and enroll."""
        found = self.look(now, **window)
        self.work(now)
        return found

    # What came of it

    def log(self, workflow: str | None = None) -> list[tuple[str, bool, bool, str | None]]:
        """Result, matched, enrolled and reason of each row of the log, in order."""
        rows = self.query(
            "select l.result, l.matched, l.enrolled, l.reason, w.name "
            "from enrollment.trigger_log l join enrollment.workflows w on w.id = l.workflow_id "
            "where l.account_id = :account order by l.number",
            account=self.account.id,
        )
        return [
            (row["result"], row["matched"], row["enrolled"], row["reason"])
            for row in rows
            if workflow in (None, row["name"])
        ]

    def told(self) -> list[tuple[str | None, str | None]]:
        """The address of the contact and the occurrence of each row of the log that fired."""
        rows = self.query(
            "select c.email, l.occurrence from enrollment.trigger_log l "
            "join enrollment.contacts c on c.id = l.contact_id "
            "where l.account_id = :account and l.result = 'fired' "
            "order by l.due_at, c.email, l.occurrence",
            account=self.account.id,
        )
        return [(row["email"], row["occurrence"]) for row in rows]

    def enrolled(self) -> list[tuple[str, str | None, str]]:
        """Workflow, address and source of each enrollment, in order."""
        rows = self.query(
            "select w.name, c.email, e.source from enrollment.enrollments e "
            "join enrollment.workflows w on w.id = e.workflow_id "
            "join enrollment.contacts c on c.id = e.contact_id "
            "where e.account_id = :account order by e.id",
            account=self.account.id,
        )
        return [(row["name"], row["email"], row["source"]) for row in rows]

    def events(self) -> dict[str, str | None]:
        """The rejection of each event, by its id; all of them must have been processed."""
        rows = self.query(
            "select event_id, processed_at, rejection from enrollment.events "
            "where account_id = :account order by number",
            account=self.account.id,
        )
        assert None not in [row["processed_at"] for row in rows]
        return {row["event_id"]: row["rejection"] for row in rows}

    def jobs(self) -> list[tuple[str, str, int]]:
        """Runner, status and number of contacts of each job of a trigger, in order."""
        rows = self.query(
            "select runner, status, request->'selection'->>'contact_ids' as contacts "
            "from enrollment.enrollment_jobs where account_id = :account and source = 'trigger' "
            "order by created_at, id",
            account=self.account.id,
        )
        return [(row["runner"], row["status"], int(row["contacts"])) for row in rows]

    def audit(self) -> list[tuple[str, str, str]]:
        """Who did what, and with which result, in order."""
        rows = self.query(
            "select actor, action, result from enrollment.audit_log "
            "where account_id = :account order by id",
            account=self.account.id,
        )
        return [(row["actor"], row["action"], row["result"]) for row in rows]

    # By force

    def query(self, statement: str, **values: object) -> list[Document]:
        """Rows that a statement of the owner returns."""
        with self.owner.begin() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]

    def sql(self, statement: str, **values: object) -> None:
        """Let the owner change something."""
        with self.owner.begin() as connection:
            connection.execute(text(statement), values)

    def change_contact(self, contact: UUID, change: str) -> None:
        """Set columns of a contact."""
        self.sql(f"update enrollment.contacts set {change} where id = :id", id=contact)

    def contact_of(self, email: str) -> UUID:
        """The contact of an address."""
        (row,) = self.query(
            "select id from enrollment.contacts where account_id = :account and email = :email",
            account=self.account.id,
            email=email,
        )
        return UUID(str(row["id"]))

    def start_before(self, workflow: UUID, contact: UUID, *, times: int, at: datetime) -> None:
        """Write enrollments of a contact that have ended."""
        self.sql(
            "insert into enrollment.enrollments (account_id, workflow_id, contact_id, status, "
            "current_step, source, source_id, enrolled_at, ended_at) "
            "select :account, :workflow, :contact, 'completed', 'start', 'trigger', :workflow, "
            "cast(:at as timestamptz), cast(:at as timestamptz) + n * interval '1 second' "
            "from generate_series(1, :times) n",
            account=self.account.id,
            workflow=workflow,
            contact=contact,
            times=times,
            at=at,
        )

    def end_enrollments(self) -> None:
        """Let everybody leave the workflow it is in."""
        self.sql(
            "update enrollment.enrollments set status = 'completed', ended_at = clock_timestamp() "
            "where account_id = :account and status = 'active'",
            account=self.account.id,
        )

    def open_jobs(self, runner: str) -> list[UUID]:
        """The open jobs of a runner."""
        rows = self.query(
            "select id from enrollment.enrollment_jobs "
            "where account_id = :account and runner = :runner and completed_at is null "
            "order by created_at, id",
            account=self.account.id,
            runner=runner,
        )
        return [row["id"] for row in rows]

    def finish_queue(self) -> int:
        """Run the jobs that are the queue's, as it would; return how many."""
        left = self.open_jobs("queue")
        for job_id in left:
            run_phases(Phases(self.database, self.settings, job_id))
        return len(left)

    def leave_nothing(self) -> list[str]:
        """End whatever waits, and return what that was: other tests see the work of all."""
        with self.database.account(self.account.id) as connection:
            done = {
                "events": connection.execute(
                    text(
                        "update enrollment.events set processed_at = now() "
                        "where processed_at is null"
                    )
                ).rowcount,
                "firings": connection.execute(
                    text(
                        "update enrollment.trigger_evaluations set result = 'trigger_inactive' "
                        "where result = 'queued'"
                    )
                ).rowcount,
            }
        left = [*self.open_jobs("trigger"), *self.open_jobs("queue")]
        for job_id in left:
            enrollment.cancel(self.database, self.settings, self.account, job_id, actor="test")
        return [
            f"{number} {name}" for name, number in {**done, "jobs": len(left)}.items() if number
        ]


MakeAutomation = Callable[..., Automation]


@pytest.fixture
def make_automation(
    database: Database,
    settings: Settings,
    owner: Engine,
    make_account: Callable[..., Account],
) -> Iterator[MakeAutomation]:
    """Automation of a new account; keyword arguments are its settings.

    A test ends with nothing that waits, or says that by `leave_nothing`.
    """
    made: list[Automation] = []

    def make(**changes: object) -> Automation:
        made.append(Automation(database, settings, owner, make_account(**changes)))
        return made[-1]

    yield make
    assert [one.leave_nothing() for one in made] == [[]] * len(made)


@pytest.fixture
def automation(make_automation: MakeAutomation) -> Automation:
    """Automation of an account of its own for the test."""
    return make_automation()
