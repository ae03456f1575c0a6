"""`templates`: the documents it answers with, what a person reads, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml

from enrollment_pipeline.records import Account
from enrollment_pipeline.templates.documents import CATEGORIES
from enrollment_pipeline.templates.shipped_library import shipped_templates
from enrollment_pipeline_tests.cli.triggering import Call, answer
from enrollment_pipeline_tests.workflows.examples import mailing, small

Write = Callable[..., Path]
GREETING = "birthday-greeting"
PERSONAL = small(
    "Own",
    values={"shop_link": ""},
    steps=[
        {"id": "tells", "type": "notify", "message": "Ask ada@example.com, {{values.shop_link}}"},
        {"id": "rests", "type": "wait", "duration": "3 days"},
        {"id": "marks", "type": "add_tag", "tag": "hot"},
    ],
)
NEWER = {
    **PERSONAL,
    "steps": [
        PERSONAL["steps"][0],
        {"id": "rests", "type": "wait", "duration": "4 days"},
        {"id": "marks", "type": "add_tag", "tag": "warm"},
    ],
}
EVERY_VALUE = ("--value", "shop_link=https://example.com", "--value", "email_1=bob@example.com")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a document into a file."""

    def wrote(document: object, name: str = "document.yaml") -> Path:
        file = tmp_path / name
        file.write_text(json.dumps(document))
        return file

    return wrote


@pytest.fixture
def templates(call: Call, database: object) -> Call:
    """Run a command of the group in the test's account."""
    return lambda *arguments: call("templates", *arguments)


@pytest.fixture
def workflows(call: Call) -> Call:
    """Run a command of `workflows` in the same account."""
    return lambda *arguments: call("workflows", *arguments)


@pytest.fixture
def own(templates: Call, workflows: Call, write: Write) -> dict[str, Any]:
    """A template of the account's own, as `save` answers."""
    answer(workflows, "create", "--file", write(PERSONAL))
    saved: dict[str, Any] = answer(
        templates, "save", "Own", "--category", "onboarding", "--tag", "New", "--tag", "calls",
    )  # fmt: skip
    return saved


@pytest.fixture
def cloned(templates: Call, own: dict[str, Any], write: Write) -> dict[str, Any]:
    """A clone of the first version of a template that has a second one."""
    made: dict[str, Any] = answer(templates, "clone", "Own", "--name", "Clone", *EVERY_VALUE)
    answer(templates, "update", "Own", "--file", write(NEWER), "--note", "Longer")
    return made


@pytest.fixture
def agency(enroll: Call, own: dict[str, Any], database: object, write: Write) -> dict[str, Call]:
    """Commands of an agency that has a template, and those of its sub-account."""
    agency, sub = f"a-{uuid4().hex}", f"s-{uuid4().hex}"
    assert enroll("accounts", "create", agency, "--agency").code == 0
    assert enroll("accounts", "create", sub, "--parent", agency).code == 0

    def of(name: str) -> Call:
        return lambda *arguments: enroll("--account", name, *arguments)

    answer(of(agency), "workflows", "create", "--file", write(PERSONAL))
    answer(of(agency), "templates", "save", "Own", "--name", "Ours")
    return {agency: of(agency), sub: of(sub)}


def refused(command: Call, *arguments: object) -> dict[str, Any]:
    """The error that a command is refused with."""
    answered = command(*arguments, "--json")
    assert answered.code == 3, answered
    assert answered.json["error"]["remedy"]
    error: dict[str, Any] = answered.json["error"]
    return error


def total(workflows: Call) -> int:
    return int(answer(workflows, "list")["total"])


def test_the_help_has_an_example(templates: Call) -> None:
    assert "Example: enrollment templates clone " in templates("--help").out


