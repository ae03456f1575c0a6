"""The dry run: everything that the operation would do, done by the same code, told, and undone."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from enrollment_pipeline.accounts.operations import check
from enrollment_pipeline.bulk_operations.differences import differences
from enrollment_pipeline.bulk_operations.execution import Surroundings
from enrollment_pipeline.bulk_operations.executors import executor_of, needed_for
from enrollment_pipeline.bulk_operations.recording import prepare
from enrollment_pipeline.bulk_operations.request import (
    ExportRequest,
    OperationRequest,
    Timing,
)
from enrollment_pipeline.bulk_operations.states import OperationStatus, closing_status
from enrollment_pipeline.bulk_operations.store import changes, operations, rows
from enrollment_pipeline.bulk_operations.store.images import use_one_zone
from enrollment_pipeline.bulk_operations.submission import create
from enrollment_pipeline.bulk_operations.trying import try_all
from enrollment_pipeline.errors import InvalidRequestError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

SHOWN = 20
"""Changed contacts, and rows that would not go through, that are told (spec "Preview")."""


def preview(
    database: Database, settings: Settings, account: Account, request: OperationRequest
) -> dict[str, Any]:
    """Do everything that the operation would do, tell the outcome, and undo it.

    `changes` holds the differences, field by field, of the first contacts that would change.

    Raises:
        RefusedError: the request would be refused.
        InvalidRequestError: it is an export, which changes nothing.
    """
    if isinstance(request, ExportRequest):
        raise InvalidRequestError("An export changes nothing; there is nothing to preview.")
    needs = needed_for(database, account, request)
    plain = request.model_copy(update={"request_id": None, "timing": Timing()})
    with database.rehearsal(account.id) as connection:
        use_one_zone(connection)
        check(connection, request.requested_by, needs)
        operation_id = create(
            connection, settings, account, plain, source="preview", runner="caller"
        )
        made = operations.load(connection, operation_id, lock=True)
        operations.let_one_write(connection, made)
        operations.change(connection, operation_id, status=OperationStatus.PROCESSING)
        around = Surroundings(account, settings, datetime.now(UTC))
        executor = executor_of(made.type)
        prepare(connection, operations.load(connection, operation_id), around, executor)
        prepared = operations.load(connection, operation_id)
        counts = try_all(connection, prepared, around, executor)
        done = replace(prepared, counts=counts)
        left_out, number = rows.page(connection, operation_id, limit=SHOWN, offset=0)
        changed = changes.first(connection, operation_id, SHOWN)
    return {
        "dry_run": True,
        "type": str(done.type),
        "status": str(closing_status(counts)),
        "rows": done.total,
        "outcomes": {str(outcome): number for outcome, number in done.outcomes.items()},
        "changes": [
            {
                "contact_id": str(change.contact_id),
                "email": change.email,
                "fields": [
                    {"field": one.field, "before": one.before, "after": one.after}
                    for one in differences(change.before, change.after)
                ],
            }
            for change in changed
        ],
        "left_out": left_out,
        "left_out_total": number,
    }
