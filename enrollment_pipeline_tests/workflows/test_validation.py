"""What is wrong with a document: every rule with its path and its sentence, and all at once."""

import copy
import json
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from enrollment_pipeline.workflows.documents import MOST_BYTES, unkeepable
from enrollment_pipeline.workflows.steps import STEP_TYPES, fields_of
from enrollment_pipeline.workflows.validation import (
    listed_integrations,
    named_integrations,
    problems_of,
)
from enrollment_pipeline_tests.workflows.examples import GONE, Document, full, put, small

TYPES = (
    *("send_email", "send_sms", "wait", "condition", "add_tag", "remove_tag", "update_field"),
    *("webhook", "http_request", "create_task", "notify", "goal", "end"),
)
_FLOW = {"id", "type", "label", "next"}
_REQUEST = _FLOW | {"method", "url", "headers", "body"}
FIELDS = {
    "send_email": _FLOW | {"subject", "body", "from_name", "reply_to"},
    "send_sms": _FLOW | {"body"},
    "wait": _FLOW | {"duration", "until", "offset", "business_hours"},
    "condition": {"id", "type", "label", "condition", "then", "else"},
    "add_tag": _FLOW | {"tag"},
    "remove_tag": _FLOW | {"tag"},
    "update_field": _FLOW | {"field", "value", "enhancement"},
    "webhook": _REQUEST,
    "http_request": _REQUEST | {"save_as", "timeout", "retry", "enhancement"},
    "create_task": _FLOW | {"title", "description", "due", "assignee"},
    "notify": _FLOW | {"message", "to", "enhancement"},
    "goal": _FLOW | {"goal", "otherwise"},
    "end": {"id", "type", "label"},
}
# Each required field, with the number of the step of `full` that has it.
REQUIRED = (
    *((0, "subject"), (0, "body"), (5, "condition"), (5, "then"), (6, "body"), (7, "tag")),
    *((8, "tag"), (9, "field"), (9, "value"), (10, "url"), (11, "url"), (12, "title")),
    *((13, "message"), (14, "goal")),
)
# Each field that holds a text of a form of its own, with what is none.
ODD = (
    *((1, "duration"), (2, "until"), (2, "offset"), (9, "field"), (10, "url"), (11, "save_as")),
    *((12, "due"),),
)


def found(document: object) -> list[tuple[str, str]]:
    """Path and sentence of everything that is wrong."""
    return [(one.path, one.message) for one in problems_of(document)]


def of(changes: Document) -> Document:
    """The full document with these changes."""
    document = full()
    for path, value in changes.items():
        put(document, path, value)
    return document


def steps(*more: Document, **parts: object) -> Document:
    """A small document with these steps behind its own."""
    document = small(**parts)
    document["steps"] += [{"id": f"s{number}", **one} for number, one in enumerate(more, start=1)]
    return document


# What is valid


def test_nothing_is_wrong_with_a_document_that_has_everything() -> None:
    assert {step["type"] for step in full()["steps"]} == set(TYPES)
    assert found(full()) == []


def test_nothing_is_wrong_with_the_least_that_there_can_be() -> None:
    assert found(small()) == []


def test_a_document_is_not_changed_by_looking_at_it() -> None:
    document = full()

    problems_of(document)

    assert document == full()


