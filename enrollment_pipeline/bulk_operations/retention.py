"""What is kept of a closed operation, and for how long: the settings of its account say it.

The files of an export go after `export_days`, images some days after the rollback window, and the
whole operation with its files after `operation_days`. Does not belong here: when it is done.
"""

import shutil
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import Connection

from enrollment_pipeline.accounts.operations import operation as accounted
from enrollment_pipeline.bulk_operations.exporting import destinations
from enrollment_pipeline.bulk_operations.report import folder_of
from enrollment_pipeline.bulk_operations.request import OperationType
from enrollment_pipeline.bulk_operations.store import changes, operations, retention
from enrollment_pipeline.bulk_operations.store.operations import OperationRecord
from enrollment_pipeline.errors import ConfigurationError
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

IMAGES_KEPT = timedelta(days=7)
"""How long images stay behind the rollback window, for whoever asks what was before (spec)."""


def prune(
    database: Database, settings: Settings, account: Account, *, now: datetime, actor: str
) -> dict[str, int]:
    """Remove what is older than the account keeps it, each operation in its own transaction.

    Returns how many operations, rows of images and files are gone, and how many operations have
    files that cannot be removed now (`unremovable`); they are tried again the next time.
    """
    removed: Counter[str] = Counter()
    limits = _limits(account, now)
    with database.account(account.id) as connection:
        due = retention.due(connection, limits)
    for operation_id in due:
        try:
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
                # Asked again under the lock, which whoever comes to need it takes too.
                if not retention.is_needed(doing.connection, operation_id):
                    gone = _prune(doing.connection, settings, operation, limits, now)
                doing.details = dict(gone)
                doing.silent = not gone
        except (ConfigurationError, OSError):
            # It must not keep those behind it, nor other accounts, from being cleaned up.
            gone = Counter(unremovable=1)
        removed += gone
    with database.account(account.id) as connection:
        retention.remove_ended_schedules(connection)
    return dict(+removed)


def plan(database: Database, account: Account, *, now: datetime) -> dict[str, int]:
    """Return what `prune` would remove, in the same form."""
    limits = _limits(account, now)
    found: Counter[str] = Counter()
    with database.account(account.id) as connection:
        for operation_id in retention.due(connection, limits):
            operation = operations.load(connection, operation_id)
            if _has_files(operation, limits):
                found["files"] += len(_files(operation))
            if _has_images(operation, limits):
                found["images"] += changes.count(connection, operation_id)
            found["operations"] += _is_over(operation, limits.operations)
    return dict(+found)


def _limits(account: Account, now: datetime) -> retention.Limits:
    kept = account.settings
    images = now - timedelta(hours=kept.rollback_hours) - IMAGES_KEPT
    return retention.Limits(
        images=images,
        files=now - timedelta(days=kept.export_days),
        # Not before its images, whatever the settings are to each other.
        operations=min(images, now - timedelta(days=kept.operation_days)),
    )


def _prune(
    connection: Connection,
    settings: Settings,
    operation: OperationRecord,
    limits: retention.Limits,
    now: datetime,
) -> Counter[str]:
    gone: Counter[str] = Counter()
    if _has_files(operation, limits):
        # A file that is gone already is none the worse for it, should the rest come to nothing.
        destinations.remove(_files(operation), url=settings.exports_url)
        if operation.type is OperationType.EXPORT:
            # What a run that was killed had begun to write is in no list.
            _remove_folder(settings, operation)
        gone["files"] += len(_files(operation))
        operations.change(connection, operation.id, files_removed_at=now)
    if _has_images(operation, limits):
        gone["images"] += changes.remove(connection, operation.id)
        operations.change(connection, operation.id, images_removed_at=now)
    if _is_over(operation, limits.operations):
        _remove_folder(settings, operation)
        retention.remove(connection, operation.id)
        gone["operations"] += 1
    return +gone


def _remove_folder(settings: Settings, operation: OperationRecord) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder_of(settings, operation.account_id, operation.id))


def _has_files(operation: OperationRecord, limits: retention.Limits) -> bool:
    return _is_over(operation, limits.files) and operation.files_removed_at is None


def _has_images(operation: OperationRecord, limits: retention.Limits) -> bool:
    return _is_over(operation, limits.images) and operation.images_removed_at is None


def _is_over(operation: OperationRecord, limit: datetime) -> bool:
    return operation.completed_at is not None and operation.completed_at < limit


def _files(operation: OperationRecord) -> dict[str, str]:
    if operation.type is not OperationType.EXPORT:
        return {}
    files: dict[str, str] = (operation.result or {}).get("files", {})
    return files
