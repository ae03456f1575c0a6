"""The schema that the migrations make is the one that `storage/schema.py` declares."""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, CheckConstraint, Connection, Engine, Table, create_engine, text
from sqlalchemy.dialects import postgresql

from enrollment_pipeline.errors import Reason
from enrollment_pipeline.records import ContactStatus, Outcome, WorkflowStatus
from enrollment_pipeline.storage import schema
from enrollment_pipeline.storage.engine import HEAD, upgrade
from enrollment_pipeline_tests.storage.conftest import external

# What Postgres itself says about the tables, in words that do not depend on how they came about.
CATALOG = {
    "columns": """
        select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid)
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where c.relnamespace = 'enrollment'::regnamespace and c.relkind in ('r', 'p')
          and c.relname <> 'alembic_version'
        order by c.relname, a.attnum
        """,
    "constraints": """
        select c.relname, k.conname, pg_get_constraintdef(k.oid)
        from pg_constraint k join pg_class c on c.oid = k.conrelid
        where c.relnamespace = 'enrollment'::regnamespace and c.relname <> 'alembic_version'
        order by 1, 2
        """,
    "indexes": """
        select c.relname, pg_get_indexdef(i.indexrelid)
        from pg_index i join pg_class c on c.oid = i.indrelid
        where c.relnamespace = 'enrollment'::regnamespace and c.relname <> 'alembic_version'
        order by 1, 2
        """,
}
ROUTINES = """
    select proname, pg_get_functiondef(oid) from pg_proc
    where pronamespace = 'enrollment'::regnamespace order by 1, 2
    """


@pytest.fixture(scope="module")
def migrated(make_database: Callable[[], URL]) -> Iterator[Engine]:
    """A database that the migrations have just made."""
    url = make_database()
    upgrade(external(url))
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def declared(make_database: Callable[[], URL]) -> Iterator[Engine]:
    """A database that holds the declared tables."""
    engine = create_engine(make_database())
    with engine.begin() as connection:
        connection.execute(text("create schema enrollment"))
        connection.execute(
            text("create function enrollment.uuidv7() returns uuid return gen_random_uuid()")
        )
        schema.METADATA.create_all(connection)
    yield engine
    engine.dispose()


def test_the_migrations_folder_ends_at_the_version_that_the_program_needs() -> None:
    assert ScriptDirectory.from_config(_migrations()).get_heads() == [HEAD]


def test_alembic_finds_nothing_left_to_migrate(migrated: Engine) -> None:
    with migrated.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": _is_ours,
                "version_table_schema": schema.SCHEMA,
                "compare_type": True,
                "compare_server_default": True,
            },
        )

        assert compare_metadata(context, schema.METADATA) == []


@pytest.mark.parametrize("kind", CATALOG)
def test_the_catalog_says_the_same_of_migrated_and_declared_tables(
    kind: str, migrated: Engine, declared: Engine
) -> None:
    found = [_rows(engine, CATALOG[kind]) for engine in (migrated, declared)]

    assert {row[0] for row in found[0]} == {table.name for table in schema.METADATA.sorted_tables}
    assert found[0] == found[1]


@pytest.mark.parametrize("view", schema.VIEWS.sorted_tables, ids=lambda view: view.name)
def test_a_view_has_the_declared_columns(view: Table, migrated: Engine) -> None:
    with migrated.connect() as connection:
        found = connection.execute(
            text(
                "select attname, format_type(atttypid, atttypmod) from pg_attribute "
                "where attrelid = cast(:view as regclass) and attnum > 0 order by attnum"
            ),
            {"view": view.fullname},
        ).all()

    dialect = postgresql.dialect()
    assert [tuple(row) for row in found] == [
        (column.name, column.type.compile(dialect).lower()) for column in view.columns
    ]


def test_there_are_no_other_views(migrated: Engine) -> None:
    found = _rows(
        migrated,
        "select relname from pg_class "
        "where relnamespace = 'enrollment'::regnamespace and relkind in ('v', 'm')",
    )

    assert {row[0] for row in found} == {view.name for view in schema.VIEWS.sorted_tables}


@pytest.mark.parametrize(
    ("table", "values"),
    [(schema.contacts, ContactStatus), (schema.workflows, WorkflowStatus)],
    ids=["contacts", "workflows"],
)
def test_a_status_column_takes_what_the_records_name(table: Table, values: type[StrEnum]) -> None:
    checks = [item for item in table.constraints if isinstance(item, CheckConstraint)]

    assert [set(re.findall("'(.*?)'", str(check.sqltext))) for check in checks] == [set(values)]


def test_the_outcomes_view_knows_only_outcomes_and_reasons(migrated: Engine) -> None:
    [(definition,)] = _rows(
        migrated, "select pg_get_viewdef('enrollment.enrollment_outcomes'::regclass)"
    )

    told = set(re.findall(r"(?:THEN|ELSE) '(\w+)'::text", definition))
    asked = set(re.findall(r"'([A-Z_]+)'::text", definition))
    assert told == set(Outcome)
    assert asked
    assert asked <= set(Reason)


def test_a_downgrade_to_nothing_and_an_upgrade_make_the_same_schema(
    make_database: Callable[[], URL], engine_at: Callable[[URL], Engine]
) -> None:
    url = make_database()
    upgrade(external(url))
    engine = engine_at(url)
    before = {kind: _rows(engine, query) for kind, query in CATALOG.items()}
    routines = _rows(engine, ROUTINES)

    with engine.begin() as connection:
        command.downgrade(_migrations(connection), "base")
    left = _rows(
        engine,
        "select relname from pg_class where relnamespace = 'enrollment'::regnamespace "
        "and relkind in ('r', 'v', 'S') and relname <> 'alembic_version'",
    )
    assert (left, _rows(engine, ROUTINES)) == ([], [])

    upgrade(external(url))
    assert {kind: _rows(engine, query) for kind, query in CATALOG.items()} == before
    assert _rows(engine, ROUTINES) == routines


def _migrations(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "enrollment_pipeline:storage/migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _is_ours(name: str | None, kind: str, _: Any) -> bool:
    return kind != "schema" or name == schema.SCHEMA


def _rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]
