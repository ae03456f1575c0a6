"""The launchpad form and the queue."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import text

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.enrollment.queue import enrollment_queue
from enrollment_pipeline.defs.enrollment.requests import confined
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.errors import PathNotAllowedError
from enrollment_pipeline.runs.in_process import _QUIET


@pytest.fixture
def launch(instance):
    """Launch the form with a selection; return the result."""

    def run(account, selection, **fields):
        config = {"account": account.name, "workflow": "Welcome", "selection": selection, **fields}
        return defs.resolve_job_def("submit_enrollment").execute_in_process(
            instance=instance,
            run_config={"ops": {"create_enrollment_job": {"config": config}}, **_QUIET},
            raise_on_error=False,
        )

    return run


def only_job(database, account):
    with database.account(account.id) as connection:
        return connection.execute(text("select * from enrollment.enrollment_jobs")).one()


@pytest.mark.parametrize(
    ("selection", "kind"),
    [
        ({"ids": {"contact_ids": ["0197a0e0-0000-7000-8000-000000000000"]}}, "manual"),
        ({"filter": {"filter": {"conditions": []}}}, "filter"),
        ({"csv": {"path": "form.csv"}}, "csv"),
    ],
)
def test_the_form_creates_a_job_for_each_selection(
    selection, kind, launch, database, settings, account, add_workflow, monkeypatch, tmp_path
):
    monkeypatch.setenv("ENROLLMENT_DATA", str(tmp_path))
    (tmp_path / "form.csv").write_text("email\na@example.com\n")
    add_workflow(account)

    result = launch(account, selection, add_tags=["spring"], lanes=2)

    assert result.success
    job = only_job(database, account)
    assert (job.selection_type, job.status, job.runner) == (kind, "pending", "queue")
    assert job.source == "launchpad"
    assert job.request["options"]["add_tags"] == ["spring"]
    assert job.request["options"]["lanes"] == 2


@pytest.mark.parametrize("path", ["../outside.csv", "/etc/passwd", "link.csv"])
def test_a_file_outside_of_the_data_folder_is_refused(path, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "outside.csv").write_text("email\n")
    (data / "link.csv").symlink_to(tmp_path / "outside.csv")

    with pytest.raises(PathNotAllowedError):
        confined(data, path)


def test_a_refused_form_names_code_and_remedy(launch, account, add_workflow):
    add_workflow(account, status="paused")

    result = launch(account, {"filter": {"filter": {}}})

    assert not result.success
    failure = result.failure_data_for_node("create_enrollment_job").user_failure_data
    assert failure.description.startswith("WORKFLOW_INACTIVE: ")
    assert failure.metadata["remedy"].value.startswith("Activate it with")


def tick(instance):
    context = dg.build_sensor_context(instance=instance, resources={"product": Product()})
    return enrollment_queue(context)


def requests_for(result, job_id):
    return [request for request in result.run_requests if request.partition_key == str(job_id)]


def test_the_queue_starts_a_submitted_job_once_per_attempt(
    instance, database, account, add_workflow, submit
):
    add_workflow(account)
    job_id = submit(account, {"type": "filter", "filter": {}}, runner="queue")

    first, again = tick(instance), tick(instance)

    (request,) = requests_for(first, job_id)
    assert request.run_key == f"{job_id}:1"
    assert request.tags["enrollment/account"] == account.name
    # The same key: Dagster starts no second run for it.
    assert [later.run_key for later in requests_for(again, job_id)] == [request.run_key]
    assert str(job_id) in first.dynamic_partitions_requests[0].partition_keys


def test_the_queue_leaves_jobs_alone_that_a_command_runs(instance, account, add_workflow, submit):
    add_workflow(account)
    job_id = submit(account, {"type": "filter", "filter": {}}, runner="caller")

    assert requests_for(tick(instance), job_id) == []


def test_the_queue_starts_a_scheduled_job_when_it_is_due(
    instance, owner, account, add_workflow, submit
):
    add_workflow(account)
    job_id = submit(
        account,
        {"type": "filter", "filter": {}},
        runner="queue",
        scheduled_at=(datetime.now(UTC) + timedelta(days=1)).isoformat(),
    )
    assert requests_for(tick(instance), job_id) == []

    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.enrollment_jobs set scheduled_at = now() - interval '1 s' "
                "where id = :job"
            ),
            {"job": job_id},
        )

    assert len(requests_for(tick(instance), job_id)) == 1
