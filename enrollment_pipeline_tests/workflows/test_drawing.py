"""A workflow document as a tree and as a flowchart, whole ones and broken ones."""

import re
from typing import Any

import pytest

from enrollment_pipeline.workflows.mermaid import mermaid
from enrollment_pipeline.workflows.tree import tree
from enrollment_pipeline.workflows.wording import condition, wait

Document = dict[str, Any]

WHOLE: Document = {
    "schema": 1,
    "name": "Welcome series",
    "description": "Two e-mails.\nOver a week.",
    "integrations": ["email", "calendar"],
    "values": {"shop_link": "", "sign": "Yours,\nthe team"},
    "trigger": {
        "event": "tag_added",
        "parameters": {"tag": "lead"},
        "filters": {
            "conditions": [
                {"field": "status", "operator": "equals", "value": "active"},
                {
                    "logic": "OR",
                    "conditions": [
                        {"field": "tags", "operator": "contains", "value": "vip"},
                        {"field": "created_at", "operator": "within_last", "value": "7 days"},
                    ],
                },
            ]
        },
        "settings": {"active": True},
    },
    "steps": [
        {
            "id": "hello",
            "type": "send_email",
            "label": "The first",
            "subject": "Hello {{contact.first_name}}",
            "body": "Good day,\n\n  this is it.\n",
        },
        {"id": "pause", "type": "wait", "duration": "3 days"},
        {
            "id": "fork",
            "type": "condition",
            "condition": {"field": "tags", "operator": "contains", "value": "customer"},
            "then": "end",
        },
        {
            "id": "call",
            "type": "webhook",
            "url": "https://example.com/x",
            "headers": {"X-Key": "abc"},
            "body": {"a": 1},
            "next": "asks",
        },
        {"id": "asks", "type": "goal", "goal": "Booked", "otherwise": "end"},
        {"id": "team", "type": "notify", "message": "New.", "to": ["Ada", "Bo"]},
        {"id": "end", "type": "end"},
    ],
    "goals": [{"name": "Booked", "event": "appointment_booked", "then": "end"}, {"name": "Left"}],
    "settings": {"reenrollment": "always", "required_fields": ["email"]},
}

TREE = """\
Welcome series
│   Two e-mails.
│   Over a week.
├── Trigger: starts at tag_added with tag "lead"
│       if status is "active" and (tags contains "vip" or created_at is within the last 7 days)
│       active: true
├── Steps
│   ├── hello (send_email): The first
│   │       subject: Hello {{contact.first_name}}
│   │       body:
│   │           Good day,
│   │
│   │             this is it.
│   ├── pause (wait)
│   │       for 3 days
│   ├── fork (condition)
│   │       if tags contains "customer"
│   │       yes: to end
│   │       no: the step below, call
│   ├── call (webhook)
│   │       url: https://example.com/x
│   │       headers:
│   │           X-Key: abc
│   │       body:
│   │           {
│   │             "a": 1
│   │           }
│   │       next: to asks
│   ├── asks (goal)
│   │       goal: Booked
│   │       otherwise: end
│   ├── team (notify)
│   │       message: New.
│   │       to: Ada, Bo
│   └── end (end)
├── Goals
│   ├── Booked
│   │       reached at appointment_booked
│   │       then: to end
│   └── Left
│           then: the contact leaves the workflow
├── Integrations: email, calendar
├── Values
│       shop_link: (to be filled in)
│       sign:
│           Yours,
│           the team
└── Settings
        reenrollment: always
        required_fields: email"""

CHART = """\
flowchart TD
    trigger(["Starts at tag_added with tag #34;lead#34;<br/>if status is #34;active#34; and \
#40;tags contains #34;vip#34; or created_a…"])
    step1["hello<br/>The first"]
    step2("pause<br/>wait for 3 days")
    step3{"fork<br/>tags contains #34;customer#34;?"}
    step4["call<br/>webhook https#58;#47;#47;example#46;com#47;x"]
    step5{{"asks<br/>goal Booked"}}
    step6["team<br/>notify New."]
    step7(["end"])
    goal1{{"Goal Booked"}}
    goal2{{"Goal Left"}}
    done(["Done"])
    trigger --> step1
    step1 --> step2
    step2 --> step3
    step3 -->|yes| step7
    step3 -->|no| step4
    step4 --> step5
    step5 --> step6
    step5 -->|not reached| done
    step6 --> step7
    goal1 -.-> step7
    goal2 -.-> done
"""


