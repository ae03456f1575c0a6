"""`enrollment pause`, `resume`, `retry`, `reschedule` and the options of a request, as typed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from enrollment_pipeline.cli import main


@pytest.fixture
def call(account, home, capsys):
    """Run a command for the test's account in this process; return exit code and JSON answer."""

    def run(*arguments):
        capsys.readouterr()
        code = main.run([*arguments, "--account", account.name, "--as", "ann", "--json"])
        written = capsys.readouterr()
        assert "Traceback" not in written.err, written.err
        return code, json.loads(written.out)

    return run


@pytest.fixture
def submitted(call, account, add_contacts, add_workflow):
    """A job in the queue."""
    add_contacts(account, 12)
    add_workflow(account)
    code, job = call("submit", "--workflow", "Welcome", "--filter", "{}", "--batch-size", "10")
    assert code == 0
    return job


@pytest.fixture
def poisoned(owner, account):
    """Contacts of the account whose address ends in 3 cannot be enrolled, as long as this holds."""
    name = f"poison_{account.id.hex}"
    with owner.begin() as connection:
        connection.exec_driver_sql(
            f"create function enrollment.{name}() returns trigger language plpgsql "
            "security definer as $$ begin "
            "if exists (select from enrollment.contacts "
            "where id = new.contact_id and strpos(email, '3@') > 0) "
            "then raise exception 'poison'; end if; return new; end $$"
        )
        connection.exec_driver_sql(
            f"create trigger {name} before insert on enrollment.enrollments for each row "
            f"when (new.account_id = '{account.id}') execute function enrollment.{name}()"
        )

    def heal():
        with owner.begin() as connection:
            connection.exec_driver_sql(f"drop trigger if exists {name} on enrollment.enrollments")
            connection.exec_driver_sql(f"drop function if exists enrollment.{name}()")

    yield heal
    heal()


def at_work(owner, job_id):
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.enrollment_jobs set status = 'queued', selected_at = now(), "
                "validated_at = now(), batched_at = now() where id = :job"
            ),
            {"job": job_id},
        )


def test_a_job_is_paused_and_resumed_by_the_queue(call, owner, submitted):
    at_work(owner, submitted["job_id"])

    code, paused = call("pause", submitted["job_id"])
    assert (code, paused["status"]) == (0, "paused")
    assert paused["error"]["message"] == "The job was paused by ann."
    assert submitted["job_id"] in paused["error"]["remedy"]

    code, refused = call("pause", submitted["job_id"])
    assert (code, refused["error"]["code"]) == (3, "INVALID_STATE")

    code, queued = call("resume", submitted["job_id"], "--queue")
    assert (code, queued["status"], queued["error"]) == (0, "queued", None)


def test_what_failed_is_retried_here_or_by_the_queue(call, account, submitted, poisoned):
    code, first = call("resume", submitted["job_id"])
    assert (code, first["status"]) == (0, "completed_with_errors")
    assert (first["outcomes"]["enrolled"], first["outcomes"]["failed"]) == (11, 1)
    poisoned()

    code, second = call("retry", submitted["job_id"])
    assert (code, second["status"], second["retry_of"]) == (0, "completed", first["job_id"])
    assert second["outcomes"]["enrolled"] == second["input_rows"] == 1

    code, refused = call("retry", second["job_id"])
    assert (code, refused["error"]["code"]) == (3, "NOTHING_TO_RETRY")
    code, queued = call("retry", first["job_id"], "--all", "--queue")
    assert (code, queued["status"]) == (0, "pending")
    code, refused = call("retry", first["job_id"])
    assert (code, refused["error"]["code"]) == (3, "INVALID_STATE")


