"""Global options, answers, refusals and exit codes of the command line."""

import getpass
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import exc

from enrollment_pipeline.cli import trouble
from enrollment_pipeline.cli.output import Output
from enrollment_pipeline.cli.session import Session
from enrollment_pipeline.errors import ProductError
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database

Enroll = Callable[..., Any]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--account", "NAME", "workflows", "list"],
        ["workflows", "list", "--json", "--account", "NAME"],
        ["--account=NAME", "workflows", "--json", "list"],
        ["workflows", "--account", "NAME", "list", "--as", "ann", "--json"],
    ],
)
def test_global_options_may_stand_before_and_after_the_command(
    enroll: Enroll, database: Database, account: Account, add_workflow: Any, arguments: list[str]
) -> None:
    add_workflow(account, "Only here")

    answer = enroll(*(argument.replace("NAME", account.name) for argument in arguments))

    assert answer.code == 0
    assert [workflow["name"] for workflow in answer.json["workflows"]] == ["Only here"]


def test_what_stands_behind_two_dashes_is_no_option(enroll: Enroll, account: Account) -> None:
    answer = enroll("--account", account.name, "workflows", "create", "--", "--json")

    assert answer.code == 0
    assert "--json" in answer.out


def test_a_global_option_without_its_value_is_a_usage_error(enroll: Enroll) -> None:
    answer = enroll("workflows", "list", "--json", "--account")

    assert answer.code == 2
    assert answer.json["error"]["code"] == "USAGE"
    assert "--account" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["workflow"],
        ["workflows", "make"],
        ["workflows", "list", "--nonsense"],
        ["workflows", "create"],
        ["workflows"],
        ["contacts", "import"],
        ["accounts", "settings", "sales"],
    ],
)
def test_a_usage_error_says_so_in_one_paragraph_or_one_document(
    enroll: Enroll, account: Account, arguments: list[str]
) -> None:
    told = enroll(*arguments, "--account", account.name)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("USAGE: ")
    assert told.err.count("\n") == 1
    assert "Remedy: " in told.err

    document = enroll(*arguments, "--account", account.name, "--json")
    assert (document.code, document.err) == (2, "")
    assert document.json["error"]["code"] == "USAGE"
    assert set(document.json["error"]) == {"code", "message", "remedy"}


def test_a_mistyped_command_is_suggested(enroll: Enroll) -> None:
    assert "'workflows'" in enroll("worflows").err


def test_no_command_at_all_shows_the_help(enroll: Enroll) -> None:
    answer = enroll()

    assert answer.code == 2
    assert "workflows" in answer.out
    assert enroll("--json").json["error"]["code"] == "USAGE"


@pytest.mark.parametrize("group", ["accounts", "contacts", "workflows", "database"])
def test_the_help_of_a_group_has_an_example(enroll: Enroll, group: str) -> None:
    answer = enroll(group, "--help")

    assert answer.code == 0
    assert f"Example: enrollment {group} " in answer.out


def test_a_refusal_has_exit_code_3_and_its_remedy(enroll: Enroll, account: Account) -> None:
    told = enroll("--account", account.name, "workflows", "pause", "Nothing")
    assert (told.code, told.out) == (3, "")
    assert told.err.startswith("WORKFLOW_NOT_FOUND: There is no workflow 'Nothing'")
    assert "Remedy: List the workflows with: enrollment workflows list" in told.err

    document = enroll("--json", "--account", account.name, "workflows", "pause", "Nothing")
    assert (document.code, document.err) == (3, "")
    assert document.json["error"]["code"] == "WORKFLOW_NOT_FOUND"


def test_an_unknown_account_is_refused(enroll: Enroll, database: Database) -> None:
    answer = enroll("--json", "--account", f"none-{uuid4().hex}", "workflows", "list")

    assert answer.code == 3
    assert answer.json["error"]["code"] == "ACCOUNT_NOT_FOUND"


def test_the_default_account_is_made_on_first_use(enroll: Enroll, database: Database) -> None:
    assert enroll("workflows", "list").code == 0

    names = [account["name"] for account in enroll("accounts", "list", "--json").json["accounts"]]
    assert names.count("demo") == 1


def test_an_unreachable_database_is_told_without_the_password(
    enroll: Enroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENROLLMENT_DATABASE_URL", "postgresql://ann:se%40cret@127.0.0.1:1/x")

    answer = enroll("accounts", "list")

    assert (answer.code, answer.out) == (4, "")
    assert answer.err.startswith("DATABASE_UNAVAILABLE: ")
    assert "cret" not in answer.err
    assert "Traceback" not in answer.err


def test_an_unexpected_error_is_one_paragraph_and_its_traceback_is_on_request(
    enroll: Enroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("enrollment_pipeline.accounts.service.list_accounts", break_down)

    told = enroll("accounts", "list")
    assert (told.code, told.out) == (4, "")
    assert told.err.startswith("INTERNAL_ERROR: ")
    assert "ENROLLMENT_DEBUG=1" in told.err
    assert told.err.count("\n") == 1

    monkeypatch.setenv("ENROLLMENT_DEBUG", "1")
    document = enroll("accounts", "list", "--json")
    assert document.json["error"]["code"] == "INTERNAL_ERROR"
    assert "Traceback" in document.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("cannot use postgresql://ann:secret@host/x\nmore"), "INTERNAL_ERROR"),
        (psycopg.OperationalError("no answer from //ann:secret@host"), "DATABASE_UNAVAILABLE"),
        (exc.TimeoutError("secret"), "DATABASE_UNAVAILABLE"),
        (
            exc.IntegrityError(
                "insert", {"email": "secret"}, psycopg.IntegrityError("twice\nsecret")
            ),
            "INTERNAL_ERROR",
        ),
    ],
)
def test_no_error_of_a_library_shows_secrets_or_data(error: Exception, code: str) -> None:
    told = trouble.as_product_error(error)

    assert told.code == code
    assert told.exit_code == 4
    assert "secret" not in str(told.as_dict())


def test_an_error_of_the_product_stays_what_it_is() -> None:
    error = ProductError("said")

    assert trouble.as_product_error(error) is error


def test_who_asks_is_the_user_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    def requested_by(name: str | None) -> str:
        return Session(account_name="x", requested_by=name, output=Output()).requested_by

    assert requested_by("ann") == "ann"
    assert requested_by(None) == getpass.getuser()


def test_a_foreign_name_cannot_send_escape_sequences_to_the_terminal(
    enroll: Enroll, account: Account, add_workflow: Any
) -> None:
    add_workflow(account, "Red \x1b[31m[bold]alert")

    answer = enroll("--account", account.name, "workflows", "list")

    assert "\x1b" not in answer.out
    assert "[31m[bold]alert" in answer.out


def test_ids_are_shown_whole_where_no_terminal_limits_the_width(
    enroll: Enroll, account: Account, add_workflow: Any
) -> None:
    workflow_id = add_workflow(account, "A name of some length " * 5)

    assert str(workflow_id) in enroll("--account", account.name, "workflows", "list").out
