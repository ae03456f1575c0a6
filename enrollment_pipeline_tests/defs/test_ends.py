"""What the end of a run means for its job, as the status sensors see it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import dagster as dg
import pytest

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs import ends
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import Channel
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database

EVERYBODY = {"type": "filter", "filter": {}}


@pytest.fixture
def job_id(
    database: Database,
    account: Account,
    add_contacts: Callable[..., object],
    add_workflow: Callable[..., UUID],
    submit: Callable[..., UUID],
) -> UUID:
    """An open job that a command runs, in an account that wants to hear of everything."""
    add_contacts(account, 3)
    add_workflow(account)
    notifications.add_channel(database, account, Channel.EMAIL, "ops@example.com", actor="ann")
    return submit(account, EVERYBODY, runner="caller")


@pytest.fixture
def end(instance: dg.DagsterInstance, job_id: UUID) -> Callable[..., None]:
    """End a run of the job in some way, and let the sensor of that status see it."""

    def evaluate(report: Callable[[dg.DagsterRun], Any], sensor: Any, **tags: str) -> None:
        instance.add_dynamic_partitions("enrollment_jobs", [str(job_id)])
        run = instance.create_run_for_job(
            defs.resolve_job_def("bulk_enrollment"),
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": str(job_id), **tags},
        )
        event = report(run)
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_instance=instance,
            dagster_run=found,
            dagster_event=event,
            partition_key=str(job_id),
        )
        if sensor is ends.enrollment_run_failed:
            context = context.for_run_failure()
        sensor(context, product=Product())

    return evaluate


def state(database: Database, settings: Settings, account: Account, job_id: UUID) -> str:
    return str(service.describe(database, settings, account, job_id)["status"])


def told(database: Database, account: Account) -> list[str]:
    found = notifications.list_deliveries(database, account)["notifications"]
    return [one["event"] for one in reversed(found)]


def test_a_run_that_somebody_terminated_ends_its_job(
    instance: dg.DagsterInstance,
    database: Database,
    settings: Settings,
    account: Account,
    job_id: UUID,
    end: Callable[..., None],
) -> None:
    def terminate(run: dg.DagsterRun) -> Any:
        instance.report_run_canceling(run)
        return instance.report_run_canceled(run)

    end(terminate, ends.enrollment_run_canceled)

    assert state(database, settings, account, job_id) == "cancelled"
    assert told(database, account) == ["job_cancelled"]


def test_a_run_whose_process_alone_was_stopped_leaves_its_job_open(
    instance: dg.DagsterInstance,
    database: Database,
    settings: Settings,
    account: Account,
    job_id: UUID,
    end: Callable[..., None],
) -> None:
    end(instance.report_run_canceled, ends.enrollment_run_canceled)

    assert state(database, settings, account, job_id) == "pending"
    assert told(database, account) == []


@pytest.mark.parametrize(("retries", "events"), [("1", []), ("0", ["run_failed"])])
def test_a_run_that_failed_for_good_is_told(
    instance: dg.DagsterInstance,
    database: Database,
    account: Account,
    job_id: UUID,
    end: Callable[..., None],
    retries: str,
    events: list[str],
) -> None:
    end(
        lambda run: instance.report_run_failed(run, "the worker has gone"),
        ends.enrollment_run_failed,
        **{"dagster/max_retries": retries},
    )

    assert told(database, account) == events
