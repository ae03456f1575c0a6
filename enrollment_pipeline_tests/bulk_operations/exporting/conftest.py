"""How the tests of exports export."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from enrollment_pipeline.bulk_operations.exporting.contacts import Exported, export_contacts
from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.bulk_operations.exporting.nasty import ALL_FIELDS

NOW = datetime(2026, 5, 1, tzinfo=UTC)

Export = Callable[..., Exported]


@pytest.fixture
def export(account: Account, tmp_path: Path) -> Export:
    """Export contacts of the test's account into its folder; all fields unless others are named."""

    def run(connection: Connection, form: Any, **options: Any) -> Exported:
        return export_contacts(
            connection,
            account.id,
            format=form,
            **{
                "condition": None,
                "fields": ALL_FIELDS,
                "folder": tmp_path / "exports",
                "now": NOW,
                "stop": lambda: False,
                **options,
            },
        )

    return run
