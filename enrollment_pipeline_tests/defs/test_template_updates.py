"""The daily job that tells accounts of newer versions of the templates that they have cloned."""

import dagster as dg

from enrollment_pipeline.definitions import defs
from enrollment_pipeline.notifications import service as notifications
from enrollment_pipeline.notifications.message import Channel
from enrollment_pipeline.records import Account
from enrollment_pipeline.runs.in_process import _QUIET
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.templates import service as templates
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.defs.test_triggers import output_of

DOCUMENT = {
    "name": "Greeting",
    "trigger": {"event": "tag_added", "parameters": {"tag": "lead"}},
    "steps": [{"id": "greet", "type": "create_task", "title": "Say hello"}],
}
NEWER = {**DOCUMENT, "steps": [{"id": "greet", "type": "create_task", "title": "Say good day"}]}


def test_the_job_tells_what_nobody_was_told_and_nothing_twice(
    instance: dg.DagsterInstance, database: Database, account: Account
) -> None:
    workflows.create_from(database, account, DOCUMENT, actor="ann")
    templates.save(database, account, "Greeting", templates.Wanted(), actor="ann")
    clone = templates.clone(database, account, "Greeting", name="Own", actor="ann")
    templates.update(database, account, "Greeting", templates.Wanted(), document=NEWER, actor="ann")
    # There was no channel when the template was updated.
    notifications.add_channel(database, account, Channel.EMAIL, "ann@example.com", actor="ann")

    def tell() -> int:
        result = defs.resolve_job_def("tell_template_updates").execute_in_process(
            instance=instance, run_config=_QUIET
        )
        return int(output_of(result, "tell_of_updates")["messages"])

    assert tell() >= 1
    found = notifications.list_deliveries(database, account)["notifications"]
    assert [(one["event"], one["workflow_id"], one["job_id"]) for one in found] == [
        ("template_updated", str(clone.stored.id), None)
    ]
    assert tell() == 0


def test_the_schedule_runs_the_job_daily() -> None:
    schedule = defs.resolve_schedule_def("daily_template_updates")

    assert schedule.job_name == "tell_template_updates"
    assert schedule.cron_schedule == "15 4 * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
