"""An account with a role service, the workflow of the template, and items worked on in place."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from enrollment_pipeline.onboarding import service
from enrollment_pipeline.onboarding.engine import ItemWork, Left
from enrollment_pipeline.onboarding.submission import SubmittedBatch
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.onboarding.role_service import RoleService, serving

Submit = Callable[..., SubmittedBatch]
Work = Callable[[UUID], Left]


@pytest.fixture
def roles() -> Iterator[RoleService]:
    """A service that is not connected yet; its address is ``roles.url``."""
    with serving() as (found, url):
        found.url = url
        yield found


@pytest.fixture
def reachable(settings: Settings) -> Settings:
    """Settings by which steps reach loopback."""
    return settings.model_copy(update={"http_allow_private": True})


@pytest.fixture
def onboarding(database: Database, account: Account, roles: RoleService) -> str:
    """The name of an active workflow, cloned from the template and connected with the service."""
    workflows.connect(database, account, "role_service", {"url": roles.url}, actor="ann")
    templates.clone(database, account, "role-onboarding", actor="ann")
    workflows.activate(database, account, "Role onboarding", actor="ann")
    return "Role onboarding"


@pytest.fixture
def submit(database: Database, account: Account) -> Submit:
    """Submit names or whole items; keyword arguments are the options."""

    def run(*items: Any, actor: str = "ann", company: str = "Northern", **options: Any) -> Any:
        contents = [{"role_name": one} if isinstance(one, str) else one for one in items]
        _, given = service.read_submission(contents)
        asked = service.batch_options({"company": company, **options})
        return service.submit(
            database, account, asked, given, source="test", actor=actor, at_once=3
        )

    return run


@pytest.fixture
def work(database: Database, reachable: Settings) -> Work:
    """Do what is left of an item, in this process."""

    def run(item_id: UUID) -> Left:
        return ItemWork(database, reachable, item_id).run(threading.Event())

    return run


@pytest.fixture
def ask(database: Database, account: Account) -> Callable[..., list[dict[str, Any]]]:
    """Run a statement in the test's account and return its rows."""

    def run(statement: str, **values: object) -> list[dict[str, Any]]:
        with database.account(account.id) as connection:
            return [dict(row._mapping) for row in connection.execute(text(statement), values)]

    return run


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let waits between attempts be a hundredth of what they are."""
    from enrollment_pipeline.workflows import carrying_out

    whole = carrying_out.wait_before

    def hundredth(*arguments: Any) -> float | None:
        seconds = whole(*arguments)
        return None if seconds is None else seconds / 100

    monkeypatch.setattr(carrying_out, "wait_before", hundredth)
