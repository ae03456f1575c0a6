"""Placeholders: which are written rightly, which names there are, what is told of others."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline.workflows.integrations import INTEGRATIONS
from enrollment_pipeline.workflows.placeholders import (
    Names,
    Placeholder,
    faults,
    only_placeholder,
    placeholders,
)

NAMES = Names(fields=EVENT_TYPES["form_submitted"].filters, values=["shop_link"])


def told(text: str, names: Names = NAMES) -> list[str]:
    return list(faults(text, names))


_FIELDS = (
    *("id", "email", "first_name", "last_name", "phone", "status", "birthday", "timezone"),
    *("source", "created_at", "updated_at", "custom_fields.plan", "custom_fields.a.b"),
)
_DETAILS = (
    *("email.from_name", "email.from_address", "email.unsubscribe_link", "sms.from_number"),
    *("calendar.booking_link", "reviews.review_link", "shop.link", "payments.billing_link"),
    *("support.help_link", "support.phone"),
    "role_service.url",
)
_DATA = ("data.form_id", "data.page", "data.answers.topic", "data.custom.seat", "data.custom.a.b")


@pytest.mark.parametrize(
    "name",
    [
        *(f"contact.{field}" for field in _FIELDS),
        *_DATA,
        *_DETAILS,
        "account.name",
        "workflow.name",
        "values.shop_link",
    ],
)
def test_every_name_that_there_is_can_be_filled_in(name: str) -> None:
    assert told(f"Hi {{{{{name}}}}}, {{{{ {name} | upper }}}}") == []


def test_the_details_of_integrations_are_the_ones_of_the_list() -> None:
    assert {
        f"{one.name}.{detail.name}" for one in INTEGRATIONS.values() for detail in one.details
    } == set(_DETAILS)


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("{{contact.email}}", ()),
        ("{{ contact.email }}", ()),
        ("{{\n contact.email\t}}", ()),
        ("{{contact.email|upper}}", ("upper",)),
        ("{{contact.email | lower | title}}", ("lower", "title")),
        ("{{contact.birthday | date}}", ("date",)),
        ("{{contact.birthday|time}}", ("time",)),
        ('{{contact.email | default("there")}}', ("default",)),
        ('{{contact.email|default( "" )|upper}}', ("default", "upper")),
        ('{{contact.email | default("you | me, or us")}}', ("default",)),
    ],
)
def test_every_way_of_writing_one_is_read(text: str, filters: tuple[str, ...]) -> None:
    assert told(text) == []
    (found,) = placeholders(f"a {text} b")
    assert (found.root, found.filters) == ("contact", filters)
    assert only_placeholder(text) == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{}}", "is no placeholder"),
        ("{{ }}", "is no placeholder"),
        ("{{contact.}}", "is no placeholder"),
        ("{{.first_name}}", "is no placeholder"),
        ("{{contact..email}}", "is no placeholder"),
        ("{{contact first_name}}", "is no placeholder"),
        ("{{contact.email |}}", "is no placeholder"),
        ("{{contact.email | upper()}}", "is no placeholder"),
        ("{{contact.email | default('x')}}", "is no placeholder"),
        ('{{contact.email | default("x}}', "is no placeholder"),
        ('{{contact.email | default("a" "b")}}', "is no placeholder"),
        ('{{"contact.email"}}', "is no placeholder"),
        ("{{{contact.email}}}", "is no placeholder"),
        ("{{contact.email {{contact.email}}", "is no placeholder"),
        ("Hello {{contact.email", 'ends with "}}"'),
        ("Hello {{", 'ends with "}}"'),
        ("{% if contact.email %}", "no statements"),
        ("{{contact.email | shout}}", 'there is no filter "shout"; those are default, date, time,'),
        ("{{contact.email | upper | shout}}", 'no filter "shout"'),
        ("{{contact}}", 'there is no field ""'),
        ("{{contact.first_nam}}", 'Did you mean "first_name"?'),
        ("{{contact.custom_fields}}", '"custom_fields" names no field'),
        ("{{contact.tags}}", "tags are no text"),
        ("{{data.form}}", 'there is no field "data.form"'),
        ("{{data}}", 'there is no field "data"'),
        ("{{data.custom}}", '"data.custom" names no field'),
        ("{{data.amount}}", 'there is no field "data.amount"'),
        ("{{account}}", "write account.name."),
        ("{{account.id}}", "write account.name."),
        ("{{workflow.title}}", "write workflow.name."),
        ("{{values.shop}}", 'the document\'s values have no "shop".'),
        ("{{values}}", "values have no"),
        ("{{values.shop_link.x}}", 'values have no "shop_link.x"'),
        ("{{email.from}}", "there is email.from_name, email.from_address, email.unsubscribe_link."),
        ("{{sms}}", "there is sms.from_number."),
        ("{{first_name}}", 'there is nothing called "first_name"; names begin with one of contact'),
        ("{{Contact.email}}", 'nothing called "Contact"'),
    ],
)
def test_what_cannot_be_filled_in_is_told_once(text: str, expected: str) -> None:
    (fault,) = told(text)

    assert expected in fault


def test_a_default_says_what_stands_there() -> None:
    (fault,) = told("{{contact.first_name | default}}")

    assert "default" in fault


def test_a_fault_shows_the_placeholder_as_it_was_written() -> None:
    assert told("Hi {{ values.nothing }}!") == [
        '"{{ values.nothing }}": the document\'s values have no "nothing".'
    ]


def test_every_fault_of_a_text_is_told_in_its_order() -> None:
    first, second, third = told("{{a.b}} {{contact.email}} {% x %} {{values.c}} }}")

    assert '"a"' in first
    assert "{%" in second
    assert '"c"' in third


@pytest.mark.parametrize("text", ["", "Hello", "}}", "a { b } c", '{"a": {"b": 1}}', "100 % {x}"])
def test_other_braces_are_plain_text(text: str) -> None:
    assert told(text) == []
    assert list(placeholders(text)) == []


def test_without_an_event_there_is_no_payload_but_the_contact() -> None:
    assert told("{{contact.email}}", Names()) == []
    assert len(told("{{data.form_id}}", Names())) == 1


def test_the_payload_of_a_time_trigger_is_empty() -> None:
    names = Names(fields=EVENT_TYPES["birthday"].filters)

    assert len(told("{{data.form_id}}", names)) == 1


@pytest.mark.parametrize("event", [one.name for one in EVENT_TYPES.values() if not one.timed])
def test_whatever_the_event_there_is_custom_data(event: str) -> None:
    assert told("{{data.custom.seat}}", Names(fields=EVENT_TYPES[event].filters)) == []


def test_a_placeholder_is_read_with_its_parts() -> None:
    assert list(placeholders('a {{contact.custom_fields.x | default("y")}} {{account.name}}')) == [
        Placeholder("contact", "custom_fields.x", ("default",), ("y",)),
        Placeholder("account", "name", ()),
    ]
    assert Placeholder("contact", "custom_fields.x").name == "contact.custom_fields.x"
    assert Placeholder("contact", "").name == "contact"


@pytest.mark.parametrize("text", ["", " {{contact.email}}", "{{a.b}}{{a.b}}", "x{{a.b}}", "{{}}"])
def test_only_a_placeholder_is_one_and_nothing_else(text: str) -> None:
    assert only_placeholder(text) is None


@given(st.text(st.sampled_from('{}%|"() .ab\n'), max_size=60))
def test_any_text_is_looked_through(text: str) -> None:
    wrong, right = told(text), list(placeholders(text))

    assert all(fault.endswith((".", "?")) for fault in wrong)
    if "{{" in text:
        assert wrong or right
    elif "{%" not in text:
        assert not wrong
        assert not right


@pytest.mark.parametrize("text", ["{{" * 25_000, "{{a" + ".a" * 24_000, "{{a.b" + "|a" * 24_000])
def test_a_hostile_text_is_looked_through_at_once(text: str) -> None:
    begun = time.process_time()

    assert told(text)
    assert list(placeholders(text)) == []

    assert time.process_time() - begun < 3