def test_the_step_types_and_their_fields_are_the_ones_of_the_table() -> None:
    assert tuple(STEP_TYPES) == TYPES
    assert {kind: set(fields_of(kind)) for kind in TYPES} == FIELDS


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": GONE},
        {"description": "x" * 2_000},
        {"name": "x" * 200},
        {"name": "  Welcome "},
        {"description": None, "settings": None},
        {"settings": {}},
        {"values.other": "x" * 2_000},
        {"values": {"shop_link": "x", **{f"v{n}": "x" for n in range(49)}}},
        {"steps[0].subject": "x" * 300},
        {"steps[0].body": "x" * 50_000},
        {"steps[0].label": "x" * 200},
        {"steps[0].label": "{{no.placeholder}} in a label"},
        {"steps[0].id": "h" + "_9" * 19 + "x"},
        {"steps[0].next": None, "steps[0].from_name": None},
        {"steps[6].body": "x" * 1_600},
        {"steps[1].duration": "1 second"},
        {"steps[1].duration": "12 months"},
        {"steps[1].duration": "2 hour"},
        {"steps[4].until": "2027-01-31"},
        {"steps[4].until": "2027-01-31T09:00:30"},
        {"steps[4].until": "{{ contact.custom_fields.ends_at }}"},
        {"steps[2].offset": "24 hours"},
        {"steps[2].offset": GONE},
        {"steps[9].value": "text"},
        {"steps[9].value": ""},
        {"steps[9].value": "x" * 2_000},
        {"steps[9].value": True},
        {"steps[9].value": 0},
        {"steps[9].field": "custom_fields.address.city"},
        {"steps[10].method": "GET"},
        {"steps[10].method": GONE, "steps[10].headers": GONE, "steps[10].body": GONE},
        {"steps[10].url": "HTTP://example.com"},
        {"steps[10].url": "https://{{values.shop_link}}/x"},
        {"steps[10].body": [1, 2.5, None, {"a": []}]},
        {"steps[12].description": GONE, "steps[12].due": GONE, "steps[12].assignee": GONE},
        {"steps[13].to": []},
        {"steps[14].otherwise": "continue"},
        {"steps[14].otherwise": GONE},
        {"steps[16].else": "pauses"},
        {"goals[0].then": GONE, "steps[18]": GONE},
        {"goals[0].condition": {"field": "source", "operator": "equals", "value": "x"}},
        {"trigger.filters": GONE},
        {"integrations[7]": "email"},
    ],
)
def test_all_that_a_document_may_say_is_right(changes: Document) -> None:
    assert found(of(changes)) == []


def test_a_hundred_steps_and_twenty_goals_are_right() -> None:
    document = small(
        steps=[{"id": f"s{n}", "type": "add_tag", "tag": "x"} for n in range(100)],
        goals=[{"name": f"g{n}", "event": "deal_won"} for n in range(20)],
    )

    assert found(document) == []


# What is unfinished: a draft may have it

TAG = {"type": "add_tag", "tag": "x"}
ASKS = {"field": "tags", "operator": "contains", "value": "x"}


