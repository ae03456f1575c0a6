"""Dagster's own storage, in the same database as the product's.

`dagster.yaml` names this class, so every Dagster process finds its storage through the product's
settings and `dagster dev` works with no variable set. Nothing else of Dagster belongs here.
"""

from collections.abc import Mapping
from typing import Any

from dagster._config import UserConfigSchema
from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage

from enrollment_pipeline.settings import load_settings
from enrollment_pipeline.storage.engine import database_urls


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
        # dagster-postgres speaks psycopg 2: under psycopg 3 its NOTIFY statement is a syntax error.
        url = database_urls(load_settings()).owner.set(drivername="postgresql+psycopg2")
        return cls(
            postgres_url=url.render_as_string(hide_password=False),
            should_autocreate_tables=True,
            inst_data=inst_data,
        )
