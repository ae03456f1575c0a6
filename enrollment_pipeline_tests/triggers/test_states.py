"""What was before: what an event tells of it, in either of the two ways, or in both."""

import pytest

from enrollment_pipeline_tests.triggers.conftest import Automation, Document


def changed_from(field: str, value: object) -> Document:
    """A condition."""
    return {"field": field, "operator": "changed_from", "value": value}


def plan(**more: object) -> Document:
    """An event: the plan went from free to pro."""
    told = {"field": "plan", "old_value": "free", "new_value": "pro"}
    return {
        "type": "custom_field_changed",
        "email": "ada@example.com",
        "data": told,
        **more,
    }


@pytest.mark.parametrize(
    ("before", "matched"),
    [
        (None, True),
        ({}, True),
        ({"status": "active"}, True),
        ({"custom_fields": {}}, True),
        ({"custom_fields": {"city": "Rome"}}, True),
        ({"custom_fields": {"plan": "free"}}, True),
        # Where both say it, the state counts.
        ({"custom_fields": {"plan": "trial"}}, False),
    ],
)
def test_the_old_value_counts_whatever_else_is_told_of_the_state_before(
    automation: Automation, before: Document | None, matched: bool
) -> None:
    filters = changed_from("custom_fields.plan", "free")
    document = {"event": "custom_field_changed", "parameters": {"field": "plan"}}
    automation.automate({**document, "filters": filters})
    automation.contact(custom_fields={"plan": "free", "city": "Bonn"})

    automation.send(plan(previous_state=before))
    automation.work()

    assert len(automation.enrolled()) == matched


@pytest.mark.parametrize("before", [None, {"data": {"amount": 5}}, {"tags": []}])
def test_the_previous_stage_counts_whatever_else_is_told_of_the_state_before(
    automation: Automation, before: Document | None
) -> None:
    document = {"event": "stage_changed", "parameters": {"stage_id": "won"}}
    automation.automate({**document, "filters": changed_from("data.stage_id", "offer")})
    automation.contact()

    automation.send(
        {
            "type": "stage_changed",
            "email": "ada@example.com",
            "data": {"stage_id": "won", "previous_stage_id": "offer"},
            "previous_state": before,
        }
    )
    automation.work()

    assert len(automation.enrolled()) == 1


@pytest.mark.parametrize("named", ["address.city", "custom_fields.address.city"])
@pytest.mark.parametrize("own", [{}, {"address": {"city": "Oslo", "zip": "1"}}, {"address": 5}])
def test_a_field_within_a_field_has_its_old_and_its_new_value(
    automation: Automation, named: str, own: Document
) -> None:
    field = "custom_fields.address.city"
    moved = {
        "logic": "AND",
        "conditions": [
            changed_from(field, "Bonn"),
            {"field": field, "operator": "changed_to", "value": "Rome"},
        ],
    }
    document = {"event": "custom_field_changed", "parameters": {"field": "address.city"}}
    automation.automate({**document, "filters": moved})
    automation.contact(custom_fields=own)

    told = {"field": named, "old_value": "Bonn", "new_value": "Rome"}
    automation.send(plan(data=told))
    automation.work()

    assert len(automation.enrolled()) == 1