@pytest.mark.parametrize(
    ("document", "path", "told"),
    [
        (small(trigger=None), "trigger", "needs a trigger"),
        (small(steps=[]), "steps", "a step that does something"),
        (small(steps=None), "steps", "a step that does something"),
        (small(steps=[{"id": "a", "type": "wait", "duration": "1 day"}]), "steps", "a step that"),
        (of({"steps[0].subject": ""}), "steps[0].subject", "is empty."),
        (of({"steps[0].body": " \n"}), "steps[0].body", "is empty."),
        (of({"steps[7].tag": "  "}), "steps[7].tag", "is empty."),
        (of({"steps[9].value": " "}), "steps[9].value", "is empty."),
        (steps({"type": "wait"}), "steps[1]", "says not for what to wait: duration, until or bus"),
        (of({"values.motto": ""}), "values.motto", "asked for and still empty"),
        (of({"values.motto": " "}), "values.motto", "asked for and still empty"),
        *(
            (of({f"steps[{number}].{field}": GONE}), f"steps[{number}].{field}", "is missing.")
            for number, field in REQUIRED
            if field != "then"
        ),
        # References
        (steps(TAG, {**TAG, "next": "ghost"}), "steps[2].next", 'there is no step "ghost".'),
        (of({"steps[16].else": "ghost"}), "steps[16].else", 'there is no step "ghost".'),
        (of({"steps[14].goal": "Nothing"}), "steps[14].goal", 'there is no goal "Nothing".'),
        (of({"steps[14].goal": "bought"}), "steps[14].goal", 'there is no goal "bought".'),
        (of({"goals[1].then": "ghost"}), "goals[1].then", 'there is no step "ghost".'),
        # Ways
        (of({"steps[1].next": "opens"}), "steps[2]", 'no way leads to the step "awaits".'),
        (of({"goals[0].then": GONE}), "steps[18]", 'no way leads to the step "thanks".'),
        (steps({"type": "end"}, TAG), "steps[2]", 'no way leads to the step "s2".'),
        (steps({**TAG, "next": "s1"}), "steps[1]", "the steps go round for ever: s1 -> s1. One"),
        (
            of({"steps[15].duration": GONE, "steps[15].business_hours": True}),
            "steps[15]",
            "round for ever: pauses -> again -> pauses. One of them must be a wait",
        ),
        (
            of({"steps[15].duration": GONE, "steps[15].until": "2027-01-01"}),
            "steps[15]",
            "must be a wait with a duration.",
        ),
        # Conditions and goals
        (of({"steps[5].condition": {}}), "steps[5].condition", "asks nothing"),
        (of({"goals[1].condition": {}}), "goals[1].condition", "asks nothing"),
        (of({"goals[1].condition": GONE}), "goals[1]", "needs an event, a condition or both"),
        # Placeholders
        (of({"steps[0].subject": "{{contact.nick}}"}), "steps[0].subject", '"{{contact.nick}}": '),
        (of({"steps[0].body": "{{data.amount}}"}), "steps[0].body", 'no field "data.amount"'),
        (of({"steps[0].from_name": "{{email.x}}"}), "steps[0].from_name", 'email has no "x"'),
        (of({"steps[0].reply_to": "{{values.x}}"}), "steps[0].reply_to", 'values have no "x"'),
        (of({"values.shop_link": GONE, "steps[0].body": "x"}), "steps[11].url", "values have no"),
        (of({"steps[2].until": "{{data.end}}"}), "steps[2].until", 'no field "data.end"'),
        (of({"steps[6].body": "{{contact.email"}), "steps[6].body", 'ends with "}}"'),
        (of({"steps[7].tag": "{{contact.tags}}"}), "steps[7].tag", "tags are no text"),
        (of({"steps[9].value": "{{x.y}}"}), "steps[9].value", 'nothing called "x"'),
        (of({"steps[10].headers.X-A": "{{a.b}}"}), "steps[10].headers.X-A", 'nothing called "a"'),
        (of({"steps[10].body.who[1].deep": "{{a.b}}"}), "steps[10].body.who[1].deep", 'called "a"'),
        (of({"steps[12].description": "{% if %}"}), "steps[12].description", "no statements"),
        (of({"steps[13].message": "{{contact.id | x}}"}), "steps[13].message", 'no filter "x"'),
        (of({"steps[13].to[1]": "{{a.b}}"}), "steps[13].to[1]", 'nothing called "a"'),
        # Integrations: told once, where each is named first.
        (of({"integrations[0]": GONE}), "steps[0].type", "needs the integration email,"),
        (of({"integrations[1]": GONE}), "steps[0].body", "needs the integration sms,"),
        (of({"integrations[6]": GONE}), "steps[0].body", "needs the integration support,"),
        (of({"integrations[1]": GONE, "steps[0].body": "x"}), "steps[6].type", "integration sms,"),
        (small(steps=[{"id": "a", "type": "notify", "message": "{{shop.link}}"}]),
         "steps[0].message", "needs the integration shop, which integrations does not list."),
    ],
)  # fmt: skip
def test_what_a_draft_may_lack_is_told_at_its_place(
    document: Document, path: str, told: str
) -> None:
    (problem,) = problems_of(document)

    assert problem.path == path
    assert told in problem.message
    assert problem.unfinished
    assert problem.fill_in is path.startswith("values.")
    assert problem.as_dict() == {"path": path, "message": problem.message}


def test_a_way_to_nowhere_leaves_what_was_behind_it_without_a_way() -> None:
    document = of({"steps[5].else": "ghost", "steps[6].next": "unmarks", "steps[5].then": GONE})

    assert [(one.path, one.unfinished) for one in problems_of(document)] == [
        ("steps[5].then", True),
        ("steps[5].else", True),
        *((f"steps[{number}]", True) for number in (*range(6, 17),)),
    ]


# What is wrong: not even a draft may have it


