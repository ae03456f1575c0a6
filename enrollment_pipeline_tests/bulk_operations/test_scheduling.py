"""When an operation starts: at a time, again and again, after another one, or never."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.bulk_operations import closing, engine, service
from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.bulk_operations.submission import submit
from enrollment_pipeline.errors import InvalidRequestError, InvalidStateError, RefusedError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

Document = dict[str, Any]
EVERYBODY: Document = {"type": "filter", "filter": {}}
TAGGING: Document = {"type": "update", "selection": EVERYBODY, "changes": {"add_tags": ["seen"]}}
YEAR = datetime.now(UTC).year + 1


class Planned:
    """Operations of one account that are left to the queue."""

    def __init__(
        self, database: Database, settings: Settings, account: Account, owner: Engine
    ) -> None:
        self.database, self.settings, self.account = database, settings, account
        self._owner = owner

    def submit(self, document: Document = TAGGING, **timing: Any) -> UUID:
        """Submit an operation and return its id."""
        request = parse_request({**document, "timing": timing})
        return submit(
            self.database, self.settings, self.account, request, source="test"
        ).operation_id

    def show(self, operation_id: UUID) -> Document:
        """The document of an operation."""
        return service.describe(self.database, self.account, operation_id)

    def all(self) -> list[Document]:
        """The documents of all operations, oldest first."""
        found = service.list_operations(self.database, self.account, limit=100)["operations"]
        return list(reversed(found))

    def run(self, operation_id: UUID) -> Document:
        """Do an operation's work; return its document."""
        OperationWork(self.database, self.settings, operation_id).run()
        return self.show(operation_id)

    def cancel(self, operation_id: UUID, **options: bool) -> None:
        """Cancel an operation."""
        service.cancel(
            self.database, self.settings, self.account, operation_id, actor="test", **options
        )

    def let_come(self, operation_id: UUID, ago: timedelta = timedelta(seconds=1)) -> None:
        """Let the time of an operation have come."""
        at = datetime.now(UTC) - ago
        with self._owner.begin() as connection:
            connection.execute(
                text(
                    "update enrollment.bulk_operations set scheduled_at = :at, "
                    "occurrence_at = case when occurrence_at is not null then :at end "
                    "where id = :id"
                ),
                {"at": at, "id": operation_id},
            )

    def in_queue(self) -> set[UUID]:
        """The operations of the account that the queue would start."""
        return {
            work.work_id
            for work in service.open_operations(self.database)
            if work.account_id == self.account.id
        }

    def tags(self) -> list[list[str]]:
        """The tags of all contacts."""
        with self.database.account(self.account.id) as connection:
            return list(connection.scalars(text("select tags from enrollment.contacts")))


@pytest.fixture
def make_planned(
    database: Database,
    settings: Settings,
    owner: Engine,
    make_account: Callable[..., Account],
    add_contacts: Callable[..., list[UUID]],
) -> Callable[..., Planned]:
    """An account with three contacts; keyword arguments are its settings."""

    def make(**changes: object) -> Planned:
        account = make_account(**changes)
        add_contacts(account, 3)
        return Planned(database, settings, account, owner)

    return make


@pytest.fixture
def planned(make_planned: Callable[..., Planned]) -> Planned:
    """An account with three contacts whose clock is Berlin's."""
    return make_planned(timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("at", "timezone", "meant"),
    [
        # With an offset, a time means that instant, whatever the zone.
        (f"{YEAR}-07-01T09:00:00+02:00", None, f"{YEAR}-07-01T07:00:00+00:00"),
        (f"{YEAR}-07-01T09:00:00+02:00", "America/New_York", f"{YEAR}-07-01T07:00:00+00:00"),
        (f"{YEAR}-07-01T09:00:00Z", None, f"{YEAR}-07-01T09:00:00+00:00"),
        # With a zone, it is what that zone's clocks show, in summer and in winter.
        (f"{YEAR}-07-01T09:00:00", "America/New_York", f"{YEAR}-07-01T13:00:00+00:00"),
        (f"{YEAR}-12-01T09:00:00", "America/New_York", f"{YEAR}-12-01T14:00:00+00:00"),
        # Naive, it is what the clocks of the account's zone show.
        (f"{YEAR}-07-01T09:00:00", None, f"{YEAR}-07-01T07:00:00+00:00"),
        (f"{YEAR}-12-01T09:00:00", None, f"{YEAR}-12-01T08:00:00+00:00"),
    ],
)
def test_a_time_means_what_its_offset_or_its_zone_or_the_account_says(
    planned: Planned, at: str, timezone: str | None, meant: str
) -> None:
    operation_id = planned.submit(scheduled_at=at, timezone=timezone)

    shown = planned.show(operation_id)
    assert (shown["status"], shown["scheduled_at"]) == ("scheduled", meant)
    assert operation_id not in planned.in_queue()
    with pytest.raises(InvalidStateError, match="scheduled for"):
        planned.run(operation_id)
    assert planned.tags() == [[]] * 3


