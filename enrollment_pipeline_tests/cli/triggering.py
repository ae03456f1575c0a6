"""What the tests of `triggers` and `events` share: an account, its commands, and their answers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.triggers.conftest import Automation

Call = Callable[..., Any]
ADA = "ada@example.com"
PAYMENT = ("create", "--workflow", "Welcome", "--event", "payment_received")
BIRTHDAY = ("create", "--workflow", "Welcome", "--event", "birthday")
LARGE = '{"field": "data.amount", "operator": "greater_than", "value": 500.5}'


@pytest.fixture
def automation(
    database: Database, settings: Settings, owner: Engine, account: Account
) -> Iterator[Automation]:
    """The test's account; nothing that waits stays behind."""
    made = Automation(database, settings, owner, account)
    yield made
    made.leave_nothing()


@pytest.fixture
def call(enroll: Call, account: Account) -> Call:
    """Run a command in the test's account."""
    return lambda *arguments: enroll("--account", account.name, "--as", "ann", *arguments)


@pytest.fixture
def triggers(call: Call, automation: Automation) -> Call:
    """Run a command of the group in the test's account, which has an active workflow."""
    automation.workflow()
    return lambda *arguments: call("triggers", *arguments)


@pytest.fixture
def events(call: Call, automation: Automation) -> Call:
    """Run a command of the group in the test's account."""
    return lambda *arguments: call("events", *arguments)


def answer(command: Call, *arguments: object) -> Any:
    """The document that a command answers with."""
    answered = command(*arguments, "--json")
    assert (answered.code, answered.err) == (0, ""), answered.out
    return answered.json
