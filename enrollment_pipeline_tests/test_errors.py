"""Codes and exceptions: each says what happened and what to do, and survives as a document."""

import json
from collections import Counter

import pytest

from enrollment_pipeline import errors
from enrollment_pipeline.errors import ProductError, Reason, RefusedError, error_from

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ProductError)
]

every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_an_error_has_a_code_a_sentence_and_a_remedy_of_its_own(kind: type[ProductError]) -> None:
    own = vars(kind)

    assert own["code"] == own["code"].upper()
    assert own["code"].replace("_", "").isalpha()
    assert own["remedy"][0].isupper()
    assert own["__doc__"][0].isupper()
    assert own["__doc__"].endswith(".")
    assert "\n" not in own["__doc__"]


def test_every_error_can_be_imported_from_one_place() -> None:
    waiting: list[type[ProductError]] = [ProductError]
    for kind in waiting:
        waiting += kind.__subclasses__()

    assert {kind for kind in waiting if kind.__module__.startswith("enrollment_pipeline.")} == set(
        KINDS
    )
    assert sorted(errors.__all__) == sorted(["Reason", "error_from", *(k.__name__ for k in KINDS)])


def test_no_two_errors_have_the_same_code() -> None:
    assert Counter(kind.code for kind in KINDS).most_common(1)[0][1] == 1


@every_kind
def test_an_error_without_words_says_its_docstring(kind: type[ProductError]) -> None:
    error = kind()

    assert str(error) == error.message == kind.__doc__
    assert error.as_dict() == {"code": kind.code, "message": kind.__doc__, "remedy": kind.remedy}


@every_kind
@pytest.mark.parametrize("details", [{}, {"path": "conditions[0]", "limit": 3}])
def test_an_error_survives_as_a_document(
    kind: type[ProductError], details: dict[str, object]
) -> None:
    error = kind("What happened.", remedy="What to do.", details=details)

    again = error_from(json.loads(json.dumps(error.as_dict())))

    assert type(again) is kind
    assert (again.message, again.advice, again.details) == (
        "What happened.",
        "What to do.",
        details,
    )
    assert ("details" in error.as_dict()) == bool(details)


def test_a_code_that_is_not_known_becomes_the_most_general_error() -> None:
    error = error_from({"code": "OF_ANOTHER_VERSION", "message": "What.", "remedy": "Do."})

    assert type(error) is ProductError
    assert (error.message, error.advice) == ("What.", "Do.")


@every_kind
def test_a_refusal_and_a_failure_differ_in_their_exit_code(kind: type[ProductError]) -> None:
    if issubclass(kind, RefusedError):
        assert kind.exit_code == 3
    else:
        assert kind.exit_code in (2, 4, 130)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_its_name_and_has_a_sentence(reason: Reason) -> None:
    assert reason == reason.name
    assert reason.sentence[0].isupper()
    assert reason.sentence.endswith(".")


def test_no_two_reasons_have_the_same_sentence() -> None:
    assert len({reason.sentence for reason in Reason}) == len(Reason)


def test_only_a_passing_trouble_is_worth_another_attempt() -> None:
    assert {reason for reason in Reason if reason.retryable} == {
        Reason.ENROLLMENT_ERROR,
        Reason.DATABASE_ERROR,
        Reason.TIMEOUT_ERROR,
        Reason.RATE_LIMIT_ERROR,
    }
