"""Integrations that an account has: what must be given, what is kept, and who may say so."""

from collections.abc import Callable
from typing import Any

import pytest

from enrollment_pipeline.accounts import members
from enrollment_pipeline.errors import (
    ForbiddenError,
    IntegrationMissingError,
    InvalidRequestError,
)
from enrollment_pipeline.records import Account
from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.workflows import service
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline_tests.workflows.conftest import Ask

Audit = Callable[[], list[dict[str, Any]]]
Details = dict[str, str]

LINK = "https://example.com/x?y=1#z"
EMAIL = {"from_name": "Ann", "unsubscribe_link": LINK}
LEAST: dict[str, Details] = {
    "email": EMAIL,
    "sms": {},
    "calendar": {"booking_link": LINK},
    "reviews": {"review_link": LINK},
    "shop": {"link": LINK},
    "payments": {"billing_link": LINK},
    "support": {"help_link": LINK},
    "role_service": {"url": "https://example.com/x?y=1"},
}


def connected(database: Database, account: Account) -> dict[str, Details]:
    """The details of what the account has connected, by name."""
    return {
        integration.name: found.details
        for integration, found in service.list_integrations(database, account)
        if found is not None
    }


def connect(database: Database, account: Account, name: str, details: Details) -> Any:
    return service.connect(database, account, name, details, actor="ann")


def problems(database: Database, account: Account, name: str, details: Details) -> list[str]:
    """Why it is not connected."""
    with pytest.raises(InvalidRequestError) as refused:
        connect(database, account, name, details)
    assert connected(database, account) == {}
    return list(refused.value.details["problems"])


@pytest.mark.parametrize("name", LEAST)
def test_an_integration_is_connected_with_what_must_be_given(
    database: Database, account: Account, name: str
) -> None:
    made = connect(database, account, name, LEAST[name])

    assert (made.name, made.details, made.connected_by) == (name, LEAST[name], "ann")
    assert connected(database, account) == {name: LEAST[name]}


@pytest.mark.parametrize(
    ("name", "detail"), [(name, detail) for name, details in LEAST.items() for detail in details]
)
def test_what_must_be_given_is_asked_for(
    database: Database, account: Account, name: str, detail: str
) -> None:
    others = {key: value for key, value in LEAST[name].items() if key != detail}
    for given in ({}, {detail: ""}, {detail: " "}):
        (told,) = problems(database, account, name, {**others, **given})
        assert told.startswith(f"{detail} (")
        assert told.endswith(") is missing")


def test_the_list_has_every_integration_in_its_order(database: Database, account: Account) -> None:
    connect(database, account, "shop", LEAST["shop"])

    listed = service.list_integrations(database, account)

    assert [one.name for one, _ in listed] == list(INTEGRATIONS) == list(LEAST)
    assert [one.name for one, found in listed if found is not None] == ["shop"]


def test_details_that_may_be_left_out_are_kept_when_given(
    database: Database, account: Account
) -> None:
    details = {**EMAIL, "from_address": "ann@example.com"}

    assert connect(database, account, "email", details).details == details


def test_everything_that_is_wrong_is_told_at_once(database: Database, account: Account) -> None:
    told = problems(database, account, "email", {"colour": "red", "unsubscribe_link": "x"})

    assert told == [
        "colour is nothing that email has",
        "from_name (the name that e-mails come from) is missing",
        "unsubscribe_link (the page on which a contact unsubscribes) must be an address that begins"
        " with https:// or http://",
    ]


def test_the_advice_is_a_command_that_works(database: Database, account: Account) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        connect(database, account, "email", {})

    assert refused.value.advice == (
        "For example: enrollment integrations connect email from_name=... unsubscribe_link=..."
    )


@pytest.mark.parametrize("name", ["fax", "Email", ""])
def test_there_is_no_other_integration(database: Database, account: Account, name: str) -> None:
    for act in (
        lambda: connect(database, account, name, {}),
        lambda: service.disconnect(database, account, name, actor="ann"),
    ):
        with pytest.raises(InvalidRequestError, match="There is no integration") as refused:
            act()
        assert "email, sms, calendar" in refused.value.advice


@pytest.mark.parametrize(
    "link",
    [
        *("example.com", "ftp://example.com", "javascript:alert(1)", "https://", "https:///x"),
        *("https:example.com", "//example.com", "https://exa mple.com", "https://[x", "mailto:a@b"),
    ],
)
@pytest.mark.parametrize(("name", "detail"), [("shop", "link"), ("calendar", "booking_link")])
def test_a_link_begins_with_http(
    database: Database, account: Account, name: str, detail: str, link: str
) -> None:
    (told,) = problems(database, account, name, {detail: link})

    assert told.startswith(f"{detail} (")
    assert told.endswith("must be an address that begins with https:// or http://")


@pytest.mark.parametrize("link", ["http://x", "HTTPS://Example.com", "https://x.com:8443/a?b=c#d"])
def test_every_web_address_is_a_link(database: Database, account: Account, link: str) -> None:
    assert connect(database, account, "shop", {"link": link}).details == {"link": link}


