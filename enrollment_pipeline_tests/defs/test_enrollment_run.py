"""The job `bulk_enrollment` on a real Dagster instance."""

import dagster as dg
import pytest
from sqlalchemy import text

from enrollment_pipeline.definitions import build_definitions
from enrollment_pipeline.defs.enrollment import assets, lanes
from enrollment_pipeline.defs.product import Product
from enrollment_pipeline.enrollment import service
from enrollment_pipeline.runs.in_process import _QUIET


def materialization(instance, asset, job_id):
    event = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[str(job_id)]),
        limit=1,
    ).records[0]
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_the_graph_holds_these_assets_checks_jobs_schedules_and_sensors():
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()

    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {
        "contact_selection",
        "contact_eligibility",
        "enrollment_batches",
        "enrollments",
        "enrollment_report",
        "trigger_occurrences",
        "trigger_analytics",
        "template_library",
        "bulk_operations",
        "onboarding_items",
        "onboarding_batches",
    }
    assert {key.name for key in graph.asset_check_keys} == {
        "outcomes_add_up",
        "nobody_enrolled_twice",
        "contacts_belong_to_account",
        "changes_have_images",
    }
    repository = definitions.get_repository_def()
    assert {job.name for job in repository.get_all_jobs()} == {
        "__ASSET_JOB",
        "bulk_enrollment",
        "submit_enrollment",
        "prune_history",
        "deliver_notifications",
        "evaluate_triggers",
        "fire_time_triggers",
        "count_triggers",
        "clone_template",
        "count_templates",
        "tell_template_updates",
        "bulk_operation",
        "import_contacts",
        "export_contacts",
        "update_contacts",
        "delete_contacts",
        "roll_back",
        "submit_onboarding",
        "onboard_item",
        "count_onboarding",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "daily_retention",
        "quarter_hours",
        "daily_trigger_analytics",
        "daily_template_library",
        "daily_template_updates",
        "daily_onboarding_batches",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "enrollment_queue",
        "enrollment_run_canceled",
        "enrollment_run_failed",
        "file_inbox",
        "notification_outbox",
        "pending_events",
    }


def test_the_selection_comes_before_the_lanes_and_the_report_last():
    graph = build_definitions().resolve_asset_graph()
    order = [key.to_user_string() for key in graph.toposorted_asset_keys]

    others = ("trigger_", "template_", "bulk_", "onboarding_")
    assert [key for key in order if not key.startswith(others)] == [
        "contact_selection",
        "contact_eligibility",
        "enrollment_batches",
        "enrollments",
        "enrollment_report",
    ]


def test_a_run_enrolls_and_tells_it_in_metadata_checks_and_observations(
    instance, database, settings, account, add_contacts, add_workflow, submit, run_job, csv_of
):
    add_contacts(account, 25)
    add_workflow(account)
    path = csv_of([f"contact-{n:05}@example.com" for n in range(1, 26)] + ["no@example.com"])
    job_id = submit(account, {"type": "csv", "path": path}, options={"batch_size": 10})

    run = run_job(job_id)

    assert run.status is dg.DagsterRunStatus.SUCCESS
    document = service.describe(database, settings, account, job_id)
    assert document["status"] == "completed"
    assert document["outcomes"]["enrolled"] == 25
    assert document["outcomes"]["unmatched"] == 1

    selection = materialization(instance, "contact_selection", job_id)
    assert (selection["input_rows"], selection["total_contacts"]) == (26, 25)
    assert materialization(instance, "enrollment_batches", job_id)["total_batches"] == 3
    report = materialization(instance, "enrollment_report", job_id)
    assert (report["enrolled"], report["unmatched"], report["status"]) == (25, 1, "completed")
    assert report["file/enrolled"] == document["files"]["enrolled"]
    assert report["reasons"].records[0].data["code"] == "UNMATCHED"

    checks = {
        record.event.asset_check_evaluation_data.check_name: (
            record.event.asset_check_evaluation_data.passed,
            record.event.asset_check_evaluation_data.partition,
        )
        for record in events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    }
    assert checks == {
        "outcomes_add_up": (True, str(job_id)),
        "nobody_enrolled_twice": (True, str(job_id)),
        "contacts_belong_to_account": (True, str(job_id)),
    }
    observed = events(instance, run, dg.DagsterEventType.ASSET_OBSERVATION)
    figures = observed[-1].event.asset_observation_data.asset_observation.metadata
    assert figures["processed"].value == 25
    assert figures["percent"].value == 100.0


def events(instance, run, kind):
    return [
        entry.event_log_entry.dagster_event and _Event(entry.event_log_entry.dagster_event)
        for entry in instance.get_records_for_run(run.run_id, of_type=kind).records
    ]


class _Event:
    def __init__(self, event):
        self.event = event


def test_a_refused_selection_fails_run_and_job_with_the_same_words(
    instance, database, settings, make_account, add_contacts, add_workflow, submit, run_job, csv_of
):
    account = make_account(max_contacts_per_job=5)
    add_contacts(account, 6)
    add_workflow(account)
    path = csv_of([f"contact-{n:05}@example.com" for n in range(1, 7)])
    job_id = submit(account, {"type": "csv", "path": path})

    run = run_job(job_id)

    assert run.status is dg.DagsterRunStatus.FAILURE
    document = service.describe(database, settings, account, job_id)
    assert document["status"] == "failed"
    assert document["error"]["code"] == "TOO_MANY_CONTACTS"
    failure = events(instance, run, dg.DagsterEventType.STEP_FAILURE)[0].event
    told = failure.event_specific_data.user_failure_data.description
    assert told.startswith("TOO_MANY_CONTACTS: The selection holds 6 contacts; the limit")


