"""`enrollment contacts`: every command as typed, with real files, and what each of them refuses."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from enrollment_pipeline.cli.contacts import value_of
from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.cli.triggering import Call, answer

PEOPLE = "email,first_name,City\nann@example.com,Ann,Bern\nbob@example.com,Bob,\nnobody,Carl,Rome\n"
Write = Callable[..., Path]


@pytest.fixture
def contacts(call: Call) -> Iterator[Call]:
    """Run a command of the group in the test's account; nothing that waits stays behind."""
    yield lambda *arguments: call("contacts", *arguments)
    # A test of the queue sees the operations of all accounts.
    for one in answer(call, "operations", "list", "--status", "scheduled")["operations"]:
        again = ["--recurring"] if one["recurs"] else []
        answer(call, "operations", "cancel", one["operation_id"], *again)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and return its path."""

    def write(content: str = PEOPLE, name: str = "people.csv") -> Path:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


@pytest.fixture
def known(owner: Engine, account: Account) -> Callable[[], list[dict[str, Any]]]:
    """Return the account's contacts, by address."""

    def read() -> list[dict[str, Any]]:
        with owner.connect() as connection:
            found = connection.execute(
                text(
                    "select id, email, first_name, status, tags, custom_fields, birthday "
                    "from enrollment.contacts where account_id = :account and deleted_at is null "
                    "order by email"
                ),
                {"account": account.id},
            )
            return [dict(row._mapping) for row in found]

    return read


def names(found: list[dict[str, Any]]) -> dict[str, str | None]:
    """Return the first names by address."""
    return {one["email"]: one["first_name"] for one in found}


def test_an_import_runs_here_and_answers_with_its_document(
    contacts: Call, write: Write, known: Any
) -> None:
    done = answer(contacts, "import", write())

    assert (done["type"], done["status"]) == ("import", "completed_with_errors")
    assert done["outcomes"] == {"created": 2, "rejected": 1}
    assert done["rows"] == sum(done["outcomes"].values())
    assert done["parameters"]["file"] == "people.csv"
    assert done["can_be_rolled_back_until"] > done["completed_at"]
    (rejected,) = csv.DictReader(io.StringIO(Path(done["files"]["rejected"]).read_text()))
    assert (rejected["line"], rejected["column"], rejected["value"]) == ("4", "email", "nobody")
    assert names(known()) == {"ann@example.com": "Ann", "bob@example.com": "Bob"}
    assert known()[0]["custom_fields"] == {"City": "Bern"}

    again = answer(contacts, "import", write())
    assert again["outcomes"] == {"unchanged": 2, "rejected": 1}


def test_a_preview_foresees_what_the_import_does_and_leaves_nothing(
    contacts: Call, call: Call, write: Write, known: Any
) -> None:
    foreseen = answer(contacts, "import", write(), "--preview")

    assert known() == []
    assert answer(call, "operations", "list")["total"] == 0
    assert foreseen["dry_run"]
    first = foreseen["changes"][0]
    assert first["email"] == "ann@example.com"
    assert {"field": "first_name", "before": None, "after": "Ann"} in first["fields"]
    (left_out,) = foreseen["left_out"]
    assert (left_out["line"], left_out["column"], left_out["value"]) == (4, "email", "nobody")
    assert foreseen["outcomes"] == answer(contacts, "import", write())["outcomes"]


def test_a_person_sees_the_outcomes_and_what_can_be_done_about_them(
    contacts: Call, write: Write
) -> None:
    foreseen = contacts("import", write(), "--preview")
    done = contacts("import", write())

    assert (foreseen.code, done.code) == (0, 0)
    assert "first_name  " in foreseen.out
    assert "This was a dry run; nothing was changed." in foreseen.out
    for told in ("created", "rejected", "people.csv, upsert by email", "rejected.csv"):
        assert told in done.out
    assert "it can be taken back: enrollment operations rollback " in done.out
    assert " --rows" in done.out