@pytest.mark.parametrize(
    ("document", "path", "told"),
    [
        # The document
        ([], "", "a workflow is an object."),
        ("text", "", "a workflow is an object."),
        (None, "", "a workflow is an object."),
        (of({"description": "x\0"}), "", "holds the character NUL"),
        (of({"values.motto": "\ud800"}), "", "half of a surrogate pair"),
        (of({"steps[10].body": float("nan")}), "", "holds something that JSON has no form for"),
        (of({"steps[10].body": {1, 2}}), "", "holds something that JSON has no form for"),
        (of({"description": "x" * MOST_BYTES}), "", "is larger than 2000000 bytes."),
        (of({"schema": 2}), "schema", "must be 1"),
        (of({"schema": "1"}), "schema", "must be 1"),
        (of({"name": GONE}), "name", "is missing."),
        (of({"name": " "}), "name", "is empty."),
        (of({"name": 5}), "name", "must be a text."),
        (of({"name": "x" * 201}), "name", "at most 200"),
        (of({"name": "a\nb"}), "name", "no line breaks"),
        (of({"name": "9b0c2c5e-0000-4000-8000-000000000000"}), "name", "reads like an id"),
        (of({"description": "x" * 2_001}), "description", "at most 2000"),
        (small(integrations="email"), "integrations", "must be a list."),
        (of({"integrations[7]": "fax"}), "integrations[7]", "must be one of email, sms, calendar"),
        (of({"integrations[7]": 5}), "integrations[7]", "must be a text."),
        (small(values=[]), "values", "must be an object."),
        (of({"values.Motto": "x"}), "values.Motto", "must be a name of up to 40"),
        (of({"values.motto": 5}), "values.motto", "must be a text."),
        (of({"values.str": 5}), "values.str", "must be a text."),
        (of({"values.motto": "x" * 2_001}), "values.motto", "at most 2000"),
        (of({"values": {"shop_link": "x", **{f"v{n}": "x" for n in range(50)}}}), "values",
         "at most 50"),
        (of({"extra": 1}), "extra", "is nothing that a workflow can have."),
        (of({"setting": {}}), "setting", 'Did you mean "settings"?'),
        # Settings
        (of({"settings": []}), "settings", "must be an object."),
        (of({"settings.reenrollment": "maybe"}), "settings.reenrollment", "'never_twice'"),
        (of({"settings.required_fields[0]": "fax"}), "settings.required_fields[0]", "'email' or"),
        (of({"settings.required_fields": None}), "settings.required_fields", "must be a list."),
        (of({"settings.business_hours": "no"}), "settings.business_hours", "must be true or"),
        (of({"settings.business_hours": 1}), "settings.business_hours", "must be true or"),
        (of({"settings.target": "highlevel"}), "settings.target", "must be 'database'"),
        (of({"settings.targets": "x"}), "settings.targets", 'Did you mean "target"?'),
        # Trigger
        (small(trigger={}), "trigger.event", "must be the name of an event type"),
        (small(trigger={"event": "tag_aded"}), "trigger.event", 'Did you mean "tag_added"?'),
        (small(trigger={"event": "tag_added"}), "trigger.parameters.tag", "the tag to wait for"),
        (of({"trigger.filter": {}}), "trigger", 'unknown key "filter"'),
        (of({"trigger.filters.field": "data.titel"}), "trigger.filters.field", "no field"),
        (of({"trigger.settings.active": "often"}), "trigger.settings.active", "true or false"),
        # Steps
        (small(steps={}), "steps", "must be a list."),
        (small(steps=["x", TAG | {"id": "a"}]), "steps[0]", "must be an object."),
        (small(steps=[{**TAG, "id": f"s{n}"} for n in range(101)]), "steps",
         "at most 100"),
        (steps({"type": "nothing"}), "steps[1]", 'there is no step type "nothing". There is send_'),
        (steps({"type": "send_mail"}), "steps[1]", 'Did you mean "send_email"?'),
        (steps({"type": 5}), "steps[1]", "there is no step type"),
        (steps({"type": "Wait"}), "steps[1]", 'Did you mean "wait"?'),
        (steps({"tag": "x"}), "steps[1]", "has no type. There is send_email,"),
        *(
            (steps({"type": old}), "steps[1]", f'type "{old}" is deprecated: use {new}.')
            for old, new in (
                *(("delay", "wait"), ("if_else", "condition"), ("email", "send_email")),
                *(("sms", "send_sms"), ("tag", "add_tag"), ("task", "create_task")),
            )
        ),
        *(
            (of({f"steps[{number}].colour": "red"}), f"steps[{number}].colour",
             f"is nothing that {step['type']} can have.")
            for number, step in enumerate(full()["steps"])
        ),
        (of({"steps[7].int": 5}), "steps[7].int", "is nothing that add_tag can have."),
        (of({"steps[0].subjct": "x"}), "steps[0].subjct", 'Did you mean "subject"?'),
        (of({"steps[5].next": "texts"}), "steps[5].next", "is nothing that condition can have."),
        (of({"steps[17].next": "thanks"}), "steps[17].next", "is nothing that end can have."),
        (of({"steps[3].id": "hello", "steps[2].next": "dated"}), "steps[3].id",
         '"hello" is the id of steps[0] already.'),
        (steps({**TAG, "id": "x" * 41}), "steps[1].id", "must be a name of up to 40 lower-case"),
        (steps({**TAG, "id": "9a"}), "steps[1].id", "must be a name of up to 40 lower-case"),
        (steps({**TAG, "id": "A"}), "steps[1].id", "must be a name of up to 40 lower-case"),
        (steps({**TAG, "id": "a\n"}), "steps[1].id", "must be a name of up to 40 lower-case"),
        (steps({**TAG, "id": 5}), "steps[1].id", "must be a text."),
        (of({"steps[0].label": "x" * 201}), "steps[0].label", "at most 200"),
        (of({"steps[17].label": "a\nb"}), "steps[17].label", "must be one line"),
        (of({"steps[0].next": 5}), "steps[0].next", "must be a text."),
        (of({"steps[0].subject": 5}), "steps[0].subject", "must be a text."),
        (of({"steps[0].subject": None}), "steps[0].subject", "must be a text."),
        (of({"steps[0].subject": "a\nb"}), "steps[0].subject", "must be one line"),
        (of({"steps[0].subject": "x" * 301}), "steps[0].subject", "at most 300"),
        (of({"steps[0].body": "x" * 50_001}), "steps[0].body", "at most 50000"),
        (of({"steps[0].from_name": "a\nb"}), "steps[0].from_name", "must be one line"),
        (of({"steps[0].reply_to": "a\nb"}), "steps[0].reply_to", "must be one line"),
        (of({"steps[6].body": "x" * 1_601}), "steps[6].body", "at most 1600"),
        (of({"steps[7].tag": "a\nb"}), "steps[7].tag", "must be one line"),
        (of({"steps[8].tag": "x" * 101}), "steps[8].tag", "at most 100"),
        # Waits
        *(
            (of({"steps[15].duration": text}), "steps[15].duration", "a length of time such as 3 d")
            for text in ("3", "soon", "3 fortnights", "-3 days", "0 days", "3 days ", "{{data.x}}")
        ),
        *(
            (of({"steps[2].until": text}), "steps[2].until", "must be a date or a time such as")
            for text in ("tomorrow", "2027-02-30", "at {{data.starts_at}}", "")
        ),
        (of({"steps[2].offset": "24"}), "steps[2].offset", "must be a length of time such as -24"),
        (of({"steps[2].offset": "+1 day"}), "steps[2].offset", "must be a length of time such as"),
        (of({"steps[3].business_hours": False}), "steps[3].business_hours", "must be"),
        (of({"steps[3].business_hours": "yes"}), "steps[3].business_hours", "must be"),
        (of({"steps[3].business_hours": 1}), "steps[3].business_hours", "must be"),
        (of({"steps[1].until": "2027-01-01"}), "steps[1]", "not by duration and until."),
        (of({"steps[1].business_hours": True}), "steps[1]", "not by duration and business_hours."),
        (of({"steps[1].offset": "1 day"}), "steps[1]", "an offset goes with until."),
        # Conditions and goals
        (of({"steps[5].condition": []}), "steps[5].condition", "must be an object."),
        (of({"steps[5].condition.field": "data.titel"}), "steps[5].condition.field", "data.title"),
        (of({"steps[5].condition.operator": "is"}), "steps[5].condition.operator", "operator"),
        (of({"goals[1].condition.conditions[0].field": "x"}),
         "goals[1].condition.conditions[0].field", 'there is no field "x"'),
        # Even of an event that tells the state before, later steps no longer know it.
        (small(trigger={"event": "contact_updated"}, goals=[
            {"name": "x", "condition": {"field": "status", "operator": "changed"}}]),
         "goals[0].condition.operator", "chang"),
        (of({"goals[1].event": "birthday"}), "goals[1].event", "can be waited for"),
        (of({"goals[1].event": "nothing"}), "goals[1].event", "can be waited for"),
        (of({"goals[1].event": 5}), "goals[1].event", "must be a text."),
        (of({"goals[0].name": "Bought"}), "goals[1].name", 'there is a goal "Bought" already.'),
        (of({"goals[0].when": "x"}), "goals[0].when", "is nothing that a goal can have."),
        (of({"goals[2]": "x"}), "goals[2]", "must be an object."),
        (of({"goals": [*full()["goals"], *({"name": f"g{n}", "event": "deal_won"}
                                           for n in range(19))]}),
         "goals", "at most 20"),
        (of({"steps[14].otherwise": "stop"}), "steps[14].otherwise", "'continue', 'wait' or 'end'"),
        # Fields, addresses and people
        *(
            (of({"steps[9].field": name}), "steps[9].field", "must be a field of your own such as")
            for name in ("email", "custom_fields", "custom_fields.", "data.title", "")
        ),
        (of({"steps[9].value": None}), "steps[9].value", "must be a text, a number, true or false"),
        (of({"steps[9].value": []}), "steps[9].value", "must be a text, a number, true or false."),
        (of({"steps[9].value": "x" * 2_001}), "steps[9].value", "at most 2000 characters"),
        (of({"steps[11].save_as": "answer"}), "steps[11].save_as", "such as custom_fields."),
        (of({"steps[10].save_as": "custom_fields.x"}), "steps[10].save_as", "nothing that webhook"),
        *(
            (of({"steps[10].url": url}), "steps[10].url", "with https:// or http://, or with")
            for url in ("ftp://x", "example.com", "https://", "https:// x", "javascript:x")
        ),
        (of({"steps[10].url": f"https://{'x' * 2_000}"}), "steps[10].url", "at most 2000 charact"),
        (of({"steps[10].method": "HEAD"}), "steps[10].method", "must be 'GET', 'POST', 'PUT'"),
        (of({"steps[10].method": None}), "steps[10].method", "must be 'GET', 'POST', 'PUT'"),
        (of({"steps[10].headers": []}), "steps[10].headers", "must be an object."),
        (of({"steps[10].headers.a b": "x"}), "steps[10].headers", "a header's name holds letters"),
        (of({"steps[10].headers.A": "x\r\ny"}), "steps[10].headers", "must be one line"),
        (of({"steps[10].headers.A": 5}), "steps[10].headers.A", "must be a text."),
        (of({"steps[10].headers": {f"A{n}": "x" for n in range(51)}}), "steps[10].headers",
         "at most 50"),
        (of({"steps[12].due": "soon"}), "steps[12].due", "must be a length of time such as 3 days"),
        (of({"steps[12].title": "x" * 201}), "steps[12].title", "at most 200"),
        (of({"steps[13].to": "ann"}), "steps[13].to", "must be a list."),
        (of({"steps[13].to[0]": 5}), "steps[13].to[0]", "must be a text."),
        (of({"steps[13].to": ["x"] * 51}), "steps[13].to", "at most 50"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_told_at_its_place(document: object, path: str, told: str) -> None:
    here = [one for one in problems_of(document) if not one.unfinished]

    assert [one.path for one in here] == [path]
    assert told in here[0].message.replace("2,000,000", "2000000").replace(",000", "000")


def test_a_trigger_that_is_no_object_cannot_be_kept() -> None:
    for one in problems_of(small(trigger="tag_added")):
        assert (one.path, one.unfinished) == ("trigger", False)
        assert "object" in one.message


def test_a_length_is_told_in_plain_words() -> None:
    long = {"name": "x" * 201, "values": {f"v{n}": "x" for n in range(51)}}
    document = steps(*[TAG] * 101, **long)

    for path, message in found(document):
        assert message.startswith("must have at most "), path


# All at once


def test_everything_is_told_at_once() -> None:
    document = of(
        {
            "setting": 1,
            "trigger": None,
            "integrations[2]": GONE,
            "values.motto": "",
            "steps[1].next": "ghost",
            "steps[5].condition": {},
            "steps[7].tag": GONE,
            "steps[8].id": "marks",
            "steps[14].goal": "Nothing",
            "steps[13].message": "{{a.b}} {{contact.c}}",
            "steps[6]": {"id": "texts", "type": "sms", "body": "x"},
        }
    )

    paths = [one.path for one in problems_of(document)]

    for path in (
        *("setting", "trigger", "values.motto", "steps[1].next", "steps[5].condition"),
        *("steps[7].tag", "steps[8].id", "steps[14].goal", "steps[6]", "steps[0].body"),
    ):
        assert path in paths
    assert paths.count("steps[13].message") == 2


def test_problems_are_told_in_the_order_of_the_document() -> None:
    document = steps(*[TAG] * 11, goals=[{"name": "g"}], trigger=None, values={"link": ""})
    put(document, "steps[11].tag", "{{a.b}}")
    put(document, "steps[2].tag", "{{a.b}}")
    put(document, "steps[9].next", "ghost")

    assert [path for path, _ in found(document)] == [
        *("values.link", "trigger", "steps[2].tag", "steps[9].next", "steps[10]"),
        *("steps[11]", "steps[11].tag", "goals[0]"),
    ]


def test_every_broken_text_of_a_step_is_told() -> None:
    document = of({"steps[0].subject": "{{a.b}}", "steps[0].body": "{{c.d}} {{e.f}}"})

    assert [path for path, _ in found(document)] == ["steps[0].subject", *["steps[0].body"] * 2]


# Integrations


def test_integrations_are_named_by_step_types_and_by_placeholders() -> None:
    assert named_integrations(full()) == {
        "email": "steps[0].type",
        "sms": "steps[0].body",
        **dict.fromkeys(("calendar", "reviews", "shop", "payments", "support"), "steps[0].body"),
    }
    assert named_integrations(small()) == {}


def test_integrations_that_are_listed_are_taken_once_and_only_if_there_are_such() -> None:
    assert listed_integrations(full()) == [
        *("email", "sms", "calendar", "reviews", "shop", "payments", "support"),
    ]
    assert listed_integrations({"integrations": ["sms", "email", "sms", "fax", 5, None]}) == [
        *("sms", "email"),
    ]
    assert listed_integrations({"integrations": "email"}) == []
    assert listed_integrations({}) == []


# At random

_WORDS = (
    *("schema", "name", "values", "trigger", "steps", "goals", "settings", "id", "type", "next"),
    *("then", "else", "event", "condition", "duration", "until", "send_email", "wait", "hello"),
    *("{{contact.x}}", "{{", "3 days", "custom_fields.x", "str", "int", "email", *TYPES),
)
_texts = st.one_of(st.sampled_from(_WORDS), st.text(max_size=8))
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(_texts, inner, max_size=5)
    ),
    max_leaves=20,
)


def _places(value: object, path: str = "") -> list[str]:
    """The path of every value within a value."""
    below: list[tuple[str, object]] = []
    if isinstance(value, dict):
        below = [(f"{path}.{key}" if path else key, one) for key, one in value.items()]
    elif isinstance(value, list):
        below = [(f"{path}[{number}]", one) for number, one in enumerate(value)]
    return [one for key, inner in below for one in (key, *_places(inner, key))]


PLACES = _places(full())


@given(_json)
def test_no_value_is_too_odd_to_be_looked_at(document: object) -> None:
    for one in problems_of(document):
        assert isinstance(one.path, str)
        assert one.message
        assert json.dumps(one.as_dict())


@given(st.dictionaries(st.sampled_from(PLACES), _json, min_size=1, max_size=4))
def test_no_part_is_too_odd_to_be_looked_at(changes: dict[str, Any]) -> None:
    document = full()
    # The deepest first: a place may be gone after what holds it has been replaced.
    for path in sorted(changes, key=len, reverse=True):
        put(document, path, changes[path])
    before = copy.deepcopy(document)

    for one in problems_of(document):
        assert isinstance(one.path, str)
        assert one.message
    assert json.dumps(before) == json.dumps(document)


@pytest.mark.parametrize("levels", [100, 200, 240, 400, 990, 5_000, 100_000])
@pytest.mark.parametrize("path", ["steps[10].body", "steps[5].condition", "trigger.filters", "x"])
def test_no_depth_is_too_deep_to_be_looked_at(path: str, levels: int) -> None:
    deep: Any = "x"
    for _ in range(levels):
        deep = {"conditions": [deep]}

    problems = problems_of(of({path: deep}))

    assert path == "steps[10].body" or problems


@st.composite
def _broken(draw: st.DrawFn) -> tuple[Document, str]:
    """A valid document in which one thing is broken, and where."""
    document = full()
    how = draw(st.sampled_from(("unknown", "missing", "kind", "odd", "placeholder", "nowhere")))
    number = draw(st.integers(0, len(document["steps"]) - 1))
    step = document["steps"][number]
    if how == "unknown":
        letters = st.text(string.ascii_letters + "_- ", min_size=1, max_size=12)
        key = draw(letters.filter(lambda key: key not in FIELDS[step["type"]]))
        where = f"steps[{number}].{key}"
        # Of what cannot be written down at all, no place is told.
        value = draw(_json.filter(lambda one: unkeepable(one) is None))
    elif how == "missing":
        number, key = draw(st.sampled_from(REQUIRED))
        where, value = f"steps[{number}].{key}", GONE
    elif how == "kind":
        key = draw(st.sampled_from([key for key in step if key not in ("type", "body")]))
        where, value = f"steps[{number}].{key}", draw(st.sampled_from(([[]], [5], 5.5, False)))
        # Of a list, the entry is told; a number may be a value.
        value = {"to": 5.5, "value": [5]}.get(key, value)
    elif how == "odd":
        number, key = draw(st.sampled_from(ODD))
        where, value = f"steps[{number}].{key}", draw(st.text(string.ascii_letters + "!"))
    elif how == "placeholder":
        texts = [place for place in PLACES if _holds_text(document, place)]
        where = draw(st.sampled_from(texts))
        name = draw(st.text(string.ascii_lowercase, min_size=9, max_size=12))
        value = f"https://x.com/{{{{{name}.x}}}}"
    else:
        keys = {"condition": ("then", "else"), "end": ()}.get(step["type"], ("next",))
        number, key = (number, draw(st.sampled_from(keys))) if keys else (0, "next")
        name = draw(st.from_regex(r"[a-z][a-z0-9_]{5,39}", fullmatch=True))
        known = {one["id"] for one in document["steps"]}
        where, value = f"steps[{number}].{key}", name if name not in known else f"{name[:39]}0"
    put(document, where, value)
    return document, where


def _holds_text(document: Document, place: str) -> bool:
    """Whether a text of a step stands there that a contact, a program or a member gets."""
    value: Any = document
    for part in place.replace("[", ".").replace("]", "").split("."):
        value = value[int(part) if isinstance(value, list) else part]
    key = place.split(".")[1] if "." in place else ""
    return (
        isinstance(value, str)
        and place.startswith("steps[")
        and key.split("[")[0]
        in ("subject", "body", "tag", "value", "url", "headers", "title", "description", "message")
    )


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(_broken())
@example((of({"steps[0].float": 5}), "steps[0].float"))
def test_what_is_broken_is_told_where_it_is(broken: tuple[Document, str]) -> None:
    document, where = broken

    assert where in [one.path for one in problems_of(document)]


@given(
    st.integers(0, 19),
    st.lists(st.sampled_from(PLACES), max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_a_document_that_is_not_yet_written_to_its_end_is_only_unfinished(
    length: int, blank: list[str], triggered: bool, with_goals: bool
) -> None:
    document = full()
    for place in blank:
        if _holds_text(document, place) and "url" not in place:
            put(document, place, "")
    document["steps"] = document["steps"][:length]
    document["integrations"] = []
    if not triggered:
        # Conditions may ask for what its event carries.
        document["trigger"], document["steps"] = None, document["steps"][:5]
    if not with_goals:
        del document["goals"]

    assert [one for one in problems_of(document) if not one.unfinished] == []


@pytest.mark.parametrize("way", ["duration", "until", "business_hours"])
def test_a_wait_for_null_waits_for_nothing(way: str) -> None:
    step = {"id": "w", "type": "wait", way: None}
    document = small(steps=[step, {"id": "a", "type": "add_tag", "tag": "x"}])

    assert [one.path for one in problems_of(document)] == ["steps[0]"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"trigger.filters.value": "{{values.motto}}"}, "trigger.filters.value"),
        ({"steps[5].condition.value": "{{values.motto}}"}, "steps[5].condition.value"),
    ],
)
def test_a_placeholder_where_none_is_filled_in_is_to_be_replaced(
    changes: dict[str, Any], path: str
) -> None:
    (problem,) = problems_of(of(changes))

    assert (problem.path, problem.unfinished, problem.fill_in) == (path, True, True)
    assert "is to be replaced" in problem.message
