"""The commands around a job, as a program calls them."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from enrollment_pipeline.cli import main
from enrollment_pipeline.runs.instance import open_instance
from enrollment_pipeline.runs.liveness import PROCESS, own_tags, repair_dead_runs

PROGRAM = str(Path(sys.executable).parent / "enrollment")
OUTCOMES = [
    "enrolled",
    "already_enrolled",
    "skipped",
    "failed",
    "duplicate",
    "unmatched",
    "rejected",
    "cancelled",
    "unprocessed",
]


@pytest.fixture
def call(account, home, capsys):
    """Run a command for the test's account in this process; return exit code and JSON answer."""

    def run(*arguments):
        capsys.readouterr()
        code = main.run([*arguments, "--account", account.name, "--json"])
        written = capsys.readouterr()
        assert "Traceback" not in written.err, written.err
        return code, json.loads(written.out)

    return run


@pytest.fixture
def begin(account, home):
    """Start the program for the test's account, and leave it running."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [PROGRAM, *arguments, "--account", account.name, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def addresses(tmp_path):
    """Write the addresses of the first `count` contacts, and further lines, as CSV."""

    def write(count, *further):
        path = tmp_path / "people.csv"
        known = "".join(f"contact-{number:05}@example.com\n" for number in range(1, count + 1))
        path.write_text("email\n" + known + "".join(f"{line}\n" for line in further))
        return str(path)

    return write


def test_run_answers_with_the_whole_contract(call, account, add_contacts, add_workflow, addresses):
    add_contacts(account, 30)
    workflow = add_workflow(account)

    code, answer = call(
        "run", "--workflow", "welcome", "--csv", addresses(30, "no@example.com"), "--add-tag", "x"
    )

    assert code == 0
    assert answer["status"] == "completed"
    assert (answer["workflow_id"], answer["workflow_name"]) == (str(workflow), "Welcome")
    assert list(answer["outcomes"]) == OUTCOMES
    assert sum(answer["outcomes"].values()) == answer["input_rows"] == 31
    assert answer["outcomes"]["enrolled"] == answer["progress"]["success"] == 30
    assert answer["reasons"] == {"UNMATCHED": 1}
    assert answer["progress"]["percent"] == 100.0
    assert set(answer["files"]) == {
        "enrolled",
        "skipped",
        "failed",
        "unmatched",
        "rejected",
        "unprocessed",
        "report",
    }
    assert all(Path(path).is_file() for path in answer["files"].values())
    for field in ("job_id", "selection_type", "total_batches", "created_at", "completed_at"):
        assert answer[field], field

    job_id = answer["job_id"]
    assert call("status", job_id) == (0, answer)
    assert call("report", job_id) == (0, answer)
    _, listed = call("list")
    assert [job["job_id"] for job in listed["jobs"]] == [job_id]
    assert "files" not in listed["jobs"][0]
    assert (listed["total"], listed["page"]) == (1, 1)


def test_preview_answers_what_the_run_then_does(
    call, account, add_contacts, add_workflow, addresses
):
    add_contacts(account, 12)
    add_workflow(account)
    request = ["--workflow", "Welcome", "--csv", addresses(12, "no@example.com", '"broken')]

    code, foreseen = call("preview", *request)
    assert code == 0
    assert "job_id" not in foreseen
    _, listed = call("list")
    assert listed["jobs"] == []
    _, done = call("run", *request)

    assert foreseen["outcomes"] == done["outcomes"]
    assert foreseen["reasons"] == done["reasons"]


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["run", "--workflow", "Welcome"], 2, "USAGE"),
        (["run", "--workflow", "Welcome", "--ids", "a", "--filter", "{}"], 2, "USAGE"),
        (["run", "--workflow", "Welcome", "--filter", "{"], 2, "USAGE"),
        (["run", "--workflow", "Welcome", "--filter", "[" * 100_000], 2, "USAGE"),
        (
            ["run", "--workflow", "Welcome", "--filter", '{"conditions": [{}], "conditions": []}'],
            2,
            "USAGE",
        ),
        (["run", "--workflow", "Welcome", "--ids", "@/no/such/file"], 2, "USAGE"),
        (["run", "--workflow", "Nobody", "--filter", "{}"], 3, "WORKFLOW_NOT_FOUND"),
        (["run", "--workflow", "Paused", "--filter", "{}"], 3, "WORKFLOW_INACTIVE"),
        (["run", "--workflow", "Roles", "--filter", "{}"], 3, "WRONG_SUBJECT"),
        (["run", "--workflow", "Welcome", "--csv", "/no/such.csv"], 3, "INVALID_FILE"),
        (["run", "--workflow", "Welcome", "--csv", "/dev/zero"], 3, "INVALID_FILE"),
        (
            ["run", "--workflow", "Welcome", "--filter", '{"conditions":[{"field":"emial"}]}'],
            3,
            "INVALID_CONDITION",
        ),
        (
            ["run", "--workflow", "Welcome", "--filter", "{}", "--batch-size", "9"],
            3,
            "INVALID_REQUEST",
        ),
        (["submit", "--workflow", "Welcome", "--filter", "{}", "--at", "soon"], 3, None),
        (["status", "nonsense"], 3, "JOB_NOT_FOUND"),
        (["status", "0197a0e0-0000-7000-8000-000000000000"], 3, "JOB_NOT_FOUND"),
        (["list", "--status", "busy"], 3, "INVALID_REQUEST"),
        (["failures", "0197a0e0-0000-7000-8000-000000000000"], 3, "JOB_NOT_FOUND"),
    ],
)
def test_a_refusal_has_a_code_a_sentence_and_a_remedy(
    arguments, code, error, call, account, add_workflow
):
    add_workflow(account)
    add_workflow(account, name="Paused", status="paused")
    add_workflow(account, name="Roles", subject="item")

    answered, document = call(*arguments)

    assert answered == code
    assert set(document["error"]) >= {"code", "message", "remedy"}
    assert error in (None, document["error"]["code"])
    assert document["error"]["message"]
    assert document["error"]["remedy"]


def test_a_selection_over_the_limit_ends_the_run_as_a_refusal(
    call, make_account, add_contacts, add_workflow, addresses, home
):
    account = make_account(max_contacts_per_job=4)
    add_contacts(account, 5)
    add_workflow(account)
    done = subprocess.run(
        [
            PROGRAM,
            "run",
            "--workflow",
            "Welcome",
            "--csv",
            addresses(5),
            "--account",
            account.name,
            "--json",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )

    error = json.loads(done.stdout)["error"]
    assert done.returncode == 3
    assert error["code"] == "TOO_MANY_CONTACTS"
    assert error["details"]["found"] == 5
    assert error["details"]["limit"] == 4


@pytest.fixture
def slow_inserts(owner):
    """Make every enrolling statement take a second, so that there is a middle to kill in."""
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "create function enrollment.wait_a_little() returns trigger language plpgsql as "
            "$$ begin perform pg_sleep(1); return null; end $$;"
            "create trigger wait_a_little before insert on enrollment.enrollments "
            "for each statement execute function enrollment.wait_a_little()"
        )
    yield
    with owner.begin() as connection:
        connection.exec_driver_sql(
            "drop trigger wait_a_little on enrollment.enrollments;"
            "drop function enrollment.wait_a_little()"
        )


def wait_for_enrolled(call, fewest):
    """Wait until the account's newest job has enrolled some contacts; return the job."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        jobs = call("list")[1]["jobs"]
        if jobs and jobs[0]["outcomes"]["enrolled"] >= fewest:
            return jobs[0]
        time.sleep(0.1)
    raise AssertionError("the job did not get going")