def test_the_shipped_templates_are_listed_and_counted_by_category(templates: Call) -> None:
    listed = answer(templates, "list")
    shipped = [one.template for one in shipped_templates().values()]

    assert listed["total"] == len(shipped) == len(listed["templates"])
    assert {one["slug"] for one in listed["templates"]} == {one.slug for one in shipped}
    counted = answer(templates, "categories")["categories"]
    assert [one["category"] for one in counted] == list(CATEGORIES)
    assert sum(one["system"] for one in counted) == len(shipped)
    assert counted[-1] == {"category": "custom", "total": 0, "system": 0, "custom": 0, "shared": 0}


def test_a_list_is_of_one_category_or_origin(templates: Call, own: dict[str, Any]) -> None:
    def listed(*options: str) -> list[str]:
        found = answer(templates, "list", *options)
        assert found["total"] == len(found["templates"])
        return [one["template_id"] for one in found["templates"]]

    assert listed("--origin", "custom") == [own["template_id"]]
    assert listed("--origin", "shared") == []
    assert own["template_id"] in listed("--category", "onboarding")
    assert own["template_id"] not in listed("--category", "onboarding", "--origin", "system")
    table = templates("list", "--origin", "custom").out
    assert table.split()[:6] == ["Name", "Origin", "Category", "Tags", "Version", "Used"]
    assert own["template_id"] in table
    assert "onboarding" in templates("categories").out


def test_a_search_forgives_a_typing_mistake(templates: Call) -> None:
    found = answer(templates, "search", "brithday", "greting", "--limit", "2")

    assert found["total"] == len(found["templates"]) == 2
    best = found["templates"][0]
    assert (best["slug"], best["matched"]) == (GREETING, "name")
    assert 0 < best["score"] <= 100
    assert GREETING in templates("search", "brithday").out
    assert templates("search", "zzzzzz").out == "No template was found.\n"


def test_a_template_is_shown_by_each_of_its_names(templates: Call) -> None:
    shown = answer(templates, "show", GREETING)

    assert shown == {
        "template_id": str(UUID(shown["template_id"])),
        "name": "Birthday greeting",
        "slug": GREETING,
        "origin": "system",
        "category": "birthday_celebration",
        "description": shown["description"],
        "tags": ["birthday", "greeting", "email", "sms"],
        "step_types": shown["step_types"],
        "version": 1,
        "used": 0,
        "created_by": None,
        "created_at": None,
        "updated_at": None,
        "integrations": ["email", "sms"],
        "values": [],
        "shared_by": None,
        "shared_with": [],
    }
    assert answer(templates, "show", "BIRTHDAY greeting") == shown
    assert answer(templates, "show", shown["template_id"]) == shown


def test_a_preview_shows_everything_as_facts_tree_drawing_and_document(templates: Call) -> None:
    found = answer(templates, "preview", GREETING)
    document = found.pop("document")

    assert found == answer(templates, "show", GREETING)
    told = templates("preview", GREETING).out
    for part in ("shipped with the product", "email, sms", "Trigger: starts at birthday"):
        assert part in told
    assert all(step["id"] in told for step in document["steps"])
    assert yaml.safe_load(templates("preview", GREETING, "--document").out) == document
    assert answer(templates, "preview", GREETING, "--document") == document
    drawn = answer(templates, "preview", GREETING, "--mermaid")["mermaid"]
    assert drawn.startswith("flowchart TD\n")
    assert templates("preview", GREETING, "--mermaid").out.startswith(drawn)


def test_a_clone_is_a_draft_that_tells_what_it_lacks(templates: Call, own: dict[str, Any]) -> None:
    made = answer(templates, "clone", "Own", "--name", "Clone", "--value", "shop_link= /x ")

    assert (made["name"], made["status"]) == ("Clone", "draft")
    assert made["document"]["values"] == {"email_1": "", "shop_link": "/x"}
    assert made["problems"] == [
        {"path": "values.email_1", "message": "is asked for and still empty."}
    ]
    assert made["template"] == {
        "template_id": own["template_id"],
        "version": 1,
        "category": "onboarding",
        "cloned_at": made["template"]["cloned_at"],
    }
    told = templates("clone", "Own").out
    # The workflow that it was saved from has the name.
    assert told.startswith("Workflow Own 2 cloned; it is draft.\nBefore it can be activated:\n")
    assert "values.shop_link" in told
    UUID(told.splitlines()[-1])


