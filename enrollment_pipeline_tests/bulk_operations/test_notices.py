"""What is told of an operation: in the transaction of what it tells of, to whom wants it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.bulk_operations import notices, report
from enrollment_pipeline.bulk_operations.request import OperationType
from enrollment_pipeline.bulk_operations.states import OperationStatus, RowOutcome
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import OPERATION_TYPES, Channel, Event
from enrollment_pipeline.notifications.texts import body_of, subject_of
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

ANN, HOOK = "ann@example.com", "https://example.com/hook"
NOTIFY = {"notify": {"emails": [ANN], "webhooks": [HOOK]}}
NOON = datetime(2027, 1, 5, 12, tzinfo=UTC)


@dataclass
class Teller:
    """Operations of one account, and what is told of them."""

    database: Database
    settings: Settings
    owner: Engine
    account: Account

    def add(self, **changes: Any) -> UUID:
        """Write an operation that is scheduled for `NOON`."""
        values = {
            "account_id": self.account.id,
            "type": "import",
            "status": "scheduled",
            "request": NOTIFY,
            "source": "cli",
            "requested_by": "bob",
            "runner": "queue",
            "scheduled_at": NOON,
            **changes,
        }
        with self.database.account(self.account.id) as connection:
            return operations.add(connection, values)

    def tell(self, operation_id: UUID, **changes: Any) -> None:
        """Change an operation and tell of it, in one transaction."""
        with self.database.account(self.account.id) as connection:
            if changes:
                operations.change(connection, operation_id, **changes)
            operation = operations.load(connection, operation_id)
            notices.tell(connection, self.settings, operation)

    def tell_of_failed_run(self, operation_id: UUID, run_id: str, reason: str) -> None:
        """Tell that a run of an operation has failed."""
        with self.database.account(self.account.id) as connection:
            operation = operations.load(connection, operation_id)
            notices.tell_of_failed_run(connection, self.settings, operation, run_id, reason)

    def told(self, recipient: str = ANN) -> list[dict[str, Any]]:
        """The messages to a recipient, oldest first."""
        statement = text(
            "select event, subject_id, payload from enrollment.notifications "
            "where account_id = :account and recipient = :recipient order by id"
        )
        with self.owner.connect() as connection:
            rows = connection.execute(
                statement, {"account": self.account.id, "recipient": recipient}
            )
            return [dict(row._mapping) for row in rows]

    def events(self, recipient: str = ANN) -> list[str]:
        """The events of the messages to a recipient, oldest first."""
        return [one["event"] for one in self.told(recipient)]

    def payload(self) -> dict[str, Any]:
        """What the last message tells."""
        return dict(self.told()[-1]["payload"])


@pytest.fixture
def teller(
    database: Database, settings: Settings, owner: Engine, make_account: Callable[..., Account]
) -> Teller:
    """Operations of an account in Berlin."""
    account = make_account(timezone="Europe/Berlin")
    return Teller(database, settings, owner, account)


@pytest.fixture(autouse=True)
def nothing_left(teller: Teller) -> Any:
    """Leave nothing to the tests of the queue and the outbox, which see all accounts."""
    yield
    with teller.owner.begin() as connection:
        for table in ("notifications", "bulk_operations"):
            connection.execute(
                text(f"delete from enrollment.{table} where account_id = :account"),
                {"account": teller.account.id},
            )


def test_the_types_that_channels_can_ask_for_are_those_that_there_are() -> None:
    assert list(OPERATION_TYPES) == list(OperationType)


def test_the_end_of_an_operation_is_told_to_whom_the_request_names(teller: Teller) -> None:
    operation_id = teller.add()
    folder = report.folder_of(teller.settings, teller.account.id, operation_id)
    files = {"rejected": str(folder / "rejected.csv")}

    teller.tell(
        operation_id,
        status=OperationStatus.COMPLETED_WITH_ERRORS,
        total=1234,
        counts={RowOutcome.CREATED: 1200, RowOutcome.UPDATED: 30, RowOutcome.REJECTED: 4},
        result={"files": files},
        started_at=NOON,
        completed_at=NOON + timedelta(seconds=12.346),
    )

    assert teller.told(ANN) == teller.told(HOOK)
    (message,) = teller.told()
    assert message == {
        "event": "operation_completed_with_errors",
        "subject_id": operation_id,
        "payload": {
            "operation_id": str(operation_id),
            "type": "import",
            "status": "completed_with_errors",
            "counts": {"created": 1200, "updated": 30, "rejected": 4},
            "total": 1234,
            "scheduled_at": "2027-01-05T13:00:00+01:00",
            "after_id": None,
            "recurring": False,
            "reverses_id": None,
            "withdraws_job_id": None,
            "duration_seconds": 12.35,
            "reason": None,
            "requested_by": "bob",
            "links": {
                "ui": f"http://127.0.0.1:3000/assets/bulk_operations?partition={operation_id}",
                "report": str(folder),
                "files": files,
            },
        },
    }


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("scheduled", "operation_scheduled"),
        ("completed", "operation_completed"),
        ("completed_with_errors", "operation_completed_with_errors"),
        ("failed", "operation_failed"),
        ("cancelled", "operation_cancelled"),
    ],
)
@pytest.mark.parametrize("kind", OperationType)
def test_each_state_that_is_told_has_its_event_for_every_type(
    teller: Teller, kind: OperationType, status: str, event: str
) -> None:
    teller.tell(teller.add(type=kind, status=status))

    assert teller.events() == [event]
    payload = teller.payload()
    assert (payload["type"], payload["status"]) == (kind, status)
    # An e-mail can be made of what was kept.
    assert subject_of(Event(event), payload)
    assert str(payload["operation_id"]) in body_of(Event(event), payload)


@pytest.mark.parametrize("status", ["processing", "rolled_back", "partially_rolled_back"])
def test_of_work_and_of_being_rolled_back_nothing_is_told(teller: Teller, status: str) -> None:
    teller.tell(teller.add(status=status))

    assert teller.events() == []


def test_an_end_is_told_once(teller: Teller) -> None:
    operation_id = teller.add()
    for _ in range(2):
        teller.tell(operation_id, status=OperationStatus.COMPLETED)

    assert teller.events() == ["operation_completed"]


def test_whoever_moves_an_operation_gets_the_last_word_on_when_it_starts(teller: Teller) -> None:
    operation_id = teller.add()
    times = [NOON, NOON + timedelta(hours=1), NOON]

    for at in times:
        teller.tell(operation_id, scheduled_at=at)

    told = [datetime.fromisoformat(one["payload"]["scheduled_at"]) for one in teller.told()]
    assert told == times


def test_nobody_is_told_what_was_not_committed(teller: Teller) -> None:
    operation_id = teller.add()

    def close() -> None:
        with teller.database.account(teller.account.id) as connection:
            operation = operations.load(connection, operation_id)
            notices.tell(connection, teller.settings, operation)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        close()
    assert teller.events() == []


def test_nobody_is_told_where_nobody_is_named(teller: Teller) -> None:
    teller.tell(teller.add(request={}))

    assert teller.events() == []


def test_channels_are_told_what_they_ask_for_by_event_and_by_type(teller: Teller) -> None:
    wanted = {
        "all@example.com": (),
        "failures@example.com": ("operation_failed",),
        "exports@example.com": ("operation_failed:export", "operation_completed:export"),
    }
    for address, events in wanted.items():
        notifications.add_channel(
            teller.database, teller.account, Channel.EMAIL, address, events=events, actor="ann"
        )

    teller.tell(teller.add(request={}, type="import", status="failed"))
    teller.tell(teller.add(request={}, type="export", status="completed"))

    both = ["operation_failed", "operation_completed"]
    assert {address: teller.events(address) for address in wanted} == {
        "all@example.com": both,
        "failures@example.com": both[:1],
        "exports@example.com": both[1:],
    }


def test_why_it_failed_or_was_cancelled_is_told(teller: Teller) -> None:
    teller.tell(
        teller.add(),
        status=OperationStatus.FAILED,
        error={"code": "INVALID_FILE", "message": "The file is empty."},
    )

    assert teller.payload()["reason"] == "The file is empty."
    # It never began.
    assert teller.payload()["duration_seconds"] is None


def test_what_has_no_outcome_yet_is_counted_too(teller: Teller) -> None:
    teller.tell(
        teller.add(), status=OperationStatus.CANCELLED, total=10, counts={RowOutcome.UPDATED: 4}
    )

    assert teller.payload()["counts"] == {"updated": 4, "unprocessed": 6}


def test_what_an_operation_waits_for_takes_back_and_comes_of_is_told(teller: Teller) -> None:
    before, original, job, schedule = (uuid4() for _ in range(4))

    teller.tell(teller.add(after_id=before))
    waiting = teller.payload()
    teller.tell(teller.add(type="rollback", reverses_id=original))
    rollback = teller.payload()
    teller.tell(teller.add(type="withdrawal", withdraws_job_id=job))
    withdrawal = teller.payload()
    teller.tell(teller.add(schedule_id=schedule, occurrence_at=NOON))
    firing = teller.payload()

    # The time that such a row has is when it was made, and not when it starts.
    assert (waiting["after_id"], waiting["scheduled_at"]) == (str(before), None)
    assert rollback["reverses_id"] == str(original)
    assert withdrawal["withdraws_job_id"] == str(job)
    assert [one["recurring"] for one in (waiting, rollback, withdrawal, firing)] == [
        False,
        False,
        False,
        True,
    ]


def test_files_elsewhere_are_no_report(teller: Teller) -> None:
    files = {"contacts": "s3://exports/1/2/contacts.csv", "more": "/mnt/exports/more.csv"}

    teller.tell(teller.add(type="export"), status="completed", result={"files": files})

    assert teller.payload()["links"]["report"] is None
    assert teller.payload()["links"]["files"] == files


def test_a_failed_run_is_told_once_with_its_reason(teller: Teller) -> None:
    started_at = datetime.now(UTC) - timedelta(minutes=1)
    operation_id = teller.add(status="processing", started_at=started_at)

    for run_id in ("run-1", "run-1", "run-2"):
        teller.tell_of_failed_run(operation_id, run_id, "a step failed")

    assert teller.events() == ["run_failed"] * 2
    assert teller.payload()["operation_id"] == str(operation_id)
    assert teller.payload()["reason"] == "a step failed"
    assert teller.payload()["status"] == "processing"
    # So far.
    assert teller.payload()["duration_seconds"] >= 60


def test_no_message_holds_what_the_request_holds_of_contacts(teller: Teller) -> None:
    request = {
        **NOTIFY,
        "selection": {"type": "manual", "emails": ["secret@example.com"]},
        "changes": {"set": {"phone": "+49 30 123456"}},
    }

    teller.tell(teller.add(type="update", request=request, status="completed"))

    assert "secret@example.com" not in str(teller.payload())
    assert "123456" not in str(teller.payload())
