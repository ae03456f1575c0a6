"""What tests of operations share."""

import pytest
from sqlalchemy import Engine

from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.bulk_operations.operations import Operations


@pytest.fixture
def operations(
    database: Database, settings: Settings, owner: Engine, account: Account
) -> Operations:
    """The operations of the test's account."""
    return Operations(database, settings, owner, account)
