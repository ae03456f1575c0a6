"""Random trees on random contacts: both engines answer the same, and neither raises."""

import json
import string
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from enrollment_pipeline.conditions.evaluate import Evaluator
from enrollment_pipeline.conditions.model import CHANGES, Operator
from enrollment_pipeline.conditions.parse import parse
from enrollment_pipeline.errors import InvalidConditionError
from enrollment_pipeline_tests.conditions.conftest import (
    CONTACTS,
    NOW,
    Contact,
    a_contact,
    select_ids,
)

TEXTS = [
    "", "a", "A", "b", "ab", "AB", "\u00e9", "\u00c9", "\u00df", "\u03c2", "\u03a3", "\u0130",
    "\u212a", "k", "K", "z%", "_", "\\", "x y", "\U0001f600", "\uffee", "0", "1", "1.0", "-1", "+1",
    "01", "1e2", "100", "1e999", "1e1000", "1e-999", ".5", "5.", "NaN", "Infinity", "true", "false",
    "null", "0x10", "1_0", " 1", "1\n", "\u0661", "2026-06-15", "2026-06-15T12:00:00Z",
    "2026-06-15 12:00", "2026-06-15T14:00:00+02:00", "2026-06-14T23:59:59.9999999-05", "2024-02-29",
    "2026-02-29", "2026-02-30", "2026-13-01", "0000-01-01", "0001-01-01T00:00+14",
    "9999-12-31T23:59-14", "2026-06-15Z", "2026-06-15t12:00:00z", "10000-01-01", "infinity",
    "today", "now", "epoch", "ada@example.com", "Ada@Example.COM",
]  # fmt: skip
NUMBERS = [0, 1, -1, 100, 0.5, 1.0, 1e2, 0.1, 5, 10**30, 1e300, 1e-300, -0.0, 2**53 + 1, 2**53]
FIELDS = [
    *["custom_fields.x"] * 6, *["custom_fields.y"] * 2, "custom_fields.x.y", "id", "email", "email",
    "first_name", "phone", "status", "tags", "tags", "birthday", "created_at", "updated_at",
    "source",
]  # fmt: skip
OPERATORS = [one.value for one in Operator if one not in CHANGES]
UNITS = ["minutes", "hours", "days", "weeks", "months", "years"]


def a_moment(random: Random) -> datetime:
    near = NOW + timedelta(seconds=random.randint(-1_000_000, 1_000_000))
    return random.choice([near, near, NOW, datetime.max.replace(tzinfo=UTC)])


def a_text(random: Random) -> str:
    if random.random() < 0.6:
        return random.choice(TEXTS)
    made = [
        "".join(random.choices("aAbB\u00e9\u00c901.-+eE%_\\", k=random.randint(0, 4))),
        "".join(random.choices(string.digits + "-T:Z .+", k=random.randint(8, 20))),
        "".join(chr(random.randint(1, 0xD7FF)) for _ in range(random.randint(1, 3))),
        a_moment(random).isoformat(),
    ]
    return random.choice(made)


def a_scalar(random: Random) -> Any:
    kinds = [
        a_text(random),
        a_text(random),
        random.choice(NUMBERS),
        random.randint(-3, 3),
        random.uniform(-1e6, 1e6),
        random.random() < 0.5,
    ]
    return random.choice(kinds)


def some_json(random: Random) -> Any:
    kind = random.randint(0, 9)
    if kind == 0:
        return None
    if kind <= 3:
        odd = [None, ["a"], {"a": 1}]
        return [
            a_scalar(random) if random.random() < 0.9 else random.choice(odd)
            for _ in range(random.randint(0, 3))
        ]
    if kind == 4:
        return {name: a_scalar(random) for name in random.sample("xy", random.randint(0, 2))}
    return a_scalar(random)


