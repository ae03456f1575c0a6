"""`workflows`: documents, problems and the editor; what it answers with, and what it refuses."""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from enrollment_pipeline.records import Account
from enrollment_pipeline_tests.cli.triggering import Call, answer
from enrollment_pipeline_tests.workflows.examples import full, mailing, small

Write = Callable[[object], Path]
Edit = Callable[..., Any]
NOT_CONNECTED = {
    "path": "integrations",
    "message": "email is not connected: enrollment integrations connect email",
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a document into a file."""

    def wrote(document: object) -> Path:
        file = tmp_path / "document.yaml"
        file.write_text(json.dumps(document))
        return file

    return wrote


@pytest.fixture
def workflows(call: Call, database: object) -> Call:
    """Run a command of the group in the test's account."""
    return lambda *arguments: call("workflows", *arguments)


@pytest.fixture
def terminal() -> Iterator[int]:
    """A terminal that a program can have for its standard input."""
    ours, theirs = os.openpty()
    yield theirs
    os.close(theirs)
    os.close(ours)


@pytest.fixture
def edit(program: Call, account: Account, database: object, terminal: int, tmp_path: Path) -> Edit:
    """Run `workflows edit Welcome` in a terminal, with lines of shell in place of an editor."""

    def run(script: str, *options: str) -> Any:
        editor = tmp_path / "editor"
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o755)
        return program(
            "--account", account.name, "workflows", "edit", "Welcome", *options,
            stdin=terminal, env={**os.environ, "EDITOR": str(editor), "TMPDIR": str(tmp_path)},
        )  # fmt: skip

    return run


def total(workflows: Call) -> int:
    return int(answer(workflows, "list")["total"])


def test_a_workflow_is_created_of_a_document(workflows: Call, write: Write) -> None:
    made = answer(workflows, "create", "--file", write(small()))

    assert made == {
        "workflow_id": str(UUID(made["workflow_id"])),
        "name": "Welcome",
        "status": "draft",
        "subject": "contact",
        "reenrollment": "never_twice",
        "required_fields": [],
        "steps": 1,
        "version": 1,
        "template": None,
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
        "document": made["document"],
        "problems": [],
    }
    assert made["document"]["steps"] == small()["steps"]
    assert made["document"]["trigger"]["parameters"] == {"tag": "lead"}
    assert answer(workflows, "show", "welcome") == {**made, "template_update": None}
    named = answer(workflows, "create", "Other", "--file", write(small()), "--active")
    assert (named["name"], named["document"]["name"], named["status"]) == (
        "Other",
        "Other",
        "active",
    )


def test_a_draft_tells_what_it_lacks(workflows: Call, write: Write) -> None:
    made = answer(workflows, "create", "--file", write(mailing()))
    assert made["problems"] == [NOT_CONNECTED]

    told = workflows("create", "Again", "--file", write(mailing())).out
    assert told.startswith("Workflow Again created; it is draft.\nBefore it can be activated:\n")
    assert NOT_CONNECTED["message"] in told
    UUID(told.splitlines()[-1])
    assert NOT_CONNECTED["message"] in workflows("show", "Again").out


def test_what_cannot_be_active_is_not_created_active(workflows: Call, write: Write) -> None:
    refused = workflows("create", "--file", write(mailing()), "--active", "--json")

    assert refused.code == 3
    assert refused.json["error"]["code"] == "INVALID_WORKFLOW"
    assert refused.json["error"]["details"]["errors"] == [NOT_CONNECTED]
    assert total(workflows) == 0


