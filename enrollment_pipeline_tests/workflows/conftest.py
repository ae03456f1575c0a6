"""One account with workflows: ask the database, and do things while somebody else is at work."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ask(database: Database, account: Account) -> Ask:
    """Run a statement in the test's account and return its rows."""

    def run(statement: str, **values: object) -> list[dict[str, Any]]:
        with database.account(account.id) as connection:
            return [dict(row._mapping) for row in connection.execute(text(statement), values)]

    return run


@pytest.fixture
def audit(ask: Ask) -> Callable[[], list[dict[str, Any]]]:
    """Return what the audit log says of workflows and integrations, in order."""
    return lambda: ask(
        "select actor, action, result, subject, details from enrollment.audit_log "
        "where action like 'workflow.%' or action like 'integration.%' order by id"
    )


class Meanwhile:
    """Something done in a thread of its own, which may have to wait for the test."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.answer: object = None
        self.trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        # Long enough to come to where it has to wait; if it need not, it is through by then.
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        try:
            self.answer = self._work()
        except BaseException as error:
            self.trouble = error

    def wait(self) -> BaseException | None:
        """Wait for its end and return what it raised."""
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()
        return self.trouble
