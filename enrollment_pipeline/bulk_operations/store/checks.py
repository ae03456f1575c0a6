"""What the product promises of an operation, asked of the database.

Every function works in the caller's transaction, which has its account set.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from enrollment_pipeline.bulk_operations.states import RowOutcome
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.storage.schema import contacts

_CHANGED = (RowOutcome.CREATED, RowOutcome.UPDATED, RowOutcome.DELETED)
_LISTED = (
    RowOutcome.KEPT,
    RowOutcome.SKIPPED,
    RowOutcome.DUPLICATE,
    RowOutcome.UNMATCHED,
    RowOutcome.REJECTED,
    RowOutcome.FAILED,
    RowOutcome.ERRORED,
)
_COUNTS = text(
    """
    select
      (select count(*) from enrollment.bulk_operation_changes where operation_id = :operation_id)
        as images,
      (select count(*) from enrollment.bulk_operation_rows where operation_id = :operation_id)
        as listed
    """
)


@dataclass(frozen=True, slots=True)
class Check:
    """One promise held against an operation: its name, whether it holds, and the figures."""

    name: str
    passed: bool
    figures: dict[str, int]


def of(connection: Connection, operation: OperationRecord) -> list[Check]:
    """Return the two checks that every operation is held against.

    Of one whose images were removed, the counts alone are looked at.
    """
    outcomes = {str(outcome): number for outcome, number in operation.outcomes.items()}
    counted = sum(operation.counts.values())
    checks = [
        Check(
            "outcomes_add_up",
            counted == operation.total,
            {"rows": operation.total, **outcomes},
        )
    ]
    row = connection.execute(_COUNTS, {"operation_id": operation.id}).one()
    changed = sum(operation.counts.get(outcome, 0) for outcome in _CHANGED)
    listed = sum(operation.counts.get(outcome, 0) for outcome in _LISTED)
    kept = operation.images_removed_at is None
    checks.append(
        Check(
            "changes_have_images",
            not kept or (row.images == changed and row.listed == listed),
            {"images": row.images, "changed": changed, "listed": row.listed},
        )
    )
    return checks


def count_contacts(connection: Connection) -> int:
    """Return how many contacts the account has that are not deleted."""
    return connection.execute(
        select(func.count()).select_from(contacts).where(contacts.c.deleted_at.is_(None))
    ).scalar_one()
