"""`enrollment onboarding`: submitting items, looking at batches, and taking hold of them."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.accounts import members
from enrollment_pipeline.accounts.audit import list_audit
from enrollment_pipeline.onboarding import service
from enrollment_pipeline.onboarding.admission import Refusal
from enrollment_pipeline.onboarding.engine import ItemWork
from enrollment_pipeline.onboarding.states import BatchState, ItemStatus
from enrollment_pipeline.records import Account
from enrollment_pipeline.settings import Settings
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service as workflows
from enrollment_pipeline_tests.cli.triggering import Call, answer
from enrollment_pipeline_tests.test_docs import rows

DOCS = Path(__file__).resolve().parents[2] / "docs"
NEVER = str(UUID(int=7))
# Nobody lets a step reach this machine, so an item that comes here fails without a call.
STEPS = [
    {
        "id": "grade",
        "type": "condition",
        "condition": {"field": "item.attributes.level", "operator": "is_not_empty"},
        "then": "mark",
        "else": "ask",
    },
    {
        "id": "mark",
        "type": "update_field",
        "field": "attributes.tier",
        "value": "level {{item.attributes.level}}",
        "next": "done",
    },
    {"id": "ask", "type": "http_request", "url": "http://127.0.0.1:1/level"},
    {"id": "done", "type": "end"},
]
ROLES = "role_name,level,documents\nAnalyst,3,a.pdf; b.pdf\nClerk,,\nDriver,1,\n"


@pytest.fixture
def onboarding(
    call: Call, database: Database, settings: Settings, account: Account
) -> Iterator[Call]:
    """Run a command of the group in the test's account, which has an active workflow of items."""
    document = {
        "name": "Grading",
        "steps": STEPS,
        "settings": {"subject": "item", "estimate": "2 minutes"},
    }
    workflows.create_from(database, account, document, actor="ann")
    workflows.activate(database, account, "Grading", actor="ann")
    yield lambda *arguments: call("onboarding", *arguments)
    # A test of the queue sees the items of all accounts.
    for state in (BatchState.PENDING, BatchState.IN_PROGRESS):
        wanted = service.BatchFilter(state=state)
        for one in service.list_batches(database, account, wanted, limit=500)["batches"]:
            batch_id = UUID(one["batch_id"])
            service.cancel(database, settings, account, batch_id, now=True, actor="ann")


@pytest.fixture
def roles(tmp_path: Path) -> Path:
    """A table of three roles: two that become ready, and between them one that fails."""
    path = tmp_path / "roles.csv"
    path.write_text(ROLES)
    return path


@pytest.fixture
def submitted(onboarding: Call, roles: Path) -> Any:
    """The answer to a submission of the three roles."""
    return answer(onboarding, "submit", roles, "--company", "Northern", "--workflow", "Grading")


@pytest.fixture
def work(database: Database, settings: Settings) -> Callable[[Any], None]:
    """Do all that is left of the items of a submission, in this process."""

    def run(document: Any) -> None:
        for one in document["accepted"]:
            ItemWork(database, settings, UUID(one["item_id"])).run(threading.Event())

    return run


@pytest.fixture
def count(database: Database, account: Account) -> Callable[[], tuple[int, int]]:
    """How many batches and items the account has."""

    def run() -> tuple[int, int]:
        with database.account(account.id) as connection:
            batches, items = (
                connection.scalar(text(f"select count(*) from enrollment.onboarding_{name}"))
                for name in ("batches", "items")
            )
        return batches or 0, items or 0

    return run