def test_a_clone_that_is_complete_is_activated(templates: Call, own: dict[str, Any]) -> None:
    made = answer(templates, "clone", "Own", "--name", "Clone", *EVERY_VALUE, "--activate")

    assert (made["status"], made["problems"]) == ("active", [])


def test_a_clone_that_cannot_be_activated_stays_a_draft_and_says_so(
    templates: Call, workflows: Call, own: dict[str, Any]
) -> None:
    error = refused(templates, "clone", "Own", "--name", "Clone", "--activate")

    assert error["code"] == "INVALID_WORKFLOW"
    assert error["message"].startswith("The clone 'Clone' is made, and stays a draft. ")
    shown = answer(workflows, "show", "Clone")
    assert shown["status"] == "draft"
    assert error["details"] == {
        "errors": shown["problems"],
        "workflow_id": shown["workflow_id"],
    }
    assert f"enrollment workflows activate {shown['workflow_id']}" in error["remedy"]


def test_a_clone_that_is_refused_leaves_nothing(
    templates: Call, workflows: Call, call: Call, own: dict[str, Any]
) -> None:
    lacking = refused(templates, "clone", GREETING, "--activate")
    assert (lacking["code"], lacking["details"]) == (
        "INTEGRATION_MISSING",
        {"missing": ["email", "sms"]},
    )
    assert refused(templates, "clone", "Own", "--name", "own")["code"] == "WORKFLOW_EXISTS"
    unknown = refused(templates, "clone", "Own", "--value", "motto=x")
    assert unknown["remedy"] == "It asks for: email_1, shop_link."
    call("accounts", "settings", "max_workflows=1")
    assert refused(templates, "clone", "Own")["code"] == "WORKFLOW_LIMIT"

    assert total(workflows) == 1
    assert answer(templates, "show", "Own")["used"] == 0


def test_a_template_is_saved_without_what_is_personal(templates: Call, own: dict[str, Any]) -> None:
    assert own["document"]["steps"][0]["message"] == (
        "Ask {{values.email_1}}, {{values.shop_link}}"
    )
    assert own["replaced"] == [
        {"path": "steps[0].message", "kind": "email", "placeholder": "{{values.email_1}}"}
    ]
    assert (own["name"], own["category"], own["tags"]) == ("Own", "onboarding", ["new", "calls"])
    assert (own["origin"], own["version"], own["created_by"]) == ("custom", 1, "ann")

    told = templates("save", "Own", "--name", "Again", "--description", "For all.").out
    assert told.startswith("Template Again saved.\nWhat was personal is replaced:\n")
    assert ["steps[0].message", "email", "{{values.email_1}}"] in [
        line.split() for line in told.splitlines()
    ]
    again = answer(templates, "show", told.splitlines()[-1])
    assert (again["description"], again["category"], again["tags"]) == ("For all.", "custom", [])


def test_a_template_without_anything_personal_says_so(
    templates: Call, workflows: Call, write: Write
) -> None:
    answer(workflows, "create", "--file", write(small()))

    told = templates("save", "Welcome").out

    assert told.startswith("Template Welcome saved.\nNothing personal was found in it.\n")


