"""Operations of one account, done by their executors piece by piece, as the engine does it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import DBAPIError

from enrollment_pipeline.bulk_operations.deleting import DeleteContacts
from enrollment_pipeline.bulk_operations.execution import Executor, Step, Surroundings
from enrollment_pipeline.bulk_operations.request import parse_request
from enrollment_pipeline.bulk_operations.reversing import ReverseOperation
from enrollment_pipeline.bulk_operations.states import OperationStatus
from enrollment_pipeline.bulk_operations.store import operations
from enrollment_pipeline.bulk_operations.store.images import image_of, use_one_zone
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.bulk_operations.updating import UpdateContacts
from enrollment_pipeline.bulk_operations.withdrawing import WithdrawEnrollments
from enrollment_pipeline.records import Account
from enrollment_pipeline.selections.keeping import to_be_kept
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.failures import first_line, is_bad_data
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.work import inputs

Document = dict[str, Any]
Row = dict[str, Any]

EXECUTORS: dict[str, Callable[[], Executor]] = {
    "update": UpdateContacts,
    "delete": DeleteContacts,
    "rollback": ReverseOperation,
    "withdrawal": WithdrawEnrollments,
}
EVERYBODY: Document = {"type": "filter", "filter": {}}
_KEPT_ELSEWHERE = {"timing", "request_id", "requested_by", "selection", "operation_id", "job_id"}


def ids(contact_ids: Sequence[object]) -> Document:
    """The selection of these contacts."""
    return {"type": "manual", "contact_ids": [str(one) for one in contact_ids]}


@dataclass
class Operations:
    """The operations of one account."""

    database: Database
    settings: Settings
    owner: Engine
    account: Account

    def submit(self, type_: str, **fields: Any) -> UUID:
        """Create an operation that is at work and has done nothing yet."""
        request = parse_request({"type": type_, **fields})
        document = request.model_dump(mode="json", exclude=_KEPT_ELSEWHERE)
        content: Any = ()
        if hasattr(request, "selection"):
            kept, content = to_be_kept(request.selection, self.account.settings, most=None)
            document["selection"] = kept
        with self.database.account(self.account.id) as connection:
            operation_id = operations.add(
                connection,
                {
                    "account_id": self.account.id,
                    "type": type_,
                    "status": "processing",
                    "request": document,
                    "source": "test",
                    "requested_by": "test",
                    "runner": "caller",
                    "reverses_id": getattr(request, "operation_id", None),
                    "withdraws_job_id": getattr(request, "job_id", None),
                },
            )
            inputs.add_input(connection, self.account.id, operation_id, content)
        return operation_id

    def prepare(self, operation_id: UUID) -> None:
        """Let the executor prepare an operation."""
        with self.database.account(self.account.id) as connection:
            operation = self._locked(connection, operation_id)
            prepared = self._executor(operation).prepare(connection, operation, self._around())
            operations.change(
                connection,
                operation_id,
                total=prepared.total,
                counts=prepared.counts,
                result=prepared.result,
                prepared_at=datetime.now(UTC),
            )

    def piece(self, operation_id: UUID, most: int) -> bool:
        """Do the next piece and commit it; return whether it was the last."""
        with self.database.account(self.account.id) as connection:
            operation = self._locked(connection, operation_id)
            executor = self._executor(operation)
            return _record(
                connection, operation, executor.apply(connection, operation, self._around(), most)
            )

    @contextmanager
    def lost(self) -> Iterator[None]:
        """Let every transaction within come to nothing, as if the worker was killed."""
        real = self.database

        class Killed:
            @contextmanager
            def account(self, account_id: UUID) -> Iterator[Connection]:
                with real.account(account_id) as connection:
                    yield connection
                    raise RuntimeError("killed")

        self.database = Killed()  # type: ignore[assignment]
        try:
            yield
        finally:
            self.database = real

    def give_up(self, operation_id: UUID, reason: str) -> bool:
        """Let the next row fail; return whether there was none."""
        with self.database.account(self.account.id) as connection:
            operation = self._locked(connection, operation_id)
            executor = self._executor(operation)
            return _record(
                connection,
                operation,
                executor.give_up(connection, operation, self._around(), reason),
            )

    def drain(self, operation_id: UUID, most: int = 1_000) -> None:
        """Do piece after piece; a row that the database refuses fails alone."""
        size, done = most, False
        while not done:
            try:
                done = self.piece(operation_id, size)
                size = most
            except DBAPIError as error:
                if not is_bad_data(error):
                    raise
                if size == 1:
                    self.give_up(operation_id, first_line(error))
                size = max(1, size // 10)

    def finish(self, operation_id: UUID, most: int = 1_000) -> OperationRecord:
        """Do all of an operation, close it, and hold its counts against its rows."""
        self.prepare(operation_id)
        self.drain(operation_id, most)
        return self.close(operation_id)

    def run(self, type_: str, *, most: int = 1_000, **fields: Any) -> OperationRecord:
        """Submit and finish."""
        return self.finish(self.submit(type_, **fields), most)

    def roll_back(self, original: OperationRecord, **fields: Any) -> OperationRecord:
        """Take an operation back."""
        return self.run("rollback", operation_id=str(original.id), **fields)

    def by_hand(self, act: Callable[[], object], order: Sequence[UUID] = ()) -> OperationRecord:
        """Do something, and make it look like an import that has done it, in this order or any."""
        before = self.images()
        act()
        after = self.images()
        changed = [one for one in after if before.get(one) != after[one]]
        operation_id = self.submit("update", selection=EVERYBODY, changes={"add_tags": ["none"]})
        with self.database.account(self.account.id) as connection:
            connection.execute(
                insert(schema.bulk_operation_changes),
                [
                    {
                        "account_id": self.account.id,
                        "operation_id": operation_id,
                        # As an import leaves them: rows that changed nothing have none.
                        "position": 3 * number,
                        "contact_id": one,
                        "before": before.get(one),
                        "after": after[one],
                    }
                    for number, one in enumerate(order or changed, start=1)
                ],
            )
            operations.change(
                connection,
                operation_id,
                type="import",
                status="completed",
                completed_at=datetime.now(UTC),
            )
            return operations.load(connection, operation_id)

    def images(self) -> dict[UUID, Row]:
        """The images of all contacts as they are now, by id."""
        with self.owner.begin() as connection:
            use_one_zone(connection)
            found = connection.execute(
                text(
                    f"select id, {image_of('c')} as image from enrollment.contacts c "
                    "where account_id = :account_id order by id"
                ),
                {"account_id": self.account.id},
            )
            return {row.id: row.image for row in found}

    def close(self, operation_id: UUID) -> OperationRecord:
        """Close an operation that is done."""
        with self.database.account(self.account.id) as connection:
            operations.change(
                connection,
                operation_id,
                status=OperationStatus.COMPLETED,
                completed_at=datetime.now(UTC),
            )
            record = operations.load(connection, operation_id)
        assert sum(record.counts.values()) == record.total
        listed = Counter(row["outcome"] for row in self.rows(record))
        assert listed == {
            outcome: number for outcome, number in record.counts.items() if outcome in listed
        }
        return record

    def sql(self, statement: str, **values: Any) -> None:
        """Change something past all rules."""
        with self.owner.begin() as connection:
            connection.execute(text(statement), {"account_id": self.account.id, **values})

    def query(self, statement: str, **values: Any) -> list[Row]:
        """Ask something past all rules."""
        with self.owner.connect() as connection:
            found = connection.execute(text(statement), {"account_id": self.account.id, **values})
            return [dict(row) for row in found.mappings()]

    def change(self, contact_id: UUID, values: str) -> None:
        """Change a contact as somebody else would."""
        self.sql(
            f"update enrollment.contacts set {values}, updated_at = now() where id = :id",
            id=contact_id,
        )

    def enroll(self, contact_id: UUID, workflow_id: UUID, job_id: UUID | None = None) -> None:
        """Put a contact at the first step of a workflow."""
        self.sql(
            "insert into enrollment.enrollments (account_id, workflow_id, contact_id, "
            "current_step, source, source_id) values (:account_id, :workflow, :contact, 'start', "
            "'test', :job)",
            workflow=workflow_id,
            contact=contact_id,
            job=job_id or uuid4(),
        )

    def contacts(self) -> dict[UUID, Row]:
        """Every contact of the account, deleted ones too, by id."""
        found = self.query("select * from enrollment.contacts where account_id = :account_id")
        return {row["id"]: row for row in found}

    def digest(self) -> str:
        """A hash over all columns of all contacts."""
        return self.query(
            "select md5(string_agg(md5(c::text), '' order by id)) as digest "
            "from enrollment.contacts c where account_id = :account_id"
        )[0]["digest"]

    def rows(self, operation: OperationRecord) -> list[Row]:
        """What did not simply go through, in its order."""
        return self.query(
            "select * from enrollment.bulk_operation_rows where operation_id = :id "
            "order by position",
            id=operation.id,
        )

    def changes(self, operation: OperationRecord) -> list[Row]:
        """The images of an operation, in their order."""
        return self.query(
            "select * from enrollment.bulk_operation_changes where operation_id = :id "
            "order by position",
            id=operation.id,
        )

    def _locked(self, connection: Any, operation_id: UUID) -> OperationRecord:
        use_one_zone(connection)
        return operations.load(connection, operation_id, lock=True)

    def _executor(self, operation: OperationRecord) -> Executor:
        return EXECUTORS[operation.type]()

    def _around(self) -> Surroundings:
        return Surroundings(self.account, self.settings, datetime.now(UTC))


def _record(connection: Any, operation: OperationRecord, step: Step) -> bool:
    counts = dict(operation.counts)
    for outcome, number in step.counts.items():
        if number:
            counts[outcome] = counts.get(outcome, 0) + number
    operations.change(connection, operation.id, mark=step.mark, counts=counts)
    return step.done


def counted(operation: OperationRecord) -> dict[str, int]:
    """The counts of an operation, by their names."""
    return {str(outcome): number for outcome, number in operation.counts.items() if number}