def test_a_table_is_submitted_and_each_refusal_names_its_line(
    onboarding: Call, tmp_path: Path, database: Database, account: Account
) -> None:
    path = tmp_path / "roles.csv"
    path.write_text("role_name,level\nAnalyst,3\n\n,1\nanalyst,2\nClerk,1,surplus\nDriver,1\n")

    made = answer(onboarding, "submit", path, "--company", "Northern", "--workflow", "grading")

    assert (made["created"], made["total"]) == (True, 2)
    assert [(one["position"], one["role_name"]) for one in made["accepted"]] == [
        (1, "Analyst"),
        (5, "Driver"),
    ]
    assert [(one["line"], one["position"], one["code"]) for one in made["refused"]] == [
        (4, 2, "BLANK_NAME"),
        (5, 3, "DUPLICATE"),
        (6, 4, "INVALID_ITEM"),
    ]
    # Two minutes each by the workflow's own estimate, both within the places of a company.
    assert made["estimated_duration_seconds"] == 120
    batch_id = UUID(made["batch_id"])
    batch = service.describe(database, account, batch_id)
    assert (batch["company"], batch["source"]) == ("Northern", "cli")
    assert (batch["requested_by"], batch["created_by"]) == ("ann", "ann")


def test_options_that_are_typed_win_over_those_of_the_file(
    onboarding: Call, tmp_path: Path
) -> None:
    document = {
        "company": "Northern",
        "options": {"workflow": "Nothing", "priority": 5, "skip_enhancement": True},
        "items": [{"role_name": "Analyst", "attributes": {"level": 3}, "documents": ["a.pdf"]}],
    }
    path = tmp_path / "roles.json"
    path.write_text(json.dumps(document))

    made = answer(
        onboarding, "submit", path, "--company", "Southern", "--workflow", "Grading",
        "--priority", "-3", "--created-by", "bob",
    )  # fmt: skip

    batch = answer(onboarding, "status", made["batch_id"])
    assert (batch["company"], batch["workflow"]) == ("Southern", "Grading")
    assert (batch["priority"], batch["skip_enhancement"]) == (-3, True)
    assert (batch["requested_by"], batch["created_by"]) == ("ann", "bob")


def test_yaml_is_read_too_and_the_file_alone_may_say_everything(
    onboarding: Call, tmp_path: Path
) -> None:
    path = tmp_path / "roles.yaml"
    path.write_text("company: Northern\nworkflow: Grading\nitems:\n- role_name: Analyst\n")

    assert answer(onboarding, "submit", path)["total"] == 1


def test_of_nothing_accepted_there_is_no_batch_and_every_reason_is_told(
    onboarding: Call, tmp_path: Path, count: Callable[[], tuple[int, int]]
) -> None:
    path = tmp_path / "roles.csv"
    names = "".join(f"Role {number},nowhere\n" for number in range(7))
    path.write_text(f"role_name,workflow\n{names},nowhere\n")

    refused = onboarding("submit", path, "--company", "Northern", "--json")
    told = onboarding("submit", path, "--company", "Northern")

    assert (refused.code, told.code) == (3, 3)
    error = refused.json["error"]
    assert error["code"] == "NOTHING_ACCEPTED"
    assert [one["line"] for one in error["details"]["refused"]] == list(range(2, 10))
    assert error["details"]["refused"][-1]["code"] == "BLANK_NAME"
    assert all(f"Role {number}" in told.out for number in range(7))
    assert told.err.startswith("NOTHING_ACCEPTED: None of 8 items was accepted. Line 2: ")
    assert count() == (0, 0)


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        ("role_name\nAnalyst\n", (), "USAGE"),
        ("role_name\nAnalyst\n", ("--company", " "), "INVALID_REQUEST"),
        ("role_name\nAnalyst\n", ("--company", "N", "--priority", "101"), "INVALID_REQUEST"),
        ("title\nAnalyst\n", ("--company", "N"), "INVALID_FILE"),
        ("role_name\n", ("--company", "N"), "INVALID_REQUEST"),
        (None, ("--company", "N"), "INVALID_FILE"),
    ],
)
def test_what_cannot_be_submitted_is_refused_before_there_is_anything(
    content: str | None, options: tuple[str, ...], code: str,
    onboarding: Call, tmp_path: Path, count: Callable[[], tuple[int, int]],
) -> None:  # fmt: skip
    path = tmp_path / "roles.csv"
    if content is not None:
        path.write_text(content)

    refused = onboarding("submit", path, *options, "--json")

    assert refused.json["error"]["code"] == code
    assert count() == (0, 0)