def many_contacts(owner, account):
    """Give the account 25,000 contacts, five transactions of a lane, and leave to enroll them."""
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.accounts set settings = '{\"max_contacts_per_job\": 30000}' "
                "where id = :id"
            ),
            {"id": account.id},
        )
        connection.execute(
            text(
                "insert into enrollment.contacts (account_id, email) "
                "select :id, 'm' || n || '@example.com' from generate_series(1, 25000) n"
            ),
            {"id": account.id},
        )


def enrolled_contacts(owner, job_id):
    with owner.connect() as connection:
        return connection.execute(
            text(
                "select count(*), count(distinct contact_id) from enrollment.enrollments "
                "where source_id = :job"
            ),
            {"job": job_id},
        ).one()


def test_after_kill_9_in_the_middle_resume_enrolls_the_rest_once(
    call, begin, account, owner, settings, add_workflow, slow_inserts
):
    many_contacts(owner, account)
    add_workflow(account)
    run = begin("run", "--workflow", "Welcome", "--filter", "{}")
    job = wait_for_enrolled(call, 5_000)
    run.send_signal(signal.SIGKILL)
    run.wait()
    code, left = call("status", job["job_id"])
    assert code == 0
    assert left["status"] == "processing"
    assert 5_000 <= left["outcomes"]["enrolled"] < 25_000

    code, answer = call("resume", job["job_id"])

    assert code == 0
    assert answer["status"] == "completed"
    assert answer["outcomes"]["enrolled"] == answer["input_rows"] == 25_000
    assert tuple(enrolled_contacts(owner, job["job_id"])) == (25_000, 25_000)
    with open_instance(settings) as instance:
        statuses = sorted(
            str(run.status.value)
            for run in instance.get_runs(dg.RunsFilter(tags={"enrollment/job": job["job_id"]}))
        )
    assert statuses == ["FAILURE", "SUCCESS"]


