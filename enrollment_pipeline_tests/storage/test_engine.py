"""A database elsewhere: opened when it is up to date and safe, else refused with the way out."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import URL, text

from enrollment_pipeline.errors import (
    ConfigurationError,
    DatabaseOutdatedError,
    DatabasePrivilegesError,
    DatabaseUnavailableError,
)
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.engine import (
    APP_ROLE,
    HEAD,
    DatabaseUrls,
    database_urls,
    open_database,
    upgrade,
)
from enrollment_pipeline_tests.storage.conftest import NO_HOME, external, python

UPGRADE = """
from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import upgrade
print(upgrade(load_settings()))
"""


@pytest.fixture(scope="module")
def migrated(make_database: Callable[[], URL]) -> URL:
    """A database that is up to date."""
    url = make_database()
    upgrade(external(url))
    return url


@pytest.fixture
def execute(engine_at: Any) -> Callable[[URL, str], None]:
    """Execute one statement and commit."""

    def run(url: URL, statement: str) -> None:
        with engine_at(url).begin() as connection:
            connection.exec_driver_sql(statement)

    return run


@pytest.fixture
def pretend(migrated: URL, execute: Any) -> Iterator[Callable[[str], URL]]:
    """Make the database pretend to be of another version."""
    statement = "update enrollment.alembic_version set version_num = '{}'"

    def to_be(version: str) -> URL:
        execute(migrated, statement.format(version))
        return migrated

    yield to_be
    to_be(HEAD)


@pytest.fixture
def make_role(migrated: URL, execute: Any) -> Iterator[Callable[[str], str]]:
    """Create a role with options; it is dropped at the end."""
    made: list[str] = []

    def make(options: str) -> str:
        name = f"test_{uuid4().hex}"
        execute(migrated, f"create role {name} {options}")
        made.append(name)
        return name

    yield make
    for name in reversed(made):
        execute(migrated, f"reassign owned by {name} to postgres")
        execute(migrated, f"drop role {name}")


def test_an_empty_database_is_refused_until_it_is_upgraded(make_database: Any) -> None:
    settings = external(make_database())

    with pytest.raises(DatabaseOutdatedError, match="version none") as refused:
        open_database(settings)
    assert refused.value.code == "DATABASE_OUTDATED"
    assert "enrollment database upgrade" in refused.value.advice

    assert upgrade(settings) == HEAD
    database = open_database(settings)
    with database.across_accounts() as connection:
        assert connection.scalar(text("select current_user")) == APP_ROLE
    database.close()


def test_a_database_that_is_behind_is_refused_with_the_command_that_helps(pretend: Any) -> None:
    settings = external(pretend("0000"))

    with pytest.raises(DatabaseOutdatedError, match=f"version 0000; .* needs {HEAD}") as refused:
        open_database(settings)

    assert "enrollment database upgrade" in refused.value.advice


@pytest.mark.parametrize("work", [open_database, upgrade])
def test_a_database_newer_than_the_program_is_refused_and_left_alone(
    pretend: Any, engine_at: Any, work: Callable[[Settings], object]
) -> None:
    url = pretend("9999")

    with pytest.raises(DatabaseOutdatedError, match=f"version 9999; .* needs {HEAD}") as refused:
        work(external(url))

    assert "Install the newer release" in refused.value.advice
    with engine_at(url).connect() as connection:
        version = connection.scalar(text("select version_num from enrollment.alembic_version"))
    assert version == "9999"


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(migrated: URL) -> None:
    assert [upgrade(external(migrated)), upgrade(external(migrated))] == [HEAD, HEAD]


def test_two_upgrades_at_once_both_succeed(make_database: Any) -> None:
    url = make_database().render_as_string(hide_password=False)
    environment = {"ENROLLMENT_DATABASE_URL": url}

    programs = [python(UPGRADE, env=environment) for _ in range(2)]

    answers = [(*program.communicate(timeout=60), program.returncode) for program in programs]
    assert answers == [(f"{HEAD}\n", "", 0)] * 2
    open_database(external(url)).close()


def test_the_owner_is_refused_as_the_app_role(migrated: URL) -> None:
    with pytest.raises(DatabasePrivilegesError) as refused:
        open_database(external(migrated, app=migrated))

    assert refused.value.code == "DATABASE_PRIVILEGES"
    assert "ENROLLMENT_APP_DATABASE_URL" in refused.value.advice


@pytest.mark.parametrize("option", ["bypassrls", "superuser"])
def test_a_role_that_row_level_security_does_not_hold_is_refused(
    migrated: URL, make_role: Any, option: str
) -> None:
    strong = make_role(f"login {option} in role {APP_ROLE}")

    with pytest.raises(DatabasePrivilegesError):
        open_database(external(migrated, app=migrated.set(username=strong)))


def test_a_role_that_is_a_member_of_the_owner_is_refused(
    migrated: URL, make_role: Any, execute: Any
) -> None:
    owner = make_role("nologin")
    member = make_role(f"login in role {APP_ROLE}, {owner}")
    execute(migrated, f"alter table enrollment.contacts owner to {owner}")

    with pytest.raises(DatabasePrivilegesError):
        open_database(external(migrated, app=migrated.set(username=member)))


def test_a_login_role_that_is_a_member_of_the_app_role_is_accepted(
    migrated: URL, make_role: Any
) -> None:
    worker = make_role(f"login in role {APP_ROLE}")

    database = open_database(external(migrated, app=migrated.set(username=worker)))

    with database.across_accounts() as connection:
        assert connection.scalar(text("select current_user")) == worker
    database.close()


def test_a_login_role_that_is_no_member_is_refused_with_the_grant_it_lacks(
    migrated: URL, make_role: Any
) -> None:
    stranger = make_role("login")

    with pytest.raises(ConfigurationError, match=stranger) as refused:
        open_database(external(migrated, app=migrated.set(username=stranger)))

    assert f"grant {APP_ROLE} to {stranger}" in refused.value.advice


def test_an_app_role_that_does_not_exist_is_refused_by_the_name_of_its_variable(
    migrated: URL,
) -> None:
    with pytest.raises(ConfigurationError, match="test_nobody") as refused:
        open_database(external(migrated, app=migrated.set(username="test_nobody")))

    assert "ENROLLMENT_APP_DATABASE_URL" in refused.value.advice


def test_a_database_that_nobody_else_may_connect_to_opens_and_has_temporary_tables(
    make_database: Any, execute: Any
) -> None:
    url = make_database()
    execute(url, f"revoke all on database {url.database} from public")
    execute(url, "alter default privileges revoke execute on functions from public")

    upgrade(external(url))

    database = open_database(external(url))
    with database.across_accounts() as connection:
        connection.execute(text("create temporary table incoming (id uuid)"))
        assert connection.scalar(text("select enrollment.current_account()")) is None
        assert connection.scalar(text("select enrollment.uuidv7()")) is not None
    database.close()


@pytest.mark.parametrize("work", [open_database, upgrade])
@pytest.mark.parametrize("address", ["127.0.0.1:1/product", "/product?host=/nonexistent"])
def test_an_unreachable_server_is_reported_without_the_password(
    work: Callable[[Settings], object], address: str
) -> None:
    url = f"postgresql://keeper:s3cret@{address}"

    with pytest.raises(DatabaseUnavailableError, match="connection") as failed:
        work(external(url, app=url))

    assert failed.value.code == "DATABASE_UNAVAILABLE"
    assert "s3cret" not in str(failed.value.as_dict())
    assert failed.value.__cause__ is None


@pytest.mark.parametrize("work", [open_database, upgrade])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "nonsense",
        "mysql://keeper:s3cret@example.com/product",
        "postgresqlite://keeper:s3cret@example.com/product",
        "postgresql://keeper:s3cret@example.com:port/product",
        "postgresql://keeper:s3cret@127.0.0.1:1/product?nonsense=s3cret",
    ],
)
def test_what_is_no_postgres_url_is_refused_by_the_name_of_its_variable(
    server: URL, work: Callable[[Settings], object], value: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"^ENROLLMENT_DATABASE_URL ") as refused:
        work(external(value))
    assert "s3cret" not in str(refused.value.as_dict())

    with pytest.raises(ConfigurationError, match=r"^ENROLLMENT_APP_DATABASE_URL "):
        work(external(server, app=value))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_way_to_write_a_postgres_url_is_understood(scheme: str) -> None:
    urls = database_urls(external(f"{scheme}://keeper@db.example.com:5433/product?sslmode=require"))

    owner = URL.create(
        "postgresql+psycopg",
        "keeper",
        host="db.example.com",
        port=5433,
        database="product",
        query={"sslmode": "require"},
    )
    assert urls == DatabaseUrls(owner, owner.set(username=APP_ROLE), embedded=False)


def test_an_app_url_alone_is_refused(server: URL) -> None:
    settings = Settings(home=NO_HOME, app_database_url=external(server).database_url)

    with pytest.raises(ConfigurationError, match="ENROLLMENT_DATABASE_URL is missing"):
        database_urls(settings)
