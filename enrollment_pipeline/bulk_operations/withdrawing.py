"""Taking an enrollment job back: who is still at the first step leaves the workflow again.

Belongs here: which enrollments go and how they are counted. Does not belong here: the statements
(`store.withdrawing`), and whether a job can be taken back at all (`reversibility`).

Who has moved on, or has ended, is kept: what the workflow did to them has happened. A withdrawn
enrollment does not count as having been in the workflow. Tags that the job has added stay: they are
changes of contacts, and not told apart from the same tag given by somebody else.
"""

from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.execution import Executor, Prepared, Step, Surroundings
from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store import withdrawing
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.bulk_operations.store.withdrawing import Withdrawal
from enrollment_pipeline.errors import JobNotFoundError


class WithdrawEnrollments(Executor):
    """Ends the enrollments of a job that are still at their first step; see `Executor`."""

    def prepare(
        self, connection: Connection, operation: OperationRecord, around: Surroundings
    ) -> Prepared:
        """List the enrollments of the job.

        Raises:
            JobNotFoundError: the account has no such job.
        """
        withdrawal = _withdrawal(operation)
        workflow = withdrawing.workflow_of(connection, withdrawal.job_id)
        if workflow is None:
            raise JobNotFoundError(f"There is no job {withdrawal.job_id} in this account.")
        total = withdrawing.list_enrollments(connection, withdrawal)
        # One step for all pieces, even if somebody edits the workflow meanwhile.
        return Prepared(total, result={"first_step": workflow.first_step})

    def apply(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, most: int
    ) -> Step:
        """Withdraw the next enrollments that wait at the first step, and keep the others."""
        first_step = (operation.result or {})["first_step"]
        done = withdrawing.withdraw(
            connection, _withdrawal(operation), first_step, mark=operation.mark, most=most
        )
        counts = {RowOutcome.WITHDRAWN: done.withdrawn, RowOutcome.KEPT: done.kept}
        return Step(done.mark, counts, done=done.rows < most)

    def give_up(
        self, connection: Connection, operation: OperationRecord, around: Surroundings, reason: str
    ) -> Step:
        """Let the next enrollment end as errored."""
        position = withdrawing.give_up(
            connection,
            _withdrawal(operation),
            f"was refused by the database: {reason}",
            mark=operation.mark,
        )
        if position is None:
            return Step(operation.mark, {}, done=True)
        return Step(position, {RowOutcome.ERRORED: 1}, done=False)


def _withdrawal(operation: OperationRecord) -> Withdrawal:
    if operation.withdraws_job_id is None:
        raise TypeError("a withdrawal names the job that it takes back")
    return Withdrawal(operation.account_id, operation.id, operation.withdraws_job_id)
