"""Documents by whom they are for: what each subject has, what is refused, and how items look."""

import json
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.records import Subject, Workflow
from enrollment_pipeline.workflows.service import mermaid, tree
from enrollment_pipeline.workflows.steps import STEP_TYPES
from enrollment_pipeline.workflows.subjects import STEPS_FOR_ITEMS, subject_of
from enrollment_pipeline.workflows.validation import problems_of
from enrollment_pipeline_tests.workflows.examples import (
    GONE,
    Document,
    for_items,
    full,
    put,
    small,
)

# What a step type is asked for, that contacts alone have.
OF_CONTACTS: dict[str, Document] = {
    "send_email": {"subject": "Hi", "body": "Hello."},
    "send_sms": {"body": "Hello."},
    "add_tag": {"tag": "x"},
    "remove_tag": {"tag": "x"},
    "webhook": {"url": "https://example.com"},
    "create_task": {"title": "Call"},
}
ASKS = {"field": "item.name", "operator": "equals", "value": "x"}


def of(changes: Document) -> Document:
    """The document for items with these changes."""
    document = for_items()
    for path, value in changes.items():
        put(document, path, value)
    return document


def found(document: object) -> list[tuple[str, str]]:
    """Path and sentence of everything that is wrong."""
    return [(one.path, one.message) for one in problems_of(document)]


# What is valid


def test_nothing_is_wrong_with_a_document_for_items_that_has_everything() -> None:
    assert {step["type"] for step in for_items()["steps"]} == set(STEPS_FOR_ITEMS)
    assert found(for_items()) == []


def test_every_step_type_is_for_items_or_for_contacts_alone() -> None:
    assert sorted([*STEPS_FOR_ITEMS, *OF_CONTACTS]) == sorted(STEP_TYPES)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings.estimate": GONE, "settings.target": GONE},
        {"goals": GONE, "steps[5]": GONE},
        {"trigger": None},
        {"steps[0].timeout": "1 second"},
        {"steps[0].retry": "standard"},
        {"steps[0].url": "{{role_service.url}}"},
        {"steps[0].url": "{{ role_service.url }}/a/{{ item.name | lower }}?b={{steps.checks.c}}"},
        {"steps[0].url": "https://example.com/{{item.name}}"},
        {"steps[0].url": "https://example.com/{{ item.name | lower }}/x?y={{ item.company }}"},
        {"steps[0].url": "HTTPS://{{ values.motto }}/x"},
        {"steps[0].url": "{{values.motto}}{{item.name}}"},
        {"steps[0].url": "https://{{values.motto}}{{item.name}}"},
        {"steps[5].otherwise": "continue"},
        {"steps[3]": {"id": "rests", "type": "wait", "business_hours": True}},
    ],
)
def test_all_that_a_document_for_items_may_say_is_right(changes: Document) -> None:
    assert found(of(changes)) == []


def test_contacts_have_patience_with_services_too() -> None:
    step = {"id": "a", "type": "http_request", "url": "https://example.com"}

    assert found(small(steps=[{**step, "timeout": "5 minutes", "retry": "slow"}])) == []
    assert found(small(settings={"subject": "contact"})) == []