def steps(*given: Any) -> Document:
    return {"steps": list(given)}


def edges(document: object) -> list[str]:
    return [
        line.strip() for line in mermaid(document).splitlines() if re.search(r"-->|-\.->", line)
    ]


def label(text: str) -> str:
    """Return how a step's label is written in a flowchart."""
    drawn = mermaid(steps({"id": "a", "type": "add_tag", "label": text}))
    found = re.search(r'step1\["a<br/>(.*)"\]\n', drawn)
    assert found is not None, drawn
    return found[1]


def test_a_whole_document_is_a_tree_of_all_that_it_holds() -> None:
    assert "\n".join(tree(WHOLE)) == TREE


def test_a_whole_document_is_a_flowchart_of_its_ways() -> None:
    assert mermaid(WHOLE) == CHART


# Sentences


@pytest.mark.parametrize(
    ("given_condition", "words"),
    [
        (None, "(nothing)"),
        ({}, "always"),
        ({"conditions": []}, "always"),
        ({"field": "a", "operator": "is_empty"}, "a is empty"),
        ({"field": "a", "operator": "not_in", "value": [1, "b"]}, 'a is none of [1, "b"]'),
        (
            {"field": "a", "operator": "equals", "value": "b", "ignore_case": True},
            'a is "b", in any case',
        ),
        ({"field": "a", "operator": "resembles", "value": None}, "a resembles null"),
        ({"operator": ["x"]}, '(nothing) ["x"]'),
        ("a = b", '"a = b"'),
        ({"logic": "OR", "conditions": [{"field": "a", "operator": "changed"}]}, "a changed"),
        (
            {"logic": "OR", "conditions": [{"field": "a", "operator": "changed"}, 5]},
            "a changed or 5",
        ),
    ],
)
def test_a_condition_is_a_sentence(given_condition: Any, words: str) -> None:
    assert condition(given_condition) == words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"duration": "3 days"}, "for 3 days"),
        ({"until": "2027-01-31T09:00"}, "until 2027-01-31T09:00"),
        ({"until": "{{data.starts_at}}", "offset": "-24 hours"}, "until 24 hours before {{data."),
        ({"until": "2027-01-31", "offset": "2 days"}, "until 2 days after 2027-01-31"),
        ({"business_hours": True}, "for business hours"),
        ({"duration": 3, "business_hours": True}, "for 3 and for business hours"),
        ({}, "for (nothing)"),
    ],
)
def test_a_wait_is_told_in_words(fields: Document, words: str) -> None:
    assert wait(fields).startswith(words)


# Drafts


def test_a_document_without_anything_says_so() -> None:
    assert tree({}) == [
        "A workflow without a name",
        "├── Trigger: starts at nothing: there is no trigger",
        "└── Steps: none",
    ]
    assert edges({}) == ["trigger --> done"]


def test_a_way_to_a_missing_step_is_shown_as_such() -> None:
    draft = steps(
        {"id": "a", "type": "condition", "then": "nowhere", "else": "gone"},
        {"id": "b", "type": "add_tag", "tag": "x", "next": "nowhere"},
    )
    assert [line.strip("│ ") for line in tree(draft)[5:7]] == [
        'yes: to "nowhere", which is no step',
        'no: to "gone", which is no step',
    ]
    assert tree(draft)[-1].strip() == 'next: to "nowhere", which is no step'
    assert edges(draft) == [
        "trigger --> step1",
        "step1 -->|yes| missing1",
        "step1 -->|no| missing2",
        "step2 --> missing1",
    ]
    assert 'missing1["nowhere<br/>no such step"]' in mermaid(draft)
    assert "done" not in mermaid(draft)


def test_steps_without_an_id_a_type_or_any_shape_are_shown_where_they_stand() -> None:
    draft = steps(5, {"type": "wait"}, {"id": "a"}, {"id": "a", "type": "end"}, None)
    heads = [line.strip("│├└─ ") for line in tree(draft) if "── " in line][2:]
    assert heads == ["#1 (no step)", "#2 (wait)", "a (no type)", "a (end)", "#5 (no step)"]
    assert edges(draft) == [
        "trigger --> step1",
        "step1 --> step2",
        "step2 --> step3",
        "step3 --> step4",
        "step5 --> done",
    ]


