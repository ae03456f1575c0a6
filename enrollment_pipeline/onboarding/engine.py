"""The work of one item: through the steps of its workflow, from wherever it is.

Belongs here: begin once, one step after the other, end once; each in a transaction of which nothing
is left where it is lost. Does not belong here: which step is next (`workflows.execution`), what a
step does (`workflows.carrying_out`), SQL (`store`), Dagster.

A step that asks a service is written down as begun, carried out outside of any transaction, and
written down with what it has come to. A worker that is killed in between has asked for something
whose answer nobody knows: the next one asks again, under the same idempotency key.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.errors import (
    DatabaseUnavailableError,
    InvalidStateError,
    ItemBusyError,
    ProductError,
)
from enrollment_pipeline.onboarding import notices
from enrollment_pipeline.onboarding.control import require_nowhere_at_work
from enrollment_pipeline.onboarding.ending import end
from enrollment_pipeline.onboarding.states import ItemStatus
from enrollment_pipeline.onboarding.store import batches, items, steps
from enrollment_pipeline.onboarding.store.items import ItemRecord
from enrollment_pipeline.onboarding.watching import Watch
from enrollment_pipeline.onboarding.workflow import workflow_of
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.patience import OUTAGES, patiently
from enrollment_pipeline.storage.planning import limit_lock_waits
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline.workflows.carrying_out import (
    Result,
    SubjectData,
    Surroundings,
    call_service,
    carry_out,
)
from enrollment_pipeline.workflows.documents import WorkflowDocument
from enrollment_pipeline.workflows.execution import (
    Checkpoint,
    Position,
    StepStatus,
    Walk,
    walk,
)
from enrollment_pipeline.workflows.step_errors import StepError
from enrollment_pipeline.workflows.steps import HttpRequest

LOCK_SECONDS = 60

SHORT_WAIT = timedelta(seconds=30)
"""A longer wait ends the run and is followed by another, so that it takes nobody's place."""

# A worker that was killed holds its item until the server has noticed.
_HOLD_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Left:
    """How a run leaves its item; `stopped` where the run was told to end before it."""

    item: ItemRecord
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class _Next:
    """What a run does next: ask a service, or wait."""

    at: Position | None = None
    around: Surroundings | None = None
    key: str = ""
    until: datetime | None = None


