"""The launchpad form."""

import pytest
from sqlalchemy import text

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.defs.enrollment.requests import confined
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


def test_the_run_of_the_form_names_account_and_job_in_its_tags(
    launch, instance, database, account, add_workflow
):
    add_workflow(account)

    result = launch(account, {"filter": {"filter": {}}})

    tags = instance.get_run_by_id(result.run_id).tags
    assert tags["enrollment/account"] == account.name
    assert tags["enrollment/job"] == str(only_job(database, account).id)


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