def test_an_update_of_the_content_is_a_new_version_and_one_of_words_is_not(
    templates: Call, workflows: Call, own: dict[str, Any], write: Write
) -> None:
    renamed = answer(
        templates, "update", "Own", "--name", "Mine", "--description", "Short.", "--tag", "b",
        "--category", "custom",
    )  # fmt: skip
    assert (renamed["name"], renamed["description"], renamed["tags"], renamed["category"]) == (
        "Mine",
        "Short.",
        ["b"],
        "custom",
    )
    assert (renamed["version"], renamed["replaced"]) == (1, [])

    told = templates("update", "Mine", "--file", write(NEWER), "--note", "Longer").out
    assert told.startswith("Template Mine is at version 2.\nWhat was personal is replaced:\n")
    answer(workflows, "create", "Other", "--file", write(small()))
    third = answer(templates, "update", "Mine", "--workflow", "Other")
    assert (third["version"], third["name"], third["tags"]) == (3, "Mine", ["b"])
    assert [step["id"] for step in third["document"]["steps"]] == ["tells"]

    history = answer(templates, "history", "Mine")
    assert (history["template_id"], history["name"]) == (own["template_id"], "Mine")
    assert [(one["version"], one["note"], one["created_by"]) for one in history["versions"]] == [
        (3, "", "ann"),
        (2, "Longer", "ann"),
        (1, "", "ann"),
    ]
    assert "Longer" in templates("history", "Mine").out


def test_what_differs_between_versions_is_shown_whole_and_in_short(
    templates: Call, own: dict[str, Any], write: Write
) -> None:
    long = "A word.\n" * 100
    answer(templates, "update", "Own", "--file", write(NEWER))
    answer(templates, "update", "Own", "--file", write({**NEWER, "description": long}))

    last = answer(templates, "diff", "Own")
    assert (last["template_id"], last["name"]) == (own["template_id"], "Own")
    assert (last["from"], last["to"], last["total"]) == (2, 3, 1)
    assert last["changes"] == [
        {"id": "description", "kind": "added", "before": None, "after": long}
    ]
    told = templates("diff", "Own").out
    assert told.startswith("Own, from version 2 to 3:\n")
    assert ("A word. " * 8)[:57] + "...\n" in told.replace(" \n", "\n")
    assert "\nA word" not in told

    first = answer(templates, "diff", "Own", "--from", "1", "--to", "2")
    assert first["changes"] == [
        {"id": "steps.rests.duration", "kind": "changed", "before": "3 days", "after": "4 days"},
        {"id": "steps.marks.tag", "kind": "changed", "before": "hot", "after": "warm"},
    ]
    same = templates("diff", "Own", "--from", "2", "--to", "2").out
    assert same == "Own, from version 2 to 2: no difference.\n"


def test_a_clone_is_offered_what_its_template_changed(
    templates: Call, workflows: Call, cloned: dict[str, Any], write: Write
) -> None:
    steps = [dict(step) for step in cloned["document"]["steps"]]
    steps[1]["duration"] = "1 week"
    answer(workflows, "edit", "Clone", "--file", write({"steps": steps}))

    listed = answer(templates, "updates")
    clone = {
        "workflow_id": cloned["workflow_id"],
        "workflow_name": "Clone",
        "workflow_status": "draft",
        "template_id": cloned["template"]["template_id"],
        "template_name": "Own",
        "version": 1,
        "newest_version": 2,
        "offered": 2,
        "conflicts": 1,
    }
    assert listed == {"clones": [clone], "total": 1}
    assert answer(templates, "diff", "--workflow", "Clone") == {
        **clone,
        "updates": [
            {
                "id": "steps.rests.duration",
                "kind": "changed",
                "before": "1 week",
                "after": "4 days",
                "conflict": True,
            },
            {
                "id": "steps.marks.tag",
                "kind": "changed",
                "before": "hot",
                "after": "warm",
                "conflict": False,
            },
        ],
    }
    told = templates("diff", "--workflow", "Clone").out
    assert told.startswith("Clone, by version 2 of Own:\n")
    assert "changed, in conflict" in told
    assert f"enrollment templates merge {cloned['workflow_id']} --take ID" in told
    assert "1 -> 2" in templates("updates").out
    shown = answer(workflows, "show", "Clone")
    assert shown["template_update"] == {
        "template_id": clone["template_id"],
        "template_name": "Own",
        "version": 2,
    }
    advice = f"enrollment templates diff --workflow {cloned['workflow_id']}"
    assert advice in workflows("show", "Clone").out