def test_a_scheduled_job_is_rescheduled(call, account, add_workflow):
    add_workflow(account)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    code, job = call(
        "submit", "--workflow", "Welcome", "--filter", "{}", "--at", tomorrow.isoformat()
    )
    assert (code, job["status"], job["scheduled_at"]) == (0, "scheduled", tomorrow.isoformat())

    code, moved = call(
        "reschedule", job["job_id"], "--at", "2030-07-01T09:00", "--timezone", "Europe/Berlin"
    )
    assert (code, moved["scheduled_at"]) == (0, "2030-07-01T07:00:00+00:00")
    code, now = call("reschedule", job["job_id"], "--now")
    assert code == 0
    assert now["scheduled_at"] <= datetime.now(UTC).isoformat()


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ([], 2, "USAGE"),
        (["--at", "2030-01-01T00:00", "--now"], 2, "USAGE"),
        (["--at", "tomorrow"], 2, "USAGE"),
        (["--at", ""], 2, "USAGE"),
        (["--at", "1800000000"], 2, "USAGE"),
        (["--at", "2001-01-01T00:00"], 3, "INVALID_REQUEST"),
        (["--at", "2030-01-01T00:00", "--timezone", "Mars/Olympus"], 3, "INVALID_REQUEST"),
    ],
)
def test_a_time_that_cannot_be_used_is_refused(call, account, add_workflow, arguments, code, error):
    add_workflow(account)
    _, job = call("submit", "--workflow", "Welcome", "--filter", "{}", "--at", "2030-01-01T00:00")
    found, answer = call("reschedule", job["job_id"], *arguments)
    assert (found, answer["error"]["code"]) == (code, error)


def test_the_options_of_a_request_are_kept(call, account, owner, add_workflow):
    add_workflow(account)
    _, job = call(
        "submit", "--workflow", "Welcome", "--filter", "{}",
        "--at", "2030-07-01T09:00", "--timezone", "Europe/Berlin",
        "--max-failure-share", "0.1",
        "--notify-email", "ops@example.com", "--notify-email", "it@example.com",
        "--notify-webhook", "https://example.com/hook",
    )  # fmt: skip
    assert job["scheduled_at"] == "2030-07-01T07:00:00+00:00"
    with owner.connect() as connection:
        options = connection.execute(
            text("select request -> 'options' from enrollment.enrollment_jobs where id = :job"),
            {"job": job["job_id"]},
        ).scalar_one()
    assert options["max_failure_share"] == 0.1
    assert options["notify"] == {
        "emails": ["ops@example.com", "it@example.com"],
        "webhooks": ["https://example.com/hook"],
    }


def test_a_request_id_that_stands_for_another_request_is_refused(call, account, add_workflow):
    add_workflow(account)
    arguments = ["submit", "--workflow", "Welcome", "--filter", "{}", "--request-id", "march"]
    _, job = call(*arguments)
    assert call(*arguments)[1]["job_id"] == job["job_id"]
    code, refused = call(*arguments, "--add-tag", "x")
    assert (code, refused["error"]["code"]) == (3, "REQUEST_ID_USED")
    assert refused["error"]["details"]["job_id"] == job["job_id"]


def test_a_member_without_the_permission_is_refused_with_its_name(call, account, add_workflow):
    add_workflow(account)
    call("members", "add", "boss", "--permission", "account:admin")
    code, refused = call("submit", "--workflow", "Welcome", "--filter", "{}")
    assert (code, refused["error"]["code"]) == (3, "FORBIDDEN")
    assert "workflow:manage" in refused["error"]["message"]


@pytest.mark.parametrize("at", ["", "1800000000", "tomorrow"])
def test_a_request_takes_iso_times_alone(call, account, add_workflow, at):
    add_workflow(account)
    code, refused = call("submit", "--workflow", "Welcome", "--filter", "{}", "--at", at)
    assert (code, refused["error"]["code"]) == (3, "INVALID_REQUEST")


def test_whoever_asks_has_a_name(account, home, capsys):
    assert main.run(["list", "--account", account.name, "--as", " ", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "USAGE"


def test_pruning_by_hand_needs_the_permission(call, account):
    call("members", "add", "boss", "--permission", "account:admin")
    code, refused = call("prune")
    assert (code, refused["error"]["code"]) == (3, "FORBIDDEN")


def test_a_dagster_home_that_cannot_be_used_is_found_before_there_is_a_job(
    call, account, add_workflow, monkeypatch
):
    add_workflow(account)
    for value in ("/nonexistent", "relative"):
        monkeypatch.setenv("DAGSTER_HOME", value)
        code, refused = call("run", "--workflow", "Welcome", "--filter", "{}")
        assert (code, refused["error"]["code"]) == (3, "CONFIGURATION_ERROR")
    assert call("list")[1]["total"] == 0


@pytest.mark.parametrize("value", ["99999999999999999999", "0", "-1", "1e3"])
def test_a_pace_that_nothing_can_count_is_refused(call, value):
    code, refused = call("accounts", "settings", f"enrollments_per_minute={value}")
    assert (code, refused["error"]["code"]) == (3, "INVALID_REQUEST")
