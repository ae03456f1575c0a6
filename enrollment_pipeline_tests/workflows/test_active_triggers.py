"""An active workflow with steps stays valid whichever command changes its trigger."""

import pytest

from enrollment_pipeline.errors import InvalidStateError
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers import service as triggers
from enrollment_pipeline.workflows import service
from enrollment_pipeline_tests.workflows.examples import small

PAID = {"event": "payment_received", "parameters": {}}


@pytest.fixture(autouse=True)
def workflow(database: Database, account: Account) -> None:
    service.create_from(database, account, small(), active=True, actor="ann")


def test_its_trigger_cannot_be_deleted_or_wait_for_something_else(
    database: Database, account: Account
) -> None:
    before = service.show(database, account, "Welcome")

    with pytest.raises(InvalidStateError, match="is active, and its steps go with its trigger"):
        triggers.delete(database, account, "Welcome", actor="ann")
    with pytest.raises(InvalidStateError, match="is active, and its steps go with its trigger"):
        triggers.update(database, account, "Welcome", PAID, actor="ann")

    assert service.show(database, account, "Welcome") == before


def test_its_trigger_can_be_switched_off_and_on_and_filtered(
    database: Database, account: Account
) -> None:
    only = {"field": "status", "operator": "equals", "value": "active"}

    triggers.deactivate(database, account, "Welcome", actor="ann")
    triggers.update(database, account, "Welcome", {"filters": only}, actor="ann")
    triggers.activate(database, account, "Welcome", actor="ann")

    assert service.show(database, account, "Welcome").problems == []


def test_that_of_a_paused_one_can_be_changed_alone(database: Database, account: Account) -> None:
    service.pause(database, account, "Welcome", actor="ann")

    triggers.update(database, account, "Welcome", PAID, actor="ann")
    triggers.delete(database, account, "Welcome", actor="ann")

    assert [one.path for one in service.show(database, account, "Welcome").problems] == ["trigger"]
