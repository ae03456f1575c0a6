"""From the settings to a database that is there, up to date and safe to work with.

Belongs here: which URL, which role, which version. Does not belong here: what is in the tables.

Two roles reach the database. The *owner* migrates and serves Dagster's own storage. All other work
connects as the *app role*, a login role that owns nothing and is bound by row-level security.
"""

import hashlib
import hmac
from dataclasses import dataclass

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError

from enrollment_pipeline.errors import (
    ConfigurationError,
    DatabaseOutdatedError,
    DatabasePrivilegesError,
    DatabaseUnavailableError,
)
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.embedded import start_server
from enrollment_pipeline.storage.tenancy import Database

# The newest migration; a test holds it to the migrations folder. Comparing with a constant spares
# every start the import of Alembic.
HEAD = "0001"
APP_ROLE = "enrollment_app"
OLDEST_SERVER = 150000

_STATE = text(
    """
    select (select version_num from enrollment.alembic_version) as version,
           r.rolsuper or r.rolbypassrls
             or pg_has_role(current_user, c.relowner, 'usage') as privileged
    from pg_roles r, pg_class c
    where r.rolname = current_user and c.oid = 'enrollment.contacts'::regclass
    """
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
        ConfigurationError: a URL cannot be read.
        DatabaseUnavailableError: the embedded server does not start.
    """
    if settings.database_url is None:
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
        DatabaseOutdatedError: the schema is not the one this version works with.
        DatabasePrivilegesError: the app role could see past row-level security.
        DatabaseUnavailableError: the server cannot be reached.
    """
    urls = database_urls(settings)
    engine = _engine(urls.app)
    version = _check(engine, settings)
    if version != HEAD:
        if not urls.embedded or (version is not None and version > HEAD):
            engine.dispose()
            raise DatabaseOutdatedError(
                f"The database is at version {version or 'none'}; this program needs {HEAD}."
            )
        upgrade(settings)
        _check(engine, settings)
    return Database(engine)


def upgrade(settings: Settings) -> str:
    """Create or bring up to date schema and app role, as the owner; return the version reached.

    Raises:
        ConfigurationError: the server is older than Postgres 15, or the owner may not create the
            app role.
        DatabaseUnavailableError: the server cannot be reached.
    """
    urls = database_urls(settings)
    engine = create_engine(urls.owner)
    try:
        with engine.begin() as connection:
            _require_server_version(connection)
            # One upgrade at a time; the number is arbitrary and ours alone.
            connection.execute(text("select pg_advisory_xact_lock(7021983455011)"))
            _ensure_app_role(connection, urls.app)
            connection.execute(text("create schema if not exists enrollment"))
            connection.execute(text(f"grant usage on schema enrollment to {APP_ROLE}"))
            _migrate(connection)
            connection.execute(text(f"grant select on enrollment.alembic_version to {APP_ROLE}"))
    except OperationalError as error:
        raise DatabaseUnavailableError(_first_line(error)) from None
    finally:
        engine.dispose()
    return HEAD


def _engine(url: URL) -> Engine:
    # Recycled connections are probed first, so that a restarted server is not met in mid-statement.
    return create_engine(url, pool_pre_ping=True, pool_size=8)


def _parse(value: str, variable: str) -> URL:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ConfigurationError(f"{variable} is not a database URL.") from None
    if not url.drivername.startswith(("postgresql", "postgres")):
        raise ConfigurationError(f"{variable} must name a Postgres database.")
    return url.set(drivername="postgresql+psycopg")


def _app_password(owner: URL) -> str | None:
    # Every machine that knows the owner's URL can derive it, so it need not be stored anywhere.
    if not owner.password:
        return None
    return hmac.new(owner.password.encode(), APP_ROLE.encode(), hashlib.sha256).hexdigest()


def _check(engine: Engine, settings: Settings) -> str | None:
    """Return the schema version, None where there is no schema or no app role."""
    try:
        with engine.connect() as connection:
            row = connection.execute(_STATE).one()
    except ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
            return None
        raise
    except OperationalError as error:
        engine.dispose()
        message = _first_line(error)
        if f'role "{APP_ROLE}" does not exist' in message:
            return None
        if settings.database_url is not None and APP_ROLE in message:
            return _app_role_unusable(settings, message)
        raise DatabaseUnavailableError(message) from None
    if row.privileged:
        engine.dispose()
        raise DatabasePrivilegesError
    return str(row.version)


def _app_role_unusable(settings: Settings, message: str) -> None:
    owner = create_engine(database_urls(settings).owner)
    try:
        with owner.connect() as connection:
            known = connection.scalar(
                text("select exists (select from pg_roles where rolname = :name)"),
                {"name": APP_ROLE},
            )
    except OperationalError as error:
        raise DatabaseUnavailableError(_first_line(error)) from None
    finally:
        owner.dispose()
    if known:
        raise ConfigurationError(
            f"The app role cannot log in: {message}",
            remedy="Run: enrollment database upgrade (it sets the role's password), or set "
            "ENROLLMENT_APP_DATABASE_URL to a login role that is a member of enrollment_app.",
        )


def _require_server_version(connection: Connection) -> None:
    number = int(connection.exec_driver_sql("show server_version_num").scalar_one())
    if number < OLDEST_SERVER:
        raise ConfigurationError(
            f"The server is Postgres {number // 10000}; version 15 or newer is needed."
        )


def _ensure_app_role(connection: Connection, app: URL) -> None:
    known = connection.scalar(
        text("select exists (select from pg_roles where rolname = :name)"), {"name": APP_ROLE}
    )
    if app.username != APP_ROLE and known:
        return  # An administrator made the role; a login role of theirs is a member of it.
    try:
        if not known:
            connection.execute(text(f"create role {APP_ROLE} login"))
        if app.username == APP_ROLE and app.password:
            # A password is no parameter of ALTER ROLE; this one is hexadecimal by construction.
            connection.execute(text(f"alter role {APP_ROLE} login password '{app.password}'"))
        # Compiling a statement that runs for milliseconds costs more than it saves; and a backend
        # whose client has gone must notice, or it holds its locks until its statement ends.
        connection.execute(text(f"alter role {APP_ROLE} set jit = off"))
        connection.execute(
            text(f"alter role {APP_ROLE} set client_connection_check_interval = 500")
        )
    except ProgrammingError as error:
        raise ConfigurationError(
            f"The owner of the database may not create the role {APP_ROLE}: {_first_line(error)}",
            remedy="Let an administrator run: create role enrollment_app; create role NAME login "
            "password '...' in role enrollment_app; then set ENROLLMENT_APP_DATABASE_URL and upgrade.",
        ) from None


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "enrollment_pipeline:storage/migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _first_line(error: Exception) -> str:
    # Drivers put the host and role into the first line and never the password.
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