# What is wrong


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        ({"trigger": {"event": "tag_added", "parameters": {"tag": "x"}}}, "trigger", "has none"),
        ({"trigger": {"event": "nothing"}}, "trigger", "a workflow for items has none"),
        *(
            ({"steps[4]": {"id": "tells", "type": kind, **fields}}, "steps[4].type",
             f'"{kind}" is done for contacts; items have http_request, condition,')
            for kind, fields in OF_CONTACTS.items()
        ),
        ({"steps[2].field": "custom_fields.plan"}, "steps[2].field", "an item has attributes.plan"),
        ({"steps[0].save_as": "custom_fields.x"}, "steps[0].save_as", "an item has attributes.x"),
        ({"steps[2].field": "attributes"}, "steps[2].field", "of an item such as attributes.plan"),
        ({"steps[2].field": "attributes."}, "steps[2].field", "of an item such as attributes.plan"),
        ({"steps[2].field": "item.attributes.x"}, "steps[2].field", "a field of your own"),
        ({"steps[5].otherwise": "wait"}, "steps[5].otherwise", "would wait for ever"),
        ({"goals[0].event": "deal_won"}, "goals[0].event", "events are of contacts"),
        ({"goals[0].event": "nothing"}, "goals[0].event", "events are of contacts"),
        ({"settings.reenrollment": "always"}, "settings.reenrollment", "only a workflow for conta"),
        ({"settings.required_fields": []}, "settings.required_fields", "only a workflow for conta"),
        ({"settings.business_hours": False}, "settings.business_hours", "only a workflow for cont"),
        ({"settings.estimate": "soon"}, "settings.estimate", "must be a length of time such as"),
        ({"settings.estimate": 5}, "settings.estimate", "must be a text."),
        *(
            ({"steps[0].timeout": text}, "steps[0].timeout", "between 1 second and 10 minutes")
            for text in ("601 seconds", "11 minutes", "1 day", "100 years", "0 seconds", "soon", "",
                         "{{values.motto}}")
        ),
        ({"steps[0].timeout": 30}, "steps[0].timeout", "must be a text."),
        ({"steps[0].timeout": None}, "steps[0].timeout", "must be a text."),
        ({"steps[0].retry": "often"}, "steps[0].retry", "must be 'standard' or 'slow'"),
        ({"steps[0].enhancement": False}, "steps[0].enhancement", "must be true, or be left out"),
        ({"steps[0].enhancement": "yes"}, "steps[0].enhancement", "must be"),
        ({"steps[3].enhancement": True}, "steps[3].enhancement", "is nothing that wait can have"),
        ({"steps[0].url": "role_service/x"}, "steps[0].url", "or with a placeholder."),
        ({"steps[0].url": "x{{role_service.url}}"}, "steps[0].url", "or with a placeholder."),
        *(
            ({"steps[0].url": url}, "steps[0].url", "or with a placeholder.")
            for url in ("{{role_service.url}}/a b", "https:// x", "https:///{{ values.motto }}",
                        "https://example.com/a {{ item.name }}")
        ),
        *(
            ({"steps[0].url": url}, "steps[0].url", "item.name stands where the host is")
            for url in ("{{item.name}}", "{{item.name}}/x", "https://{{item.name}}/x",
                        "https://x.{{ item.name }}", "HTTPS://{{item.name}}.x.com/",
                        "https://x.com:{{item.name}}/y?z={{item.company}}")
        ),
    ],
)  # fmt: skip
def test_what_items_cannot_have_is_told_at_its_place(
    changes: Document, path: str, told: str
) -> None:
    wrong = [one for one in problems_of(of(changes)) if not one.unfinished]

    assert [one.path for one in wrong] == [path]
    assert told in wrong[0].message


@pytest.mark.parametrize(
    ("changes", "path", "told"),
    [
        # A step may still be to come, and what it is answered.
        ({"steps[2].value": "{{steps.ghost.x}}"}, "steps[2].value", 'no field "steps.ghost.x"'),
        ({"steps[2].value": "{{steps.asks}}"}, "steps[2].value", 'there is no field "steps.asks"'),
        ({"steps[2].value": "{{steps}}"}, "steps[2].value", 'there is no field "steps"'),
        ({"steps[2].value": "{{item}}"}, "steps[2].value", 'there is no field "item"'),
        ({"steps[2].value": "{{item.nam}}"}, "steps[2].value", 'Did you mean "item.name"?'),
        ({"steps[2].value": "{{item.documents.x}}"}, "steps[2].value", "there is no field"),
        ({"steps[2].value": "{{contact.email}}"}, "steps[2].value", 'nothing called "contact"'),
        ({"steps[2].value": "{{data.x}}"}, "steps[2].value", 'nothing called "data"'),
        ({"steps[4].to[0]": "{{item.owner}}"}, "steps[4].to[0]", 'no field "item.owner"'),
        ({"steps[0].url": "https://x.com/{{item.x}}"}, "steps[0].url", 'no field "item.x"'),
        ({"steps[0].headers.X": "{{x.y}}"}, "steps[0].headers.X", 'nothing called "x"'),
        ({"steps[1].condition": {**ASKS, "field": "email"}}, "steps[1].condition.field", "email"),
        ({"steps[1].condition": {**ASKS, "field": "item.nam"}}, "steps[1].condition.field",
         'Did you mean "item.name"?'),
        ({"steps[1].condition": {**ASKS, "field": "steps.tells.x"}}, "steps[1].condition.field",
         'there is no field "steps.tells.x"'),
        ({"goals[0].condition": {**ASKS, "field": "steps.no"}}, "goals[0].condition.field",
         'there is no field "steps.no"'),
        ({"goals[0].condition": GONE}, "goals[0]", "a goal of items needs a condition."),
        ({"integrations": []}, "steps[0].url", "needs the integration role_service"),
    ],
)  # fmt: skip
def test_what_a_draft_for_items_may_lack_is_told_at_its_place(
    changes: Document, path: str, told: str
) -> None:
    (problem,) = problems_of(of(changes))

    assert problem.path == path
    assert told in problem.message
    assert problem.unfinished