@pytest.mark.parametrize(
    "url", ["https://ann@x.com", "https://ann:secret@x.com/", "https://x.com#"]
)
def test_the_address_of_a_service_is_one_that_requests_can_go_to(
    database: Database, account: Account, url: str
) -> None:
    (told,) = problems(database, account, "role_service", {"url": url})

    assert told.endswith("must be an address without a user name, a password and #")
    assert "secret" not in told


def test_a_name_is_no_link(database: Database, account: Account) -> None:
    assert connect(database, account, "sms", {"from_number": "+49 30 1"}).details == {
        "from_number": "+49 30 1"
    }


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "\x1b[0m", "x" * 501])
def test_a_detail_is_one_line_and_not_long(
    database: Database, account: Account, value: str
) -> None:
    (told,) = problems(database, account, "email", {**EMAIL, "from_name": value})

    assert told.endswith("must be one line of at most 500 characters")
    connect(database, account, "email", {**EMAIL, "from_name": "x" * 500})


def test_connecting_again_adds_to_what_is_known_and_replaces_it(
    database: Database, account: Account, ask: Ask
) -> None:
    connect(database, account, "email", EMAIL)

    connect(database, account, "email", {"from_address": "ann@example.com"})
    service.connect(database, account, "email", {"from_name": "Bob"}, actor="bob")

    assert ask("select name, details, connected_by from enrollment.integrations") == [
        {
            "name": "email",
            "details": {
                "from_name": "Bob",
                "unsubscribe_link": LINK,
                "from_address": "ann@example.com",
            },
            "connected_by": "bob",
        }
    ]


def test_saying_the_same_again_leaves_no_trace(
    database: Database, account: Account, ask: Ask, audit: Audit
) -> None:
    first = connect(database, account, "email", EMAIL)
    statement = "select xmin::text from enrollment.integrations"
    before = ask(statement)

    for details in (EMAIL, {"from_name": "Ann"}, {}):
        again = service.connect(database, account, "email", details, actor="bob")
        assert again == first

    assert ask(statement) == before
    assert len(audit()) == 1


def test_a_refused_change_leaves_what_was_connected(database: Database, account: Account) -> None:
    connect(database, account, "email", EMAIL)

    with pytest.raises(InvalidRequestError, match="is missing"):
        connect(database, account, "email", {"from_name": ""})
    assert connected(database, account) == {"email": EMAIL}


def test_what_is_disconnected_is_gone_and_does_not_go_again(
    database: Database, account: Account
) -> None:
    connect(database, account, "email", EMAIL)
    connect(database, account, "sms", {})

    service.disconnect(database, account, "email", actor="ann")

    assert connected(database, account) == {"sms": {}}
    with pytest.raises(IntegrationMissingError, match="email is not connected"):
        service.disconnect(database, account, "email", actor="ann")
    # What was said before is forgotten.
    with pytest.raises(InvalidRequestError, match="unsubscribe_link"):
        connect(database, account, "email", {"from_name": "Ann"})


def test_the_audit_log_tells_which_details_and_not_what_they_say(
    database: Database, account: Account, audit: Audit
) -> None:
    connect(database, account, "email", EMAIL)
    service.disconnect(database, account, "email", actor="bob")

    assert audit() == [
        {
            "actor": "ann",
            "action": "integration.connect",
            "result": "done",
            "subject": "email",
            "details": {"details": ["from_name", "unsubscribe_link"]},
        },
        {
            "actor": "bob",
            "action": "integration.disconnect",
            "result": "done",
            "subject": "email",
            "details": {},
        },
    ]


def test_only_a_member_who_may_manage_workflows_connects(
    database: Database, account: Account, audit: Audit
) -> None:
    connect(database, account, "sms", {})
    members.add(database, account, "boss", ["account:admin"], actor="boss")
    members.add(database, account, "bob", ["workflow:edit"], actor="boss")
    members.add(database, account, "eve", ["workflow:manage"], actor="boss")

    with pytest.raises(ForbiddenError, match="'bob' lacks the permission workflow:manage"):
        service.connect(database, account, "email", EMAIL, actor="bob")
    with pytest.raises(ForbiddenError):
        service.disconnect(database, account, "sms", actor="bob")
    assert connected(database, account) == {"sms": {}}
    assert [one["action"] for one in audit() if one["result"] == "denied"] == [
        *("integration.connect", "integration.disconnect"),
    ]

    service.connect(database, account, "email", EMAIL, actor="eve")
    service.disconnect(database, account, "sms", actor="eve")
    assert connected(database, account) == {"email": EMAIL}


def test_accounts_have_their_integrations_for_themselves(
    database: Database, make_account: Callable[..., Account]
) -> None:
    mine, theirs = make_account(), make_account()
    connect(database, theirs, "sms", {"from_number": "+1"})

    assert connected(database, mine) == {}
    with pytest.raises(IntegrationMissingError):
        service.disconnect(database, mine, "sms", actor="ann")
    connect(database, mine, "sms", {"from_number": "+2"})
    assert connected(database, theirs) == {"sms": {"from_number": "+1"}}
