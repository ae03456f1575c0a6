"""The product as a Dagster resource: settings and database, opened when a step needs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import dagster as dg

from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.errors import ProductError
from enrollment_pipeline.settings import Settings, load_settings
from enrollment_pipeline.storage.engine import open_database
from enrollment_pipeline.storage.tenancy import Database


@dataclass(frozen=True, slots=True)
class Product:
    """Opens the product for the time of a step.

    `one_step`: one step opens all lanes of a job as threads. Off: every lane is a step, for
    executors that give each step a worker of its own.
    """

    one_step: bool = True

    def settings(self) -> Settings:
        """Return the settings of the environment."""
        return load_settings()

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Open the database and close it at the end."""
        database = open_database(self.settings())
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def phases(self, partition_key: str) -> Iterator[Phases]:
        """Open the phases of the enrollment job that a partition stands for.

        A product error leaves as a `dagster.Failure` that says code, message and remedy.
        """
        with explained(), self.database() as database:
            yield Phases(database, self.settings(), UUID(partition_key))


@contextmanager
def explained() -> Iterator[None]:
    """Turn a product error into a failure that an operator can read."""
    try:
        yield
    except ProductError as error:
        raise dg.Failure(
            description=f"{error.code}: {error.message} {error.advice}",
            metadata={"code": error.code, "remedy": error.advice},
            allow_retries=False,
        ) from None
