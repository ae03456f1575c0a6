"""The event types: their number, what each carries, and what a trigger on it may filter by."""

import pytest

from enrollment_pipeline.conditions.fields import CONTACT_FIELDS
from enrollment_pipeline.conditions.model import Condition, Operator
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.errors import InvalidConditionError
from enrollment_pipeline.triggers.events import payload_faults
from enrollment_pipeline.triggers.registry import (
    EVENT_TYPES,
    Category,
    EventType,
    Kind,
    Parameter,
)

BY_CATEGORY = {
    Category.CONTACT: [
        "contact_created",
        "contact_updated",
        "tag_added",
        "tag_removed",
        "custom_field_changed",
    ],
    Category.FORM: ["form_submitted", "survey_completed"],
    Category.PIPELINE: ["stage_changed", "deal_created", "deal_won", "deal_lost"],
    Category.APPOINTMENT: [
        "appointment_booked",
        "appointment_cancelled",
        "appointment_completed",
        "appointment_no_show",
    ],
    Category.PAYMENT: ["payment_received", "subscription_created", "subscription_cancelled"],
    Category.COMMUNICATION: ["email_opened", "email_clicked", "sms_received", "call_completed"],
    Category.TIME: ["scheduled_date", "recurring_schedule", "birthday", "anniversary"],
}
KEYS = {
    "tag_added": "tag",
    "tag_removed": "tag",
    "custom_field_changed": "field",
    "form_submitted": "form_id",
    "survey_completed": "survey_id",
    "stage_changed": "stage_id",
}

every_type = pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=list(EVENT_TYPES))
sent_types = pytest.mark.parametrize(
    "kind",
    [kind for kind in EVENT_TYPES.values() if not kind.timed],
    ids=[name for name, kind in EVENT_TYPES.items() if not kind.timed],
)
timed_types = pytest.mark.parametrize("name", BY_CATEGORY[Category.TIME])


def fields_of(name: str, kind: EventType) -> list[str]:
    """Return the paths that a filter on this name comes to."""
    tree = parse({"field": name, "operator": "is_not_empty"}, kind.filters)
    return [one.field.name for one in tree.conditions if isinstance(one, Condition)]


def refusal(name: str, kind: EventType, operator: str = "is_not_empty") -> str:
    with pytest.raises(InvalidConditionError) as refused:
        parse({"field": name, "operator": operator}, kind.filters)
    return refused.value.message


def test_there_are_26_types_in_7_categories() -> None:
    found: dict[Category, list[str]] = {category: [] for category in Category}
    for name, kind in EVENT_TYPES.items():
        assert kind.name == name
        found[kind.category].append(name)
    assert found == BY_CATEGORY
    assert len(EVENT_TYPES) == 26


@every_type
def test_a_type_says_in_a_sentence_what_happened(kind: EventType) -> None:
    assert kind.says[0].isupper()
    assert kind.says.endswith(".")


@every_type
def test_a_type_names_each_field_and_parameter_once(kind: EventType) -> None:
    names = [one.name for one in kind.fields]
    assert len(set(names)) == len(names)
    assert "custom" not in names
    assert len(set(kind.parameters)) == len(kind.parameters)
    assert set(kind.must_have) <= set(kind.parameters)


@sent_types
def test_a_sample_is_a_payload_of_its_type(kind: EventType) -> None:
    assert kind.sample is not None
    assert payload_faults(kind, kind.sample) == []
    assert set(kind.sample) <= {one.name for one in kind.fields}
    assert {one.name for one in kind.fields if one.required} <= set(kind.sample)


@sent_types
def test_a_payload_without_a_required_field_has_a_fault(kind: EventType) -> None:
    required = [one.name for one in kind.fields if one.required]
    assert payload_faults(kind, {}) == [f"data.{name}: is missing" for name in required]
    nothing = dict.fromkeys(required, "")
    assert payload_faults(kind, nothing) == [f"data.{name}: is missing" for name in required]