class ItemWork:
    """The work of one item.

    Raises:
        OnboardingItemNotFoundError: there is no such item.
    """

    def __init__(self, database: Database, settings: Settings, item_id: UUID) -> None:
        self._database = database
        self._settings = settings
        self._id = item_id
        self._recorded: list[tuple[str, StepStatus]] = []
        with database.across_accounts() as connection:
            self.account: Account = items.account_of(connection, item_id)

    def item(self) -> ItemRecord:
        """Return the item as it is now."""
        with self._database.account(self.account.id) as connection:
            return items.load(connection, self._id)

    def steps(self) -> list[steps.StepRecord]:
        """Return what its steps have come to."""
        with self._database.account(self.account.id) as connection:
            return steps.of_item(connection, self._id)

    def run(
        self, stop: threading.Event, on_step: Callable[[str, StepStatus], None] = lambda *_: None
    ) -> Left:
        """Do all that is left, from wherever the item is; does nothing for one that has ended.

        `on_step` is told each step that has come to something, after it is committed.

        Raises:
            ItemBusyError: another run is at work on it.
        """
        with self._held():
            self._begin()
            watch = Watch(self._database, self.account, self._id, stop)
            while not watch.over() and (following := self._advance()) is not None:
                self._tell(on_step)
                if following.until is not None:
                    if watch.pause((following.until - datetime.now(UTC)).total_seconds()):
                        break
                elif following.at is not None and following.around is not None:
                    self._ask(following.at, following.around, following.key, watch)
            self._tell(on_step)
        item = self.item()
        return Left(item, stopped=stop.is_set() and not item.status.ended)

    def end(self, *, actor: str, lock_seconds: int = LOCK_SECONDS) -> None:
        """Cancel it, unless it has ended; for whoever ended its run."""
        with (
            suppress(InvalidStateError),
            accounted(
                self._database,
                self.account.id,
                actor=actor,
                action="onboarding.cancel_item",
                needs=None,
                subject=self._id,
            ) as doing,
        ):
            limit_lock_waits(doing.connection, lock_seconds)
            item = items.load(doing.connection, self._id, lock=True)
            end(doing.connection, self._settings, item, ItemStatus.CANCELLED)

    def try_again(self, *, actor: str) -> None:
        """Queue an item that failed or is degraded again; does nothing for any other.

        For whoever started its run again in the UI, where nobody can be asked for a permission.

        Raises:
            InvalidStateError: its role is being onboarded in another batch.
        """
        with accounted(
            self._database,
            self.account.id,
            actor=actor,
            action="onboarding.retry_item",
            needs=None,
            subject=self._id,
        ) as doing:
            batches.lock_account(doing.connection, self.account.id)
            batches.keep(doing.connection, items.load(doing.connection, self._id).batch_id)
            item = items.load(doing.connection, self._id, lock=True)
            doing.silent = not item.status.retryable
            if item.status.retryable:
                require_nowhere_at_work(doing.connection, [item])
                steps.open_again(doing.connection, [item.id])
                items.queue_again(doing.connection, [item.id], now=datetime.now(UTC), anew=False)

    def fail(self, error: dict[str, Any]) -> None:
        """End it as failed; one that has ended stays as it is."""
        with self._database.account(self.account.id) as connection:
            limit_lock_waits(connection, LOCK_SECONDS)
            item = items.load(connection, self._id, lock=True)
            if not item.status.ended:
                end(connection, self._settings, item, ItemStatus.FAILED, error=error)

    def tell_of_failed_run(self, run_id: str, reason: str) -> None:
        """Do nothing: an item that failed says so itself, and the queue goes on with any other."""

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Be the only run at work on the item, for as long as the block takes.

        Held by a transaction that does nothing else, so that it ends with the process.
        """
        with self._database.account(self.account.id) as connection:
            for seconds in (*_HOLD_WAITS, None):
                if items.hold(connection, self._id):
                    break
                if seconds is None:
                    raise ItemBusyError
                time.sleep(seconds)
            yield

    def _begin(self) -> None:
        with self._database.account(self.account.id) as connection:
            item = items.load(connection, self._id, lock=True)
            if item.status is not ItemStatus.QUEUED:
                return
            now = datetime.now(UTC)
            try:
                workflow_of(connection, item, beginning=True)
            except ProductError as error:
                end(connection, self._settings, item, ItemStatus.FAILED, error=error.as_dict())
                return
            items.change(
                connection, item, status=ItemStatus.IN_PROGRESS, started_at=now, heartbeat_at=now
            )

    def _advance(self) -> _Next | None:
        """Carry out the steps that need nothing but the database; None at the end of the way."""
        with self._database.account(self.account.id) as connection:
            item = items.load(connection, self._id, lock=True)
            if item.status is not ItemStatus.IN_PROGRESS:
                return None
            try:
                document, name = workflow_of(connection, item)
            except ProductError as error:
                end(connection, self._settings, item, ItemStatus.FAILED, error=error.as_dict())
                return None
            if item.resumed_at is None:
                items.resume(connection, item, datetime.now(UTC))
            done = steps.checkpoints(connection, item)
            while True:
                way = walk(document, done, item.attributes)
                at, now = way.position, datetime.now(UTC)
                if at is None:
                    _finish(connection, self._settings, item, way)
                    return None
                if item.skip_enhancement and _is_enhancement(at):
                    steps.write(connection, item, at, StepStatus.SKIPPED, now=now)
                    done[at.step.id, at.visit] = Checkpoint(StepStatus.SKIPPED)
                    continue
                around = self._around(connection, item, document, name, way, now)
                if isinstance(at.step, HttpRequest):
                    number = steps.begin(connection, item, at, now=now)
                    items.change(connection, item, step=at.step.id, heartbeat_at=now)
                    key = f"{item.id}:{item.round}:{at.step.id}:{at.visit}:{number}"
                    return _Next(at, around, key)
                result = carry_out(at, document, around)
                if result.status is StepStatus.WAITING:
                    return self._wait(connection, item, at, result, now)
                if not self._record(connection, item, at, result):
                    return None
                done[at.step.id, at.visit] = Checkpoint(result.status, result.output, result.error)

    def _tell(self, on_step: Callable[[str, StepStatus], None]) -> None:
        recorded, self._recorded = self._recorded, []
        for step, status in recorded:
            on_step(step, status)

    def _wait(
        self,
        connection: Connection,
        item: ItemRecord,
        at: Position,
        result: Result,
        now: datetime,
    ) -> _Next | None:
        until = result.until or now
        steps.write(connection, item, at, StepStatus.WAITING, output=result.output, now=now)
        if until - now <= SHORT_WAIT:
            items.change(connection, item, step=at.step.id, heartbeat_at=now)
            return _Next(until=until)
        items.pause(connection, item, now)
        if item.due_at < until:
            # Its next run is another one, which begins when the wait is over.
            items.change(
                connection,
                item,
                step=at.step.id,
                due_at=until,
                run_number=item.run_number + 1,
                restarts=0,
            )
        return None

    def _ask(self, at: Position, around: Surroundings, key: str, watch: Watch) -> None:
        """Ask the service of a step, and write down what has come of it."""

        def count() -> None:
            with self._database.account(self.account.id) as connection:
                steps.count_call(connection, items.load(connection, self._id), at)

        result = call_service(
            at,
            around,
            key=key,
            on_call=count,
            pause=watch.pause,
            during=watch.during,
        )
        if result is None:
            return

        def write() -> None:
            try:
                with self._database.account(self.account.id) as connection:
                    item = items.load(connection, self._id, lock=True)
                    if item.status is ItemStatus.IN_PROGRESS:
                        self._record(connection, item, at, result)
            except OUTAGES:
                with suppress(DatabaseUnavailableError):
                    self._database.revive()
                raise

        # Only here is the answer known: what is lost now would be asked for again.
        patiently(write)

    def _record(
        self, connection: Connection, item: ItemRecord, at: Position, result: Result
    ) -> bool:
        """Write down what a step has come to; return False where its failure ends the item."""
        now = datetime.now(UTC)
        steps.write(
            connection,
            item,
            at,
            result.status,
            output=result.output,
            cost=result.cost,
            error=result.error,
            now=now,
        )
        self._recorded.append((at.step.id, result.status))
        if result.message is not None:
            notices.tell_of_step(connection, self._settings, item, at, result.message)
        if result.status is StepStatus.FAILED and not _is_enhancement(at):
            end(
                connection,
                self._settings,
                item,
                ItemStatus.FAILED,
                error=result.error,
                step=at.step.id,
            )
            return False
        values: dict[str, Any] = {"step": at.step.id, "heartbeat_at": now}
        if result.dashboard_url is not None:
            values["dashboard_url"] = result.dashboard_url
        items.change(connection, item, **values)
        return True

    def _around(
        self,
        connection: Connection,
        item: ItemRecord,
        document: WorkflowDocument,
        workflow_name: str,
        way: Walk,
        now: datetime,
    ) -> Surroundings:
        subject = SubjectData(
            item={
                "name": item.role_name,
                "reference_name": item.reference_name,
                "company": item.company,
                "attributes": way.attributes,
                "documents": item.documents,
            },
            answers=way.answers,
        )
        return Surroundings(
            settings=self._settings,
            account=self.account,
            workflow_name=workflow_name,
            values=document.values,
            integrations=workflows.details_of_integrations(connection),
            subject=subject,
            now=now,
        )


def _finish(connection: Connection, settings: Settings, item: ItemRecord, way: Walk) -> None:
    if way.endless:
        endless = StepError.ENDLESS_WAY.as_dict()
        end(connection, settings, item, ItemStatus.FAILED, error=endless)
    elif way.failed:
        end(connection, settings, item, ItemStatus.DEGRADED, error=way.failed[0].error)
    else:
        end(connection, settings, item, ItemStatus.READY)


def _is_enhancement(at: Position) -> bool:
    return getattr(at.step, "enhancement", False) is True