def test_an_answer_that_there_is_not_is_told_with_those_that_there_are() -> None:
    ((_, told),) = found(of({"steps[4].message": "{{steps.check.score}}"}))
    assert told.endswith("an answer goes by the id of its http_request, and there is steps.checks.")

    ((_, told),) = found(of({"steps[4].message": "{{item.namme.x}}"}))
    assert "steps.checks" not in told
    request = {"id": "a", "type": "notify", "message": "{{steps.a.b}}"}
    ((_, told),) = found({"name": "x", "steps": [request], "settings": {"subject": "item"}})
    assert told.endswith("and there is no such step.")


def test_a_workflow_for_items_needs_a_step_that_does_something() -> None:
    assert found({"name": "x", "steps": [], "settings": {"subject": "item"}}) == [
        ("steps", "a workflow needs a step that does something, such as http_request.")
    ]


@pytest.mark.parametrize(
    ("document", "path", "told"),
    [
        (small(settings={"estimate": "1 minute"}), "settings.estimate", "a workflow for items"),
        (small(settings={"subject": "role"}), "settings.subject", "must be 'contact' or 'item'"),
        (small(settings={"subject": None}), "settings.subject", "must be 'contact' or 'item'"),
        (small(settings={"subject": ["item"]}), "settings.subject", "must be 'contact' or 'item'"),
        *(
            (small(steps=[{"id": "a", "enhancement": True, **step}]), "steps[0].enhancement",
             "is for items; contacts have none.")
            for step in (
                {"type": "notify", "message": "x"},
                {"type": "http_request", "url": "https://example.com"},
                {"type": "update_field", "field": "custom_fields.x", "value": 1},
            )
        ),
        (small(steps=[{"id": "a", "type": "update_field", "field": "attributes.x", "value": 1}]),
         "steps[0].field", "a contact has custom_fields.x."),
        (small(steps=[{"id": "a", "type": "http_request", "url": "https://example.com",
                       "save_as": "attributes.x"}]), "steps[0].save_as", "a contact has custom"),
        (small(steps=[{"id": "a", "type": "notify", "message": "{{item.name}}"}]),
         "steps[0].message", 'nothing called "item"; names begin with one of contact, data,'),
        (small(steps=[{"id": "a", "type": "notify", "message": "{{steps.a}}"}]),
         "steps[0].message", 'there is nothing called "steps"'),
        (small(goals=[{"name": "g", "condition": ASKS}]), "goals[0].condition.field",
         'there is no field "item.name"'),
    ],
)  # fmt: skip
def test_what_contacts_cannot_have_is_told_at_its_place(
    document: Document, path: str, told: str
) -> None:
    assert [(one, told in message) for one, message in found(document)] == [(path, True)]


