"""The outbox in Dagster: who starts a run, and what the run tells."""

from datetime import UTC, datetime
from uuid import uuid4

import dagster as dg
import pytest
from sqlalchemy import text

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs import notifications
from enrollment_pipeline.defs.notifications import JOB_NAME, notification_outbox
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.notifications import service
from enrollment_pipeline.notifications.message import Event, Notice, Recipients
from enrollment_pipeline.runs.in_process import _QUIET
from enrollment_pipeline_tests.notifications.conftest import payload_of


@pytest.fixture
def tell(database, owner, account):
    """Write a message into an outbox that holds nothing else; every account's is emptied."""

    def empty():
        with owner.begin() as connection:
            connection.execute(text("delete from enrollment.notifications"))

    def write(recipients):
        job_id = uuid4()
        notice = Notice(Event.JOB_COMPLETED, job_id, "", payload_of(job_id))
        with database.account(account.id) as connection:
            service.enqueue(connection, account.id, notice, recipients)

    empty()
    yield write
    empty()


def tick(instance):
    context = dg.build_sensor_context(instance=instance, resources={"product": Product()})
    return notification_outbox(context)


@pytest.fixture
def run_of(instance):
    """Record a run of the job in a state; it is deleted afterwards."""
    made = []

    def record(status):
        run = instance.create_run_for_job(defs.resolve_job_def(JOB_NAME), status=status)
        made.append(run.run_id)

    yield record
    for run_id in made:
        instance.delete_run(run_id)


def send(instance):
    result = defs.resolve_job_def(JOB_NAME).execute_in_process(
        instance=instance, run_config=_QUIET, raise_on_error=False
    )
    (output,) = [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    return result, {
        name: value.value
        for name, value in output.step_output_data.metadata.items()
        if name in ("delivered", "postponed", "failed")
    }


def test_a_message_that_is_due_starts_a_run(instance, tell):
    tell(Recipients(("ann@example.com",)))

    assert isinstance(tick(instance), dg.RunRequest)


def test_without_a_message_no_run_is_started(instance, tell):
    assert isinstance(tick(instance), dg.SkipReason)


@pytest.mark.parametrize(
    ("status", "starts"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, False),
        (dg.DagsterRunStatus.STARTED, False),
        (dg.DagsterRunStatus.CANCELING, False),
        (dg.DagsterRunStatus.SUCCESS, True),
        (dg.DagsterRunStatus.FAILURE, True),
        (dg.DagsterRunStatus.CANCELED, True),
    ],
)
def test_one_run_at_a_time_is_on_its_way(instance, tell, run_of, status, starts):
    tell(Recipients(("ann@example.com",)))
    run_of(status)

    assert isinstance(tick(instance), dg.RunRequest) is starts


def test_a_run_that_was_lost_does_not_keep_messages_back_for_ever(
    instance, tell, run_of, monkeypatch
):
    tell(Recipients(("ann@example.com",)))
    run_of(dg.DagsterRunStatus.STARTED)
    later = datetime.now(UTC) + notifications._RUN_IS_LOST_AFTER

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return later

    monkeypatch.setattr(notifications, "datetime", Later)

    assert isinstance(tick(instance), dg.RunRequest)


def test_a_run_tells_what_became_of_the_messages_and_is_not_repeated(instance, tell):
    # No mail server is set, and nothing may be sent to loopback: neither makes the run fail.
    tell(Recipients(("ann@example.com",), ("http://127.0.0.1:1/",)))

    result, counts = send(instance)

    assert result.success
    assert counts == {"delivered": 0, "postponed": 1, "failed": 1}
    assert defs.resolve_job_def(JOB_NAME).tags["dagster/max_retries"] == "0"


def test_a_run_ends_soon_however_much_is_left(instance, tell, monkeypatch):
    monkeypatch.setattr(notifications, "MOST_SECONDS", 0.0)
    tell(Recipients(("ann@example.com",)))

    result, counts = send(instance)

    assert result.success
    assert counts == {"delivered": 0, "postponed": 0, "failed": 0}
