"""Dagster's storage over a server that was restarted: its long-lived connections are replaced."""

from collections.abc import Iterator

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.runs.instance import open_instance
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database


@pytest.fixture
def webserver_instance(settings: Settings, database: Database) -> Iterator[dg.DagsterInstance]:
    """The instance as a webserver opens it, with one connection that stays."""
    with open_instance(settings) as instance:
        instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=3600, max_overflow=5)
        yield instance


def test_a_connection_that_the_server_has_ended_is_replaced(
    webserver_instance: dg.DagsterInstance, owner: Engine
) -> None:
    assert webserver_instance.get_runs_count() >= 0
    with owner.connect() as connection:
        ended = connection.execute(
            text(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where pid <> pg_backend_pid() and query ilike '%from runs%'"
            )
        ).scalar_one()
    assert ended

    assert webserver_instance.get_runs_count() >= 0