def test_one_request_id_is_one_batch(
    onboarding: Call, roles: Path, count: Callable[[], tuple[int, int]]
) -> None:
    asked = (
        "submit", roles, "--company", "Northern", "--workflow", "Grading", "--request-id", "r1"
    )  # fmt: skip
    first = answer(onboarding, *asked)

    again = onboarding(*asked, "--json")

    assert again.json == {**first, "created": False}
    assert f"is batch {first['batch_id']} already" in again.err
    other = onboarding(*asked, "--force-rerun", "--json")
    assert (other.code, other.json["error"]["code"]) == (3, "REQUEST_ID_USED")
    assert count() == (1, 3)


def test_status_counts_a_batch_from_its_items(
    onboarding: Call, submitted: Any, work: Callable[[Any], None]
) -> None:
    before = answer(onboarding, "status", submitted["batch_id"])
    work(submitted)
    after = answer(onboarding, "status", submitted["batch_id"])

    assert (before["state"], before["queued"], before["percent"]) == ("pending", 3, 0.0)
    assert (after["state"], after["ready"], after["failed"]) == ("partial", 2, 1)
    assert (after["percent"], after["success_rate"]) == (100.0, 66.7)
    told = onboarding("status", submitted["batch_id"]).out
    assert "100.0 % of 3 items" in told
    assert f"enrollment onboarding retry {submitted['batch_id']}" in told


def test_items_and_the_steps_of_one_are_told_with_why_it_failed(
    onboarding: Call, submitted: Any, work: Callable[[Any], None]
) -> None:
    work(submitted)
    batch_id, failed = submitted["batch_id"], submitted["accepted"][1]["item_id"]

    found = answer(onboarding, "status", batch_id, "--items")
    item = answer(onboarding, "status", batch_id, "--item", failed)

    assert [one["status"] for one in found["items"]] == ["ready", "failed", "ready"]
    assert found["refused_items"] == []
    assert (item["item_id"], item["step"]) == (failed, "ask")
    assert item["error"]["code"] == "HTTP_HOST_NOT_ALLOWED"
    assert [(one["step"], one["status"]) for one in item["steps"]] == [
        ("grade", "done"),
        ("ask", "failed"),
    ]
    listed = onboarding("status", batch_id, "--items").out
    assert "HTTP_HOST_NOT_ALLOWED: " in listed
    assert failed in listed
    shown = onboarding("status", batch_id, "--item", failed).out
    assert "ask" in shown
    assert "Remedy: " in shown


def test_an_item_is_shown_below_its_own_batch_only(
    onboarding: Call, submitted: Any, tmp_path: Path
) -> None:
    (tmp_path / "other.csv").write_text("role_name\nAnalyst\n")
    other = answer(
        onboarding, "submit", tmp_path / "other.csv", "--company", "S", "--workflow", "Grading"
    )
    strange = other["accepted"][0]["item_id"]

    refused = onboarding("status", submitted["batch_id"], "--item", strange, "--json")

    assert (refused.code, refused.json["error"]["code"]) == (3, "ONBOARDING_ITEM_NOT_FOUND")
    assert strange in refused.json["error"]["message"]


def test_watch_writes_a_line_for_each_change_until_all_items_have_ended(
    onboarding: Call, submitted: Any, work: Callable[[Any], None], database: Database,
    settings: Settings,
) -> None:  # fmt: skip
    waited = threading.Timer(0.3, work, (submitted,))
    waited.start()
    try:
        followed = onboarding("watch", submitted["batch_id"], "--json")
    finally:
        waited.join()
    documents = [json.loads(line) for line in followed.out.splitlines()]

    assert (documents[0]["state"], documents[-1]["state"]) == ("pending", "partial")
    assert all(one != after for one, after in pairwise(documents))
    told = onboarding("watch", submitted["batch_id"])
    assert told.err == "partial, 100.0 %, 3 of 3 items, 1 failed\n"
    assert submitted["batch_id"] in told.out