def test_the_options_of_an_import_are_what_it_keeps(contacts: Call, write: Write) -> None:
    asked = answer(
        contacts, "import", write(), "--queue", "--format", "csv", "--mode", "update",
        "--key", "custom_fields.City", "--map", "first_name=last_name", "--map", "email=",
        "--drop-unmapped", "--clear-blanks", "--reject-duplicates", "--date-format", "%d.%m.%Y",
        "--allow-resubscribe", "--fire-triggers", "--max-change-share", "0.25",
        "--notify-email", "ops@example.com", "--notify-webhook", "https://example.com/hook?key=1",
    )  # fmt: skip

    assert asked["status"] == "scheduled"
    parameters = asked["parameters"]
    assert {name: parameters[name] for name in ("format", "mode", "key", "date_format")} == {
        "format": "csv",
        "mode": "update",
        "key": "custom_fields.City",
        "date_format": "%d.%m.%Y",
    }
    assert parameters["mapping"] == {"first_name": "last_name", "email": ""}
    assert (parameters["unmapped"], parameters["blanks"]) == ("drop", "clear")
    assert (parameters["duplicates"], parameters["max_change_share"]) == ("reject", 0.25)
    assert parameters["allow_resubscribe"] is parameters["fire_triggers"] is True
    assert asked["notify"]["emails"] == ["ops@example.com"]
    assert "key=1" not in json.dumps(asked["notify"])


def test_a_request_id_stands_for_one_operation(contacts: Call, write: Write) -> None:
    arguments = ("import", write(), "--request-id", "march", "--json")
    first, second = contacts(*arguments), contacts(*arguments)
    other = contacts(*arguments, "--clear-blanks")

    assert second.json["operation_id"] == first.json["operation_id"]
    assert "nothing was submitted" in second.err
    assert (other.code, other.json["error"]["code"]) == (3, "REQUEST_ID_USED")


def test_a_guard_that_is_exceeded_ends_the_command_with_its_refusal(
    contacts: Call, write: Write, known: Any, account: Account, add_contacts: Any
) -> None:
    add_contacts(account, 4)
    everybody = ("update", "--filter", "{}", "--set", "first_name=Ann")

    refused = contacts(*everybody, "--max-change-share", "0.5", "--json")

    assert (refused.code, refused.json["error"]["code"]) == (3, "TOO_MANY_CHANGES")
    assert refused.json["error"]["details"]["changed"] == 4
    assert "--max-change-share" in refused.json["error"]["remedy"]
    assert set(names(known()).values()) == {None}


def test_an_operation_of_nothing_but_errors_ends_the_command_like_an_error(
    contacts: Call, write: Write
) -> None:
    done = contacts("import", write("email\nnobody\n"), "--json")

    assert (done.code, done.json["status"]) == (4, "failed")


