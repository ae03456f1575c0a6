"""Row-level security: what one account wrote, no other can read, change or pretend to have written.

Every table and view of the schema goes through every test, so a new table without a policy fails
here without anybody having to think of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import ProgrammingError

from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.engine import APP_ROLE, upgrade
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.storage.conftest import external

TABLES = schema.METADATA.sorted_tables
VIEWS = schema.VIEWS.sorted_tables
A, B = uuid4(), uuid4()

# What the app role may do with a table, where that is not everything: it adds to the log and
# changes nothing there, leaves budgets to the functions that know their bounds, and makes of a
# share or a use no other one.
RIGHTS = {
    schema.audit_log: ("select", "insert"),
    schema.rate_buckets: ("select",),
    schema.template_shares: ("select", "insert", "delete"),
    schema.template_usage: ("select", "insert"),
}
EVERYTHING = ("select", "insert", "update", "delete")

# Beside the one policy of every table: what an agency shares is seen by who it is shared with,
# which the tests of sharing hold to its bounds. Nobody can write more by any of them.
SEEN_BY_OTHERS = {
    schema.templates: [("SELECT", "PERMISSIVE")],
    schema.template_versions: [("SELECT", "PERMISSIVE")],
    schema.template_usage: [("INSERT", "RESTRICTIVE"), ("SELECT", "PERMISSIVE")],
    schema.template_shares: [("INSERT", "RESTRICTIVE"), ("SELECT", "PERMISSIVE")],
}

every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
every_relation = pytest.mark.parametrize(
    "relation", [*TABLES, *VIEWS], ids=lambda relation: relation.name
)


@pytest.fixture(scope="module")
def url(make_database: Callable[[], URL]) -> URL:
    """A database in which two accounts have a row in every table."""
    url = make_database()
    upgrade(external(url))
    engine = create_engine(url)
    with engine.begin() as connection:
        for account_id in (A, B):
            ids = _new_ids(account_id)
            for table in TABLES:
                connection.execute(insert(table).values(_row(table, ids)))
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def owner(url: URL) -> Iterator[Engine]:
    """The database as its owner."""
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def database(url: URL) -> Iterator[Database]:
    """The database as the app role."""
    database = Database(create_engine(url.set(username=APP_ROLE)))
    yield database
    database.close()


@every_relation
def test_an_account_sees_its_own_rows_and_no_others(
    relation: Table, database: Database, owner: Engine
) -> None:
    column = _account_column(relation)
    with owner.connect() as connection:
        assert set(connection.scalars(select(column))) == {A, B}

    for account_id in (A, B):
        with database.account(account_id) as connection:
            assert set(connection.scalars(select(column))) == {account_id}


@every_relation
def test_without_an_account_nothing_is_visible(relation: Table, database: Database) -> None:
    with database.across_accounts() as connection:
        assert connection.scalar(select(func.count()).select_from(relation)) == 0


@every_table
def test_an_account_cannot_change_or_delete_what_another_wrote(
    table: Table, database: Database, owner: Engine
) -> None:
    column = _account_column(table)
    before = _rows_of(table, A, owner)

    if table in RIGHTS:
        refused = {"update": update(table).values(_same(table)), "delete": delete(table)}
        for right in RIGHTS[table]:
            refused.pop(right, None)
        for statement in refused.values():
            for account_id in (A, B):
                with (
                    pytest.raises(ProgrammingError, match="permission denied"),
                    database.account(account_id) as connection,
                ):
                    connection.execute(statement)
        assert _rows_of(table, A, owner) == before
        if "delete" in RIGHTS[table]:
            with database.account(B) as connection:
                assert connection.execute(delete(table).where(column == A)).rowcount == 0
        assert _rows_of(table, A, owner) == before
        return

    with database.account(B) as connection:
        assert (
            connection.execute(update(table).where(column == A).values(_same(table))).rowcount == 0
        )
        assert connection.execute(delete(table).where(column == A)).rowcount == 0
    with database.across_accounts() as connection:
        assert connection.execute(update(table).values(_same(table))).rowcount == 0
        assert connection.execute(delete(table)).rowcount == 0

    assert len(before) == 1
    assert _rows_of(table, A, owner) == before


@every_table
def test_an_account_cannot_write_in_the_name_of_another(table: Table, database: Database) -> None:
    row = _row(table, _new_ids(A))
    insertable = "insert" in RIGHTS.get(table, EVERYTHING)
    why = "row-level security" if insertable else "permission denied"

    for account in (database.account(B), database.across_accounts()):
        with pytest.raises(ProgrammingError, match=why), account as connection:
            connection.execute(insert(table).values(row))


@every_table
def test_an_account_cannot_give_its_rows_to_another(table: Table, database: Database) -> None:
    column = _account_column(table)
    why = "permission denied" if table in RIGHTS else "row-level security"

    with (
        pytest.raises(ProgrammingError, match=why),
        database.account(B) as connection,
    ):
        connection.execute(update(table).values({column.name: A}))


@every_table
def test_every_table_has_row_level_security_and_one_policy_for_everything(
    table: Table, owner: Engine
) -> None:
    with owner.connect() as connection:
        protected = connection.scalar(
            text("select relrowsecurity from pg_class where oid = cast(:table as regclass)"),
            {"table": table.fullname},
        )
        policies = connection.execute(
            text(
                "select cmd, permissive, roles, with_check from pg_policies "
                "where schemaname = :schema and tablename = :table"
            ),
            {"schema": table.schema, "table": table.name},
        ).all()

    assert protected
    # Without a condition of its own for new rows, the one for visible rows holds for them too.
    assert ("ALL", "PERMISSIVE", ["public"], None) in [tuple(policy) for policy in policies]
    others = sorted((one.cmd, one.permissive) for one in policies if one.cmd != "ALL")
    assert others == SEEN_BY_OTHERS.get(table, [])
    assert len(policies) == 1 + len(others)


def test_the_catalog_holds_no_table_that_the_declared_schema_does_not(owner: Engine) -> None:
    found = _scalars(
        owner,
        """
        select relname from pg_class
        where relnamespace = 'enrollment'::regnamespace and relkind in ('r', 'p', 'f', 'm')
        """,
    )

    assert found - {"alembic_version"} == {table.name for table in TABLES}


def test_every_view_asks_with_the_rights_of_its_reader(owner: Engine) -> None:
    found = _scalars(
        owner,
        """
        select relname from pg_class
        where relnamespace = 'enrollment'::regnamespace and relkind = 'v'
          and 'security_invoker=true' = any (reloptions)
        """,
    )

    assert found == {view.name for view in VIEWS}


def test_a_function_with_the_owners_rights_has_no_search_path_and_is_not_for_everybody(
    owner: Engine,
) -> None:
    definers = _scalars(
        owner,
        """
        select oid::regprocedure::text from pg_proc
        where pronamespace = 'enrollment'::regnamespace and prosecdef
        """,
    )
    safe = _scalars(
        owner,
        f"""
        select oid::regprocedure::text from pg_proc
        where pronamespace = 'enrollment'::regnamespace and prosecdef
          and proconfig = array['search_path=""']
          and not has_function_privilege('public', oid, 'execute')
          and has_function_privilege('{APP_ROLE}', oid, 'execute')
        """,
    )

    assert definers
    assert safe == definers


def test_the_app_role_has_no_power_of_its_own(owner: Engine) -> None:
    with owner.connect() as connection:
        powers = connection.execute(
            text(
                "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, "
                "(select count(*) from pg_auth_members where member = r.oid), "
                "(select count(*) from pg_class where relowner = r.oid) "
                "from pg_roles r where rolname = :name"
            ),
            {"name": APP_ROLE},
        ).one()

    assert tuple(powers) == (False, False, False, False, False, 0, 0)


@pytest.mark.parametrize(
    "statement",
    [
        "set role postgres",
        "set session authorization postgres",
        "truncate enrollment.contacts",
        "alter table enrollment.contacts disable row level security",
        "alter table enrollment.contacts add column own text",
        "drop policy one_account on enrollment.contacts",
        "create policy own on enrollment.contacts using (true)",
        "drop table enrollment.contacts",
        "create table enrollment.own (id int)",
        "create table public.own (id int)",
        "create or replace function enrollment.current_account() returns uuid return null",
        "alter function enrollment.queue_jobs() owner to current_user",
        "create schema own",
        "update enrollment.alembic_version set version_num = 'own'",
        "alter role current_user bypassrls",
        "copy enrollment.contacts to program 'cat'",
        "set session_replication_role = replica",
    ],
)
def test_the_app_role_is_refused(statement: str, database: Database) -> None:
    with pytest.raises(ProgrammingError) as refused, database.account(B) as connection:
        connection.execute(text(statement))

    assert isinstance(refused.value.orig, InsufficientPrivilege)


@every_table
def test_the_app_role_reads_and_writes_rows_and_no_more(table: Table, owner: Engine) -> None:
    with owner.connect() as connection:
        held = {
            right: connection.scalar(
                select(func.has_table_privilege(APP_ROLE, table.fullname, right))
            )
            for right in (
                "select",
                "insert",
                "update",
                "delete",
                "truncate",
                "references",
                "trigger",
            )
        }

    assert tuple(right for right, is_held in held.items() if is_held) == RIGHTS.get(
        table, EVERYTHING
    )


def test_row_level_security_cannot_be_switched_off(database: Database) -> None:
    with database.account(B) as connection:
        connection.execute(text("set local row_security = off"))
        with (
            pytest.raises(ProgrammingError, match="would be affected by row-level security"),
            connection.begin_nested(),
        ):
            connection.execute(select(schema.contacts))


def _new_ids(account_id: UUID) -> dict[str, UUID]:
    ids = {table.name: uuid4() for table in TABLES}
    return {**ids, "accounts": account_id}


def _row(table: Table, ids: Mapping[str, UUID]) -> dict[str, Any]:
    """A row with every column that needs a value, at home in the account of `ids`."""
    return {
        column.name: _value(column, ids)
        for column in table.columns
        if not column.identity
        and (column.primary_key or (not column.nullable and column.server_default is None))
    }


def _value(column: Column[Any], ids: Mapping[str, UUID]) -> object:
    if isinstance(column.type, Uuid):
        return ids[_table_named_by(column)] if _table_named_by(column) in ids else uuid4()
    if isinstance(column.type, Text):
        return _allowed(column) or f"text-{uuid4().hex}"
    # In the order of the classes: a BigInteger is an Integer as well.
    samples: dict[type, object] = {
        JSONB: {},
        ARRAY: [],
        BigInteger: 1,
        Integer: 1,
        Boolean: False,
        Double: 0.5,
        DateTime: datetime.now(UTC),
        Date: date(2000, 2, 29),
        LargeBinary: b"bytes",
    }
    return next(value for kind, value in samples.items() if isinstance(column.type, kind))


def _table_named_by(column: Column[Any]) -> str:
    """The table that a column's values are ids of, by its name where it has no foreign key."""
    if column.name == "id":
        return column.table.name
    names = {"account_id": "accounts", "contact_id": "contacts", "job_id": "enrollment_jobs"}
    parents = {key.column.table.name for key in column.foreign_keys}
    return next(iter(parents), names.get(column.name, ""))


def _allowed(column: Column[Any]) -> str | None:
    for constraint in column.table.constraints:
        if isinstance(constraint, CheckConstraint) and constraint.name == f"{column.name}_known":
            return re.findall("'(.*?)'", str(constraint.sqltext))[0]
    return None


def _account_column(table: Table) -> Column[Any]:
    return table.c.id if table is schema.accounts else table.c.account_id


def _same(table: Table) -> dict[str, Column[Any]]:
    column = _account_column(table)
    return {column.name: column}


def _rows_of(table: Table, account_id: UUID, owner: Engine) -> list[tuple[Any, ...]]:
    with owner.connect() as connection:
        return list(
            map(
                tuple, connection.execute(select(table).where(_account_column(table) == account_id))
            )
        )


def _scalars(owner: Engine, query: str) -> set[str]:
    with owner.connect() as connection:
        return set(connection.exec_driver_sql(query).scalars())