def test_a_retry_gives_what_failed_another_attempt_and_totals_stay(
    onboarding: Call, submitted: Any, work: Callable[[Any], None]
) -> None:
    work(submitted)
    batch_id = submitted["batch_id"]
    ready, failed = (submitted["accepted"][number]["item_id"] for number in (0, 1))

    refused = onboarding("retry", batch_id, "--item", failed, "--item", ready, "--json")
    again = answer(onboarding, "retry", batch_id, "--item", failed)

    assert (refused.code, refused.json["error"]["code"]) == (3, "INVALID_STATE")
    assert f"'Analyst' ({ready}), which is ready" in refused.json["error"]["message"]
    assert again["retried"] == [failed]
    assert (again["state"], again["total"], again["queued"]) == ("in_progress", 3, 1)
    work(submitted)
    anew = answer(onboarding, "retry", batch_id, "--force-rerun")
    assert anew["retried"] == [failed]
    item = answer(onboarding, "status", batch_id, "--item", failed)
    assert (item["attempt"], item["status"]) == (3, "queued")
    none = onboarding("retry", batch_id, "--json")
    assert (none.code, none.json["error"]["code"]) == (3, "INVALID_STATE")


def test_cancelling_ends_what_is_queued_and_with_now_what_is_at_work(
    onboarding: Call, submitted: Any, owner: Engine
) -> None:
    batch_id = submitted["batch_id"]
    with owner.begin() as connection:
        connection.execute(
            text(
                "update enrollment.onboarding_items set status = 'in_progress', "
                "started_at = now() where id = :item"
            ),
            {"item": submitted["accepted"][0]["item_id"]},
        )

    first = answer(onboarding, "cancel", batch_id)
    nothing_left = onboarding("cancel", batch_id, "--json")
    last = answer(onboarding, "cancel", batch_id, "--now")

    assert (first["ended"], first["state"], first["in_progress"]) == (2, "in_progress", 1)
    assert (nothing_left.code, nothing_left.json["error"]["code"]) == (3, "INVALID_STATE")
    assert "--now" in nothing_left.json["error"]["remedy"]
    assert (last["ended"], last["state"], last["cancelled"]) == (1, "cancelled", 3)


