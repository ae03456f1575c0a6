"""`accounts`, `workflows` and `database`: the documents they answer with."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.engine import HEAD
from enrollment_pipeline.storage.tenancy import Database

Enroll = Callable[..., Any]


def test_an_account_is_created_listed_and_set_up(enroll: Enroll, database: Database) -> None:
    name = f"a-{uuid4().hex}"

    created = enroll("accounts", "create", name, "--json").json
    assert created["name"] == name
    account_id = str(UUID(created["account_id"]))

    listed = enroll("accounts", "list", "--json").json
    assert listed["total"] == len(listed["accounts"])
    assert (name, account_id) in [(one["name"], one["account_id"]) for one in listed["accounts"]]

    changed = enroll("--account", name, "--json", "accounts", "settings", "max_lanes = 2").json
    assert changed["settings"]["max_lanes"] == 2
    assert enroll("--account", name, "accounts", "settings", "--json").json == changed


def test_accounts_are_told_to_people_too(enroll: Enroll, database: Database) -> None:
    name = f"a-{uuid4().hex}"

    assert enroll("accounts", "create", name).out == f"Account {name} created.\n"
    assert name in enroll("accounts", "list").out
    assert "max_lanes" in enroll("accounts", "settings", "--account", name).out
    assert enroll("accounts", "create", name).code == 3


def test_an_agency_gets_sub_accounts_and_another_account_none(
    enroll: Enroll, account: Account
) -> None:
    agency, sub, never = (f"a-{uuid4().hex}" for _ in range(3))

    assert enroll("accounts", "create", agency, "--agency", "--json").json["name"] == agency
    made = enroll("accounts", "create", sub, "--parent", agency, "--json").json
    assert set(made) == {"account_id", "name", "settings"}
    for options, code in (
        (["--parent", account.name], "INVALID_STATE"),
        (["--parent", sub], "INVALID_STATE"),
        (["--parent", "no-such"], "ACCOUNT_NOT_FOUND"),
        (["--parent", agency, "--agency"], "INVALID_REQUEST"),
    ):
        refused = enroll("accounts", "create", never, *options, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (3, code)
    assert f'"{never}"' not in enroll("accounts", "list", "--json").out


def test_a_setting_that_is_given_twice_is_not_changed(enroll: Enroll, account: Account) -> None:
    settings = ("accounts", "settings", "--account", account.name, "--json")

    answer = enroll(*settings, "max_lanes=2", "max_lanes=3")

    assert (answer.code, answer.json["error"]["code"]) == (2, "USAGE")
    assert enroll(*settings).json["settings"]["max_lanes"] == account.settings.max_lanes


def test_a_workflow_is_created_activated_and_paused(enroll: Enroll, account: Account) -> None:
    def workflows(*arguments: str) -> Any:
        return enroll("--json", "--account", account.name, "workflows", *arguments).json

    created = workflows("create", "Welcome", "--reenrollment", "always", "--require", "phone")
    assert created == {
        "workflow_id": str(UUID(created["workflow_id"])),
        "name": "Welcome",
        "status": "draft",
        "subject": "contact",
        "reenrollment": "always",
        "required_fields": ["phone"],
    }
    assert workflows("activate", "welcome") == {**created, "status": "active"}
    assert workflows("pause", created["workflow_id"]) == {**created, "status": "paused"}
    (listed,) = workflows("list")["workflows"]
    assert listed == {
        **created,
        "status": "paused",
        "steps": 0,
        "version": 1,
        "template": None,
        "created_at": listed["created_at"],
        "updated_at": listed["updated_at"],
    }
    assert workflows("create", "Now", "--active")["status"] == "active"
    assert workflows("create", "Bad", "--require", "fax")["error"]["code"] == "INVALID_REQUEST"


def test_workflows_are_told_to_people_too(enroll: Enroll, account: Account) -> None:
    def workflows(*arguments: str) -> str:
        return str(enroll("--account", account.name, "workflows", *arguments).out)

    assert "Workflow Welcome created; it is active." in workflows("create", "Welcome", "--active")
    assert workflows("pause", "Welcome") == "Workflow Welcome is paused.\n"
    assert workflows("activate", "Welcome") == "Workflow Welcome is active.\n"
    assert "never_twice" in workflows("list")


def test_the_database_tells_that_it_is_ready(enroll: Enroll, database: Database) -> None:
    assert enroll("database", "upgrade", "--json").json == {"status": "ready", "version": HEAD}

    status = enroll("database", "status", "--json").json
    assert (status["status"], status["version"], status["embedded"]) == ("ready", HEAD, True)
    assert status["url"].startswith("postgresql+psycopg://enrollment_app@")
