"""Files dropped into the inbox: taken, rejected, or the same once more."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.enrollment import service
from enrollment_pipeline.enrollment.phases import Phases
from enrollment_pipeline.enrollment.request import parse_request
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline_tests.enrollment.conftest import run_phases
from enrollment_pipeline_tests.inbox_folder import LIST, InboxFolder, inbox_settings

AddWorkflow = Callable[..., UUID]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


@pytest.fixture
def inbox(
    settings: Settings,
    database: Database,
    account: Account,
    add_workflow: AddWorkflow,
    tmp_path: Path,
) -> InboxFolder:
    """The inbox of an account with the active workflow "Welcome"."""
    add_workflow(account)
    return InboxFolder(inbox_settings(settings, tmp_path), database, account)


def only(found: dict[str, list[str]]) -> tuple[str, list[str]]:
    ((name, reason),) = found.items()
    return name, reason


def test_a_dropped_file_becomes_a_job_of_its_workflow(
    inbox: InboxFolder, add_contacts: Callable[..., list[UUID]]
) -> None:
    people = add_contacts(inbox.account, 3)
    content = "email\n" + "".join(f"contact-{number:05}@example.com\n" for number in (1, 2, 3))
    inbox.drop("list.csv", content)

    tick = inbox.settle()

    (job,) = inbox.jobs()
    assert (job.source, job.requested_by, job.runner) == ("inbox", "inbox", "queue")
    assert (job.status, job.selection_type) == ("pending", "csv")
    assert job.request["selection"]["file"] == "list.csv"
    assert inbox.input_of(job.id) == content.encode()
    assert inbox.waiting() == []
    assert inbox.processed() == [f"list.{job.id}.csv"]
    assert (inbox.place / "processed" / f"list.{job.id}.csv").read_text() == content
    path = f"{inbox.account.name}/Welcome/list.csv"
    assert tick.taken == [f"{path} is job {job.id}."]
    assert tick.summary() == f"Taken 1: {path} is job {job.id}."

    run_phases(Phases(inbox.database, inbox.settings, job.id))
    document = service.describe(inbox.database, inbox.settings, inbox.account, job.id)
    assert document["outcomes"]["enrolled"] == len(people)
    assert inbox.look(later=10).summary() == f"Nothing lies in {inbox.root}."


def test_the_job_keeps_which_drop_it_was_made_of(inbox: InboxFolder) -> None:
    found = os.lstat(inbox.drop("list.csv"))

    inbox.settle()

    (job,) = inbox.jobs()
    assert job.request["origin"] == {
        "device": found.st_dev,
        "inode": found.st_ino,
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
        "name": "list.csv",
    }
    digest = hashlib.sha256(LIST.encode()).hexdigest()
    assert job.request_id == f"inbox:{job.workflow_id}:{digest}"


def test_who_dropped_is_in_the_audit_log(inbox: InboxFolder, owner: Engine) -> None:
    inbox.drop("list.csv")
    inbox.settle()

    statement = text(
        "select actor, action, result, subject from enrollment.audit_log where account_id = :id"
    )
    with owner.connect() as connection:
        (row,) = connection.execute(statement, {"id": inbox.account.id})
    assert tuple(row) == ("inbox", "job.submit", "done", str(inbox.jobs()[0].id))


@pytest.mark.parametrize(
    "name", ["list.csv", "list.TSV", "list.txt", "LIST.CSV", "list.xlsx.csv", "--again.csv"]
)
def test_tables_are_taken_under_each_of_their_suffixes(inbox: InboxFolder, name: str) -> None:
    inbox.drop(name, "email\tname\nann@example.com\tAnn\n")

    assert len(inbox.settle().taken) == 1


@pytest.mark.parametrize(
    ("name", "content", "message", "remedy"),
    [
        ("list.xlsx", b"x", "no CSV file by its name", "Save the table as CSV"),
        ("list", b"email\n", "no CSV file by its name", "Save the table as CSV"),
        ("list.csv", PNG, "is a PNG picture", "Export the table"),
        ("list.csv", b"", "is empty", "Export the table again"),
        ("list.csv", b"Name,City\nAnn,Rome\n", "No column holds", 'Call the column "email"'),
    ],
)
def test_what_is_no_list_of_contacts_is_rejected_with_the_reason(
    inbox: InboxFolder, name: str, content: bytes, message: str, remedy: str
) -> None:
    inbox.drop(name, content)

    tick = inbox.settle()

    rejected, (code, sentence, advice) = only(inbox.rejected())
    assert code == "INVALID_FILE"
    assert message in sentence
    assert remedy in advice
    stem, _, suffix = name.partition(".")
    assert rejected.startswith(f"{stem}.")
    assert rejected.endswith(f".{suffix}" if suffix else "")
    assert (inbox.place / "rejected" / rejected).read_bytes() == content
    assert (inbox.waiting(), inbox.jobs(), inbox.processed()) == ([], [], [])
    (told,) = tick.rejected
    assert told.startswith(f"{inbox.account.name}/Welcome/{name}: INVALID_FILE: ")


@pytest.mark.parametrize("name", ["csv", "list.csv.zip", "list.csv ", "list.csv\n"])
def test_a_name_that_only_holds_a_suffix_is_refused(inbox: InboxFolder, name: str) -> None:
    inbox.drop(name)

    inbox.settle()

    _, (code, sentence, advice) = only(inbox.rejected())
    assert code == "INVALID_FILE"
    assert "no CSV file by its name" in sentence
    assert ".csv, .tsv, .txt" in advice


def test_a_file_over_the_accounts_limits_is_rejected(
    inbox: InboxFolder, make_account: Callable[..., Account], add_workflow: AddWorkflow
) -> None:
    inbox.account = make_account(csv_max_bytes=100, csv_max_lines=3)
    add_workflow(inbox.account)
    inbox.drop("fits.csv", "email\n" + "a@b.c\n" * 3)
    inbox.drop("long.csv", "email\n" + "a@b.c\n" * 4)
    inbox.drop("large.csv", "email\n" + "a" * 95)

    inbox.settle()

    reasons = {name.split(".")[0]: reason for name, reason in inbox.rejected().items()}
    assert reasons["long"][:2] == [
        "FILE_TOO_LARGE",
        '"long.csv" has 4 lines; at most 3 are allowed.',
    ]
    assert reasons["large"][:2] == [
        "FILE_TOO_LARGE",
        '"large.csv" has 101 bytes; at most 100 are allowed.',
    ]
    assert len(inbox.jobs()) == len(inbox.processed()) == 1


def test_an_unknown_account_or_workflow_is_named_in_the_reason(inbox: InboxFolder) -> None:
    inbox.drop("a.csv", place=inbox.root / "nobody" / "Welcome")
    inbox.drop("b.csv", place=inbox.root / inbox.account.name / "Nothing")

    inbox.settle()

    _, reason = only(inbox.rejected(inbox.root / "nobody" / "Welcome"))
    assert reason[:2] == ["ACCOUNT_NOT_FOUND", "There is no account 'nobody'."]
    _, reason = only(inbox.rejected(inbox.root / inbox.account.name / "Nothing"))
    assert reason[0] == "WORKFLOW_NOT_FOUND"
    assert "'Nothing'" in reason[1]
    assert inbox.jobs() == []


def test_an_unknown_workflow_is_told_before_a_file_is_copied_however_large(
    inbox: InboxFolder,
) -> None:
    place = inbox.root / inbox.account.name / "Nothing"
    os.truncate(inbox.drop("huge.csv", place=place), 10**12)

    inbox.settle()

    _, reason = only(inbox.rejected(place))
    assert reason[0] == "WORKFLOW_NOT_FOUND"


def test_folders_are_named_in_any_letter_case_or_by_the_workflows_id(
    inbox: InboxFolder, add_workflow: AddWorkflow
) -> None:
    slashed = add_workflow(inbox.account, "Spring/Summer")
    inbox.drop("a.csv", LIST, inbox.root / inbox.account.name.upper() / "WELCOME")
    inbox.drop("b.csv", LIST, inbox.root / inbox.account.name / str(slashed))

    assert len(inbox.settle().taken) == 2
    assert slashed in {job.workflow_id for job in inbox.jobs()}


@pytest.mark.parametrize("status", ["draft", "paused", "archived"])
def test_a_workflow_that_is_not_active_takes_no_file(
    inbox: InboxFolder, add_workflow: AddWorkflow, status: str
) -> None:
    add_workflow(inbox.account, "Later", status=status)
    inbox.workflow = "Later"
    inbox.drop("list.csv")

    inbox.settle()

    _, reason = only(inbox.rejected())
    assert reason[0] == "WORKFLOW_INACTIVE"
    assert status in reason[1]
    assert "enrollment workflows activate" in reason[2]


def test_a_workflow_for_items_takes_no_file(inbox: InboxFolder, add_workflow: AddWorkflow) -> None:
    add_workflow(inbox.account, "Roles", subject="item")
    inbox.workflow = "Roles"
    inbox.drop("list.csv")

    inbox.settle()

    _, reason = only(inbox.rejected())
    assert reason[0] == "WRONG_SUBJECT"
    assert inbox.jobs() == []


def test_in_an_account_with_members_the_inbox_must_be_one(inbox: InboxFolder) -> None:
    inbox.add_member("ann", "account:admin")
    inbox.drop("list.csv")
    inbox.settle()

    _, reason = only(inbox.rejected())
    assert reason[0] == "FORBIDDEN"
    assert "'inbox'" in reason[1]
    assert (
        f"enrollment --account {inbox.account.name} members add inbox "
        "--permission workflow:manage" in reason[2]
    )

    inbox.add_member("inbox", "workflow:manage")
    inbox.drop("list.csv")
    assert len(inbox.settle().taken) == 1


def test_the_same_bytes_in_one_workflow_are_one_job_and_the_reason_says_which(
    inbox: InboxFolder,
) -> None:
    inbox.drop("copy.csv")
    inbox.drop("list.csv")
    inbox.settle()
    (job,) = inbox.jobs()
    assert inbox.processed() == [f"copy.{job.id}.csv"]

    inbox.drop("list.csv")
    inbox.settle()

    reasons = inbox.rejected()
    assert sorted(name.split(".")[0] for name in reasons) == ["list", "list"]
    for reason in reasons.values():
        assert reason[0] == "REQUEST_ID_USED"
        assert str(job.id) in reason[1]
        assert "--again" in reason[2]
        assert '"list--again.csv"' in reason[2]
    assert len(inbox.jobs()) == 1


def test_other_bytes_under_the_same_name_are_a_second_job(inbox: InboxFolder) -> None:
    inbox.drop("list.csv")
    inbox.settle()
    inbox.drop("list.csv", LIST + "eva@example.com\n")
    inbox.settle()

    jobs = inbox.jobs()
    assert len(jobs) == 2
    assert inbox.processed() == sorted(f"list.{job.id}.csv" for job in jobs)


def test_the_same_bytes_in_another_workflow_are_a_second_job(
    inbox: InboxFolder, add_workflow: AddWorkflow
) -> None:
    add_workflow(inbox.account, "Autumn")
    inbox.drop("list.csv")
    inbox.drop("list.csv", place=inbox.root / inbox.account.name / "Autumn")

    assert len(inbox.settle().taken) == 2
    assert len(inbox.jobs()) == 2


def test_with_again_in_its_name_every_drop_is_a_job(inbox: InboxFolder) -> None:
    inbox.drop("list.csv")
    inbox.settle()
    for _ in range(2):
        # As a program drops it that keeps the time of what it copies; and tidying up lets the
        # inode number be given away again.
        os.utime(inbox.drop("list--again.csv"), (5, 5))
        assert len(inbox.settle().taken) == 1
        for path in (inbox.place / "processed").iterdir():
            path.unlink()

    assert len(inbox.jobs()) == 3
    assert inbox.rejected() == {}


def test_a_job_under_the_same_request_id_that_no_drop_made_is_no_interrupted_drop(
    inbox: InboxFolder, add_workflow: AddWorkflow
) -> None:
    inbox.drop("first.csv")
    inbox.settle()
    workflow_id = inbox.jobs()[0].workflow_id
    content = b"email\neva@example.com\n"
    request = parse_request(
        {
            "workflow": "Welcome",
            "selection": {"type": "filter", "filter": {}},
            "request_id": f"inbox:{workflow_id}:{hashlib.sha256(content).hexdigest()}",
        }
    )
    job_id, _ = service.submit(inbox.database, inbox.account, request, source="api")
    inbox.drop("list.csv", content)

    inbox.settle()

    _, reason = only(inbox.rejected())
    assert str(job_id) in reason[1]