def test_batches_are_listed_newest_first_by_company_state_and_time(
    onboarding: Call, roles: Path, work: Callable[[Any], None]
) -> None:
    northern, southern = (
        answer(onboarding, "submit", roles, "--company", company, "--workflow", "Grading")
        for company in ("Northern", "Southern")
    )
    work(southern)
    ids = [southern["batch_id"], northern["batch_id"]]

    def listed(*options: str) -> list[str]:
        return [one["batch_id"] for one in answer(onboarding, "list", *options)["batches"]]

    assert listed() == ids
    assert listed("--company", "NORTHERN") == ids[1:]
    assert listed("--state", "partial") == ids[:1]
    assert listed("--since", "2020-01-01", "--until", "2999-12-31") == ids
    assert listed("--until", "2020-01-01") == []
    assert listed("--limit", "1", "--page", "2") == ids[1:]
    told = onboarding("list").out
    assert all(one in told for one in ids)
    assert "2 batches in all" in told
    for option, wrong in (("--state", "gone"), ("--since", "soon")):
        refused = onboarding("list", option, wrong, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (3, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "command", [("status",), ("status", "--items"), ("watch",), ("retry",), ("cancel",)]
)
def test_what_is_no_batch_of_the_account_is_not_found(
    command: tuple[str, ...], submitted: Any, enroll: Call, make_account: Callable[[], Account]
) -> None:
    other = make_account()
    for batch in (submitted["batch_id"], NEVER, "none"):
        refused = enroll(
            "--account", other.name, "--as", "ann", "onboarding", *command, batch, "--json"
        )
        assert (refused.code, refused.json["error"]["code"]) == (3, "ONBOARDING_BATCH_NOT_FOUND")
    listed = enroll("--account", other.name, "onboarding", "list", "--json").json
    assert (listed["batches"], listed["total"]) == ([], 0)


def test_who_may_not_manage_workflows_may_look_and_nothing_else(
    onboarding: Call, submitted: Any, roles: Path, enroll: Call, database: Database,
    account: Account, count: Callable[[], tuple[int, int]],
) -> None:  # fmt: skip
    members.add(database, account, "ann", ["account:admin"], actor="ann")
    members.add(database, account, "eve", ["contacts:manage"], actor="ann")
    batch_id = submitted["batch_id"]

    for command in (
        ("submit", roles, "--company", "Other", "--workflow", "Grading"),
        ("retry", batch_id),
        ("cancel", batch_id),
    ):
        refused = enroll("--account", account.name, "--as", "eve", "onboarding", *command, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (3, "FORBIDDEN")

    assert count() == (1, 3)
    looked = enroll("--account", account.name, "--as", "eve", "onboarding", "status", batch_id)
    assert looked.code == 0
    denied = [one for one in list_audit(database, account)["entries"] if one["result"] == "denied"]
    assert {one["action"] for one in denied} == {
        "onboarding.submit",
        "onboarding.retry",
        "onboarding.cancel",
    }


def test_a_name_from_a_file_does_not_reach_the_terminal_as_a_command(
    onboarding: Call, tmp_path: Path
) -> None:
    path = tmp_path / "roles.json"
    items = [
        {"role_name": "Analyst"},
        {"role_name": "Analyst", "attributes": {"\x1b[31m": 1}, "x\x1b": 1},
    ]
    path.write_text(json.dumps({"company": "N", "workflow": "Grading", "items": items}))

    told = onboarding("submit", path)

    assert told.code == 0
    assert "INVALID_ITEM" in told.out
    assert "\x1b" not in told.out + told.err


def test_prune_removes_batches_that_ended_long_ago(
    onboarding: Call, call: Call, submitted: Any, work: Callable[[Any], None], owner: Engine,
    count: Callable[[], tuple[int, int]],
) -> None:  # fmt: skip
    work(submitted)
    _end_days_ago(owner, submitted, 29)
    assert "onboarding_items" not in answer(call, "prune")["rows"]
    _end_days_ago(owner, submitted, 31)

    foreseen = answer(call, "prune", "--dry-run")["rows"]
    kept = count()
    removed = answer(call, "prune")["rows"]

    assert (foreseen["onboarding_batches"], foreseen["onboarding_items"]) == (1, 3)
    assert kept == (1, 3)
    assert removed == foreseen
    assert count() == (0, 0)


def _end_days_ago(owner: Engine, submitted: Any, days: int) -> None:
    values = {"days": days, "batch": submitted["batch_id"]}
    with owner.begin() as connection:
        for statement in (
            "update enrollment.onboarding_batches "
            "set created_at = now() - make_interval(days => :days + 1) where id = :batch",
            "update enrollment.onboarding_items "
            "set completed_at = now() - make_interval(days => :days) where batch_id = :batch",
        ):
            connection.execute(text(statement), values)


def test_the_documents_of_batches_and_items_are_explained(
    onboarding: Call, submitted: Any, work: Callable[[Any], None]
) -> None:
    work(submitted)
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    batch_id, item_id = submitted["batch_id"], submitted["accepted"][1]["item_id"]
    batch = answer(onboarding, "status", batch_id)
    item = answer(onboarding, "status", batch_id, "--item", item_id)

    assert _fields(page, "The document of a batch") == set(batch)
    assert _fields(page, "The document of an item") == set(item)
    told = re.search(r"^`\{\"batch_id\".*?`", page, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert set(submitted) <= set(re.findall(r'"([a-z_]+)"', told[0]))


def _fields(page: str, heading: str) -> set[str]:
    section = page.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    first_cells = re.findall(r"^\|(.*?)\|", section, re.MULTILINE)
    return set(re.findall(r"`([a-z_]+)`", " ".join(first_cells)))


def test_every_state_and_every_refusal_is_explained_in_the_guide() -> None:
    guide = (DOCS / "onboarding.md").read_text(encoding="utf-8")

    assert list(rows(guide, "How a batch is")) == list(BatchState)
    assert list(rows(guide, "What becomes of an item")) == list(ItemStatus)
    assert list(rows(guide, "What is refused")) == list(Refusal)