def test_a_merge_takes_what_is_chosen_and_still_offers_the_rest(
    templates: Call, cloned: dict[str, Any]
) -> None:
    merged = answer(templates, "merge", "Clone", "--take", "steps.marks.tag")

    steps = merged["document"]["steps"]
    assert (steps[1]["duration"], steps[2]["tag"]) == ("3 days", "warm")
    assert [one["id"] for one in merged["updates"]] == ["steps.rests.duration"]
    assert (merged["version"], merged["template"]["version"]) == (2, 1)
    told = templates("merge", "Clone", "--take", "steps.rests.duration").out
    assert told.startswith("Workflow Clone is at version 3; it is draft.\nNothing more is offered")
    assert templates("updates").out == "Every clone is up to date.\n"
    assert templates("diff", "--workflow", "Clone").out == (
        "Clone, by version 2 of Own: nothing is offered.\n"
    )


def test_a_merge_takes_all_but_conflicts_and_settles_the_rest(
    templates: Call, workflows: Call, cloned: dict[str, Any], write: Write
) -> None:
    steps = [dict(step) for step in cloned["document"]["steps"]]
    steps[1]["duration"] = "1 week"
    answer(workflows, "edit", "Clone", "--file", write({"steps": steps}))

    told = templates("merge", "Clone", "--all-unchanged").out
    assert "Still offered to it:" in told
    assert "steps.rests.duration" in told
    merged = answer(workflows, "show", "Clone")["document"]["steps"]
    assert (merged[1]["duration"], merged[2]["tag"]) == ("1 week", "warm")
    settled = answer(templates, "merge", "Clone", "--settle")
    assert (settled["document"]["steps"], settled["updates"]) == (merged, [])
    assert settled["template"]["version"] == 2
    assert answer(templates, "updates") == {"clones": [], "total": 0}


def test_a_deleted_template_is_gone_and_its_clone_lives_on(
    templates: Call, workflows: Call, cloned: dict[str, Any]
) -> None:
    gone = answer(templates, "delete", "own")

    assert gone == {
        "template_id": cloned["template"]["template_id"],
        "name": "Own",
        "deleted": True,
    }
    assert refused(templates, "show", "Own")["code"] == "TEMPLATE_NOT_FOUND"
    assert refused(templates, "diff", "--workflow", "Clone")["code"] == "TEMPLATE_NOT_FOUND"
    assert answer(workflows, "show", "Clone")["document"] == cloned["document"]
    answer(templates, "save", "Own", "--name", "Next")
    assert templates("delete", "Next").out == "The template Next is deleted.\n"


def test_an_agency_shares_a_template_and_takes_it_back(agency: dict[str, Call]) -> None:
    (ours, of_agency), (sub, of_sub) = agency.items()

    shared = answer(of_agency, "templates", "share", "Ours", "--with", sub)
    assert (shared["name"], shared["shared_with"], shared["shared_by"]) == ("Ours", [sub], None)
    seen = answer(of_sub, "templates", "show", "Ours")
    assert (seen["origin"], seen["shared_by"], seen["shared_with"]) == ("shared", ours, [])
    assert f"shared by {ours}" in of_sub("templates", "show", "Ours").out
    assert sub in of_agency("templates", "show", "Ours").out
    assert refused(of_sub, "templates", "delete", "Ours")["code"] == "TEMPLATE_FIXED"
    answer(of_sub, "templates", "clone", "Ours")

    told = of_agency("templates", "unshare", "Ours", "--with", sub).out
    assert told == "The template Ours is shared with: nobody.\n"
    assert refused(of_sub, "templates", "show", "Ours")["code"] == "TEMPLATE_NOT_FOUND"
    assert total(lambda *arguments: of_sub("workflows", *arguments)) == 1
    (use,) = answer(of_agency, "templates", "usage", "Ours")["usage"]
    assert (use["account"], use["workflow_name"]) == (sub, None)


def test_a_template_is_shared_with_sub_accounts_alone(
    agency: dict[str, Call], account: Account
) -> None:
    (_, of_agency), (sub, _) = agency.items()

    error = refused(of_agency, "templates", "share", "Ours", "--with", sub, "--with", account.name)

    assert error["code"] == "NOT_A_SUB_ACCOUNT"
    assert account.name in error["message"]
    assert answer(of_agency, "templates", "show", "Ours")["shared_with"] == []


