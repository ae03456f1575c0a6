"""The ordered rules: which there are, which comes first, and what a code stands for."""

import itertools

import pytest

from enrollment_pipeline.enrollment.eligibility import count_by_outcome, outcome_of, rules_for
from enrollment_pipeline.errors import Reason
from enrollment_pipeline.records import EligibilityRule, Outcome, ReenrollmentPolicy
from enrollment_pipeline.storage.facts import FACTS

ALL_RULES = rules_for(
    skip_unsubscribed=True,
    reenrollment=ReenrollmentPolicy.NEVER_TWICE,
    required_fields=("phone", "email"),
)
ORDER = [
    ("missing", "CONTACT_NOT_FOUND"),
    ("deleted", "CONTACT_NOT_FOUND"),
    ("blocked", "CONTACT_BLOCKED"),
    ("bounced", "CONTACT_BLOCKED"),
    ("unsubscribed", "CONTACT_BLOCKED"),
    ("enrolled_ever", "ALREADY_ENROLLED"),
    ("email_blank", "VALIDATION_ERROR"),
    ("phone_blank", "VALIDATION_ERROR"),
]


def facts(rules: tuple[EligibilityRule, ...]) -> list[str]:
    return [rule.fact for rule in rules]


def test_the_rules_stand_in_the_order_that_decides_the_code() -> None:
    assert [(rule.fact, str(rule.code)) for rule in ALL_RULES] == ORDER


@pytest.mark.parametrize("policy", ReenrollmentPolicy)
def test_exactly_one_rule_speaks_of_earlier_enrollments(policy: ReenrollmentPolicy) -> None:
    rules = rules_for(skip_unsubscribed=True, reenrollment=policy, required_fields=())
    asked = [fact for fact in facts(rules) if fact.startswith("enrolled")]
    assert asked == (["enrolled_ever"] if policy == "never_twice" else ["enrolled_now"])


@pytest.mark.parametrize("skip", [True, False])
def test_blocked_and_bounced_contacts_are_always_asked_for(skip: bool) -> None:
    rules = facts(
        rules_for(
            skip_unsubscribed=skip,
            reenrollment=ReenrollmentPolicy.ALWAYS,
            required_fields=(),
        )
    )
    assert {"missing", "deleted", "blocked", "bounced"} <= set(rules)
    assert ("unsubscribed" in rules) == skip


@pytest.mark.parametrize("fields", [(), ("email",), ("phone",), ("email", "phone")])
def test_only_required_fields_are_asked_for(fields: tuple[str, ...]) -> None:
    rules = rules_for(
        skip_unsubscribed=True,
        reenrollment=ReenrollmentPolicy.ALWAYS,
        required_fields=fields,
    )
    assert [rule for rule in facts(rules) if rule.endswith("blank")] == [
        f"{field}_blank" for field in fields
    ]


def test_every_rule_names_a_fact_that_can_be_asked_and_says_something_of_its_own() -> None:
    every = itertools.chain.from_iterable(
        rules_for(skip_unsubscribed=True, reenrollment=policy, required_fields=("email", "phone"))
        for policy in ReenrollmentPolicy
    )
    rules = set(every)
    assert {rule.fact for rule in rules} == set(FACTS)
    assert len({rule.sentence for rule in rules}) == len(rules)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("CONTACT_NOT_FOUND", "skipped"),
        ("CONTACT_BLOCKED", "skipped"),
        ("VALIDATION_ERROR", "skipped"),
        ("ALREADY_ENROLLED", "already_enrolled"),
        ("ENROLLMENT_ERROR", "failed"),
        ("DATABASE_ERROR", "failed"),
        ("TIMEOUT_ERROR", "failed"),
        ("RATE_LIMIT_ERROR", "failed"),
        ("TARGET_REFUSED", "failed"),
        ("OUTCOME_UNKNOWN", "failed"),
        ("DUPLICATE", "duplicate"),
        ("UNMATCHED", "unmatched"),
        ("REJECTED", "rejected"),
    ],
)
def test_a_code_stands_for_one_outcome(code: str, outcome: str) -> None:
    assert outcome_of(code) == outcome


def test_every_code_stands_for_an_outcome() -> None:
    assert all(isinstance(outcome_of(code), Outcome) for code in Reason)


def test_counts_by_code_add_up_to_counts_by_outcome() -> None:
    by_code = {
        "CONTACT_BLOCKED": 3,
        "VALIDATION_ERROR": 4,
        "ALREADY_ENROLLED": 5,
        "TIMEOUT_ERROR": 1,
    }
    assert count_by_outcome(by_code) == {
        Outcome.SKIPPED: 7,
        Outcome.ALREADY_ENROLLED: 5,
        Outcome.FAILED: 1,
    }
    assert count_by_outcome({}) == {}