def random_contact(random: Random) -> Contact:
    def text() -> str | None:
        return random.choice([None, a_text(random), a_text(random)])

    names = random.sample("xyz", random.randint(1, 3))
    return a_contact(
        id=UUID(int=random.getrandbits(128)),
        email=text(),
        first_name=text(),
        phone=text(),
        status=random.choice(["active", "unsubscribed", "blocked", "bounced"]),
        tags=[a_text(random) for _ in range(random.randint(0, 3))],
        custom_fields={name: some_json(random) for name in names},
        birthday=random.choice([None, a_moment(random).date(), date.min, date.max]),
        created_at=a_moment(random),
        updated_at=a_moment(random),
    )


def variants(found: object) -> list[Any]:
    """Values of a condition that are likely to meet, or just to miss, one that a field holds."""
    if isinstance(found, list):
        return [one for value in found for one in variants(value)]
    if isinstance(found, bool):
        return [found, int(found), str(found).lower()]
    if isinstance(found, int | float):
        return [found, repr(found), f"{found}0", found + 1]
    if isinstance(found, date):
        return [found.isoformat()]
    if not isinstance(found, str | UUID):
        return []
    text = str(found)
    digits = text.replace(".", "", 1)
    number = float(text) if digits.isascii() and digits.isdigit() else 1.0
    return [text, text.swapcase(), text[:2], text[1:], text + "a", number]


def a_condition(random: Random, contacts: list[Contact]) -> dict[str, Any]:
    """A condition that `parse` accepts, often on a value that one of the contacts has."""
    while True:
        field = random.choice(FIELDS)
        container, _, names = field.partition(".")
        found = [one[container] for one in contacts]
        if names:
            found = [one.get(names[0]) for one in found]
        near = variants(found)

        def scalar(near: list[Any] = near) -> Any:
            return random.choice(near) if near and random.random() < 0.6 else a_scalar(random)

        lists = [one for one in found if isinstance(one, list)]
        several = [scalar() for _ in range(random.randint(1, 4))]
        length = f"{random.randint(1, 30)} {random.choice(UNITS)}"
        document = {
            "field": field,
            "operator": random.choice(OPERATORS),
            "ignore_case": random.random() < 0.4,
            "value": random.choice(
                [scalar(), scalar(), several, random.choice(lists or [[]]), length]
            ),
        }
        if document["operator"] in (Operator.IS_EMPTY, Operator.IS_NOT_EMPTY):
            del document["value"]
        try:
            parse(document)
        except InvalidConditionError:
            continue
        return document


def a_tree(random: Random, contacts: list[Contact], level: int = 1) -> dict[str, Any]:
    if level == 3 or random.random() < 0.7:
        return a_condition(random, contacts)
    members = [a_tree(random, contacts, level + 1) for _ in range(random.randint(1, 3))]
    return {"logic": random.choice(["AND", "OR"]), "conditions": members}


# The seed is what is drawn: generating the values themselves that way costs ten times the test.
@settings(max_examples=50, deadline=None, database=None, phases=[Phase.explicit, Phase.generate])
@given(random=st.randoms(use_true_random=True))
def test_random_trees_have_the_same_answer_in_both_engines(
    filtered: Connection, random: Random
) -> None:
    contacts = [random_contact(random) for _ in range(15)]
    with filtered.begin() as transaction:
        filtered.execute(insert(CONTACTS), contacts)
        kept = [dict(row) for row in filtered.execute(select(CONTACTS)).mappings()]
        as_json = [json.loads(json.dumps(one, default=str)) for one in kept]
        for _ in range(12):
            document = a_tree(random, contacts)
            tree = parse(document)
            python = Evaluator(tree)
            found = {str(key) for key in select_ids(filtered, tree)}
            for records in (contacts, kept, as_json):
                verdicts = {str(one["id"]): python.evaluate(one, now=NOW) for one in records}
                matched = {key for key, verdict in verdicts.items() if verdict.matched}
                doubtful = [verdicts[key].explanation for key in matched ^ found]
                assert not doubtful, document
        transaction.rollback()
