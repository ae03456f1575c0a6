"""The verdict on each change of an operation that is taken back, and its words."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.bulk_operations.reversal import Action, Found, verdicts
from enrollment_pipeline.bulk_operations.states import RowOutcome

WELCOME, NEWS = uuid4(), uuid4()
NAMES = {WELCOME: "Welcome", NEWS: "News"}
ANN, BEA = uuid4(), uuid4()

UNTOUCHED = Found(position=1, contact_id=ANN, created=False, present=True, as_after=True)
CREATED = replace(UNTOUCHED, created=True)


def verdict(found: Found, *, cascade: bool = False) -> tuple[Action, RowOutcome, str]:
    (one,) = verdicts([found], NAMES, cascade=cascade)
    assert one.found is found
    return one.action, one.outcome, one.reason


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (UNTOUCHED, Action.RESTORE),
        (replace(UNTOUCHED, as_after=False, as_before=True), Action.NOTHING),
        (replace(UNTOUCHED, as_before=True), Action.RESTORE),
        (CREATED, Action.REMOVE),
        (replace(CREATED, has_history=True), Action.DELETE),
        (replace(CREATED, present=False, as_after=False), Action.NOTHING),
        (replace(CREATED, as_after=False, deleted_since=True), Action.NOTHING),
    ],
)
def test_what_nobody_has_changed_is_reversed(found: Found, action: Action) -> None:
    assert verdict(found) == (action, RowOutcome.REVERSED, "")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (replace(UNTOUCHED, as_after=False), "was changed after the operation"),
        (
            replace(UNTOUCHED, as_after=False, deleted_since=True),
            "was deleted after the operation",
        ),
        (
            replace(UNTOUCHED, loosens=True),
            "was touched after the operation, and its consent is not loosened",
        ),
        (replace(CREATED, as_after=False), "was changed after the operation"),
        (
            replace(CREATED, enrolled_in=(WELCOME,)),
            "was enrolled in the workflow 'Welcome' after the operation",
        ),
        (
            replace(CREATED, enrolled_in=(WELCOME, NEWS), has_history=True),
            "was enrolled in the workflows 'News', 'Welcome' after the operation",
        ),
    ],
)
def test_what_somebody_has_changed_is_kept(found: Found, reason: str) -> None:
    assert verdict(found) == (Action.NOTHING, RowOutcome.KEPT, reason)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            replace(UNTOUCHED, present=False, as_after=False),
            "names a contact that is no longer there",
        ),
        (
            replace(UNTOUCHED, moves=True, taken_by=BEA),
            "cannot have its former e-mail address, which another contact has",
        ),
    ],
)
def test_what_cannot_be_reversed_is_errored(found: Found, reason: str) -> None:
    assert verdict(found) == (Action.NOTHING, RowOutcome.ERRORED, reason)


def test_with_cascade_an_enrolled_contact_goes_with_its_history() -> None:
    enrolled = replace(CREATED, enrolled_in=(WELCOME,), has_history=True)
    assert verdict(enrolled, cascade=True) == (Action.DELETE, RowOutcome.REVERSED, "")


def test_with_cascade_what_was_changed_is_kept_all_the_same() -> None:
    changed = replace(CREATED, as_after=False, enrolled_in=(WELCOME,))
    assert verdict(changed, cascade=True)[1] is RowOutcome.KEPT


def pair(**later: Any) -> list[Found]:
    """Ann has her address back when Bea, whom the operation changed later, has hers."""
    bea = replace(UNTOUCHED, position=2, contact_id=BEA, **later)
    ann = replace(UNTOUCHED, position=1, moves=True, taken_by=BEA)
    return [bea, ann]


@pytest.mark.parametrize("later", [{"moves": True}, {"created": True}])
def test_an_address_that_a_later_change_has_taken_is_free_again(later: dict[str, Any]) -> None:
    assert [one.outcome for one in verdicts(pair(**later), NAMES, cascade=False)] == [
        RowOutcome.REVERSED,
        RowOutcome.REVERSED,
    ]


@pytest.mark.parametrize(
    "later",
    [
        {},
        {"moves": True, "as_after": False},
        {"created": True, "enrolled_in": (WELCOME,)},
        {"moves": True, "taken_by": uuid4()},
    ],
)
def test_an_address_is_not_free_where_the_later_change_is_not_taken_back(
    later: dict[str, Any],
) -> None:
    assert verdicts(pair(**later), NAMES, cascade=False)[1].outcome is RowOutcome.ERRORED


def test_an_address_that_an_earlier_change_would_free_is_not_free_yet() -> None:
    bea, ann = pair(moves=True)
    assert [one.outcome for one in verdicts([ann, bea], NAMES, cascade=False)] == [
        RowOutcome.ERRORED,
        RowOutcome.REVERSED,
    ]


CHANGES = st.lists(
    st.builds(
        Found,
        position=st.integers(1, 9),
        contact_id=st.sampled_from([ANN, BEA]),
        created=st.booleans(),
        present=st.booleans(),
        deleted_since=st.booleans(),
        as_after=st.booleans(),
        as_before=st.booleans(),
        enrolled_in=st.sampled_from([(), (WELCOME,), (WELCOME, NEWS)]),
        has_history=st.booleans(),
        moves=st.booleans(),
        taken_by=st.sampled_from([None, ANN, BEA]),
    ),
    max_size=5,
)


@given(CHANGES, st.booleans())
def test_every_change_ends_as_exactly_one_and_says_why_unless_reversed(
    changes: list[Found], cascade: bool
) -> None:
    told = verdicts(changes, NAMES, cascade=cascade)
    assert [one.found for one in told] == changes
    for one in told:
        reversed_ = one.outcome is RowOutcome.REVERSED
        assert reversed_ or one.outcome in (RowOutcome.KEPT, RowOutcome.ERRORED)
        assert reversed_ is (one.reason == "")
        assert one.action is Action.NOTHING or (reversed_ and one.found.as_after)