@pytest.mark.parametrize(
    ("format_", "first"), [("csv", b"email,tags\n"), ("jsonl", b"{"), ("parquet", b"PAR1")]
)
def test_an_export_is_copied_to_where_one_wants_it(
    contacts: Call, account: Account, add_contacts: Any, tmp_path: Path, format_: str, first: bytes
) -> None:
    add_contacts(account, 3, tags=["vip"])
    add_contacts(account, 2, prefix="other")
    target = tmp_path / "out.data"
    vips = '{"conditions": [{"field": "tags", "operator": "contains", "value": "vip"}]}'

    done = answer(
        contacts, "export", "--filter", vips, "--fields", "email, tags", "--format", format_,
        "--output", target,
    )  # fmt: skip

    assert (done["status"], done["outcomes"], done["output"]) == (
        "completed",
        {"exported": 3},
        str(target),
    )
    assert target.read_bytes().startswith(first)
    assert target.read_bytes() == Path(done["files"]["contacts"]).read_bytes()
    assert done["files_expire_at"] > done["completed_at"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.data"]


def test_an_export_replaces_no_file_without_force(
    contacts: Call, account: Account, add_contacts: Any, tmp_path: Path
) -> None:
    add_contacts(account, 1)
    target = tmp_path / "out.csv"
    target.write_text("mine")

    refused = contacts("export", "--output", target, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (2, "USAGE")
    assert "--force" in refused.json["error"]["remedy"]
    assert target.read_text() == "mine"

    answer(contacts, "export", "--output", target, "--force")
    assert "contact-00001@example.com" in target.read_text()


def test_an_export_that_cannot_be_copied_says_where_it_is(
    contacts: Call, account: Account, add_contacts: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    add_contacts(account, 1)

    def full(_: Path, partial: Path) -> None:
        partial.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    done = contacts("export", "--output", tmp_path / "out.csv")

    assert (done.code, done.out) == (4, "")
    assert "contacts.csv, but cannot be copied to" in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_update_sets_clears_and_tags(
    contacts: Call, account: Account, add_contacts: Any, known: Any
) -> None:
    first, second, _ = add_contacts(account, 3, first_name="Old", tags=["lead"])

    done = answer(
        contacts, "update", "--ids", f"{first},{second}", "--set", "first_name=",
        "--set", "birthday=1990-04-03", "--set", "custom_fields.plan=gold",
        "--set", "custom_fields.seats=12", "--add-tag", "vip", "--remove-tag", "lead",
        "--status", "unsubscribed",
    )  # fmt: skip

    assert (done["status"], done["outcomes"]) == ("completed", {"updated": 2})
    changed, _, untouched = known()
    assert (changed["first_name"], changed["tags"], changed["status"]) == (
        None,
        ["vip"],
        "unsubscribed",
    )
    assert str(changed["birthday"]) == "1990-04-03"
    assert changed["custom_fields"] == {"plan": "gold", "seats": 12}
    assert (untouched["first_name"], untouched["tags"]) == ("Old", ["lead"])


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("", None),
        ("null", None),
        ("12", 12),
        ("1.50", 1.5),
        ("true", True),
        ('"12"', "12"),
        ('""', ""),
        ("gold", "gold"),
        ("007", "007"),
        ("+41 44", "+41 44"),
        ("NaN", "NaN"),
        ("1e999", "1e999"),
        ("-Infinity", "-Infinity"),
        ("[1]", "[1]"),
        ('{"a": 1}', '{"a": 1}'),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5_000, "9" * 5_000),
    ],
)
def test_a_custom_field_takes_json_where_it_is_one_value_and_else_the_text(
    given: str, value: object
) -> None:
    found = value_of("custom_fields.x", given)

    assert (found, type(found)) == (value, type(value))
    assert value_of("first_name", given) == (given or None)


def test_contacts_are_deleted_by_a_file(
    contacts: Call, account: Account, add_contacts: Any, write: Write, known: Any
) -> None:
    add_contacts(account, 3)
    listed = write("email\ncontact-00001@example.com\nnobody@example.com\n")

    done = answer(contacts, "delete", "--csv", listed, "--column", "email")

    assert (done["status"], done["outcomes"]) == (
        "completed_with_errors",
        {"deleted": 1, "unmatched": 1},
    )
    assert list(names(known())) == ["contact-00002@example.com", "contact-00003@example.com"]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "left"), [("n\n", 3), ("\n", 3), ("", 3), ("y\n", 1)], ids=repr)
def test_on_a_terminal_a_delete_asks_with_the_number(
    contacts: Call, account: Account, add_contacts: Any, known: Any, monkeypatch: Any,
    typed: str, left: int,
) -> None:  # fmt: skip
    ids = add_contacts(account, 3)
    monkeypatch.setattr("sys.stdin", _Terminal(typed))

    done = contacts("delete", "--ids", f"{ids[0]},{ids[1]}")

    assert "Delete 2 contacts? [y/N]: " in done.err
    assert done.code == (0 if left == 1 else 130)
    assert len(known()) == left
    if left == 3:
        assert (done.out, "Nothing was deleted." in done.err) == ("", True)


def test_with_yes_or_as_json_nobody_is_asked(
    contacts: Call, account: Account, add_contacts: Any, known: Any, monkeypatch: Any
) -> None:
    first, second, _ = add_contacts(account, 3)
    monkeypatch.setattr("sys.stdin", _Terminal(""))

    assert contacts("delete", "--ids", first, "--yes").code == 0
    assert contacts("delete", "--ids", second, "--json").code == 0
    assert len(known()) == 1


