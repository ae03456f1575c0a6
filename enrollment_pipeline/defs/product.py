"""The product as a Dagster resource: settings and database, opened when a step needs them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

import dagster as dg

from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.errors import JobNotFoundError, ProductError
from enrollment_pipeline.runs.liveness import sign_on
from enrollment_pipeline.settings import Settings, load_settings
from enrollment_pipeline.storage.engine import open_database
from enrollment_pipeline.storage.patience import patiently
from enrollment_pipeline.storage.tenancy import Database


class Work(Protocol):
    """What a run works on: an enrollment job, or an operation."""

    def end(self, *, actor: str, lock_seconds: int = ...) -> None:
        """End it before its time, because somebody ended its run."""


T = TypeVar("T")
W = TypeVar("W", bound=Work)
StepContext = dg.AssetExecutionContext | dg.OpExecutionContext | dg.AssetCheckExecutionContext
# Who ended a job by ending its run; the UI has no login that could tell more.
TERMINATED_BY = "dagster"


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
    def opened(self, context: StepContext, kind: Callable[..., W]) -> Iterator[W]:
        """Open the work that the run's partition stands for, of a kind such as `Phases`.

        A run that somebody terminates ends its work as well. A product error leaves as a
        `dagster.Failure` that says code, message and remedy.
        """
        with explained(), self._open(context, kind) as work:
            yield work

    def do(self, context: StepContext, phase: Callable[[Phases], T]) -> T:
        """Do a phase of the run's job, which may be repeated, and ride out an outage meanwhile."""
        return self.work(context, Phases, phase)

    def work(self, context: StepContext, kind: Callable[..., W], do: Callable[[W], T]) -> T:
        """Do something with the run's work of any kind, as `do` does with a job."""

        def once() -> T:
            with self._open(context, kind) as work:
                return do(work)

        with explained():
            return patiently(once)

    @contextmanager
    def _open(self, context: StepContext, kind: Callable[..., W]) -> Iterator[W]:
        if self.one_step:
            # The process of a step of its own ends long before its run.
            sign_on(context.instance, context.run.run_id)
        with self.database() as database:
            work = kind(database, self.settings(), _partition_of(context))
            try:
                yield work
            except dg.DagsterExecutionInterruptedError:
                if is_terminated(context):
                    work.end(actor=TERMINATED_BY)
                raise


def _partition_of(context: StepContext) -> UUID:
    try:
        return UUID(context.partition_key)
    except (dg.DagsterInvariantViolationError, ValueError):
        raise JobNotFoundError(
            "The run has no partition that names a job or an operation.",
            remedy="Launch the partition of one: its id, as enrollment list shows it.",
        ) from None


def is_terminated(context: StepContext) -> bool:
    """Return whether somebody terminated the run, rather than only its process."""
    run = context.instance.get_run_by_id(context.run.run_id)
    return run is not None and run.status is dg.DagsterRunStatus.CANCELING


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
