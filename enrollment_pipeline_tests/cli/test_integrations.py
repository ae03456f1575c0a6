"""`integrations`: the documents it answers with, what a person reads, and what it refuses."""

from typing import Any

import pytest

from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline_tests.cli.triggering import Call, answer

BOOKING = "booking_link=https://example.com/book"
NOT_CONNECTED = {"connected": False, "details": None, "connected_by": None, "connected_at": None}


@pytest.fixture
def integrations(call: Call, database: object) -> Call:
    """Run a command of the group in the test's account."""
    return lambda *arguments: call("integrations", *arguments)


def listed(integrations: Call) -> dict[str, dict[str, Any]]:
    """The integrations of the account, by name."""
    return {one["name"]: one for one in answer(integrations, "list")["integrations"]}


def test_the_help_has_an_example(integrations: Call) -> None:
    assert "Example: enrollment integrations connect " in integrations("--help").out


def test_all_integrations_are_listed_with_what_they_ask_for(integrations: Call) -> None:
    found = listed(integrations)

    assert list(found) == list(INTEGRATIONS)
    assert found["support"] == {
        "name": "support",
        "says": "Helps.",
        "asked_for": {
            "help_link": "the page with answers",
            "phone": "the number that helps",
        },
        "required": ["help_link"],
        **NOT_CONNECTED,
    }
    told = integrations("list").out
    assert "help_link*, phone" in told
    assert [line.split()[1] for line in told.splitlines() if line.strip().startswith("sms")] == [
        "no"
    ]


def test_an_integration_is_connected_changed_and_disconnected(integrations: Call) -> None:
    made = answer(integrations, "connect", "support", "help_link=https://example.com/help")
    assert made == {
        "name": "support",
        "connected": True,
        "details": {"help_link": "https://example.com/help"},
    }
    changed = answer(integrations, "connect", "support", "phone = 030 1234")
    assert changed["details"] == {"help_link": "https://example.com/help", "phone": "030 1234"}
    found = listed(integrations)["support"]
    assert (found["connected"], found["connected_by"]) == (True, "ann")
    assert found["details"] == changed["details"]
    assert found["connected_at"] is not None

    gone = answer(integrations, "disconnect", "support")
    assert gone == {"name": "support", "connected": False}
    found = listed(integrations)["support"]
    assert {name: found[name] for name in NOT_CONNECTED} == NOT_CONNECTED


def test_integrations_are_told_to_people_too(integrations: Call) -> None:
    assert integrations("connect", "sms").out == "The integration sms is connected.\n"
    rows = [line.split() for line in integrations("list").out.splitlines()]
    assert ["sms", "yes", "Sends", "SMS.", "from_number"] in rows
    assert integrations("disconnect", "sms").out == "The integration sms is disconnected.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["connect"], 2, "USAGE"),
        (["connect", "calendar", "booking_link"], 2, "USAGE"),
        (["connect", "calendar", BOOKING, BOOKING], 2, "USAGE"),
        (["connect", "fax"], 3, "INVALID_REQUEST"),
        (["connect", "calendar"], 3, "INVALID_REQUEST"),
        (["connect", "calendar", "booking_link=javascript:x"], 3, "INVALID_REQUEST"),
        (["connect", "calendar", BOOKING, "color=red"], 3, "INVALID_REQUEST"),
        (["disconnect", "fax"], 3, "INVALID_REQUEST"),
        (["disconnect", "calendar"], 3, "INTEGRATION_MISSING"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_code_and_a_remedy(
    integrations: Call, arguments: list[str], code: int, error: str
) -> None:
    answered = integrations(*arguments, "--json")

    assert (answered.code, answered.json["error"]["code"]) == (code, error)
    assert answered.json["error"]["message"]
    assert answered.json["error"]["remedy"]
    assert not any(one["connected"] for one in listed(integrations).values())


def test_who_may_not_connect_integrations_may_look_at_them(integrations: Call, call: Call) -> None:
    answer(integrations, "connect", "calendar", BOOKING)
    call("members", "add", "boss", "--permission", "account:admin")

    for arguments in (["connect", "sms"], ["disconnect", "calendar"]):
        refused = integrations(*arguments, "--json")
        assert (refused.code, refused.json["error"]["code"]) == (3, "FORBIDDEN")
        assert "workflow:manage" in refused.json["error"]["message"]
    assert [name for name, one in listed(integrations).items() if one["connected"]] == ["calendar"]