def test_a_document_is_shown_as_tree_drawing_and_yaml_that_is_taken_back(
    workflows: Call, write: Write
) -> None:
    answer(workflows, "create", "--file", write(full()))

    told = workflows("show", "Welcome series").out
    assert all(step["id"] in told for step in full()["steps"])
    assert "Enters again  after_exit" in told
    document = answer(workflows, "show", "Welcome series", "--document")
    yaml_text = workflows("show", "Welcome series", "--document").out
    assert yaml.safe_load(yaml_text)["steps"] == document["steps"] == full()["steps"]
    copied = answer(workflows, "create", "Copy", "--file", write(document))
    assert copied["document"] == {**document, "name": "Copy"}
    drawn = answer(workflows, "show", "Copy", "--mermaid")
    assert drawn["mermaid"].startswith("flowchart TD\n")
    assert drawn["name"] == "Copy"
    assert workflows("show", "Copy", "--mermaid").out.startswith(drawn["mermaid"])


def test_an_edit_replaces_the_parts_that_a_file_has(workflows: Call, write: Write) -> None:
    answer(workflows, "create", "--file", write(small(description="Old.", values={"a": "b"})))

    edited = answer(
        workflows, "edit", "Welcome", "--version", "1", "--file",
        write({"name": "Hello", "description": None, "settings": {"reenrollment": "always"}}),
    )  # fmt: skip

    assert (edited["name"], edited["version"], edited["reenrollment"]) == ("Hello", 2, "always")
    assert "description" not in edited["document"]
    assert edited["document"]["values"] == {"a": "b"}
    late = workflows("edit", "Hello", "--version", "1", "--file", write({"name": "Late"}), "--json")
    assert (late.code, late.json["error"]["code"]) == (3, "WORKFLOW_CHANGED")
    told = workflows("edit", "Hello", "--file", write({"values": {}})).out
    assert told.startswith("Workflow Hello is at version 3; it is draft.\n")
    assert answer(workflows, "show", "Hello")["version"] == 3


def test_an_editor_changes_the_document_and_what_is_taken_out_goes(
    workflows: Call, write: Write, edit: Edit
) -> None:
    answer(workflows, "create", "--file", write(small(description="Old.")))

    done = edit("sed -i -e 's/A lead/A new lead/' -e '/^description/d' \"$1\"")

    assert done.code == 0, done.err
    assert done.out.startswith("Workflow Welcome is at version 2; it is draft.\n")
    document = answer(workflows, "show", "Welcome")["document"]
    assert document["steps"][0]["message"] == "A new lead"
    assert "description" not in document


@pytest.mark.parametrize(
    ("script", "options", "code", "error"),
    [
        ("true", [], 2, "USAGE"),
        ("exit 1", [], 2, "USAGE"),
        ("sed -i 's/A lead/More/' \"$1\"", ["--version", "7"], 3, "WORKFLOW_CHANGED"),
    ],
)
def test_an_editor_that_saves_nothing_or_may_not_changes_nothing(
    workflows: Call,
    write: Write,
    edit: Edit,
    script: str,
    options: list[str],
    code: int,
    error: str,
) -> None:
    answer(workflows, "create", "--file", write(small()))

    done = edit(script, *options)

    assert (done.code, done.err.split(":")[0]) == (code, error)
    assert answer(workflows, "show", "Welcome")["version"] == 1


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("name: [", "INVALID_FILE"),
        ("- name", "INVALID_FILE"),
        ("name: Welcome\nsteps: []", "INVALID_WORKFLOW"),
        ("name: Welcome\ncolour: red", "INVALID_WORKFLOW"),
    ],
)
def test_what_was_written_in_an_editor_and_is_refused_is_kept(
    workflows: Call, write: Write, edit: Edit, written: str, error: str
) -> None:
    answer(workflows, "create", "--file", write(small()), "--active")

    done = edit(f"printf '%b' '{written}' > \"$1\"")

    assert (done.code, done.err.split(":")[0]) == (3, error)
    (kept,) = re.findall(r"What you wrote is in (\S+):", done.err)
    assert Path(kept).read_text() == written
    assert answer(workflows, "show", "Welcome")["version"] == 1


def test_without_a_terminal_there_is_no_editor(workflows: Call, write: Write) -> None:
    answer(workflows, "create", "--file", write(small()))

    refused = workflows("edit", "Welcome", "--json")

    assert (refused.code, refused.json["error"]["code"]) == (2, "USAGE")
    assert "--file" in refused.json["error"]["message"]