def test_a_failed_check_stops_the_run_before_its_report(
    instance, database, settings, owner, account, add_contacts, add_workflow, submit, run_job
):
    add_contacts(account, 20)
    add_workflow(account)
    job_id = submit(account, {"type": "filter", "filter": {}}, options={"batch_size": 10})
    # A second enrollment of every contact by the same job, which no code of ours would make.
    double = """
        create function enrollment.double_it() returns trigger language plpgsql as $$
        begin
          insert into enrollment.enrollments (account_id, workflow_id, contact_id, status,
            current_step, source, source_id, ended_at)
          select account_id, workflow_id, contact_id, 'exited', 'x', source, source_id, now()
          from added;
          return null;
        end $$;
        create trigger double_it after insert on enrollment.enrollments
          referencing new table as added for each statement
          when (pg_trigger_depth() = 0) execute function enrollment.double_it();
    """
    with owner.begin() as connection:
        connection.exec_driver_sql(double)
    try:
        run = run_job(job_id)
    finally:
        with owner.begin() as connection:
            connection.exec_driver_sql(
                "drop trigger double_it on enrollment.enrollments;"
                "drop function enrollment.double_it()"
            )

    assert run.status is dg.DagsterRunStatus.FAILURE
    steps = {step.step_key for step in instance.get_run_step_stats(run.run_id)}
    assert "enrollment_checks" in steps
    assert "enrollment_report" not in steps
    assert service.describe(database, settings, account, job_id)["completed_at"] is None


def test_a_second_run_of_the_same_job_changes_nothing(
    database, settings, account, add_contacts, add_workflow, submit, run_job
):
    add_contacts(account, 12)
    add_workflow(account)
    job_id = submit(account, {"type": "filter", "filter": {}})

    first = run_job(job_id)
    before = service.describe(database, settings, account, job_id)
    second = run_job(job_id)

    assert first.run_id != second.run_id
    assert second.status is dg.DagsterRunStatus.SUCCESS
    assert service.describe(database, settings, account, job_id) == before
    assert before["outcomes"]["enrolled"] == 12


def test_an_empty_selection_completes_and_says_so(
    database, settings, account, add_workflow, submit, run_job
):
    add_workflow(account)
    job_id = submit(account, {"type": "filter", "filter": {}})

    assert run_job(job_id).status is dg.DagsterRunStatus.SUCCESS
    document = service.describe(database, settings, account, job_id)
    assert document["status"] == "completed"
    assert (document["total_contacts"], document["total_batches"]) == (0, 0)


def test_a_re_execution_finishes_what_an_earlier_run_left(
    database, settings, owner, account, add_contacts, add_workflow, submit, run_job
):
    add_contacts(account, 40)
    add_workflow(account)
    job_id = submit(account, {"type": "filter", "filter": {}}, options={"batch_size": 10})
    run_job(job_id)
    # As if the worker had died after two of four batches.
    with owner.begin() as connection:
        connection.execute(
            text(
                """
                with undone as (
                  update enrollment.enrollment_batches
                  set status = 'queued', processed = 0, completed_at = null
                  where job_id = :job and number > 2 returning contact_ids
                ), gone as (
                  delete from enrollment.enrollments e using undone
                  where e.source_id = :job and e.contact_id = any(undone.contact_ids)
                )
                update enrollment.enrollment_jobs
                set status = 'processing', enrolled = 20, completed_at = null, report = null
                where id = :job
                """
            ),
            {"job": job_id},
        )

    assert run_job(job_id).status is dg.DagsterRunStatus.SUCCESS

    document = service.describe(database, settings, account, job_id)
    assert document["status"] == "completed"
    assert document["outcomes"]["enrolled"] == 40
    with owner.connect() as connection:
        doubled = connection.scalar(
            text(
                "select count(*) - count(distinct contact_id) from enrollment.enrollments "
                "where source_id = :job"
            ),
            {"job": job_id},
        )
    assert doubled == 0


@pytest.mark.parametrize(
    ("one_step", "steps"),
    [(True, {"lanes"}), (False, {"lane_1", "lane_2", "lane_3"})],
)
def test_lanes_are_threads_of_one_step_or_steps_of_their_own(
    one_step, steps, instance, database, settings, account, add_contacts, add_workflow, submit
):
    add_contacts(account, 30)
    add_workflow(account)
    job_id = submit(
        account,
        {"type": "filter", "filter": {}},
        options={"batch_size": 10, "lanes": 3},
    )

    instance.add_dynamic_partitions("enrollment_jobs", [str(job_id)])
    result = dg.materialize(
        [
            assets.contact_selection,
            assets.contact_eligibility,
            assets.enrollment_batches,
            lanes.enrollments,
            assets.enrollment_report,
        ],
        partition_key=str(job_id),
        instance=instance,
        resources={"product": Product(one_step=one_step)},
        run_config=_QUIET,
    )

    executed = {event.step_key for event in result.get_step_success_events()}
    lane_steps = {step for step in executed if "enroll_lane" in step}
    assert lane_steps == {f"enrollments.enroll_lane[{step}]" for step in steps}
    assert service.describe(database, settings, account, job_id)["outcomes"]["enrolled"] == 30