def test_ctrl_c_ends_after_the_transaction_and_the_run_says_so(
    call, begin, account, owner, settings, add_workflow, slow_inserts
):
    many_contacts(owner, account)
    add_workflow(account)
    run = begin("run", "--workflow", "Welcome", "--filter", "{}")
    job = wait_for_enrolled(call, 5_000)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=30)

    done = call("status", job["job_id"])[1]
    assert run.returncode == 4
    error = json.loads(output)["error"]
    assert error["code"] == "RUN_FAILED"
    assert f"enrollment resume {job['job_id']}" in error["remedy"]
    assert 5_000 <= done["outcomes"]["enrolled"] < 25_000
    assert done["outcomes"]["enrolled"] % 5_000 == 0
    with open_instance(settings) as instance:
        (record,) = instance.get_runs(dg.RunsFilter(tags={"enrollment/job": job["job_id"]}))
    assert record.status is dg.DagsterRunStatus.CANCELED

    assert call("resume", job["job_id"])[1]["outcomes"]["enrolled"] == 25_000


def test_two_resumes_of_one_job_at_once_enroll_nobody_twice(
    call, begin, account, owner, add_contacts, add_workflow
):
    add_contacts(account, 3_000)
    add_workflow(account)
    _, submitted = call("submit", "--workflow", "Welcome", "--filter", "{}", "--batch-size", "10")
    job_id = submitted["job_id"]

    both = [begin("resume", job_id) for _ in range(2)]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in both]

    # The second may find the job closed already, which is a refusal and not a second enrollment.
    assert any(answer.get("status") == "completed" for answer in answers)
    assert tuple(enrolled_contacts(owner, job_id)) == (3_000, 3_000)
    final = call("status", job_id)[1]
    assert final["outcomes"]["enrolled"] == final["input_rows"] == 3_000


def test_resume_of_a_closed_job_names_its_state(call, account, add_workflow):
    add_workflow(account)
    _, done = call("run", "--workflow", "Welcome", "--filter", "{}")

    code, answer = call("resume", done["job_id"])

    assert code == 3
    assert answer["error"]["code"] == "INVALID_STATE"
    assert "completed" in answer["error"]["message"]


def test_runs_whose_process_has_gone_are_marked_failed(settings, database):
    with open_instance(settings) as instance:
        run = dg.DagsterRun(
            job_name="bulk_enrollment",
            run_id=dg._core.utils.make_new_run_id(),
            status=dg.DagsterRunStatus.STARTED,
            tags={**own_tags(), PROCESS: "999999@1"},
        )
        instance.add_run(run)

        assert repair_dead_runs(instance) == [run.run_id]
        assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
        assert repair_dead_runs(instance) == []


def test_cancel_answers_with_the_job_and_refuses_a_second_time(
    call, account, add_contacts, add_workflow
):
    add_contacts(account, 4)
    add_workflow(account)
    _, submitted = call("submit", "--workflow", "Welcome", "--filter", "{}")

    code, answer = call("cancel", submitted["job_id"])
    assert code == 0
    assert answer["status"] == "cancelled"

    code, answer = call("cancel", submitted["job_id"])
    assert code == 3
    assert answer["error"]["code"] == "INVALID_STATE"
    assert "cancelled" in answer["error"]["message"]


def test_watch_writes_a_line_of_json_for_each_change(
    begin, call, account, owner, add_workflow, slow_inserts
):
    many_contacts(owner, account)
    add_workflow(account)
    _, submitted = call("submit", "--workflow", "Welcome", "--filter", "{}")
    watcher = begin("watch", submitted["job_id"])
    first = json.loads(watcher.stdout.readline())
    begin("resume", submitted["job_id"])

    seen = [first] + [json.loads(line) for line in watcher.stdout]

    assert watcher.wait(timeout=60) == 0
    assert first["status"] == "pending"
    assert seen[-1]["status"] == "completed"
    enrolled = [one["outcomes"]["enrolled"] for one in seen]
    assert enrolled == sorted(enrolled)
    # Five transactions of a second each: each was seen.
    assert {5_000, 10_000, 15_000, 20_000, 25_000} <= set(enrolled)