@pytest.mark.parametrize(
    "timing",
    [
        {"scheduled_at": "2020-01-01T00:00:00Z"},
        {"scheduled_at": "2020-01-01T00:00:00"},
        {"scheduled_at": f"{YEAR + 20}-01-01T00:00:00Z"},
        {"scheduled_at": "next week"},
        {"scheduled_at": f"{YEAR}-01-01T00:00:00", "timezone": "Mars/Base"},
        {"cron": "0 9 * *"},
        {"cron": "*/5 * * * *"},
        {"rrule": "FREQ=NEVER"},
        {"cron": "0 9 * * *", "rrule": "FREQ=DAILY"},
        {"cron": "0 9 * * *", "after": str(UUID(int=1))},
        {"cron": "0 9 * * *", "until": "2020-01-01T00:00:00Z"},
        {"until": f"{YEAR}-01-01T00:00:00Z"},
        {"after": str(UUID(int=1))},
    ],
)
def test_a_time_that_cannot_be_is_refused_and_nothing_is_created(
    planned: Planned, timing: Document
) -> None:
    with pytest.raises(RefusedError):
        planned.submit(**timing)

    assert planned.all() == []


def test_a_cancelled_operation_never_runs(planned: Planned) -> None:
    operation_id = planned.submit(scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    planned.let_come(operation_id)

    planned.cancel(operation_id)

    assert operation_id not in planned.in_queue()
    assert planned.run(operation_id)["status"] == "cancelled"
    assert planned.tags() == [[]] * 3
    with pytest.raises(InvalidStateError, match="can no longer be cancelled"):
        planned.cancel(operation_id)


def test_an_operation_that_is_cancelled_in_the_second_it_falls_due_does_nothing(
    planned: Planned,
) -> None:
    for number in range(30):
        tag = f"tag-{number}"
        operation_id = planned.submit(
            {**TAGGING, "changes": {"add_tags": [tag]}},
            scheduled_at=datetime.now(UTC) + timedelta(hours=1),
        )
        due = datetime.now(UTC) + timedelta(milliseconds=30)
        planned.let_come(operation_id, ago=-timedelta(milliseconds=30))
        start = threading.Barrier(2)
        outcome: dict[str, bool] = {}

        def begin(wanted: UUID = operation_id, told: dict[str, bool] = outcome) -> None:
            work = OperationWork(planned.database, planned.settings, wanted)
            start.wait()  # noqa: B023
            while "ran" not in told:
                try:
                    work.begin()
                    told["ran"] = work.operation().status == "processing"
                except InvalidStateError:
                    # Not yet due, as the queue finds it until then.
                    time.sleep(0.001)

        def end(wanted: UUID = operation_id, at: datetime = due) -> None:
            start.wait()  # noqa: B023
            time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
            planned.cancel(wanted)

        threads = [threading.Thread(target=begin), threading.Thread(target=end)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        # Whoever came first: cancelled it is in both cases, and not one row of it is done.
        assert planned.run(operation_id)["status"] == "cancelled"
        assert not any(tag in tags for tags in planned.tags())


def test_cancelling_at_work_keeps_what_is_done_and_it_can_be_rolled_back(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PIECE", 1)
    operation_id = planned.submit()
    work = OperationWork(planned.database, planned.settings, operation_id)

    def cancel(_: int) -> None:
        if planned.show(operation_id)["status"] == "processing":
            planned.cancel(operation_id)

    work.run(on_rows=cancel)

    shown = planned.show(operation_id)
    assert (shown["status"], shown["outcomes"]) == ("cancelled", {"updated": 1, "unprocessed": 2})
    rollback = planned.submit({"type": "rollback", "operation_id": operation_id})
    assert planned.run(rollback)["outcomes"] == {"reversed": 1}
    assert planned.tags() == [[]] * 3


def test_what_recurs_always_has_one_next_firing_and_each_is_an_operation_of_its_own(
    planned: Planned,
) -> None:
    first = planned.submit(cron="0 9 * * 1", timezone="America/New_York")

    begins = datetime.fromisoformat(planned.show(first)["scheduled_at"])
    local = begins.astimezone(ZoneInfo("America/New_York"))
    assert (local.hour, local.minute, local.weekday()) == (9, 0, 0)
    planned.let_come(first, ago=timedelta(seconds=1))
    assert planned.run(first)["status"] == "completed"
    done, following = planned.all()
    assert (done["operation_id"], done["status"]) == (str(first), "completed")
    assert following["status"] == "scheduled"
    assert datetime.fromisoformat(following["scheduled_at"]) > datetime.now(UTC)
    assert following["recurs"]["cron"] == "0 9 * * 1"


def test_firings_that_were_missed_are_one_late_firing(planned: Planned) -> None:
    first = planned.submit(cron="0 9 * * *")
    planned.let_come(first, ago=timedelta(days=10))

    planned.run(first)

    assert [one["status"] for one in planned.all()] == ["completed", "scheduled"]
    assert datetime.fromisoformat(planned.all()[1]["scheduled_at"]) > datetime.now(UTC)


def test_a_firing_can_be_cancelled_alone_or_with_all_that_follow(planned: Planned) -> None:
    first = planned.submit(cron="0 9 * * *")

    planned.cancel(first)

    cancelled, second = planned.all()
    assert (cancelled["status"], second["status"]) == ("cancelled", "scheduled")
    assert second["scheduled_at"] > cancelled["scheduled_at"]
    planned.cancel(UUID(second["operation_id"]), recurring=True)
    assert [one["status"] for one in planned.all()] == ["cancelled", "cancelled"]
    assert not planned.all()[0]["recurs"]["active"]


def test_what_recurs_ends_when_it_is_to_end(planned: Planned) -> None:
    until = datetime.now(UTC) + timedelta(hours=36)
    first = planned.submit(cron="0 9 * * *", until=until)
    while planned.all()[-1]["status"] == "scheduled":
        planned.cancel(UUID(planned.all()[-1]["operation_id"]))

    times = [datetime.fromisoformat(one["scheduled_at"]) for one in planned.all()]
    assert 1 <= len(times) <= 2
    assert max(times) <= until
    assert not planned.show(first)["recurs"]["active"]


def test_an_rrule_counts_from_its_begin_and_ends_by_its_count(planned: Planned) -> None:
    begin = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    planned.submit(scheduled_at=begin, rrule="FREQ=WEEKLY;COUNT=3")
    while planned.all()[-1]["status"] == "scheduled":
        planned.cancel(UUID(planned.all()[-1]["operation_id"]))

    days = [datetime.fromisoformat(one["scheduled_at"]).date() for one in planned.all()]
    assert [(day - days[0]).days for day in days] == [0, 7, 14]


def test_what_recurs_goes_on_after_a_firing_that_failed(planned: Planned, tmp_path: Path) -> None:
    planned.settings = planned.settings.model_copy(update={"data": tmp_path})
    path = tmp_path / "list.csv"
    first = planned.submit({"type": "import", "path": path}, cron="0 9 * * *")
    planned.let_come(first)

    with pytest.raises(RefusedError):
        planned.run(first)

    failed, second = planned.all()
    assert (failed["status"], failed["error"]["code"]) == ("failed", "INVALID_FILE")
    path.write_text("email\nlate@example.com\n")
    planned.let_come(UUID(second["operation_id"]))
    assert planned.run(UUID(second["operation_id"]))["outcomes"] == {"created": 1}


def test_a_recurring_import_reads_below_the_data_folder_only(
    planned: Planned, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("email\n")

    with pytest.raises(RefusedError, match="below the data folder"):
        planned.submit({"type": "import", "path": path}, cron="0 9 * * *")


def test_one_operation_begins_when_the_one_it_waits_for_is_completed(planned: Planned) -> None:
    first = planned.submit()
    second = planned.submit({**TAGGING, "changes": {"add_tags": ["after"]}}, after=first)

    assert planned.in_queue() == {first}
    with pytest.raises(InvalidStateError):
        planned.run(second)
    planned.run(first)
    assert planned.in_queue() == {second}
    assert planned.run(second)["status"] == "completed"
    assert planned.tags() == [["seen", "after"]] * 3


def test_what_waits_for_an_operation_that_is_not_completed_is_cancelled_with_it(
    planned: Planned,
) -> None:
    first = planned.submit(scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    second = planned.submit(after=first)
    third = planned.submit(after=second)

    planned.cancel(first)

    for operation_id in (second, third):
        shown = planned.show(operation_id)
        assert (shown["status"], shown["error"]["code"]) == ("cancelled", "DEPENDENCY_FAILED")
    with pytest.raises(InvalidStateError, match="nothing can wait"):
        planned.submit(after=first)


def test_a_scheduled_operation_can_be_moved_until_it_begins(planned: Planned) -> None:
    operation_id = planned.submit(scheduled_at=datetime.now(UTC) + timedelta(hours=1))

    def move(at: datetime | None) -> None:
        service.reschedule(
            planned.database,
            planned.settings,
            planned.account,
            operation_id,
            at=at,
            timezone=None,
            actor="test",
        )

    later = datetime.now(UTC) + timedelta(days=2)
    move(later)
    assert planned.show(operation_id)["scheduled_at"] == later.isoformat()
    with pytest.raises(InvalidRequestError, match="in the past"):
        move(datetime.now(UTC) - timedelta(days=1))
    move(None)
    assert planned.in_queue() == {operation_id}
    planned.run(operation_id)
    with pytest.raises(InvalidStateError, match="completed"):
        move(later)


def test_no_more_operations_are_open_than_the_account_may_have(
    make_planned: Callable[..., Planned],
) -> None:
    planned = make_planned(max_open_operations=2)
    first = planned.submit()
    planned.submit()

    with pytest.raises(RefusedError, match="2 open operations"):
        planned.submit()

    planned.run(first)
    planned.submit()


def test_nothing_comes_to_wait_for_an_operation_that_is_being_cancelled(planned: Planned) -> None:
    first = planned.submit(scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    refused: list[Exception] = []

    def wait_for_it() -> None:
        try:
            planned.submit(after=first)
        except InvalidStateError as error:
            refused.append(error)

    follower = threading.Thread(target=wait_for_it)
    with planned.database.account(planned.account.id) as connection:
        closing.cancel(connection, planned.settings, planned.account, first)
        follower.start()
        follower.join(timeout=0.5)
        assert follower.is_alive()
    follower.join()

    assert len(refused) == 1
    assert [one["status"] for one in planned.all()] == ["cancelled"]


def test_what_something_waits_for_is_not_removed_however_old_it_is(
    planned: Planned, owner: Engine
) -> None:
    first = planned.submit()
    planned.run(first)
    second = planned.submit(after=first)
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.bulk_operations set completed_at = now() - interval '60 days' "
                "where id = :id"
            ),
            {"id": first},
        )

    def prune() -> dict[str, int]:
        return service.prune(
            planned.database,
            planned.settings,
            planned.account,
            now=datetime.now(UTC),
            actor="test",
        )

    assert service.plan(planned.database, planned.account, now=datetime.now(UTC)) == {}
    assert prune() == {}
    planned.run(second)
    foreseen = service.plan(planned.database, planned.account, now=datetime.now(UTC))
    assert foreseen == prune() == {"operations": 1, "images": 3}
    assert [one["operation_id"] for one in planned.all()] == [str(second)]


def test_cancelling_what_recurs_while_one_firing_is_at_work_lets_no_other_begin(
    planned: Planned,
) -> None:
    first = planned.submit(cron="0 9 * * *")
    planned.let_come(first)
    OperationWork(planned.database, planned.settings, first).begin()
    following = UUID(planned.all()[-1]["operation_id"])
    assert following != first

    planned.cancel(first, recurring=True)

    assert [one["status"] for one in planned.all()] == ["cancelled", "cancelled"]
    planned.let_come(following)
    assert planned.run(following)["status"] == "cancelled"
    assert planned.tags() == [[]] * 3


def test_what_recurs_can_be_ended_by_a_firing_that_is_done(planned: Planned) -> None:
    first = planned.submit(cron="0 9 * * *")
    planned.let_come(first)
    planned.run(first)

    planned.cancel(first, recurring=True)

    assert [one["status"] for one in planned.all()] == ["completed", "cancelled"]
    with pytest.raises(InvalidStateError, match="Nothing follows"):
        planned.cancel(first, recurring=True)
