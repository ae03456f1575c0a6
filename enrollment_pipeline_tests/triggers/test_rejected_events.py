"""What is kept of something that is no event, and that anything can be kept."""

import json
from collections.abc import Iterator
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from enrollment_pipeline.storage.tenancy import Database
from enrollment_pipeline.triggers.events import MAX_BYTES, Event, read_event, rejected
from enrollment_pipeline.triggers.registry import EVENT_TYPES
from enrollment_pipeline_tests.triggers.test_events import NOW, SOMEBODY, document, nested, refused


def test_what_is_rejected_keeps_its_id_its_type_and_its_content() -> None:
    sent = document(type="unheard_of", data={"amount": 1.5, "note": "ä😀"})
    found = refused(sent)
    assert (found.event_id, found.type, found.content) == ("e-1", "unheard_of", sent)


@pytest.mark.parametrize("event_id", [None, 7, "", "x" * 201, "a\0b", ["e-1"]])
def test_without_a_usable_id_the_same_thing_has_the_same_id(event_id: object) -> None:
    first = refused(document(event_id=event_id))
    assert first.event_id.startswith("sha256:")
    assert refused(document(event_id=event_id)) == first
    assert refused(document(event_id=event_id, email="bob@example.com")).event_id != first.event_id


@pytest.mark.parametrize("thing", ["no JSON {", "", None, [1, 2], 5, {}, nested(100_000)])
def test_junk_is_kept_as_its_beginning_under_an_id_of_its_own(thing: object) -> None:
    found = rejected(thing, "the line is not JSON")
    assert found == rejected(thing, "the line is not JSON")
    assert found.event_id.startswith("sha256:")
    assert found.type == "unknown"
    assert set(found.content) == {"raw"}
    assert rejected("other", "x").event_id != found.event_id


@pytest.mark.parametrize("name", [None, 5, "", "x" * 201, "a\nb", "\ud800"])
def test_a_type_that_cannot_be_kept_is_unknown(name: object) -> None:
    assert refused(document(type=name)).type == "unknown"


def test_of_a_large_thing_the_beginning_is_kept() -> None:
    assert rejected("x" * 1_000_000, "too long").content == {"raw": "x" * 2_000}
    found = refused(document(data={"body": "x" * MAX_BYTES}))
    assert found.event_id == "e-1"
    assert found.content["raw"].startswith('{"event_id": "e-1", "type": "sms_received"')
    assert len(found.content["raw"]) == 2_000


def test_what_the_database_cannot_hold_is_replaced() -> None:
    assert rejected("a\0b\ud800c", "x\0").content == {"raw": "a\N{REPLACEMENT CHARACTER}b\ufffdc"}
    assert rejected("a", "x\0\n").reason == "x\ufffd\ufffd"


def deep_object(levels: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for _ in range(levels):
        found = {"x": found}
    return found


HOSTILE = [
    "\0\ud800",
    {"\0": "\ud800", "event_id": "e-1", "type": "\0"},
    document(data={"body": "\0"}),
    document(data={"body": "\ud83d", "custom": r"\u0000 \ud800"}),
    document(x=r"\u0000 \\ud800", data={"custom": "\\" * 5}),
    document(x=1, data={"custom": float("nan")}),
    document(x=1, data={"custom": [float("-inf"), Decimal("1E+999999999"), Decimal("0.1")]}),
    document(x=1, data={"custom": 10**5_000}),
    document(x=1, data={"custom": 10**3_000}),
    document(x=1, data={"custom": nested(90)}),
    document(x=1, data={"custom": nested(2_000)}),
    document(x=1, data={"custom": nested(100_000)}),
    document(x=1, contact_id=nested(100_000)),
    document(x=1, data=deep_object(100_000)),
    document(x=1, data={"custom": {5: NOW, None: b"x"}}),
    nested(100_000),
]


def test_what_is_kept_can_be_stored(database: Database) -> None:
    with database.account(uuid4()) as connection:
        for thing in HOSTILE:
            kept = dict(refused(thing).content)
            stored = connection.scalar(text("select cast(:kept as jsonb)"), {"kept": dumped(kept)})
            assert stored == kept


def dumped(value: object) -> str:
    return json.dumps(value, allow_nan=False)


# Whatever comes

TEXTS = st.one_of(
    st.text(st.characters(), max_size=6),
    st.sampled_from(["\0", "\ud800", "\\u0000", "\\\\ud800", "2027-01-05", "e-1", str(SOMEBODY)]),
)
NAMES = st.one_of(
    TEXTS,
    st.sampled_from(
        [
            "event_id", "type", "contact_id", "email", "external_id", "occurred_at", "data",
            "previous_state", "custom", "amount", "body", "tag",
        ]
    ),
)  # fmt: skip
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.decimals(),
        TEXTS,
        st.sampled_from([*EVENT_TYPES]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=15,
)
NEARLY = st.fixed_dictionaries(
    {
        "event_id": st.just("e-1") | JUNK,
        "type": st.sampled_from([*EVENT_TYPES]) | JUNK,
        "email": st.just("ada@example.com") | JUNK,
    },
    optional={
        "data": st.dictionaries(NAMES, JUNK, max_size=4) | JUNK,
        "previous_state": st.dictionaries(NAMES, JUNK, max_size=4) | JUNK,
        "occurred_at": st.just("2027-01-05T09:00:00Z") | JUNK,
        "contact_id": JUNK,
    },
)


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for member in value.items() if isinstance(value, dict) else ():
        yield from texts_in(list(member))
    for member in value if isinstance(value, list) else ():
        yield from texts_in(member)


def assert_storable(value: object) -> None:
    """Postgres takes the value as jsonb."""
    written = json.loads(json.dumps(value, allow_nan=False, default=float))
    for one in texts_in(written):
        assert "\0" not in one
        one.encode()


@given(thing=JUNK | NEARLY)
def test_anything_is_an_event_or_is_rejected_and_can_be_kept(thing: object) -> None:
    found = read_event(thing, now=NOW)
    assert found.event_id.isprintable()
    assert found.type.isprintable()
    if isinstance(found, Event):
        assert found.type in EVENT_TYPES
        assert_storable(found.data)
        assert_storable(found.previous_state)
    else:
        assert found == refused(thing)
        assert found.reason.isprintable()
        assert isinstance(found.content, dict)
        dumped(found.content)
        assert_storable(found.content)
