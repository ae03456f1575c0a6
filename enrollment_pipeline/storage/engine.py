"""From the settings to a database that is there, up to date and safe to work with.

Belongs here: which URL, which role, which version. Does not belong here: what is in the tables.

Two roles reach the database. The *owner* migrates and serves Dagster's own storage. All other work
connects as the *app role*, a login role that owns nothing and is bound by row-level security.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError

from enrollment_pipeline.errors import (
    ConfigurationError,
    DatabaseOutdatedError,
    DatabasePrivilegesError,
    DatabaseUnavailableError,
    ProductError,
)
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.embedded import start_server
from enrollment_pipeline.storage.schema import SCHEMA
from enrollment_pipeline.storage.tenancy import Database

# The newest migration; a test holds it to the migrations folder. Comparing with a constant spares
# every start the import of Alembic.
HEAD = "0007"
APP_ROLE = "enrollment_app"
OLDEST_SERVER = 150000
# Seconds, and milliseconds for the last: after a minute a cut line is an error and not a wait.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

# Compiling a statement that runs for milliseconds costs more than it saves. And a backend whose
# client, or whose client's machine, has gone must notice, or it keeps its locks.
_ROLE_SETTINGS = (
    "jit = off",
    "client_connection_check_interval = 500",
    "idle_in_transaction_session_timeout = '5min'",
    "tcp_keepalives_idle = 30",
    "tcp_keepalives_interval = 10",
    "tcp_keepalives_count = 3",
    "tcp_user_timeout = '60s'",
)

_STATE = text(
    """
    select (select version_num from enrollment.alembic_version) as version,
           r.rolsuper or r.rolbypassrls
             or pg_has_role(current_user, c.relowner, 'usage') as privileged
    from pg_roles r, pg_class c
    where r.rolname = current_user and c.oid = 'enrollment.contacts'::regclass
    """
)
_ROLE_EXISTS = text("select exists (select from pg_roles where rolname = :name)")
_GRANT_DATABASE = text(
    f"""
    do $$ begin
      execute format('grant connect, temporary on database %I to {APP_ROLE}', current_database());
    end $$
    """
)
_ADMINISTRATOR_WAY = (
    f"Let an administrator run, where the role does not exist: create role {APP_ROLE}; and then: "
    f"create role NAME login password '...' in role {APP_ROLE}; then let "
    "ENROLLMENT_APP_DATABASE_URL name that role, and upgrade."
)


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """Where the database is, for each of the two roles."""

    owner: URL
    app: URL
    embedded: bool


def database_urls(settings: Settings) -> DatabaseUrls:
    """Return where the database is; the embedded one is started where needed.

    Raises:
        ConfigurationError: a URL cannot be read, or the owner's is missing.
        DatabaseUnavailableError: the embedded server does not start.
    """
    if settings.database_url is None:
        if settings.app_database_url is not None:
            raise ConfigurationError(
                "ENROLLMENT_DATABASE_URL is missing, and ENROLLMENT_APP_DATABASE_URL is set.",
                remedy="Set both to work with that database, or neither to work with an embedded "
                "one.",
            )
        owner = start_server(settings.home / "postgres")
        return DatabaseUrls(owner, owner.set(username=APP_ROLE), embedded=True)
    owner = _parse(settings.database_url.get_secret_value(), "ENROLLMENT_DATABASE_URL")
    if settings.app_database_url is not None:
        app = _parse(settings.app_database_url.get_secret_value(), "ENROLLMENT_APP_DATABASE_URL")
    else:
        app = owner.set(username=APP_ROLE, password=_app_password(owner))
    return DatabaseUrls(owner, app, embedded=False)


def open_database(settings: Settings) -> Database:
    """Return the database, ready to work with.

    An embedded database that is new or behind is migrated; another one that is behind is refused.

    Raises:
        ConfigurationError: the app role cannot log in or may not use the tables.
        DatabaseOutdatedError: the schema is not the one this version works with.
        DatabasePrivilegesError: the app role could see past row-level security.
        DatabaseUnavailableError: the server cannot be reached.
    """
    urls = database_urls(settings)
    # Recycled connections are probed first, so that a restarted server is not met in mid-statement.
    engine = create_engine(
        urls.app,
        pool_pre_ping=True,
        pool_size=8,
        connect_args=_PATIENCE,
        # Parameters are people's data, and errors are written to logs that all accounts share.
        hide_parameters=True,
    )
    try:
        version = _check(engine, urls)
        if version != HEAD:
            if not urls.embedded or _is_newer(version):
                raise _outdated(version)
            upgrade(settings)
            _check(engine, urls)
    except ProductError:
        engine.dispose()
        raise
    folder = settings.home / "postgres"
    return (
        Database(engine, revive=partial(start_server, folder))
        if urls.embedded
        else Database(engine)
    )


def upgrade(settings: Settings) -> str:
    """Create or bring up to date schema and app role, as the owner; return the version reached.

    Raises:
        ConfigurationError: the server is older than Postgres 15, or the owner may not create the
            schema or the app role.
        DatabaseOutdatedError: the schema is newer than this program.
        DatabaseUnavailableError: the server cannot be reached.
    """
    urls = database_urls(settings)
    engine = create_engine(urls.owner, connect_args=_PATIENCE, hide_parameters=True)
    try:
        with engine.begin() as connection:
            _require_server_version(connection)
            # One upgrade at a time; the number is arbitrary and ours alone.
            connection.execute(text("select pg_advisory_xact_lock(7021983455011)"))
            _ensure_app_role(connection, urls.app, given=settings.app_database_url is not None)
            connection.execute(text(f"create schema if not exists {SCHEMA}"))
            # Not every server lets everybody connect and make temporary tables.
            connection.execute(_GRANT_DATABASE)
            connection.execute(text(f"grant usage on schema {SCHEMA} to {APP_ROLE}"))
            _migrate(connection)
            connection.execute(text(f"grant select on {SCHEMA}.alembic_version to {APP_ROLE}"))
    except OperationalError as error:
        raise DatabaseUnavailableError(_first_line(error)) from None
    except ProgrammingError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        raise ConfigurationError(
            "The role that ENROLLMENT_DATABASE_URL names may not upgrade the database: "
            f"{_first_line(error)}",
            remedy="Let ENROLLMENT_DATABASE_URL name the role that owns the database.",
        ) from None
    finally:
        engine.dispose()
    return HEAD


def _parse(value: str, variable: str) -> URL:
    try:
        url = make_url(value)
        psycopg.conninfo.make_conninfo(**dict.fromkeys(url.query, ""))
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{variable} is not a database URL.") from None
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(f"{variable} cannot be used: {_first_line(error)}.") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationError(f"{variable} must name a Postgres database.")
    return url.set(drivername="postgresql+psycopg")


def _app_password(owner: URL) -> str | None:
    # Every machine that knows the owner's URL can derive it, so it need not be stored anywhere.
    if not owner.password:
        return None
    return hmac.new(owner.password.encode(), APP_ROLE.encode(), hashlib.sha256).hexdigest()


def _is_derived(urls: DatabaseUrls) -> bool:
    derived = _app_password(urls.owner)
    return derived is not None and (urls.app.username, urls.app.password) == (APP_ROLE, derived)


def _check(engine: Engine, urls: DatabaseUrls) -> str | None:
    """Return the schema version, None where there is no schema or no app role."""
    name = urls.app.username or ""
    try:
        with engine.connect() as connection:
            row = connection.execute(_STATE).one()
    except ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
            return None
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        raise ConfigurationError(
            f"The role {name} may not use the tables: {_first_line(error)}",
            remedy=f"Let the owner of the database run: grant {APP_ROLE} to {name}",
        ) from None
    except OperationalError as error:
        message = _first_line(error)
        if name not in message:
            raise DatabaseUnavailableError(message) from None
        if not _role_exists(urls.owner, name) and name == APP_ROLE:
            return None
        raise ConfigurationError(
            f"The role {name} cannot log in: {message}",
            remedy="Run: enrollment database upgrade, which sets the role's password."
            if _is_derived(urls)
            else f"Let ENROLLMENT_APP_DATABASE_URL name {APP_ROLE} or a login role that is a "
            "member of it, with the password.",
        ) from None
    if row.privileged:
        raise DatabasePrivilegesError
    return str(row.version)


def _role_exists(owner: URL, name: str) -> bool:
    engine = create_engine(owner, connect_args=_PATIENCE, hide_parameters=True)
    try:
        with engine.connect() as connection:
            return bool(connection.scalar(_ROLE_EXISTS, {"name": name}))
    except OperationalError as error:
        raise DatabaseUnavailableError(_first_line(error)) from None
    finally:
        engine.dispose()


def _is_newer(version: str | None) -> bool:
    return version is not None and version > HEAD


def _outdated(version: str | None) -> DatabaseOutdatedError:
    remedy = "Install the newer release of the program that the database was made ready for."
    return DatabaseOutdatedError(
        f"The database is at version {version or 'none'}; this program needs {HEAD}.",
        remedy=remedy if _is_newer(version) else "",
    )


def _require_server_version(connection: Connection) -> None:
    number = int(connection.exec_driver_sql("show server_version_num").scalar_one())
    if number < OLDEST_SERVER:
        raise ConfigurationError(
            f"The server is Postgres {number // 10000}; version 15 or newer is needed."
        )


def _ensure_app_role(connection: Connection, app: URL, *, given: bool) -> None:
    known = connection.scalar(_ROLE_EXISTS, {"name": APP_ROLE})
    if given and known:
        return  # An administrator made the role, and says how to log in.
    try:
        if not known:
            connection.execute(text(f"create role {APP_ROLE} login"))
        if app.username == APP_ROLE and app.password:
            # Hashed here, because the server logs the statement when it logs statements.
            driver: Any = connection.connection.driver_connection
            hashed = driver.pgconn.encrypt_password(
                app.password.encode(), APP_ROLE.encode(), b"scram-sha-256"
            )
            connection.exec_driver_sql(f"alter role {APP_ROLE} login password '{hashed.decode()}'")
        for setting in _ROLE_SETTINGS:
            connection.execute(text(f"alter role {APP_ROLE} set {setting}"))
    except ProgrammingError as error:
        raise ConfigurationError(
            f"The owner of the database may not {'change' if known else 'create'} the role "
            f"{APP_ROLE}: {_first_line(error)}",
            remedy=_ADMINISTRATOR_WAY,
        ) from None


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

    version = MigrationContext.configure(
        connection, opts={"version_table_schema": SCHEMA}
    ).get_current_revision()
    if _is_newer(version):
        raise _outdated(version)
    config = Config()
    config.set_main_option("script_location", "enrollment_pipeline:storage/migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _first_line(error: Exception) -> str:
    # Drivers put the host and role into the first line and never the password.
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