def test_a_workflow_for_contacts_that_becomes_one_for_items_is_told_everything_at_once() -> None:
    document = {**full(), "settings": {**full()["settings"], "subject": "item"}}

    paths = [path for path, _ in found(document)]

    for path in (
        *("trigger", "settings.reenrollment", "settings.required_fields", "goals[0].event"),
        *("settings.business_hours", "steps[0].type", "steps[7].type", "steps[9].field"),
        *("steps[11].save_as", "steps[14].otherwise", "steps[0].subject", "steps[10].type"),
        "goals[1].condition.conditions[0].field",
    ):
        assert path in paths


# Whom a document is for


@pytest.mark.parametrize(
    ("document", "subject"),
    [
        ({}, Subject.CONTACT),
        ({"settings": None}, Subject.CONTACT),
        ({"settings": "item"}, Subject.CONTACT),
        ({"settings": {"subject": "role"}}, Subject.CONTACT),
        ({"settings": {"subject": "item"}}, Subject.ITEM),
    ],
)
def test_a_document_is_for_contacts_where_it_does_not_say(
    document: Document, subject: Subject
) -> None:
    assert subject_of(document) is subject


def test_a_workflow_knows_whom_it_is_for() -> None:
    for config, subject in ((small(), Subject.CONTACT), (for_items(), Subject.ITEM)):
        assert Workflow.from_config(uuid4(), "New roles", "active", config).subject is subject


# At random

_texts = st.sampled_from(
    [
        *("steps.checks.x", "item.attributes.x", "item", "steps.", "{{steps.checks}}", "{{item"),
        *("{{item.attributes.a.b | date}}", "attributes.x", "10 minutes", "slow", "item.", ""),
        *("http_request", "goal", "notify", "send_email", "checks", "\ud800", "{{steps.\x00}}"),
    ]
) | st.text(max_size=6)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)
_PARTS = ("values", "trigger", "integrations", "goals", "steps", "name")
_PLACES = [
    *(f"steps[{number}].{key}" for number, one in enumerate(for_items()["steps"]) for key in one),
    *(f"steps[{number}]" for number in range(len(for_items()["steps"]))),
    *("goals[0].condition", "goals[0].event", "goals[0]", "settings.estimate", *_PARTS),
]


@given(st.dictionaries(st.sampled_from(_PLACES), _json, min_size=1, max_size=4))
def test_no_part_of_a_document_for_items_is_too_odd_to_be_looked_at(changes: Document) -> None:
    document = for_items()
    # The deepest first: a place may be gone after what holds it has been replaced.
    for path in sorted(changes, key=len, reverse=True):
        put(document, path, changes[path])
    before = json.dumps(document)

    for one in problems_of(document):
        assert isinstance(one.path, str)
        assert one.message
    assert json.dumps(document) == before
    assert tree(document)
    assert mermaid(document)


# How they look


def test_the_tree_of_a_workflow_for_items_says_that_a_submission_starts_it() -> None:
    lines = tree(for_items())

    assert "├── Trigger: starts when an item is submitted" in lines
    shown = "\n".join(lines)
    for line in ("timeout: 10 minutes", "retry: slow", "enhancement: true", "subject: item"):
        assert line in shown
    assert "estimate: 2 minutes" in shown


def test_the_tree_of_a_workflow_for_items_speaks_of_items() -> None:
    document = of({"goals[0].then": GONE, "steps[6]": GONE, "steps[5]": GONE, "steps[4]": GONE})
    put(
        document, "steps[4]", {"id": "last", "type": "condition", "condition": ASKS, "then": "sets"}
    )

    shown = "\n".join(tree(document))

    assert "then: the item leaves the workflow" in shown
    assert "no: the item is done" in shown
    assert "contact" not in shown


def test_the_drawing_of_a_workflow_for_items_begins_with_a_submission() -> None:
    drawn = mermaid(for_items())

    assert 'trigger(["Starts when an item is submitted"])' in drawn
    assert "trigger --> step1" in drawn


def test_without_a_trigger_a_workflow_for_contacts_still_says_that_there_is_none() -> None:
    assert "at nothing: there is no trigger" in "\n".join(tree(small(trigger=None)))