def test_a_workflow_and_a_document_are_validated(workflows: Call, write: Write) -> None:
    assert answer(workflows, "validate", "--file", write(small())) == {
        "valid": True,
        "problems": [],
    }
    answer(workflows, "create", "--file", write(mailing()))
    found = workflows("validate", "Mailing", "--json")
    assert (found.code, found.json) == (3, {"valid": False, "problems": [NOT_CONNECTED]})
    # Which account a document is for is not known.
    assert workflows("validate", "--file", write(mailing())).out.endswith("is valid.\n")
    broken = workflows("validate", "--file", write(small(steps=[{"id": "a", "type": "delay"}])))
    assert broken.code == 3
    assert "steps[0]" in broken.out
    assert "use wait." in broken.out
    assert total(workflows) == 1


def test_workflows_are_listed_by_status_and_archived(workflows: Call, write: Write) -> None:
    answer(workflows, "create", "--file", write(small("a")))
    answer(workflows, "create", "--file", write(small("B")), "--active")

    def listed(*options: str) -> list[str]:
        found = answer(workflows, "list", *options)
        assert found["total"] == len(found["workflows"])
        return [one["name"] for one in found["workflows"]]

    assert listed() == ["a", "B"]
    assert listed("--status", "active") == ["B"]
    assert workflows("archive", "a").out == "Workflow a is archived.\n"
    assert listed("--status", "archived") == ["a"]
    active = workflows("archive", "B", "--json")
    assert (active.code, active.json["error"]["code"]) == (3, "INVALID_STATE")
    assert answer(workflows, "pause", "B")["status"] == "paused"
    assert answer(workflows, "archive", "B")["status"] == "archived"
    again = workflows("activate", "B", "--json")
    assert (again.code, again.json["error"]["code"]) == (3, "INVALID_STATE")
    assert workflows("list").out.split()[:3] == ["Name", "Status", "Steps"]


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["create"], 2, "USAGE"),
        (["create", "--file", "/no/such.yaml"], 2, "USAGE"),
        (["create", "--file", "FILE", "--require", "email"], 2, "USAGE"),
        (["create", "--file", "FILE", "--reenrollment", "always"], 2, "USAGE"),
        (["create", "--file", "FILE"], 3, "INVALID_WORKFLOW"),
        (["create", "New", "--file", "FILE"], 3, "INVALID_WORKFLOW"),
        (["create", "Welcome"], 3, "WORKFLOW_EXISTS"),
        (["edit", "Nobody", "--file", "FILE"], 3, "INVALID_WORKFLOW"),
        (["edit", "Welcome", "--file", "FILE"], 3, "INVALID_WORKFLOW"),
        (["show", "Nobody"], 3, "WORKFLOW_NOT_FOUND"),
        (["show", "Welcome", "--mermaid", "--document"], 2, "USAGE"),
        (["validate"], 2, "USAGE"),
        (["validate", "Welcome", "--file", "FILE"], 2, "USAGE"),
        (["validate", "Nobody"], 3, "WORKFLOW_NOT_FOUND"),
        (["list", "--status", "gone"], 2, "USAGE"),
        (["archive", "Nobody"], 3, "WORKFLOW_NOT_FOUND"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_code_and_a_remedy(
    workflows: Call, write: Write, arguments: list[str], code: int, error: str
) -> None:
    made = answer(workflows, "create", "--file", write(small()))
    file = write(["no", "object"])

    answered = workflows(*(file if one == "FILE" else one for one in arguments), "--json")

    assert (answered.code, answered.json["error"]["code"]) == (code, error)
    assert answered.json["error"]["message"]
    assert answered.json["error"]["remedy"]
    assert total(workflows) == 1
    assert answer(workflows, "show", "Welcome") == {**made, "template_update": None}
