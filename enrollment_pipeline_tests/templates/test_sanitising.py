"""Sanitising: what becomes of each part of a document, and what stays as it is."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from enrollment_pipeline import templates
from enrollment_pipeline.templates.personal import Kind
from enrollment_pipeline.templates.sanitising import Replacement, sanitise
from enrollment_pipeline.workflows.validation import problems_of
from enrollment_pipeline_tests.templates.planting import PEOPLE, document, document_for_items

SHIPPED = sorted(Path(str(templates.__file__)).parent.glob("shipped/**/*.yaml"))
OF_TEMPLATES = {"slug", "category", "tags", "version"}
PLAIN = document(str)


def shared(given_document: Any, people: tuple[str, ...] = ()) -> dict[str, Any]:
    return sanitise(given_document, people=people).document


def step(**fields: Any) -> dict[str, Any]:
    document = {"steps": [{"id": "one", **fields}]}
    return shared(document)["steps"][0]  # type: ignore[no-any-return]


def email(body: str) -> str:
    return str(step(type="send_email", body=body)["body"])


def test_the_document_that_things_are_planted_in_is_valid() -> None:
    assert problems_of(PLAIN) == []


def test_a_document_without_anything_personal_only_loses_where_it_sends_to() -> None:
    result = sanitise(PLAIN, people=PEOPLE)
    expected = copy.deepcopy(PLAIN)
    expected["steps"][6]["url"] = "{{values.url_1}}"
    expected["steps"][6]["headers"] = {
        "X-Api-Key": "{{values.secret_1}}",
        "Content-Type": "{{values.secret_2}}",
    }
    # A page that a request goes to is nobody else's, even where it is a value.
    expected["values"] = {"shop_link": "", "motto": "Be kind"} | dict.fromkeys(
        ("url_1", "secret_1", "secret_2"), ""
    )
    assert result.document == expected
    assert {one.path for one in result.replaced} == {
        "steps[6].url",
        "steps[6].headers.X-Api-Key",
        "steps[6].headers.Content-Type",
        "values.shop_link",
    }


def test_a_document_for_items_only_loses_the_address_that_is_its_own() -> None:
    plain = document_for_items(str)
    assert problems_of(plain) == []

    result = sanitise(plain, people=PEOPLE)

    plain["values"]["base"] = ""
    assert result.document == plain
    assert [one.path for one in result.replaced] == ["values.base"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_nothing_of_a_shipped_template_is_replaced(path: Path) -> None:
    shipped = yaml.safe_load(path.read_text(encoding="utf-8"))
    result = sanitise(shipped)
    assert result.replaced == ()
    assert result.document == {key: shipped[key] for key in shipped if key not in OF_TEMPLATES}


# Placeholders


def test_the_same_text_becomes_the_same_placeholder_everywhere() -> None:
    result = shared(
        {
            "name": "From anna@example.com",
            "steps": [{"id": "a", "type": "notify", "message": "anna@example.com, b@example.com"}],
        }
    )
    assert result["name"] == "From {{values.email_1}}"
    assert result["steps"][0]["message"] == "{{values.email_1}}, {{values.email_2}}"
    assert result["values"] == {"email_1": "", "email_2": ""}


def test_numbers_of_values_pass_over_those_that_are_named_already() -> None:
    result = shared(
        {
            "values": {"email_1": "Ask us"},
            "steps": [{"id": "a", "type": "notify", "message": "{{values.email_2}} a@example.com"}],
        }
    )
    assert result["steps"][0]["message"] == "{{values.email_2}} {{values.email_3}}"
    assert result["values"] == {"email_1": "Ask us", "email_3": ""}


def test_what_was_replaced_is_told_without_the_text_itself() -> None:
    result = sanitise({"steps": [{"id": "a", "type": "add_tag", "tag": "anna@example.com"}]})
    assert result.replaced == (Replacement("steps[0].tag", Kind.EMAIL, "{{values.email_1}}"),)


@pytest.mark.parametrize(
    ("written", "stays"),
    [
        ('{{contact.first_name | default("there")}}',) * 2,
        ("{{ contact.custom_fields.plan|upper }}",) * 2,
        ('{{contact.first_name | default("Anna") | title}}', "{{contact.first_name | title}}"),
        ('{{data.topic | default("a@example.com")}}', "{{data.topic}}"),
        ("{{contact.custom_fields.anna_schmidt}}", "{{contact.custom_fields.field_1}}"),
        ("{{contact.a@example.com}}", "{{contact.field_1}}"),
        ("{{person.a@example.com}}", "{{{{values.email_1}}}}"),
        ("https://example.com/?id={{contact.id}}",) * 2,
        ("https://a:b@example.com/?id={{contact.id}}", "{{values.url_1}}"),
    ],
)
def test_placeholders_stay_without_what_is_personal_in_them(written: str, stays: str) -> None:
    assert email(written) == stays


@pytest.mark.parametrize(
    ("written", "stays"),
    [
        ("{{item.name}} {{item.attributes}} {{steps.checks}} {{steps.checks.a.b | upper}}",) * 2,
        ('{{item.attributes.kind | default("new")}}',) * 2,
        ('{{item.name | default("Anna Schmidt")}}', "{{item.name}}"),
        ("{{item.attributes.anna_schmidt}}", "{{item.attributes.field_1}}"),
        ("{{item.anna_schmidt}}", "{{item.field_1}}"),
        ("{{steps.call_anna_schmidt.a}}", "{{steps.step_1.a}}"),
        ("{{steps.a.anna_schmidt}}", "{{steps.a.field_1}}"),
        ("{{steps.a@example.com}}", "{{steps.step_1.com}}"),
    ],
)
def test_placeholders_of_items_stay_without_what_is_personal_in_them(
    written: str, stays: str
) -> None:
    assert step(type="notify", message=written)["message"] == stays


@pytest.mark.parametrize(
    "url",
    [
        "{{role_service.url}}",
        "{{role_service.url}}/roles/check",
        "{{role_service.url}}/roles/{{item.reference_name}}?kind=new&title={{item.name | lower}}",
        "{{ shop.link }}/orders?id={{contact.id}}",
        "{{item.attributes.address}}",
        "{{contact.custom_fields.hook}}",
    ],
)
def test_an_address_stays_that_leads_to_what_whoever_uses_it_has(url: str) -> None:
    assert step(type="http_request", url=url)["url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/roles",
        "https://example.com/{{item.name}}",
        "{{role_service.url}}/hooks/x8Kq2Lm9Zp4Wn7",
        "{{role_service.url}}/roles?token=x1",
        "{{role_service.url}}/people/anna_schmidt",
        "{{role_service.url}}/mail/anna@example.com",
        "{{role_service.url}}@example.com/roles?token={{item.name}}",
        "{{role_service.token}}/roles",
        "{{item.attributes.address}}/roles",
        '{{item.attributes.address | default("https://example.com/x")}}',
        "{{role_service.url}}/" + "roles/" * 400,
    ],
)
def test_any_other_address_is_asked_for(url: str) -> None:
    result = shared({"steps": [{"id": "a", "type": "http_request", "url": url}]})
    assert result["steps"][0]["url"] == "{{values.url_1}}"
    assert result["values"] == {"url_1": ""}


def test_an_address_that_begins_with_a_value_stays_and_the_value_is_asked_for() -> None:
    result = shared(
        {
            "values": {"anna_schmidt": "https://roles.example.com"},
            "steps": [{"id": "a", "type": "webhook", "url": "{{values.anna_schmidt}}/roles"}],
        }
    )
    assert result["steps"][0]["url"] == "{{values.value_1}}/roles"
    assert result["values"] == {"value_1": ""}


def test_a_step_and_an_attribute_called_by_a_name_are_renamed_wherever_an_item_has_them() -> None:
    asked = {"operator": "is_empty"}
    result = shared(
        {
            "steps": [
                {"id": "ask_anna_schmidt", "type": "http_request", "save_as": "attributes.laura"},
                {"id": "b", "type": "update_field", "field": "attributes.laura"},
                {
                    "id": "c",
                    "type": "condition",
                    "condition": {
                        "conditions": [
                            {"field": "item.attributes.laura", **asked},
                            {"field": "steps.ask_anna_schmidt.score", **asked},
                        ]
                    },
                },
                {
                    "id": "d",
                    "type": "notify",
                    "message": "{{steps.ask_anna_schmidt.score}} {{item.attributes.laura}}",
                },
            ]
        }
    )
    steps = result["steps"]
    assert steps[0] == {
        "id": "step_1",
        "type": "http_request",
        "save_as": "attributes.field_1",
    }
    assert steps[1]["field"] == "attributes.field_1"
    assert [one["field"] for one in steps[2]["condition"]["conditions"]] == [
        "item.attributes.field_1",
        "steps.step_1.score",
    ]
    assert steps[3]["message"] == "{{steps.step_1.score}} {{item.attributes.field_1}}"


@pytest.mark.parametrize(
    "fields",
    [
        {"timeout": "Anna", "retry": "slow"},
        {"timeout": "2 minutes", "retry": "Anna"},
        {"timeout": ["2 minutes"], "retry": ["slow"], "enhancement": "Anna"},
    ],
)
def test_of_the_patience_of_a_request_only_what_is_one_stays(fields: dict[str, Any]) -> None:
    kept = step(type="http_request", **fields)

    assert set(kept) - {"id", "type"} == {
        key for key, value in fields.items() if value in ("2 minutes", "slow")
    }


def test_fifty_values_are_all_and_further_texts_share_the_last_of_their_kind() -> None:
    body = " ".join(f"a{number}@example.com" for number in range(60))
    result = shared({"steps": [{"id": "a", "type": "send_email", "body": body}]})
    assert len(result["values"]) == 50
    assert result["steps"][0]["body"].endswith("{{values.email_49}}" + " {{values.email_50}}" * 11)


def test_a_document_full_of_values_asks_for_one_of_them_anew() -> None:
    values = {f"text_{number}": "Hello" for number in range(50)}
    result = shared({"values": values, "name": "a@example.com"})
    assert result["name"] == "{{values.text_49}}"
    assert result["values"] == values | {"text_49": ""}


def test_a_subject_that_grows_beyond_what_is_allowed_is_cut_before_a_placeholder() -> None:
    subject = " ".join(f"a{number}@b.de" for number in range(10, 43))
    kept = step(type="send_email", subject=subject)["subject"]
    assert len(subject) <= 300
    assert len(kept) <= 300
    assert kept.count("{{") == kept.count("}}") > 10


# Values of the document itself


@pytest.mark.parametrize(
    ("name", "text", "stays"),
    [
        ("shop_link", "https://example.com/shop", "https://example.com/shop"),
        ("shop_link", "https://example.com/shop?token=x1", ""),
        ("note", "Ask Anna Schmidt", ""),
        ("owner", "Laura", ""),
        ("api_key", "abc", ""),
        ("first_name", "Xyzzo", ""),
        ("motto", "Be kind", "Be kind"),
    ],
)
def test_a_value_keeps_its_text_only_where_nothing_is_found(
    name: str, text: str, stays: str
) -> None:
    assert shared({"values": {name: text}}) == {"values": {name: stays}}


def test_a_value_that_is_called_by_a_name_is_renamed_in_all_texts() -> None:
    result = shared(
        {
            "values": {"anna_schmidt": "Yes"},
            "steps": [{"id": "a", "type": "notify", "message": "{{values.anna_schmidt | upper}}"}],
        }
    )
    assert result["values"] == {"value_1": "Yes"}
    assert result["steps"][0]["message"] == "{{values.value_1 | upper}}"


# Fields


def test_who_sends_answers_or_is_told_is_left_out() -> None:
    result = shared(
        {
            "slug": "x",
            "bogus": 1,
            "settings": {"target": "database", "business_hours": True},
            "steps": [
                {
                    "id": "a",
                    "type": "send_email",
                    "from_name": "We",
                    "reply_to": "us",
                    "subject": "S",
                },
                {"id": "b", "type": "create_task", "title": "T", "assignee": "me"},
                {"id": "c", "type": "notify", "message": "M", "to": ["me"], "bogus": 1},
                {"id": "d", "type": "teleport", "where": "home"},
            ],
        }
    )
    assert result == {
        "settings": {"business_hours": True},
        "steps": [
            {"id": "a", "type": "send_email", "subject": "S"},
            {"id": "b", "type": "create_task", "title": "T"},
            {"id": "c", "type": "notify", "message": "M"},
            {"id": "d", "type": "teleport"},
        ],
    }


def test_an_id_that_holds_a_name_is_renamed_wherever_it_is_referred_to() -> None:
    result = shared(
        {
            "steps": [
                {"id": "ask_anna_schmidt", "type": "notify", "message": "M", "next": "step_1"},
                {"id": "step_1", "type": "notify", "message": "M", "next": "ask_anna_schmidt"},
                {"id": "c", "type": "condition", "then": "ask_anna_schmidt", "else": "step_1"},
            ],
            "goals": [{"name": "G", "event": "deal_won", "then": "ask_anna_schmidt"}],
        }
    )
    assert [one["id"] for one in result["steps"]] == ["step_2", "step_1", "c"]
    assert result["steps"][0]["next"] == "step_1"
    assert result["steps"][1]["next"] == "step_2"
    assert (result["steps"][2]["then"], result["steps"][2]["else"]) == ("step_2", "step_1")
    assert result["goals"][0]["then"] == "step_2"


def test_a_field_that_is_called_by_a_name_is_renamed_everywhere() -> None:
    name = "custom_fields.anna_schmidt_phone"
    result = shared(
        {
            "trigger": {
                "event": "custom_field_changed",
                "parameters": {"field": "anna_schmidt_phone"},
                "filters": {"field": name, "operator": "is_empty"},
            },
            "steps": [
                {"id": "a", "type": "update_field", "field": name, "value": "x"},
                {"id": "b", "type": "http_request", "url": "", "save_as": name},
                {"id": "c", "type": "notify", "message": f"{{{{contact.{name}}}}}"},
            ],
        }
    )
    assert result["trigger"]["parameters"]["field"] == "field_1"
    assert result["trigger"]["filters"]["field"] == "custom_fields.field_1"
    assert result["steps"][0]["field"] == "custom_fields.field_1"
    assert result["steps"][1]["save_as"] == "custom_fields.field_1"
    assert result["steps"][2]["message"] == "{{contact.custom_fields.field_1}}"


def test_goals_and_the_steps_that_name_them_stay_together() -> None:
    result = shared(
        {
            "steps": [{"id": "a", "type": "goal", "goal": "Met Anna Schmidt"}],
            "goals": [{"name": "Met Anna Schmidt", "event": "deal_won"}],
        }
    )
    assert result["steps"][0]["goal"] == result["goals"][0]["name"] == "Met {{values.name_1}}"


def test_json_is_cleaned_in_keys_and_values_and_by_what_values_are_called() -> None:
    body = {
        "a@example.com": 1,
        "password": "sunshine",
        "pin": 1234,
        "first_name": "Xyzzo",
        "phone": 4917012345678,
        "card": 4111111111111111,
        "order": 12345678,
        "price": 19.99,
        "ok": True,
        "none": None,
        "who": "anna schmidt",
        "tag": "hot-lead",
    }
    assert step(type="webhook", body=body)["body"] == {
        "{{values.email_1}}": 1,
        "password": "{{values.secret_1}}",
        "pin": "{{values.secret_2}}",
        "first_name": "{{values.name_1}}",
        "phone": "{{values.phone_1}}",
        "card": "{{values.secret_3}}",
        "order": 12345678,
        "price": 19.99,
        "ok": True,
        "none": None,
        "who": "{{values.name_2}}",
        "tag": "hot-lead",
    }


def test_json_that_is_nested_too_deeply_is_cut() -> None:
    body: Any = "end"
    for _ in range(100):
        body = [body]
    assert json.dumps(step(type="webhook", body=body)["body"]) == "[" * 20 + "]" * 20


def test_what_is_one_placeholder_stays_whatever_it_is_called() -> None:
    fields = {"first_name": "{{contact.first_name}}", "token": "{{item.attributes.token}}"}
    kept = step(type="http_request", body=fields, headers={"X-Key": "{{steps.a.key}}"})

    assert kept["body"] == fields
    assert kept["headers"] == {"X-Key": "{{steps.a.key}}"}


def test_headers_keep_their_names_unless_those_are_personal() -> None:
    headers = {"X-Api-Key": "abc", "X-Anna-Schmidt": "b", "not a name": "c", "Accept": "d", "N": 1}
    assert step(type="http_request", headers=headers)["headers"] == {
        "X-Api-Key": "{{values.secret_1}}",
        "Accept": "{{values.secret_2}}",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": "3 days"},
        {"until": "2027-01-31T09:00", "offset": "-24 hours"},
        {"until": "{{data.starts_at}}", "offset": "2 days"},
        {"business_hours": True},
    ],
)
def test_waits_stay_as_they_are(fields: dict[str, Any]) -> None:
    assert step(type="wait", **fields) == {"id": "one", "type": "wait", **fields}


@pytest.mark.parametrize(
    "parameters",
    [
        {"cron": "0 9 * * MON", "timezone": "Europe/Berlin"},
        {"rrule": "FREQ=WEEKLY;BYDAY=MO", "start": "2027-01-04T09:00:00"},
        {"offset_days": -7, "time": "09:30", "leap_day": "mar1", "date_field": "birthday"},
        {"tag": "lead"},
        {"field": "plan"},
    ],
)
def test_parameters_of_triggers_stay_as_they_are(parameters: dict[str, Any]) -> None:
    trigger = {"event": "recurring_schedule", "parameters": parameters}
    assert shared({"trigger": trigger}) == {"trigger": trigger}


def test_parameters_of_triggers_that_are_something_else_are_left_out() -> None:
    parameters = {
        "cron": "Anna",
        "time": "Anna",
        "timezone": "Anna",
        "start": "A",
        "offset_days": "A",
    }
    trigger = {"event": "recurring_schedule", "parameters": parameters}
    assert shared({"trigger": trigger})["trigger"]["parameters"] == {}
