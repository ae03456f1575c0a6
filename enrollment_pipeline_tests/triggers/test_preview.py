"""Previews of triggers: whom one would take now, and what cannot be known before it happens."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.conditions.evaluate import evaluate
from enrollment_pipeline.conditions.model import Condition, Group, Logic, Operator
from enrollment_pipeline.triggers.looking import of_contacts
from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline_tests.triggers.conftest import Automation, Document, MakeAutomation
from enrollment_pipeline_tests.triggers.looks import OPEN, both, preview

AMOUNT = {"field": "data.amount", "operator": "greater_than", "value": 500}
PRO = {"field": "custom_fields.plan", "operator": "equals", "value": "pro"}
FREE = {"field": "custom_fields.plan", "operator": "equals", "value": "free"}
TOLD_AMOUNT = "data.amount greater_than 500"


def test_a_preview_counts_the_living_contacts_of_the_account_that_match(
    make_automation: MakeAutomation,
) -> None:
    automation, other = make_automation(), make_automation()
    ada = automation.contact(first_name="Ada", status="active")
    nobody = automation.contact(email=None, status="active")
    automation.contact(email="bob@example.com", status="blocked")
    automation.contact(email="eve@example.com", status="active", deleted_at="2030-01-01")
    other.contact(status="active")
    active = {"field": "status", "operator": "equals", "value": "active"}

    assert preview(automation, {"event": "payment_received", "filters": active}) == {
        "event": "payment_received",
        "matching": 2,
        "samples": [
            {"contact_id": str(ada), "email": "a***@example.com", "first_name": "Ada"},
            {"contact_id": str(nobody), "email": None, "first_name": None},
        ],
        "not_asked": [],
        "next": [],
    }


def test_a_preview_shows_the_oldest_twenty_contacts(automation: Automation) -> None:
    automation.crowd(25)
    last = automation.contact()
    automation.change_contact(last, "created_at = '2020-01-01'")

    found = preview(automation, {"event": "deal_won"})

    oldest = automation.query(
        "select id from enrollment.contacts where account_id = :account "
        "order by created_at, id limit 20",
        account=automation.account.id,
    )
    assert found["matching"] == 26
    assert [one["contact_id"] for one in found["samples"]] == [str(one["id"]) for one in oldest]
    assert found["samples"][0]["contact_id"] == str(last)


@pytest.mark.parametrize(
    ("filters", "matching", "not_asked"),
    [
        pytest.param(both("AND", PRO, AMOUNT), 1, [TOLD_AMOUNT], id="and goes without"),
        pytest.param(both("OR", PRO, AMOUNT), 2, [TOLD_AMOUNT], id="or is true"),
        pytest.param(both("AND", PRO, both("OR", FREE, AMOUNT)), 1, [TOLD_AMOUNT], id="or in and"),
        pytest.param(both("OR", PRO, both("AND", FREE, AMOUNT)), 2, [TOLD_AMOUNT], id="and in or"),
        pytest.param(
            both("OR", PRO, both("AND", {**FREE, "value": "x"}, AMOUNT)),
            1,
            [TOLD_AMOUNT],
            id="and in or that holds nobody",
        ),
        pytest.param(both("OR", PRO, both("AND", AMOUNT)), 2, [TOLD_AMOUNT], id="nothing is left"),
        pytest.param(
            both("AND", AMOUNT, {"field": "data.currency", "operator": "in", "value": ["EUR"]}),
            2,
            [TOLD_AMOUNT, 'data.currency in ["EUR"]'],
            id="nothing to ask",
        ),
        pytest.param(
            {"field": "data.custom.email", "operator": "equals", "value": "joe@example.com"},
            2,
            ['data.custom.email equals "j***@example.com"'],
            id="an address",
        ),
        pytest.param(
            {"field": "data.custom.phone", "operator": "in", "value": ["+49 171 2345678"]},
            2,
            ['data.custom.phone in ["***78"]'],
            id="a phone number",
        ),
    ],
)
def test_what_only_an_event_can_answer_is_taken_as_true_and_told(
    automation: Automation, filters: Document, matching: int, not_asked: list[str]
) -> None:
    automation.contact(custom_fields={"plan": "pro"})
    automation.contact(email="bob@example.com", custom_fields={"plan": "free"})

    found = preview(automation, {"event": "payment_received", "filters": filters})

    assert (found["matching"], found["not_asked"]) == (matching, not_asked)


FIELDS = EVENT_TYPES["contact_updated"].filters
HOLDS, FAILS, CHANGED, OF_EVENT = (
    Condition(FIELDS.find(name), operator)
    for name, operator in (
        ("email", Operator.IS_NOT_EMPTY),
        ("email", Operator.IS_EMPTY),
        ("status", Operator.CHANGED),
        ("data.changed_fields", Operator.IS_EMPTY),
    )
)
TREES = st.recursive(
    st.sampled_from([HOLDS, FAILS, CHANGED, OF_EVENT]),
    lambda inner: st.builds(
        Group, st.sampled_from(Logic), st.lists(inner, min_size=1, max_size=4).map(tuple)
    ),
    max_leaves=20,
).map(lambda one: one if isinstance(one, Group) else Group(Logic.AND, (one,)))


def taken_as_true(tree: Group) -> Group:
    members = (
        taken_as_true(one) if isinstance(one, Group) else one if one is FAILS else HOLDS
        for one in tree.conditions
    )
    return Group(tree.logic, tuple(members))


def conditions(tree: Group) -> list[Condition]:
    return [
        condition
        for one in tree.conditions
        for condition in (conditions(one) if isinstance(one, Group) else [one])
    ]


@given(TREES)
def test_what_is_left_of_a_filter_answers_as_if_the_rest_were_true(tree: Group) -> None:
    left, not_asked = of_contacts(tree)

    ada = {"email": "ada@example.com"}
    assert (
        evaluate(left, ada, now=OPEN).matched
        is evaluate(taken_as_true(tree), ada, now=OPEN).matched
    )
    assert not_asked == [one for one in conditions(tree) if one in (CHANGED, OF_EVENT)]
    assert not {CHANGED, OF_EVENT} & set(conditions(left))


def test_what_was_so_before_cannot_be_asked_of_contacts(automation: Automation) -> None:
    automation.contact(status="blocked")
    changed = {"field": "status", "operator": "changed"}
    to_active = {"field": "status", "operator": "changed_to", "value": "active"}

    found = preview(
        automation, {"event": "contact_updated", "filters": both("AND", changed, to_active)}
    )

    assert found["matching"] == 1
    assert found["not_asked"] == ["status changed", 'status changed_to "active"']


def test_a_preview_asks_for_the_present(automation: Automation) -> None:
    contact = automation.contact()
    automation.change_contact(contact, "created_at = '2031-01-20T12:00Z'")
    recent = {"field": "created_at", "operator": "within_last", "value": "2 days"}
    starts = {"field": "data.starts_at", "operator": "within_next", "value": "2 days"}
    document = {"event": "appointment_booked", "filters": both("AND", recent, starts)}

    assert preview(automation, document, OPEN)["matching"] == 1
    assert preview(automation, document, OPEN + timedelta(days=2))["matching"] == 0
    assert preview(automation, document)["not_asked"] == ["data.starts_at within_next 2 days"]


@pytest.mark.parametrize(
    ("document", "matching"),
    [
        ({"event": "birthday"}, 1),
        ({"event": "anniversary", "parameters": {"date_field": "created_at"}}, 3),
        ({"event": "scheduled_date", "parameters": {"date_field": "custom_fields.renewal"}}, 2),
    ],
)
def test_of_a_trigger_that_goes_by_a_date_those_match_that_have_one(
    automation: Automation, document: Document, matching: int
) -> None:
    automation.contact(birthday="1990-05-04", custom_fields={"renewal": "2031-02-01"})
    automation.contact("b@example.com", custom_fields={"renewal": "2031-02-01T10:00:00Z"})
    automation.contact("c@example.com", custom_fields={"renewal": "soon"})

    assert preview(automation, document)["matching"] == matching


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (
            {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
            ["01-22T08", "01-23T08", "01-24T08", "01-27T08", "01-28T08"],
        ),
        ({"cron": "0 */6 * * *"}, ["01-21T18", "01-22T00", "01-22T06", "01-22T12", "01-22T18"]),
        ({"rrule": "FREQ=DAILY;COUNT=2", "start": "2031-01-21T09:00"}, ["01-22T09"]),
        ({"rrule": "FREQ=DAILY;COUNT=1", "start": "2031-01-21T09:00"}, []),
    ],
)
def test_a_preview_tells_when_a_schedule_fires_next(
    automation: Automation, parameters: Document, expected: list[str]
) -> None:
    found = preview(automation, {"event": "recurring_schedule", "parameters": parameters})

    assert found["next"] == [f"2031-{one}:00:00+00:00" for one in expected]


def test_a_preview_finds_a_day_that_comes_every_28_years(automation: Automation) -> None:
    rule = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;BYHOUR=9;BYMINUTE=0"
    parameters = {"rrule": rule, "start": "2031-01-01T09:00"}

    found = preview(automation, {"event": "recurring_schedule", "parameters": parameters})

    assert [one[:4] for one in found["next"]] == ["2044", "2072", "2112", "2140", "2168"]
