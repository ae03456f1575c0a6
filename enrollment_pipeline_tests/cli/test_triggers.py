"""`triggers`: the documents it answers with, what a person reads, and what it refuses."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline_tests.cli.triggering import ADA, BIRTHDAY, LARGE, PAYMENT, Call, answer
from enrollment_pipeline_tests.triggers.conftest import Automation

NEXT_YEAR = datetime.now(UTC).year + 1


def test_the_help_has_an_example(triggers: Call) -> None:
    assert "Example: enrollment triggers " in triggers("--help").out


def test_all_event_types_are_listed(triggers: Call) -> None:
    found = answer(triggers, "types")

    assert found["total"] == len(EVENT_TYPES)
    assert [one["event"] for one in found["event_types"]] == list(EVENT_TYPES)
    by_name = {one["event"]: one for one in found["event_types"]}
    assert by_name["custom_field_changed"] == {
        "event": "custom_field_changed",
        "category": "contact",
        "says": "A field of your own got another value.",
        "parameters": [{"name": "field", "required": True}],
        "fields": [
            {"name": "data.field", "kind": "text", "required": True, "filtered": True},
            {"name": "data.old_value", "kind": "any", "required": False, "filtered": True},
            {"name": "data.new_value", "kind": "any", "required": False, "filtered": True},
        ],
        "sent": True,
        "compares": True,
        "sample": {"field": "plan", "old_value": "free", "new_value": "pro"},
    }
    assert (by_name["birthday"]["sent"], by_name["birthday"]["sample"]) == (False, None)


def test_the_event_types_are_told_to_people_too(triggers: Call) -> None:
    told = triggers("types").out

    assert all(name in told for name in EVENT_TYPES)
    assert "form_id*" in told
    assert "answers.NAME" in told
    assert "* must be given." in told


def test_a_trigger_is_made_of_options(triggers: Call) -> None:
    made = answer(
        triggers, *BIRTHDAY, "--parameter", "offset_days=-7", "--parameter", "time = 08:30",
        "--filter", '{"field": "tags", "operator": "contains", "value": "vip"}',
        "--enrollment-limit", "multiple", "--business-hours", "--lateness", "skip_if_later_than",
        "--lateness-hours", "48", "--inactive",
    )  # fmt: skip

    assert made == {
        "trigger_id": str(UUID(made["trigger_id"])),
        "workflow_id": str(UUID(made["workflow_id"])),
        "workflow_name": "Welcome",
        "workflow_status": "active",
        "event": "birthday",
        "parameters": {"offset_days": -7, "time": "08:30"},
        "filters": {
            "logic": "AND",
            "conditions": [{"field": "tags", "operator": "contains", "value": "vip"}],
        },
        "settings": {
            "enrollment_limit": "multiple",
            "respect_business_hours": True,
            "active": False,
            "lateness": "skip_if_later_than",
            "lateness_hours": 48,
        },
        "waiting": False,
        "version": 1,
        "active_since": made["active_since"],
        "created_by": "ann",
        "created_at": made["created_at"],
        "updated_at": made["updated_at"],
    }
    for name in (made["trigger_id"], "welcome", made["workflow_id"]):
        assert answer(triggers, "show", name) == made


def test_a_trigger_is_made_of_a_file_and_once(triggers: Call, tmp_path: Path) -> None:
    file = tmp_path / "trigger.json"
    file.write_text(json.dumps({"event": "payment_received", "filters": json.loads(LARGE)}))
    made = answer(triggers, "create", "--workflow", "Welcome", "--file", file)

    (tmp_path / "filter.json").write_text(LARGE)
    again = triggers(*PAYMENT, "--filter", f"@{tmp_path / 'filter.json'}", "--json")

    assert (again.code, again.json) == (0, made)
    assert "this very trigger already" in again.err
    other = triggers(*PAYMENT, "--json")
    assert (other.code, other.json["error"]["code"]) == (3, "TRIGGER_EXISTS")
    assert other.json["error"]["details"] == {"trigger_id": made["trigger_id"]}


def test_an_update_changes_what_is_given_and_nothing_else(triggers: Call, tmp_path: Path) -> None:
    made = answer(
        triggers, *BIRTHDAY, "--parameter", "offset_days=-7", "--parameter", "time=08:30",
        "--business-hours", "--filter", '{"field": "first_name", "operator": "is_empty"}',
    )  # fmt: skip

    def updated(*changes: object) -> dict[str, Any]:
        after: dict[str, Any] = answer(triggers, "update", "Welcome", *changes)
        return {name: after[name] for name in ("parameters", "filters", "settings", "version")}

    kept = {name: made[name] for name in ("parameters", "filters", "settings")}
    assert updated("--parameter", "offset_days=3") == {
        **kept,
        "parameters": {"offset_days": 3, "time": "08:30"},
        "version": 2,
    }
    kept["parameters"] = {"offset_days": 3}
    assert updated("--parameter", "time=") == {**kept, "version": 3}
    kept["settings"] = {**made["settings"], "respect_business_hours": False, "lateness": "skip"}
    assert updated("--no-business-hours", "--lateness", "skip") == {**kept, "version": 4}
    kept["filters"] = {"logic": "AND", "conditions": []}
    assert updated("--filter", "{}") == {**kept, "version": 5}
    assert updated("--filter", "{}") == {**kept, "version": 5}
    kept["settings"] = {**kept["settings"], "active": False}
    assert updated("--inactive") == {**kept, "version": 6}
    file = tmp_path / "changes.json"
    file.write_text('{"settings": {"active": true, "lateness_hours": 5}}')
    kept["settings"] = {**kept["settings"], "active": True, "lateness_hours": 5}
    assert updated("--file", file) == {**kept, "version": 7}
    assert updated("--event", "contact_created")["parameters"] == {}


def test_triggers_are_told_to_people_too(triggers: Call) -> None:
    told = triggers(*PAYMENT, "--filter", LARGE, "--enrollment-limit", "multiple").out
    assert told.startswith("The trigger of Welcome waits for payment_received.\n")
    trigger_id = str(UUID(told.splitlines()[1]))

    shown = triggers("show", "Welcome").out
    assert trigger_id in shown
    assert '"value": 500.5' in shown
    assert "enrollment_limit=multiple, respect_business_hours=no" in shown
    assert "by ann, version 1" in shown
    off = triggers("deactivate", "Welcome").out
    assert off.startswith("The trigger of Welcome is off; on, it waits for payment_received: ")
    listed = triggers("list").out
    assert listed.split()[:6] == ["Workflow", "Event", "Parameters", "Conditions", "State", "Id"]
    assert "off" in listed.split()
    assert "1 in all" in listed
    assert triggers("activate", "Welcome").out.startswith("The trigger of Welcome waits for ")
    assert triggers("delete", "Welcome").out == "The trigger of Welcome is deleted.\n"
    created = triggers(*BIRTHDAY, "--parameter", "offset_days=1", "--json").json["trigger_id"]
    assert "none: it takes every contact" in triggers("show", created).out


def test_a_trigger_of_a_paused_workflow_says_why_it_starts_nobody(
    triggers: Call, call: Call
) -> None:
    call("workflows", "pause", "Welcome")

    told = triggers(*PAYMENT).out

    assert "starts nobody while the workflow is paused: enrollment workflows activate." in told
    assert "workflow paused" in triggers("list").out


def test_triggers_are_listed_by_event_and_state_and_page(
    triggers: Call, automation: Automation
) -> None:
    names = {}
    for name, event, active in (
        ("b", "contact_created", True),
        ("A", "contact_created", False),
        ("c", "deal_won", True),
    ):
        automation.automate({"event": event}, name, active=active)
        names[name] = answer(triggers, "show", name)

    def listed(*options: object) -> list[str]:
        found = answer(triggers, "list", *options)
        assert found["total"] >= len(found["triggers"])
        return [one["workflow_name"] for one in found["triggers"]]

    assert answer(triggers, "list")["triggers"] == [names["A"], names["b"], names["c"]]
    assert listed("--event", "contact_created") == ["A", "b"]
    assert listed("--active") == ["b", "c"]
    assert listed("--inactive") == ["A"]
    assert listed("--event", "deal_won", "--inactive") == []
    second = answer(triggers, "list", "--limit", "2", "--page", "2")
    assert (second["triggers"], second["total"], second["page"]) == ([names["c"]], 3, 2)


def test_a_trigger_is_switched_off_and_on_and_deleted(
    triggers: Call, automation: Automation
) -> None:
    made = answer(triggers, *PAYMENT)

    off = answer(triggers, "deactivate", "Welcome")
    assert (off["settings"]["active"], off["waiting"]) == (False, False)
    on = answer(triggers, "activate", made["trigger_id"])
    assert (on["settings"]["active"], on["waiting"], on["version"]) == (True, True, 3)
    assert on["active_since"] > made["active_since"]
    assert answer(triggers, "delete", "Welcome") == {
        "trigger_id": made["trigger_id"],
        "workflow_name": "Welcome",
        "deleted": True,
    }
    gone = triggers("show", "Welcome", "--json")
    assert (gone.code, gone.json["error"]["code"]) == (3, "TRIGGER_NOT_FOUND")
    assert answer(triggers, *PAYMENT)["trigger_id"] != made["trigger_id"]
    assert [action for _, action, _ in automation.audit()] == [
        f"trigger.{verb}" for verb in ("create", "deactivate", "activate", "delete", "create")
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["create", "--workflow", "Welcome"], 2, "USAGE"),
        (["create", "--event", "deal_won"], 2, "USAGE"),
        ([*PAYMENT, "--file", "/no/such.json"], 2, "USAGE"),
        (["create", "--workflow", "Welcome", "--file", "/no/such.json"], 2, "USAGE"),
        (["create", "--workflow", "Welcome", "--file", "/"], 2, "USAGE"),
        (["create", "--workflow", "Welcome", "--file", "FILE", "--inactive"], 2, "USAGE"),
        (["create", "--workflow", "Welcome", "--file", "FILE"], 3, "INVALID_TRIGGER"),
        ([*PAYMENT, "--filter", "{"], 2, "USAGE"),
        ([*PAYMENT, "--filter", '{"conditions": [{}], "conditions": []}'], 2, "USAGE"),
        ([*PAYMENT, "--filter", f'{{"value": {"9" * 5_000}}}'], 2, "USAGE"),
        ([*PAYMENT, "--parameter", "tag"], 2, "USAGE"),
        ([*PAYMENT, "--parameter", "=lead"], 2, "USAGE"),
        ([*PAYMENT, "--parameter", "tag=a", "--parameter", "tag=b"], 2, "USAGE"),
        ([*PAYMENT, "--parameter", "tag=a"], 3, "INVALID_TRIGGER"),
        ([*PAYMENT, "--filter", "[]"], 3, "INVALID_TRIGGER"),
        ([*PAYMENT, "--lateness", "never"], 3, "INVALID_TRIGGER"),
        ([*PAYMENT, "--lateness-hours", "0"], 3, "INVALID_TRIGGER"),
        ([*PAYMENT, "--enrollment-limit", "twice"], 3, "INVALID_TRIGGER"),
        (["create", "--workflow", "Welcome", "--event", "paid"], 3, "INVALID_TRIGGER"),
        (["create", "--workflow", "Nobody", "--event", "deal_won"], 3, "WORKFLOW_NOT_FOUND"),
        (["update", "Welcome"], 2, "USAGE"),
        (["update", "Welcome", "--inactive"], 3, "TRIGGER_NOT_FOUND"),
        (["show", "Nobody"], 3, "TRIGGER_NOT_FOUND"),
        (["show", "0197a0e0-0000-7000-8000-000000000000"], 3, "TRIGGER_NOT_FOUND"),
        (["activate", "Welcome"], 3, "TRIGGER_NOT_FOUND"),
        (["deactivate", "Welcome"], 3, "TRIGGER_NOT_FOUND"),
        (["delete", "Welcome"], 3, "TRIGGER_NOT_FOUND"),
        (["preview", "Welcome"], 3, "TRIGGER_NOT_FOUND"),
        (["test", "Welcome", "--contact", ADA], 3, "TRIGGER_NOT_FOUND"),
        (["test", "Welcome"], 2, "USAGE"),
        (["replay", "Welcome"], 3, "TRIGGER_NOT_FOUND"),
        (["list", "--event", "paid"], 3, "INVALID_REQUEST"),
        (["list", "--page", str(10**20)], 3, "INVALID_REQUEST"),
        (["log", "--trigger", "Welcome"], 3, "TRIGGER_NOT_FOUND"),
        (["log", "--contact", "nobody@example.com"], 3, "CONTACT_NOT_FOUND"),
        (["log", "--result", "done"], 3, "INVALID_REQUEST"),
        (["log", "--limit", "0"], 2, "USAGE"),
        (["analytics", "--days", "0"], 2, "USAGE"),
        (["analytics", "--days", "3661"], 2, "USAGE"),
        (["analytics", "--trigger", "Welcome"], 3, "TRIGGER_NOT_FOUND"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_code_and_a_remedy(
    triggers: Call, tmp_path: Path, arguments: list[str], code: int, error: str
) -> None:
    file = tmp_path / "list.json"
    file.write_text("[]")

    answered = triggers(*(file if one == "FILE" else one for one in arguments), "--json")

    assert (answered.code, answered.json["error"]["code"]) == (code, error)
    assert answered.json["error"]["remedy"]
    assert "nobody@" not in answered.out
    assert answer(triggers, "list")["total"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["--contact", "nobody@example.com"], 3, "CONTACT_NOT_FOUND"),
        (["--contact", ADA, "--data", "{"], 2, "USAGE"),
        (["--contact", ADA, "--data", "[]"], 2, "USAGE"),
        (["--contact", ADA, "--data", "@/no/such.json"], 2, "USAGE"),
        (["--contact", ADA, "--previous", "1"], 2, "USAGE"),
        (["--contact", ADA, "--at", "soon"], 2, "USAGE"),
    ],
)
def test_a_test_of_nothing_is_refused(
    triggers: Call, automation: Automation, arguments: list[str], code: int, error: str
) -> None:
    automation.contact(ADA)
    triggers(*PAYMENT)

    answered = triggers("test", "Welcome", *arguments, "--json")

    assert (answered.code, answered.json["error"]["code"]) == (code, error)
    assert "nobody@" not in answered.out


def test_everything_that_is_wrong_with_a_trigger_is_listed_with_its_path(triggers: Call) -> None:
    answered = triggers(
        "create", "--workflow", "Welcome", "--event", "tag_added", "--lateness-hours", "0",
        "--filter", '{"field": "emial", "operator": "is_empty"}', "--json",
    ).json  # fmt: skip

    errors = answered["error"]["details"]["errors"]
    assert {one["path"] for one in errors} == {
        "settings.lateness_hours",
        "parameters.tag",
        "filters.field",
    }


def test_a_workflow_that_would_start_itself_is_refused(
    triggers: Call, automation: Automation
) -> None:
    automation.workflow("Loop", steps=[{"type": "add_tag", "tag": "lead"}])

    refused = triggers(
        "create", "--workflow", "Loop", "--event", "tag_added", "--parameter", "tag=lead"
    )

    assert refused.code == 3
    assert refused.err.startswith("TRIGGER_LOOP: The workflow 'Loop' would start itself: Loop -> ")


def test_who_may_not_change_workflows_may_not_change_triggers_and_may_look(
    triggers: Call, call: Call
) -> None:
    made = answer(triggers, *PAYMENT)
    call("members", "add", "boss", "--permission", "account:admin")

    for arguments in (
        [*BIRTHDAY],
        ["update", "Welcome", "--inactive"],
        ["deactivate", "Welcome"],
        ["activate", "Welcome"],
        ["delete", "Welcome"],
    ):
        refused = triggers(*arguments, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (3, "FORBIDDEN")
        assert "workflow:edit" in refused.json["error"]["message"]
    assert answer(triggers, "list")["triggers"] == [made]
