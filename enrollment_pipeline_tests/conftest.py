"""One embedded Postgres for each process of the suite, and an account of its own for each test."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import hypothesis
import pytest
from sqlalchemy import Connection, Engine, create_engine, insert

from enrollment_pipeline.bulk_operations.direct import import_file
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.records import Account, AccountSettings
from enrollment_pipeline.settings import Settings, load_settings
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.embedded import stop_server
from enrollment_pipeline.storage.engine import database_urls, open_database
from enrollment_pipeline.storage.tenancy import Database

# The home folders that were given to other processes of the suite.
HOMES = pytest.StashKey[list[Path]]()

# How long an example takes says more about the machine than about the rule.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start.

    A shell without job control lets what it starts in the background ignore it, and so would they.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what goes over all accounts, as long as there are few of them.

    Each test leaves an account, and a look at thousands of them takes a minute.
    """
    items.sort(key=lambda item: "defs" not in item.path.parts)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run tests in this process, as with `-n 0`, unless they are the whole suite.

    Starting others takes seconds, which a part of it is seldom worth; `-n 2` asks for them. A slow
    test needs the machine for itself: it starts many processes, and waits for what they do.
    """
    suite = {config.rootpath / path for path in config.getini("testpaths")}
    whole = {Path(argument).resolve() for argument in config.args} == suite
    quick = config.option.markexpr == "not slow"
    return None if whole and quick and not config.option.keyword else 0


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give another process of the suite its home folder."""
    folder = make_home()
    node.workerinput["home"] = str(folder)
    node.config.stash.setdefault(HOMES, []).append(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers of processes that were ended, as by Ctrl-C, before they had done so."""
    for folder in config.stash.get(HOMES, []):
        remove_home(folder)


def make_home() -> Path:
    """Make a folder for a server and what else there is; short, since its socket lives in it."""
    folder = Path(tempfile.mkdtemp(prefix="ep-"))
    folder.chmod(0o755)
    return folder


def remove_home(folder: Path) -> None:
    """Stop the server in a home folder, if there is one, and remove the folder."""
    if folder.exists():
        stop_server(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def home(pytestconfig: pytest.Config) -> Iterator[Path]:
    """The home folder that this process, and every one it starts, works in."""
    given = getattr(pytestconfig, "workerinput", {}).get("home")
    # Outside of any checkout.
    folder = Path(given) if given else make_home()
    os.environ["ENROLLMENT_HOME"] = str(folder)
    os.environ.pop("ENROLLMENT_DATABASE_URL", None)
    os.environ.pop("DAGSTER_HOME", None)
    yield folder
    remove_home(folder)


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    """The settings of the suite: the embedded database in `home`."""
    return load_settings()


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[Database]:
    """The migrated database, as the app role."""
    opened = open_database(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def owner(settings: Settings, database: Database) -> Iterator[Engine]:
    """The same database as its owner, who sees past row-level security."""
    engine = create_engine(database_urls(settings).owner)
    yield engine
    engine.dispose()


@pytest.fixture
def make_account(database: Database) -> Callable[..., Account]:
    """Create an account; keyword arguments are its settings."""

    def make(**changes: object) -> Account:
        account_id = uuid4()
        settings = AccountSettings.model_validate(changes)
        name = f"test-{account_id.hex}"
        with database.account(account_id) as connection:
            connection.execute(
                insert(schema.accounts).values(
                    id=account_id, name=name, settings=settings.model_dump(exclude_defaults=True)
                )
            )
        return Account(account_id, name, settings)

    return make


@pytest.fixture
def account(make_account: Callable[..., Account]) -> Account:
    """An account of its own for the test."""
    return make_account()


@pytest.fixture
def sampled(database: Database, settings: Settings, account: Account) -> Iterator[Account]:
    """The account with the sample contacts, as `enrollment demo` leaves it; no job stays open."""
    contacts = Path(__file__).resolve().parent.parent / "data" / "samples" / "contacts.csv"
    import_file(database, settings, account, contacts, actor="test")
    yield account
    # A test of the queue sees the jobs of all accounts.
    for job in service.list_jobs(database, account, limit=500)["jobs"]:
        if job["completed_at"] is None:
            service.cancel(database, settings, account, UUID(job["job_id"]), actor="test")


@pytest.fixture
def connection(database: Database, account: Account) -> Iterator[Connection]:
    """A transaction of the test's account, committed at the end."""
    with database.account(account.id) as connection:
        yield connection


@pytest.fixture
def add_contacts(database: Database) -> Callable[..., list[UUID]]:
    """Create `count` contacts `PREFIX-00001@example.com`...; return their ids in that order."""

    def add(account: Account, count: int, prefix: str = "contact", **values: object) -> list[UUID]:
        rows = [
            {
                "account_id": account.id,
                "email": f"{prefix}-{number:05}@example.com",
                **values,
            }
            for number in range(1, count + 1)
        ]
        statement = insert(schema.contacts).returning(
            schema.contacts.c.id, sort_by_parameter_order=True
        )
        with database.account(account.id) as connection:
            return list(connection.scalars(statement, rows)) if rows else []

    return add


@pytest.fixture
def add_workflow(database: Database) -> Callable[..., UUID]:
    """Create a workflow, active unless said otherwise; return its id."""

    def add(
        account: Account, name: str = "Welcome", status: str = "active", **settings: object
    ) -> UUID:
        statement = (
            insert(schema.workflows)
            .values(account_id=account.id, name=name, status=status, config={"settings": settings})
            .returning(schema.workflows.c.id)
        )
        with database.account(account.id) as connection:
            return connection.scalar(statement)

    return add
