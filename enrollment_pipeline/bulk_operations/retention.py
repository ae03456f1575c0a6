"""What is kept of a closed operation, and for how long: the settings of its account say it.

The files of an export go after `export_days`, images some days after the rollback window, and the
whole operation with its files after `operation_days`. Does not belong here: when it is done.
"""

import shutil
from collections import Counter
from datetime import datetime, timedelta

from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.bulk_operations.exporting import destinations
from enrollment_pipeline.bulk_operations.report import folder_of
from enrollment_pipeline.bulk_operations.request import OperationType
from enrollment_pipeline.bulk_operations.store import changes, operations, retention
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

IMAGES_KEPT = timedelta(days=7)
"""How long images stay behind the rollback window, for whoever asks what was before (spec)."""


def prune(
    database: Database, settings: Settings, account: Account, *, now: datetime, actor: str
) -> dict[str, int]:
    """Remove what is older than the account keeps it, each operation in its own transaction.

    Returns how many operations, rows of images and files are gone. A file that cannot be removed
    now is tried again the next time.
    """
    removed: Counter[str] = Counter()
    kept = account.settings
    limits = retention.Limits(
        images=now - timedelta(hours=kept.rollback_hours) - IMAGES_KEPT,
        files=now - timedelta(days=kept.export_days),
        operations=now - timedelta(days=kept.operation_days),
    )
    with database.account(account.id) as connection:
        due = retention.due(connection, limits)
    for operation_id in due:
        with accounted(
            database,
            account.id,
            actor=actor,
            action="operation.prune",
            needs=None,
            subject=operation_id,
        ) as doing:
            operation = operations.load(doing.connection, operation_id, lock=True)
            gone: Counter[str] = Counter()
            if _is_over(operation, limits.files) and operation.files_removed_at is None:
                gone["files"] += _remove_files(settings, operation)
                operations.change(doing.connection, operation_id, files_removed_at=now)
            if _is_over(operation, limits.images) and operation.images_removed_at is None:
                gone["images"] += changes.remove(doing.connection, operation_id)
                operations.change(doing.connection, operation_id, images_removed_at=now)
            if operation.completed_at and operation.completed_at < limits.operations:
                shutil.rmtree(folder_of(settings, account.id, operation_id), ignore_errors=True)
                retention.remove(doing.connection, operation_id)
                gone["operations"] += 1
            doing.details = dict(+gone)
            doing.silent = not +gone
        removed += gone
    with database.account(account.id) as connection:
        retention.remove_ended_schedules(connection)
    return dict(+removed)


def _is_over(operation: OperationRecord, limit: datetime) -> bool:
    return operation.completed_at is not None and operation.completed_at < limit


def _remove_files(settings: Settings, operation: OperationRecord) -> int:
    if operation.type is not OperationType.EXPORT:
        return 0
    files = (operation.result or {}).get("files", {})
    destinations.remove(files, url=settings.exports_url)
    return len(files)
