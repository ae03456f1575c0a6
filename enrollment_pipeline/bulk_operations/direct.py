"""An operation done here and now, without a run of Dagster: for samples, scripts and benchmarks."""

from pathlib import Path
from typing import Any

from enrollment_pipeline.bulk_operations.engine import OperationWork
from enrollment_pipeline.bulk_operations.history import describe
from enrollment_pipeline.bulk_operations.request import OperationRequest, parse_request
from enrollment_pipeline.bulk_operations.submission import submit
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database


def do_now(
    database: Database, settings: Settings, account: Account, request: OperationRequest
) -> dict[str, Any]:
    """Submit an operation and do its work in this process; return its document.

    Raises:
        RefusedError: it cannot be accepted, or nothing could be made of it.
    """
    made = submit(database, settings, account, request, source="direct", runner="caller")
    OperationWork(database, settings, made.operation_id).run()
    return describe(database, account, made.operation_id)


def import_file(
    database: Database,
    settings: Settings,
    account: Account,
    path: Path,
    *,
    actor: str,
    **options: object,
) -> dict[str, Any]:
    """Import a file, as `do_now`; `options` are those of an import."""
    document = {"type": "import", "path": path, "requested_by": actor, **options}
    return do_now(database, settings, account, parse_request(document))