def test_the_key_of_a_type_is_a_required_text_of_its_payload() -> None:
    keyed = {name: kind for name, kind in EVENT_TYPES.items() if kind.key is not None}
    assert {name: str(kind.key) for name, kind in keyed.items()} == KEYS
    for name, kind in keyed.items():
        held = next(one for one in kind.fields if one.name == KEYS[name])
        assert held.required
        assert held.kind is Kind.TEXT
        assert kind.must_have[0] is kind.key


# What can be filtered by


@sent_types
def test_a_filter_may_ask_for_every_field_of_the_payload(kind: EventType) -> None:
    for one in kind.fields:
        if one.kind is Kind.OBJECT:
            assert fields_of(f"data.{one.name}.topic", kind) == [f"data.{one.name}.topic"]
            assert "names no field" in refusal(f"data.{one.name}", kind)
        else:
            assert fields_of(f"data.{one.name}", kind) == [f"data.{one.name}"]


@sent_types
def test_a_filter_may_ask_for_whatever_else_the_sender_tells(kind: EventType) -> None:
    assert fields_of("data.custom.x", kind) == ["data.custom.x"]
    assert fields_of("data.custom.x.y", kind) == ["data.custom.x.y"]
    assert "names no field" in refusal("data.custom", kind)


@every_type
def test_a_filter_may_ask_for_the_contact(kind: EventType) -> None:
    for name in (*CONTACT_FIELDS.known, "custom_fields.plan"):
        assert fields_of(name, kind) == [name]
        assert parse({"field": name, "operator": "is_empty"}, kind.filters) == (
            parse({"field": name, "operator": "is_empty"}, CONTACT_FIELDS)
        )


@sent_types
@pytest.mark.parametrize("name", ["data.nothing_of_the_kind", "amount", "data", "data.", "event.x"])
def test_a_filter_may_not_ask_for_what_the_payload_does_not_have(
    kind: EventType, name: str
) -> None:
    assert f'there is no field "{name}"' in refusal(name, kind)


@pytest.mark.parametrize(
    "name",
    [
        "stage_changed",
        "deal_created",
        "deal_won",
        "deal_lost",
        "payment_received",
        "subscription_created",
        "subscription_cancelled",
    ],
)
def test_a_misspelt_field_is_refused_with_the_field_that_is_meant(name: str) -> None:
    said = refusal("data.ammount", EVENT_TYPES[name])
    assert 'there is no field "data.ammount". Did you mean "data.amount"?' in said


@timed_types
@pytest.mark.parametrize("path", ["data.x", "data.custom.x", "data.amount"])
def test_what_the_clock_raises_has_no_payload_to_filter_by(name: str, path: str) -> None:
    kind = EVENT_TYPES[name]
    assert kind.timed
    assert kind.fields == ()
    assert kind.sample is None
    assert kind.filters == CONTACT_FIELDS
    assert f'there is no field "{path}"' in refusal(path, kind)


@every_type
def test_only_types_that_carry_the_state_before_compare_with_it(kind: EventType) -> None:
    comparing = {"contact_updated", "custom_field_changed", "stage_changed"}
    assert kind.compares == (kind.name in comparing)
    asked = {"field": "status", "operator": str(Operator.CHANGED)}
    if kind.compares:
        assert parse(asked, kind.filters).conditions
    else:
        assert "compares with the state before" in refusal("status", kind, Operator.CHANGED)


# What a trigger on the clock must say


@pytest.mark.parametrize(
    ("name", "must", "may"),
    [
        ("scheduled_date", {"date_field"}, {"offset_days", "time"}),
        ("recurring_schedule", set(), {"cron", "rrule", "start", "timezone"}),
        ("birthday", set(), {"offset_days", "time", "leap_day"}),
        ("anniversary", {"date_field"}, {"offset_days", "time", "leap_day"}),
    ],
)
def test_a_time_trigger_has_its_parameters(name: str, must: set[str], may: set[str]) -> None:
    kind = EVENT_TYPES[name]
    assert {str(one) for one in kind.must_have} == must
    assert {str(one) for one in kind.parameters} == must | may


@sent_types
def test_a_trigger_on_what_is_sent_has_no_parameter_but_the_key(kind: EventType) -> None:
    assert kind.parameters == (() if kind.key is None else (Parameter(KEYS[kind.name]),))
