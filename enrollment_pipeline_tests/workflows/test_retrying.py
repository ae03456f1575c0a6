"""Whether a failed step is tried again, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment_pipeline.workflows.retrying import (
    SLOW,
    STANDARD,
    Policy,
    is_transient,
    policy_of,
    wait_before,
)
from enrollment_pipeline.workflows.step_errors import StepError

SECONDS = st.floats(0.01, 10_000)
POLICIES = st.builds(
    Policy,
    first=SECONDS,
    factor=st.floats(1, 10),
    most=SECONDS,
    attempts=st.integers(1, 20),
)


@pytest.mark.parametrize(
    ("policy", "waits"),
    [(STANDARD, [1, 2, None]), (SLOW, [5, 10, 20, 40, None])],
)
def test_the_waits_of_a_policy_are_those_of_the_specification(
    policy: Policy, waits: list[float | None]
) -> None:
    assert [wait_before(policy, made, None) for made in range(1, policy.attempts + 1)] == waits


def test_the_policies_have_the_names_that_documents_use() -> None:
    assert (policy_of("standard"), policy_of("slow")) == (STANDARD, SLOW)
    assert (STANDARD.most, SLOW.most) == (60, 600)


@pytest.mark.parametrize(
    ("policy", "made", "asked", "wait"),
    [
        (STANDARD, 1, 0, 1),
        (STANDARD, 1, 0.5, 1),
        (STANDARD, 1, 30, 30),
        (STANDARD, 2, 30, 30),
        (STANDARD, 1, 3_600, 60),
        (SLOW, 1, 3_600, 600),
        (STANDARD, 3, 30, None),
        (STANDARD, 4, None, None),
    ],
)
def test_who_asks_for_patience_gets_it_within_limits(
    policy: Policy, made: int, asked: float | None, wait: float | None
) -> None:
    assert wait_before(policy, made, asked) == wait


@given(policy=POLICIES, asked=st.none() | st.floats(0, 1e9))
def test_every_policy_comes_to_an_end_and_never_waits_longer_than_it_may(
    policy: Policy, asked: float | None
) -> None:
    waits = [wait_before(policy, made, asked) for made in range(1, policy.attempts + 3)]
    given = [wait for wait in waits if wait is not None]

    assert waits[: len(given)] == given
    assert len(given) == policy.attempts - 1
    assert given == sorted(given)
    assert all(min(policy.first, policy.most) <= wait <= policy.most for wait in given)
    assert all(wait >= min(asked or 0, policy.most) for wait in given)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_these_answers_are_worth_another_attempt(status: int) -> None:
    assert is_transient(StepError.HTTP_STATUS, status)


@pytest.mark.parametrize("status", [101, 301, 304, 400, 401, 403, 404, 405, 409, 410, 422, 600])
def test_these_answers_are_final(status: int) -> None:
    assert not is_transient(StepError.HTTP_STATUS, status)


def test_only_trouble_on_the_way_may_pass_by_itself() -> None:
    assert {code for code in StepError if is_transient(code)} == {
        StepError.HTTP_TIMEOUT,
        StepError.HTTP_UNREACHABLE,
    }


@pytest.mark.parametrize("code", StepError)
def test_a_code_is_its_name_and_says_what_happened_and_what_to_do(code: StepError) -> None:
    assert code == code.name
    assert code.as_dict("What.") == {"code": code, "message": "What.", "remedy": code.remedy}
    assert code.as_dict()["message"] == code.sentence
    for text in (code.sentence, code.remedy):
        assert text[0].isupper()
        assert text.endswith(".")
