"""Dagster's own storage, in the same database as the product's.

`dagster.yaml` names this class, so every Dagster process finds its storage through the product's
settings and `dagster dev` works with no variable set. Nothing else of Dagster belongs here.
"""

from collections.abc import Mapping
from typing import Any

import psycopg2
from dagster._config import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import database_urls


def _require_life(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool replace a connection of Dagster's that the server has ended.

    Its webserver keeps one for long, and would answer with an error after each restart of the
    server. Connections of the product's own are asked by their engine.

    Raises:
        DisconnectionError: the connection is dead.
    """
    if isinstance(connection, psycopg2.extensions.connection):
        try:
            with connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error:
            raise DisconnectionError from None


class EnrollmentDagsterStorage(DagsterPostgresStorage):
    """Runs, events and schedules in schema `public` of the product's database."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return the empty configuration: the settings know the URL."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 - the base class names it
    ) -> "EnrollmentDagsterStorage":
        """Return the storage at the owner's URL."""
        if not event.contains(Pool, "checkout", _require_life):
            event.listen(Pool, "checkout", _require_life)
        # dagster-postgres speaks psycopg 2: under psycopg 3 its NOTIFY statement is a syntax error.
        url = database_urls(load_settings()).owner.set(drivername="postgresql+psycopg2")
        return cls(
            postgres_url=url.render_as_string(hide_password=False),
            should_autocreate_tables=True,
            inst_data=inst_data,
        )