def test_of_two_steps_with_one_id_the_first_is_led_to() -> None:
    draft = steps({"id": "a", "type": "end"}, {"id": "a", "type": "add_tag", "next": "a"})
    assert edges(draft)[-1] == "step2 --> step1"


def test_a_field_that_no_type_has_is_shown_all_the_same() -> None:
    shown = tree(steps({"id": "a", "type": "end", "colour": "red", "subject": ""}))
    assert [line.strip() for line in shown[-2:]] == ["colour: red", "subject: (empty)"]


# Texts


@pytest.mark.parametrize(
    "name", ["end", "subgraph", "default", "trigger", "done", "step2", "o", "x"]
)
def test_a_step_may_be_called_what_means_something_to_mermaid(name: str) -> None:
    drawn = steps({"id": "a", "type": "condition", "then": name}, {"id": name, "type": "add_tag"})
    assert edges(drawn)[1:3] == ["step1 -->|yes| step2", "step1 -->|no| step2"]
    assert f'step2["{name}<br/>add_tag"]' in mermaid(drawn)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Plain words, and more!", "Plain words, and more!"),
        ("well-known snake_case", "well-known snake_case"),
        ('say "hi"', "say #34;hi#34;"),
        ("<b>&amp;</b>", "#60;b#62;#38;amp#59;#60;#47;b#62;"),
        ("[a](b) {c} |d|", "#91;a#93;#40;b#41; #123;c#125; #124;d#124;"),
        ("`md`", "#96;md#96;"),
        ("two\nlines\r\n\there", "two lines here"),
        ("1. one", "1#46; one"),
        ("- two", "#45; two"),
        ("__three__", "#95;#95;three#95;#95;"),
        ("www.example.com", "www#46;example#46;com"),
        ("%%{init}%%", "#37;#37;#123;init#125;#37;#37;"),
        ("direction LR", "direction#32;LR"),
        ("#35;", "#35;35#59;"),
        ("😀 👨‍👩‍👧 é 生日", "😀 👨‍👩‍👧 é 生日"),
        ("a\x1b[31mb", "a#92;u001b#91;31mb"),
        ("w" * 100, "w" * 59 + "…"),
    ],
)
def test_a_label_holds_nothing_that_mermaid_reads_as_its_own(text: str, written: str) -> None:
    assert label(text) == written


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x7f", "\x85", "\u202e", "\u2066", "\ud83d"])
def test_control_characters_come_as_escapes(hidden: str) -> None:
    document = {
        "name": f"a{hidden}b",
        "description": f"a{hidden}b",
        "steps": [{"id": f"a{hidden}b", "type": "send_sms", "body": f"a{hidden}b"}],
        "values": {f"a{hidden}b": f"a{hidden}b"},
    }
    output = "\n".join(tree(document)) + mermaid(document)
    assert hidden not in output
    output.encode()
    # The next-line character ends a line.
    assert hidden == "\x85" or f"a\\u{ord(hidden):04x}b" in output


def test_a_document_with_all_that_it_may_have_stays_within_what_mermaid_reads() -> None:
    document = {
        "steps": [
            {
                "id": f"{number:x<40}",
                "type": "condition",
                "then": f"{number:y<40}",
                "label": '"' * 200,
            }
            for number in range(100)
        ],
        "goals": [{"name": '"' * 200} for _ in range(20)],
    }
    assert len(edges(document)) < 500
    assert len(mermaid(document)) < 50_000


def test_what_is_nested_too_deeply_is_no_trouble() -> None:
    deep: Any = {"field": "a"}
    for _ in range(100_000):
        deep = {"conditions": [deep]}
    document = steps(
        {"id": "a", "type": "condition", "condition": deep},
        {"id": "b", "type": "wait", "duration": deep},
        {"id": "c", "type": "webhook", "body": deep},
    )
    shown = "\n".join(tree(document | {"name": deep, "settings": {"x": deep}}))
    assert "if (nested too deeply)" in shown
    assert "for (cannot be shown)" in shown
    assert "(nested too deeply)?" in mermaid(document).replace("#40;", "(").replace("#41;", ")")
