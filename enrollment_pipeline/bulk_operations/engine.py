"""The work of one operation, from its begin to its end, in transactions of which each may be lost.

Belongs here: what is common to all types: begin once and when it is due, prepare once, do the work
piece by piece, close once. Does not belong here: what a piece does (`execution.Executor`), SQL
(`store`), Dagster.

What is left to do is read from the operation's row, which every piece moves on in its own
transaction, so a worker may be killed, repeated or run twice at once without doing anything twice.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.bulk_operations import closing, notices, report, scheduling
from enrollment_pipeline.bulk_operations.execution import (
    PIECE,
    AgainError,
    Surroundings,
)
from enrollment_pipeline.bulk_operations.executors import executor_of, needed_to_handle
from enrollment_pipeline.bulk_operations.exporting import destinations
from enrollment_pipeline.bulk_operations.recording import Ended, files_of, prepare, record
from enrollment_pipeline.bulk_operations.request import OperationType
from enrollment_pipeline.bulk_operations.side_by_side import one_behind
from enrollment_pipeline.bulk_operations.states import OperationStatus, closing_status
from enrollment_pipeline.bulk_operations.store import changes, checks, operations, schedules
from enrollment_pipeline.bulk_operations.store.checks import Check
from enrollment_pipeline.bulk_operations.store.images import use_one_zone
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.errors import (
    CheckFailedError,
    ConfigurationError,
    ForbiddenError,
    InvalidRequestError,
    InvalidStateError,
    RefusedError,
)
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.failures import first_line, is_bad_data
from enrollment_pipeline.storage.planning import limit_lock_waits
from enrollment_pipeline.storage.tenancy import Database

LOCK_SECONDS = 60

BEAT_SECONDS = 10.0
"""Between two signs of life of a piece that takes longer, such as an export."""


class OperationWork:
    """The work of one operation.

    Raises:
        OperationNotFoundError: there is no such operation.
    """

    def __init__(self, database: Database, settings: Settings, operation_id: UUID) -> None:
        self._database = database
        self._settings = settings
        self._id = operation_id
        with database.across_accounts() as connection:
            self.account: Account = operations.account_of(connection, operation_id)

    @property
    def folder(self) -> Path:
        """Where the files of this operation are."""
        return report.folder_of(self._settings, self.account.id, self._id)

    def operation(self) -> OperationRecord:
        """Return the operation as it is now."""
        with self._database.account(self.account.id) as connection:
            return operations.load(connection, self._id)

    def begin(self) -> OperationRecord:
        """Let a scheduled operation be at work; does nothing for one that is, or is closed.

        The state is looked at and changed under one lock: one that was cancelled never begins.

        Raises:
            InvalidStateError: it is not yet due; it stays as it is.
            ForbiddenError: whoever asked for it may no longer; it then fails, and what recurs ends.
        """
        with self._database.account(self.account.id) as connection:
            seen = operations.load(connection, self._id)
            if seen.status is not OperationStatus.SCHEDULED:
                return seen
            scheduling.require_due(connection, seen)
        try:
            with accounted(
                self._database,
                self.account.id,
                actor=seen.requested_by,
                action="operation.run",
                needs=needed_to_handle(self._database, self.account, self._id),
                subject=self._id,
            ) as doing:
                doing.silent = not self._begin(doing.connection)
        except ForbiddenError as error:
            self.fail(error.as_dict(), for_good=True)
            raise
        return self.operation()

    def _begin(self, connection: Connection) -> bool:
        operation = operations.load(connection, self._id, lock=True)
        if operation.status is not OperationStatus.SCHEDULED:
            return False
        scheduling.require_due(connection, operation)
        if not scheduling.goes_on(connection, operation):
            closing.close(connection, self._settings, operation, OperationStatus.CANCELLED)
            return False
        now = datetime.now(UTC)
        operations.change(
            connection,
            operation.id,
            status=OperationStatus.PROCESSING,
            started_at=now,
            heartbeat_at=now,
        )
        scheduling.add_next(connection, self.account, operation, now=now)
        return True

    def prepare(self) -> OperationRecord:
        """Resolve the input once; what cannot be resolved fails the operation.

        Raises:
            RefusedError: why it cannot; the operation is then `failed`, carries the same error, and
                has changed nothing.
        """
        with (
            self._kept_open("read"),
            self._failing_when_refused(),
            self._writing() as (connection, operation),
        ):
            if operation.status is OperationStatus.PROCESSING and operation.prepared_at is None:
                around = self._around()
                prepare(connection, operation, around, executor_of(operation.type))
        return self.operation()

    def drain(self, stop: Callable[[], bool], on_rows: Callable[[int], None]) -> bool:
        """Do piece after piece until nothing is left; return False where it was told to stop.

        `on_rows` gets the number of rows of each piece, after its commit.
        """
        most = PIECE
        while not stop():
            try:
                done, rows = self._piece(most, stop)
            except AgainError:
                continue
            except DBAPIError as error:
                if not is_bad_data(error):
                    raise
                if most == 1:
                    done, rows = self._give_up(first_line(error))
                else:
                    # Somewhere among them is a row that the database refuses.
                    most = max(1, most // 10)
                    continue
            on_rows(rows)
            if done:
                return True
            most = min(PIECE, most * 2)
        return False

    def close(self) -> Ended:
        """Write the files and close the operation as its counts say; both once.

        Raises:
            CheckFailedError: the result is not what it must be; the operation then says so, and
                stays open.
            ConfigurationError: the files cannot be written; the operation then says so.
        """
        try:
            with self._locked() as (connection, operation):
                files = report.write_files(connection, operation, self.folder)
                if not operation.status.closed:
                    self._require_sound(connection, operation)
                    status = closing_status(operation.counts)
                    result = {**(operation.result or {}), "files": {**files_of(operation), **files}}
                    operations.change(connection, operation.id, result=result)
                    closing.close(connection, self._settings, operation, status)
                operation = operations.load(connection, operation.id)
            return Ended(operation, files_of(operation))
        except OSError as error:
            why: ConfigurationError | CheckFailedError = ConfigurationError(
                f"The report cannot be written to {self.folder}: {error.strerror}.",
                remedy="Make room or give permission there, then go on with: "
                f"enrollment operations resume {self._id}",
            )
        except CheckFailedError as error:
            why = error
        with self._locked() as (connection, operation):
            if not operation.status.closed:
                operations.change(connection, operation.id, error=why.as_dict())
        raise why

    def run(
        self,
        stop: Callable[[], bool] = lambda: False,
        on_rows: Callable[[int], None] = lambda _: None,
    ) -> Ended | None:
        """Do all that is left, from wherever it is; return None where it was told to stop."""
        self.begin()
        self.prepare()
        if not self.drain(stop, on_rows):
            return None
        return self.close()

    def check(self) -> list[Check]:
        """Return what the product promises of an operation, and whether it holds."""
        with self._locked() as (connection, operation):
            return checks.of(connection, operation)

    def changed_fields(self, most: int) -> list[dict[str, Any]]:
        """Return which fields the first `most` changes are of; see `frames.changed_fields`."""
        # Polars takes a while to load, for which no command should have to wait.
        from enrollment_pipeline.bulk_operations import frames

        with self._database.account(self.account.id) as connection:
            found = changes.first(connection, self._id, most)
        return frames.changed_fields(frames.changes_frame(found))

    def end(self, *, actor: str, lock_seconds: int = LOCK_SECONDS) -> None:
        """Cancel it, unless it is closed; what is done stays, and can be rolled back.

        For whoever ended its run rather than the operation, which no permission can prevent.
        """
        with (
            suppress(InvalidStateError),
            accounted(
                self._database,
                self.account.id,
                actor=actor,
                action="operation.cancel",
                needs=None,
                subject=self._id,
            ) as doing,
        ):
            limit_lock_waits(doing.connection, lock_seconds)
            closing.cancel(doing.connection, self._settings, self.account, self._id)

    def fail(self, error: dict[str, Any], *, for_good: bool = False) -> None:
        """Close it as failed; one that is closed stays as it is.

        `for_good`: of what recurs, nothing follows.
        """
        with self._locked() as (connection, operation):
            if not operation.status.closed:
                status = OperationStatus.FAILED
                closing.close(connection, self._settings, operation, status, error=error)
                if for_good and operation.schedule_id is not None:
                    schedules.end(connection, operation.schedule_id)
                elif operation.status is OperationStatus.SCHEDULED:
                    scheduling.add_next(connection, self.account, operation, now=datetime.now(UTC))

    def tell_of_failed_run(self, run_id: str, reason: str) -> None:
        """Tell that a run has failed, where the queue does not go on with the operation."""
        with self._locked() as (connection, operation):
            in_hand = operation.runner == "queue" and operation.error is None
            if not operation.status.closed and not in_hand:
                notices.tell_of_failed_run(connection, self._settings, operation, run_id, reason)

    def _piece(self, most: int, stop: Callable[[], bool]) -> tuple[bool, int]:
        if self.operation().type is OperationType.EXPORT:
            return self._export(stop)
        with one_behind(self._database) as begin, self._writing() as (connection, operation):
            if operation.status is not OperationStatus.PROCESSING:
                return True, 0
            executor, around = executor_of(operation.type), self._around(stop)
            behind = begin(connection, operation, executor, around, most)
            step = executor.apply(connection, operation, around, most)
            rows = record(connection, operation, step)
        return step.done or behind.done, rows + behind.rows

    def _export(self, stop: Callable[[], bool]) -> tuple[bool, int]:
        # It changes nothing, and takes as long as it takes: the row is not locked meanwhile.
        with self._kept_open("written"), self._database.account(self.account.id) as connection:
            use_one_zone(connection)
            operation = operations.load(connection, self._id)
            if operation.status is not OperationStatus.PROCESSING:
                return True, 0
            executor = executor_of(operation.type)
            with self._failing_for_bad_data():
                step = executor.apply(connection, operation, self._around(self._beating(stop)), 0)
        with self._locked() as (connection, now):
            if now.status is OperationStatus.PROCESSING and now.mark == operation.mark:
                return step.done, record(connection, now, step)
        if now.status in (OperationStatus.CANCELLED, OperationStatus.FAILED):
            # Nobody will ever ask for the files.
            destinations.remove(step.files, url=self._settings.exports_url)
        # Otherwise another run was faster, and has written the same file.
        return True, 0

    def _beating(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """Return `stop`, which shows life meanwhile, and also stops for an operation that ended."""
        last = time.monotonic()

        def ask() -> bool:
            nonlocal last
            if time.monotonic() - last < BEAT_SECONDS:
                return stop()
            last = time.monotonic()
            with self._locked() as (connection, operation):
                if operation.status is not OperationStatus.PROCESSING:
                    return True
                operations.change(connection, operation.id, heartbeat_at=datetime.now(UTC))
            return stop()

        return ask

    def _give_up(self, reason: str) -> tuple[bool, int]:
        with self._writing() as (connection, operation):
            if operation.status is not OperationStatus.PROCESSING:
                return True, 0
            executor = executor_of(operation.type)
            step = executor.give_up(connection, operation, self._around(), reason)
            return step.done, record(connection, operation, step)

    def _require_sound(self, connection: Connection, operation: OperationRecord) -> None:
        failed = [check for check in checks.of(connection, operation) if not check.passed]
        if failed:
            told = "; ".join(f"{check.name} {check.figures}" for check in failed)
            raise CheckFailedError(
                f"The result of the operation is not what it must be: {told}.",
                remedy=f"Mend the cause, then: enrollment operations resume {operation.id}; or end "
                f"it: enrollment operations cancel {operation.id}",
            )

    def _around(self, stop: Callable[[], bool] = lambda: False) -> Surroundings:
        return Surroundings(self.account, self._settings, datetime.now(UTC), stop)

    @contextmanager
    def _locked(self) -> Iterator[tuple[Connection, OperationRecord]]:
        # Two runs of the same operation take turns here; the second finds what the first has done.
        with self._database.account(self.account.id) as connection:
            use_one_zone(connection)
            yield connection, operations.load(connection, self._id, lock=True)

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, OperationRecord]]:
        with self._locked() as (connection, operation):
            operations.let_one_write(connection, operation)
            yield connection, operation

    @contextmanager
    def _failing_for_bad_data(self) -> Iterator[None]:
        """Let an operation fail that has no single rows which could be given up."""
        try:
            yield
        except DBAPIError as error:
            if not is_bad_data(error):
                raise
            why = InvalidRequestError(f"The database cannot do it: {first_line(error)}.")
            self.fail(why.as_dict())
            raise why from None

    @contextmanager
    def _kept_open(self, what: str) -> Iterator[None]:
        """Let an operation stay open, and say why, where this machine or a place is in the way.

        Raises:
            ConfigurationError: what is to be mended; the operation can then be resumed.
        """
        try:
            yield
            return
        except OSError as error:
            why = ConfigurationError(
                f"Its files cannot be {what}: {error.strerror}.",
                remedy="Make room or give permission, then: enrollment operations resume "
                f"{self._id}",
            )
        except ConfigurationError as error:
            why = error
        with self._locked() as (connection, operation):
            if operation.status is OperationStatus.PROCESSING:
                operations.change(connection, operation.id, error=why.as_dict())
        raise why

    @contextmanager
    def _failing_when_refused(self) -> Iterator[None]:
        try:
            yield
        except ConfigurationError:
            raise
        except RefusedError as error:
            # Another run may have prepared it meanwhile; then the operation goes on.
            if self.operation().prepared_at is None:
                self.fail(error.as_dict())
            raise