def test_what_was_imported_and_changed_since_is_kept_by_a_rollback(
    contacts: Call, call: Call, write: Write, known: Any
) -> None:
    done = answer(contacts, "import", write())
    answer(contacts, "update", "--filter", ANN, "--set", "first_name=Anna")

    foreseen = answer(contacts, "rollback", done["operation_id"], "--preview")
    assert foreseen["outcomes"] == {"kept": 1, "reversed": 1}
    back = answer(contacts, "rollback", done["operation_id"])

    assert (back["type"], back["reverses"]) == ("rollback", done["operation_id"])
    assert back["outcomes"] == foreseen["outcomes"]
    assert names(known()) == {"ann@example.com": "Anna"}
    assert answer(call, "operations", "show", done["operation_id"])["status"] == (
        "partially_rolled_back"
    )
    (kept,) = answer(call, "operations", "show", back["operation_id"], "--rows")["rows"]
    assert kept["identifier"] == "ann@example.com"
    assert kept["details"]["fields"] == [
        {"field": "first_name", "before": None, "after": "Ann", "now": "Anna"}
    ]
    told = call("operations", "show", back["operation_id"], "--rows").out
    assert "Kept" in told
    assert "Anna" in told

    again = contacts("rollback", done["operation_id"], "--json")
    assert (again.code, again.json["error"]["code"]) == (3, "NOT_REVERSIBLE")


