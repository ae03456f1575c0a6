"""Rows that somebody has written into the tables: whatever they hold, they hold up nobody."""

import pytest

from enrollment_pipeline.triggers import history
from enrollment_pipeline_tests.triggers.conftest import PAYMENT, Automation, utc
from enrollment_pipeline_tests.triggers.looks import replay

ADA = "ada@example.com"
DEEP = "[" * 5_000 + "]" * 5_000
DIGITS = "9" * 6_000
WRONG = "data: must be an object, and one that is not nested too deeply"


def write(
    automation: Automation,
    event_id: str,
    *,
    kind: str = "payment_received",
    data: str = '{"amount": 1}',
    contact: object = None,
    before: str | None = None,
) -> None:
    """Write a row into the table of events."""
    automation.sql(
        "insert into enrollment.events "
        "(account_id, event_id, type, contact_id, data, previous_state) values (:account, "
        ":event_id, :kind, cast(:contact as uuid), cast(:data as jsonb), cast(:before as jsonb))",
        account=automation.account.id,
        event_id=event_id,
        kind=kind,
        contact=contact,
        data=data,
        before=before,
    )


@pytest.mark.parametrize(
    ("kind", "data", "rejection"),
    [
        ("payment", "{}", 'type: there is no event type "payment"'),
        ("birthday", "{}", "type: birthday is raised by the clock and cannot be sent"),
        ("payment_received", "{}", "data.amount: is missing"),
        ("payment_received", '{"amount": "1"}', 'data.amount: must be a number, not "1"'),
        ("payment_received", "[]", WRONG),
        ("payment_received", "null", WRONG),
        ("payment_received", f'{{"amount": 1, "custom": {DEEP}}}', WRONG),
        ("payment_received", '{"amount": 1, "custom": 5}', "data.custom: must be an object"),
        ("tag_added", '{"tag": ["lead"]}', 'data.tag: must be a text, not ["lead"]'),
    ],
    ids=lambda one: one[:40],
)
def test_a_row_that_is_no_event_is_rejected_and_blocks_nothing(
    automation: Automation, kind: str, data: str, rejection: str
) -> None:
    automation.automate(PAYMENT)
    contact = automation.contact()
    write(automation, "bad", kind=kind, data=data, contact=contact)
    write(automation, "good", contact=contact)

    totals = automation.work()

    assert (totals.events, totals.rejected) == (2, 1)
    assert automation.events() == {"bad": rejection, "good": None}
    assert automation.enrolled() == [("Welcome", ADA, "trigger")]


def test_a_row_that_names_nobody_is_rejected(automation: Automation) -> None:
    write(automation, "bad")
    automation.work()
    why = "one of contact_id, email and external_id names the contact"
    assert automation.events() == {"bad": why}


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        ("infinity", None),
        ("-infinity", None),
        ("0044-03-15 BC", None),
        ("12000-01-01", None),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_a_time_that_no_calendar_has_is_rejected_and_listed_and_blocks_nothing(
    automation: Automation, when: str, shown: str | None
) -> None:
    automation.automate(PAYMENT)
    contact = automation.contact()
    write(automation, "odd", contact=contact)
    automation.sql(
        "update enrollment.events set occurred_at = cast(:at as timestamptz) "
        "where account_id = :account",
        at=when,
        account=automation.account.id,
    )
    write(automation, "good", contact=contact)

    automation.work()

    odd = None if shown else "occurred_at: must be a time of the years 1 to 9999"
    assert automation.events() == {"odd": odd, "good": None}
    assert replay(automation)["considered"] == (2 if shown else 1)
    listed = history.list_events(automation.database, automation.account)["events"]
    assert [one["event_id"] for one in listed] == ["good", "odd"]
    assert listed[1]["occurred_at"] == shown
    assert automation.enrolled() == [("Welcome", ADA, "trigger")]


@pytest.mark.parametrize("value", [DEEP, "9" * 100_000])
def test_events_are_listed_whatever_their_data_hold(automation: Automation, value: str) -> None:
    contact = automation.contact()
    data = f'{{"amount": 1, "custom": {{"n": {value}}}}}'
    write(automation, "odd", data=data, contact=contact, before=data)
    automation.work()

    listed = history.list_events(automation.database, automation.account)

    assert [one["event_id"] for one in listed["events"]] == ["odd"]


def test_numbers_of_any_length_are_read(automation: Automation) -> None:
    larger = {"field": "data.custom.n", "operator": "greater_than", "value": 10}
    automation.automate({**PAYMENT, "filters": larger})
    contact = automation.contact()
    for event_id, number in (("digits", DIGITS), ("power", "1e4000"), ("small", f"0.{DIGITS}")):
        data = f'{{"amount": 1, "custom": {{"n": {number}}}}}'
        write(automation, event_id, data=data, contact=contact)

    automation.work()

    assert automation.events() == {"digits": None, "power": None, "small": None}
    assert len(automation.log()) == 3


@pytest.mark.parametrize("before", ["[]", "null", "5", '{"tags": 5}', '{"data": 5}', DEEP])
def test_a_previous_state_of_whatever_shape_is_no_trouble(
    automation: Automation, before: str
) -> None:
    changed = {"field": "status", "operator": "changed"}
    automation.automate({"event": "contact_updated", "filters": changed})
    contact = automation.contact()
    write(automation, "e", kind="contact_updated", data="{}", contact=contact, before=before)

    automation.work()

    assert automation.events() == {"e": None}
    assert [result for result, *_ in automation.log()] == ["filters"]


@pytest.mark.parametrize(
    "own", [f'{{"a": {DEEP}}}', f'{{"a": {DIGITS}}}', "[]", "null", '{"a": 1}']
)
def test_a_contact_with_whatever_fields_holds_up_no_other(automation: Automation, own: str) -> None:
    filters = {"field": "custom_fields.a", "operator": "equals", "value": 2}
    automation.automate({**PAYMENT, "filters": filters}, "A")
    automation.automate({"event": "birthday", "filters": filters}, "B")
    odd = automation.contact("odd@example.com", birthday="1990-03-10")
    automation.contact(birthday="1990-03-10", custom_fields={"a": 2})
    automation.sql(
        "update enrollment.contacts set custom_fields = cast(:own as jsonb) where id = :id",
        own=own,
        id=odd,
    )

    automation.turn(utc("2031-03-10T09:00"))
    automation.pay(contact=odd)
    automation.pay()
    automation.work()

    assert sorted(automation.enrolled()) == [("A", ADA, "trigger"), ("B", ADA, "trigger")]
    assert sorted(result for result, *_ in automation.log()) == ["filters"] * 2 + ["fired"] * 2
