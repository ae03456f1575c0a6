from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import dagster as dg
import pytest

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.enrollment.job import JOB_NAME
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.in_process import execute
from enrollment_pipeline.runs.instance import open_instance
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database


@pytest.fixture(scope="session")
def instance(settings: Settings, database: Database) -> Iterator[dg.DagsterInstance]:
    """The real Dagster instance, in the same database as the product."""
    with open_instance(settings) as opened:
        yield opened


@pytest.fixture
def submit(database: Database) -> Callable[..., UUID]:
    """Submit a request for the workflow Welcome; return the job's id."""

    def make(account: Account, selection: dict[str, object], **more: object) -> UUID:
        runner = str(more.pop("runner", "caller"))
        request = parse_request({"workflow": "Welcome", "selection": selection, **more})
        job_id, _ = service.submit(database, account, request, source="test", runner=runner)
        return job_id

    return make


@pytest.fixture
def run_job(instance: dg.DagsterInstance) -> Callable[[UUID], dg.DagsterRun]:
    """Run a job's partition in this process; return the record of the run."""

    def run(job_id: UUID) -> dg.DagsterRun:
        execute(
            defs.resolve_job_def(JOB_NAME),
            instance,
            partitions="enrollment_jobs",
            key=str(job_id),
            tags={"enrollment/job": str(job_id)},
        )
        return instance.get_runs(dg.RunsFilter(tags={"enrollment/job": str(job_id)}), limit=1)[0]

    return run


@pytest.fixture
def csv_of(tmp_path: Path) -> Callable[[list[str]], Path]:
    """Write a CSV file with one column of addresses."""

    def write(addresses: list[str]) -> Path:
        path = tmp_path / "list.csv"
        path.write_text("email\n" + "".join(f"{address}\n" for address in addresses))
        return path

    return write