def test_use_is_counted_and_told_in_pages(templates: Call, cloned: dict[str, Any]) -> None:
    answer(templates, "clone", "Own", "--name", "Later")

    use = answer(templates, "usage", "Own", "--limit", "1", "--page", "2")

    assert use == {
        "template_id": cloned["template"]["template_id"],
        "name": "Own",
        "usage": [
            {
                "account": use["usage"][0]["account"],
                "workflow_id": cloned["workflow_id"],
                "workflow_name": "Clone",
                "workflow_status": "draft",
                "version": 1,
                "used_by": "ann",
                "used_at": use["usage"][0]["used_at"],
                "completion_rate": None,
            }
        ],
        "usage_count": 2,
        "completion_rate": None,
        "page": 2,
    }
    told = templates("usage", "Own").out
    assert "not known yet" in told
    assert told.index("Later") < told.index("Clone")


def test_nothing_of_a_template_moves_the_cursor(
    templates: Call, workflows: Call, write: Write
) -> None:
    evil = "\x1b[2J\x07\r\x9b31m"
    document = small(
        "Evil",
        description=f"Harmless{evil}",
        steps=[{"id": "tells", "type": "notify", "message": f"One{evil}\ntwo"}],
    )
    answer(workflows, "create", "--file", write(document))
    answer(templates, "save", "Evil", "--description", f"Said{evil}")
    answer(templates, "clone", "Evil", "--name", "Clone")
    newer = {**document, "steps": [{**document["steps"][0], "message": f"Three{evil}"}]}
    answer(templates, "update", "Evil", "--file", write(newer), "--note", f"Note{evil}")

    for arguments in (
        ["list"],
        ["show", "Evil"],
        ["preview", "Evil"],
        ["preview", "Evil", "--document"],
        ["preview", "Evil", "--mermaid"],
        ["history", "Evil"],
        ["diff", "Evil"],
        ["diff", "--workflow", "Clone"],
        ["updates"],
        ["usage", "Evil"],
        ["search", "Evil"],
    ):
        told = templates(*arguments)
        assert told.code == 0
        assert not {"\x1b", "\x07", "\r", "\x9b"} & set(told.out), arguments


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["list", "--category", "none"], 3, "INVALID_REQUEST"),
        (["list", "--origin", "bought"], 3, "INVALID_REQUEST"),
        (["search"], 2, "USAGE"),
        (["search", "x", "--limit", "0"], 2, "USAGE"),
        (["show", "Nobody"], 3, "TEMPLATE_NOT_FOUND"),
        (["preview", str(UUID(int=1))], 3, "TEMPLATE_NOT_FOUND"),
        (["preview", GREETING, "--mermaid", "--document"], 2, "USAGE"),
        (["clone", "Nobody"], 3, "TEMPLATE_NOT_FOUND"),
        (["clone", GREETING, "--value", "motto"], 2, "USAGE"),
        (["clone", GREETING, "--value", "a=1", "--value", "a=2"], 2, "USAGE"),
        (["save", "Nobody"], 3, "WORKFLOW_NOT_FOUND"),
        (["save", "Draft"], 3, "INVALID_TEMPLATE"),
        (["save", "Mailing", "--category", "none"], 3, "INVALID_REQUEST"),
        (["save", "Mailing", "--tag", ""], 3, "INVALID_REQUEST"),
        (["save", "Mailing", "--name", "Birthday greeting"], 3, "TEMPLATE_EXISTS"),
        (["update", GREETING], 2, "USAGE"),
        (["update", GREETING, "--note", "x"], 2, "USAGE"),
        (["update", GREETING, "--file", "EMPTY", "--workflow", "Draft"], 2, "USAGE"),
        (["update", GREETING, "--file", "/no/such.yaml"], 2, "USAGE"),
        (["update", GREETING, "--file", "BROKEN"], 3, "INVALID_FILE"),
        (["update", GREETING, "--file", "EMPTY"], 3, "TEMPLATE_FIXED"),
        (["update", GREETING, "--name", "Mine"], 3, "TEMPLATE_FIXED"),
        (["update", "Nobody", "--name", "Mine"], 3, "TEMPLATE_NOT_FOUND"),
        (["delete", GREETING], 3, "TEMPLATE_FIXED"),
        (["history", "Nobody"], 3, "TEMPLATE_NOT_FOUND"),
        (["diff"], 2, "USAGE"),
        (["diff", GREETING, "--workflow", "Draft"], 2, "USAGE"),
        (["diff", GREETING, "--from", "0"], 2, "USAGE"),
        (["diff", GREETING, "--to", "2"], 3, "TEMPLATE_NOT_FOUND"),
        (["diff", "--workflow", "Draft", "--from", "1"], 2, "USAGE"),
        (["diff", "--workflow", "Draft"], 3, "INVALID_REQUEST"),
        (["merge", "Draft"], 2, "USAGE"),
        (["merge", "Draft", "--all-unchanged", "--take", "x"], 2, "USAGE"),
        (["merge", "Draft", "--all-unchanged"], 3, "INVALID_REQUEST"),
        (["merge", "Nobody", "--settle"], 3, "WORKFLOW_NOT_FOUND"),
        (["share", GREETING], 2, "USAGE"),
        (["share", GREETING, "--with", "x"], 3, "TEMPLATE_FIXED"),
        (["unshare", "Nobody", "--with", "x"], 3, "TEMPLATE_NOT_FOUND"),
        (["usage", "Nobody"], 3, "TEMPLATE_NOT_FOUND"),
        (["usage", GREETING, "--page", "0"], 2, "USAGE"),
        (["usage", GREETING, "--page", str(10**20)], 3, "INVALID_REQUEST"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_code_and_a_remedy(
    templates: Call,
    workflows: Call,
    write: Write,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    error: str,
) -> None:
    answer(workflows, "create", "--file", write({"name": "Draft"}))
    answer(workflows, "create", "--file", write(mailing()))
    files = {"EMPTY": tmp_path / "empty.yaml", "BROKEN": tmp_path / "broken.yaml"}
    files["EMPTY"].write_text("")
    files["BROKEN"].write_text("{")

    answered = templates(*(files.get(one, one) for one in arguments), "--json")

    assert (answered.code, answered.json["error"]["code"]) == (code, error)
    assert answered.json["error"]["message"]
    assert answered.json["error"]["remedy"]
    assert answer(templates, "list", "--origin", "custom")["total"] == 0
    assert total(workflows) == 2


def test_an_empty_file_is_no_content_of_a_template(
    templates: Call, own: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "empty.yaml").write_text("")

    error = refused(templates, "update", "Own", "--file", tmp_path / "empty.yaml")

    assert error["code"] == "INVALID_TEMPLATE"
    assert {one["path"] for one in error["details"]["errors"]} == {"trigger", "steps"}
    assert answer(templates, "show", "Own")["version"] == 1


def test_who_may_not_change_templates_may_look_at_them(
    templates: Call, workflows: Call, call: Call, cloned: dict[str, Any]
) -> None:
    call("members", "add", "boss", "--permission", "account:admin")

    for arguments, needed in (
        (["clone", "Own"], "workflow:edit"),
        (["merge", "Clone", "--all-unchanged"], "workflow:edit"),
        (["save", "Own", "--name", "New"], "workflow:manage"),
        (["update", "Own", "--name", "New"], "workflow:manage"),
        (["delete", "Own"], "workflow:manage"),
        (["share", "Own", "--with", "x"], "workflow:manage"),
    ):
        error = refused(templates, *arguments)
        assert error["code"] == "FORBIDDEN"
        assert needed in error["message"]
    assert answer(templates, "show", "Own")["version"] == 2
    assert total(workflows) == 2