ANN = '{"conditions": [{"field": "email", "operator": "equals", "value": "ann@example.com"}]}'
NEVER = str(UUID(int=7))


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["import"], 2, "USAGE"),
        (["import", "FOLDER"], 3, "INVALID_FILE"),
        (["import", "/nowhere/people.csv"], 3, "INVALID_FILE"),
        (["import", "/dev/null"], 3, "INVALID_FILE"),
        (["import", "PEOPLE", "--format", "xml"], 3, "INVALID_REQUEST"),
        (["import", "PEOPLE", "--mode", "replace"], 3, "INVALID_REQUEST"),
        (["import", "PEOPLE", "--key", "phone"], 3, "INVALID_REQUEST"),
        (["import", "PEOPLE", "--key", "contact_id"], 3, "INVALID_REQUEST"),
        (["import", "PEOPLE", "--map", "nonsense"], 2, "USAGE"),
        (["import", "PEOPLE", "--map", "=email"], 2, "USAGE"),
        (["import", "PEOPLE", "--map", "City=phone", "--map", "City=tags"], 2, "USAGE"),
        (["import", "PEOPLE", "--map", "Town=phone"], 3, "INVALID_REQUEST"),
        (["import", "PEOPLE", "--map", "City=shoe_size"], 3, "INVALID_REQUEST"),
        (
            ["import", "PEOPLE", "--map", "City=email", "--map", "email=email"],
            3,
            "INVALID_REQUEST",
        ),
        (["import", "PEOPLE", "--date-format", "%d/%H"], 3, "INVALID_REQUEST"),
        (["import", "PEOPLE", "--max-change-share", "half"], 2, "USAGE"),
        (["import", "PEOPLE", "--max-change-share", "nan"], 3, "INVALID_REQUEST"),
        (["import", "PEOPLE", "--cron", "0 9 * * *"], 3, "PATH_NOT_ALLOWED"),
        (["export", "--format", "pdf"], 3, "INVALID_REQUEST"),
        (["export", "--fields", "email,shoe_size"], 3, "INVALID_REQUEST"),
        (["export", "--fields", "email,,status"], 3, "INVALID_REQUEST"),
        (["export", "--fields", ""], 3, "INVALID_REQUEST"),
        (["export", "--filter", "{"], 2, "USAGE"),
        (["export", "--filter", "7"], 3, "INVALID_REQUEST"),
        (["export", "--filter", '{"field": "shoe"}'], 3, "INVALID_CONDITION"),
        (["export", "--output", "FOLDER"], 2, "USAGE"),
        (["export", "--output", "/nowhere/out.csv"], 2, "USAGE"),
        (["export", "--output", "/dev/null", "--force"], 2, "USAGE"),
        (["export", "--output", "out.csv", "--queue"], 2, "USAGE"),
        (["update", "--set", "first_name=Ann"], 2, "USAGE"),
        (["update", "--ids", NEVER], 3, "INVALID_REQUEST"),
        (["update", "--ids", NEVER, "--filter", "{}", "--set", "first_name=Ann"], 2, "USAGE"),
        (["update", "--ids", NEVER, "--set", "nonsense"], 2, "USAGE"),
        (["update", "--ids", NEVER, "--set", "shoe_size=1"], 3, "INVALID_REQUEST"),
        (["update", "--ids", NEVER, "--set", "email=a@example.com"], 3, "INVALID_REQUEST"),
        (["update", "--ids", NEVER, "--set", "birthday=03/04/1990"], 3, "INVALID_REQUEST"),
        (["update", "--ids", NEVER, "--status", "asleep"], 3, "INVALID_REQUEST"),
        (["update", "--ids", NEVER, "--add-tag", "a", "--remove-tag", "a"], 3, "INVALID_REQUEST"),
        (["update", "--ids", "@/nowhere", "--add-tag", "a"], 2, "USAGE"),
        (["delete"], 2, "USAGE"),
        (["delete", "--csv", "FOLDER"], 3, "INVALID_FILE"),
        (["delete", "--csv", "PEOPLE", "--column", "shoe"], 3, "INVALID_REQUEST"),
        (["delete", "--ids", NEVER, "--after", "yesterday"], 3, "OPERATION_NOT_FOUND"),
        (["delete", "--ids", NEVER, "--after", NEVER], 3, "OPERATION_NOT_FOUND"),
        (["delete", "--ids", NEVER, "--at", "tomorrow"], 3, "INVALID_REQUEST"),
        (["delete", "--ids", NEVER, "--at", "2001-01-01T00:00"], 3, "INVALID_REQUEST"),
        (["delete", "--ids", NEVER, "--timezone", "Mars/Olympus"], 3, "INVALID_REQUEST"),
        (["delete", "--ids", NEVER, "--cron", "0 9 * * *"], 3, "INVALID_REQUEST"),
        (["delete", "--filter", "{}", "--cron", "0 9 * *"], 3, "INVALID_REQUEST"),
        (["delete", "--filter", "{}", "--rrule", "FREQ=NEVER"], 3, "INVALID_REQUEST"),
        (
            ["delete", "--filter", "{}", "--cron", "0 9 * * *", "--rrule", "FREQ=DAILY"],
            3,
            "INVALID_REQUEST",
        ),
        (["delete", "--filter", "{}", "--until", "2030-01-01"], 3, "INVALID_REQUEST"),
        (["delete", "--filter", "{}", "--notify-email", "nobody"], 3, "INVALID_REQUEST"),
        (["rollback", "yesterday"], 3, "OPERATION_NOT_FOUND"),
        (["rollback", NEVER], 3, "OPERATION_NOT_FOUND"),
    ],
)
def test_nonsense_is_refused_with_a_code_and_a_remedy(
    contacts: Call, call: Call, write: Write, arguments: list[str], code: int, error: str
) -> None:
    people = write()
    places = {"PEOPLE": people, "FOLDER": people.parent}

    refused = contacts(*(places.get(one, one) for one in arguments), "--json")

    assert (refused.code, refused.json["error"]["code"]) == (code, error), refused.out
    assert refused.json["error"]["remedy"]
    assert "Traceback" not in refused.err
    assert answer(call, "operations", "list")["total"] == 0


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("contacts:manage", {"import", "update"}),
        ("contacts:export", {"export"}),
        ("contacts:delete", {"delete"}),
    ],
)
def test_each_type_needs_its_permission(
    contacts: Call, call: Call, write: Write, permission: str, allowed: set[str]
) -> None:
    commands = {
        "import": ("import", write(), "--queue"),
        "export": ("export", "--queue"),
        "update": ("update", "--filter", "{}", "--add-tag", "a", "--queue"),
        "delete": ("delete", "--filter", "{}", "--queue"),
    }
    call("members", "add", "ann", "--permission", "account:admin")
    call("members", "add", "bob", "--permission", permission)

    answers = {name: contacts(*given, "--as", "bob", "--json") for name, given in commands.items()}

    assert {name for name, one in answers.items() if one.code == 0} == allowed
    refused = [one.json["error"]["code"] for name, one in answers.items() if name not in allowed]
    assert set(refused) == {"FORBIDDEN"}
